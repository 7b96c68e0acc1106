"""A network as a PyTorch module: torch's own layers where it has them, a short class where it has not."""

from textwrap import indent

import numpy as np

from minnet.activations import (
    Identity,
    LeakyReLU,
    LogSigmoid,
    ReLU,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
)
from minnet.catalogue import Gaussian, HardSigmoid, HardSwish, HardTanh, ReLU6, Sine, Snake, Step
from minnet.dropout import Dropout
from minnet.exports.parts import Checked, Rules
from minnet.layers import Dense, Layer, Residual
from minnet.learned import LearnedSwish, Maxout, PReLU
from minnet.network import Network
from minnet.normalization import BatchNorm, LayerNorm
from minnet.rectifiers import CELU, ELU, GELU, SELU, Mish, SiLU
from minnet.softmax import LogSoftmax, Softmax

# The module that a layer becomes. Its state has the names of state_dict.py.
RULES: Rules = {
    Identity: lambda f: "nn.Identity()",
    Dropout: lambda f: f"nn.Dropout({f.rate})",
    Dense: lambda f: f"nn.Linear({f.n_in}, {f.n_out})",
    Sigmoid: lambda f: "nn.Sigmoid()",
    Tanh: lambda f: "nn.Tanh()",
    ReLU: lambda f: "nn.ReLU()",
    LeakyReLU: lambda f: f"nn.LeakyReLU({f.alpha})",
    ELU: lambda f: f"nn.ELU({f.alpha})",
    CELU: lambda f: f"nn.CELU({f.alpha})",
    SELU: lambda f: "nn.SELU()",
    Softplus: lambda f: "nn.Softplus(threshold=40)",  # beyond it torch takes x; its default, 20, is felt in float64
    LogSigmoid: lambda f: "nn.LogSigmoid()",
    Softsign: lambda f: "nn.Softsign()",
    GELU: lambda f: f'nn.GELU(approximate="{f.approximate}")',
    SiLU: lambda f: "nn.SiLU()" if f.beta == 1 else f"Swish({f.beta})",
    Mish: lambda f: "nn.Mish()",
    HardSigmoid: lambda f: "nn.Hardsigmoid()",
    HardTanh: lambda f: "nn.Hardtanh()",
    HardSwish: lambda f: "nn.Hardswish()",
    ReLU6: lambda f: "nn.ReLU6()",
    Gaussian: lambda f: "Gaussian()",
    Sine: lambda f: f"Sine({f.omega_0})",
    Snake: lambda f: f"Snake({f.alpha})",
    Step: lambda f: "Step()",
    PReLU: lambda f: f"nn.PReLU({f.n})",
    LearnedSwish: lambda f: f"LearnedSwish({f.n})",
    Maxout: lambda f: f"Maxout({f.n_in}, {f.n_out}, {f.pieces})",
    LayerNorm: lambda f: f"nn.LayerNorm({f.n}, eps={f.epsilon})",
    BatchNorm: lambda f: f"nn.BatchNorm1d({f.n}, eps={f.epsilon})",
    Softmax: lambda f: "nn.Softmax(-1)",
    LogSoftmax: lambda f: "nn.LogSoftmax(-1)",
}
# Classes that torch lacks: what stands in the parentheses after self, what is set, and y.
CLASSES = {
    "Residual": (", inner", "self.inner = inner", "x + self.inner(x)"),
    "Swish": (", beta", "self.beta = beta", "x * torch.sigmoid(self.beta * x)"),
    "LearnedSwish": (", n", "self.beta = nn.Parameter(torch.ones(1, n))", "x * torch.sigmoid(self.beta * x)"),
    "Gaussian": ("", "", "torch.exp(-x * x)"),
    "Sine": (", omega_0", "self.omega_0 = omega_0", "torch.sin(self.omega_0 * x.double()).to(x.dtype)"),
    "Snake": (
        ", alpha",
        "self.alpha = alpha",
        "(x + torch.sin(self.alpha * x.double()) ** 2 / self.alpha).to(x.dtype)",
    ),
    "Step": ("", "", "(x >= 0).to(x.dtype)"),
    "Maxout": (
        ", n_in, n_out, pieces",
        "self.W = nn.Parameter(torch.zeros(pieces, n_in, n_out))\nself.b = nn.Parameter(torch.zeros(pieces, 1, n_out))",
        "(x @ self.W + self.b).amax(dim=0)",
    ),
}


def torch_code(checked: Checked) -> str:
    """The classes and the module `network` of a program that goes on to load its state."""
    module = _module(checked.network)
    classes = [_class(name, *parts) for name, parts in CLASSES.items() if f" {name}(" in module.replace("\n", " ")]
    double = ".double()" if checked.dtype == np.float64 else ""
    return "\n\n\n".join([*classes, f"network = {module}{double}"])


def _module(layer: Layer) -> str:
    if type(layer) is Network:
        lines = "".join(f"{_module(inner)},\n" for inner in layer.layers)
        return f"nn.Sequential(\n{indent(lines, '    ')})" if lines else "nn.Sequential()"
    if type(layer) is Residual:
        return f"Residual({_module(layer.inner)})"
    return str(RULES[type(layer)](layer))


def _class(name: str, arguments: str, settings: str, y: str) -> str:
    init = f"    def __init__(self{arguments}):\n        super().__init__()\n{indent(settings, ' ' * 8)}\n\n"
    return f"class {name}(nn.Module):\n{init if settings else ''}    def forward(self, x):\n        return {y}"
