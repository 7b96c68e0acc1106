"""A network as a function in plain NumPy: a line a layer."""

from collections.abc import Iterator

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
from minnet.rectifiers import CELU, ELU, GELU, SELU, SELU_FLOOR, SELU_SCALE, Mish, SiLU
from minnet.softmax import LogSoftmax, Softmax

# Each gives y as an expression of x, from the layer and the expressions of its weights.
RULES: Rules = {
    Identity: lambda f: "x",
    Dropout: lambda f: "x",
    Dense: lambda f, W, b: f"x @ {W} + {b}",
    Sigmoid: lambda f: "sigmoid(x)",
    Tanh: lambda f: "np.tanh(x)",
    ReLU: lambda f: "np.maximum(x, 0)",
    LeakyReLU: lambda f: f"np.maximum(x, {f.alpha} * x)",
    ELU: lambda f: f"np.maximum(x, 0) + {f.alpha} * np.expm1(np.minimum(x, 0))",
    CELU: lambda f: f"np.maximum(x, 0) + {f.alpha} * np.expm1(np.minimum(x, 0) / {f.alpha})",
    SELU: lambda f: f"{SELU_SCALE} * np.maximum(x, 0) + {SELU_FLOOR} * np.expm1(np.minimum(x, 0))",
    Softplus: lambda f: "np.logaddexp(0, x)",
    LogSigmoid: lambda f: "-np.logaddexp(0, -x)",
    Softsign: lambda f: "x / (1 + np.abs(x))",
    GELU: lambda f: "gelu_tanh(x)" if f.approximate == "tanh" else "gelu(x)",
    SiLU: lambda f: f"x * sigmoid({_times(f.beta)}x)",
    Mish: lambda f: "x * np.tanh(np.logaddexp(0, x))",
    HardSigmoid: lambda f: "np.clip(x + 3, 0, 6) / 6",
    HardTanh: lambda f: "np.clip(x, -1, 1)",
    HardSwish: lambda f: "x * (np.clip(x + 3, 0, 6) / 6)",
    ReLU6: lambda f: "np.clip(x, 0, 6)",
    Gaussian: lambda f: "np.exp(-x * x)",
    Sine: lambda f: f"np.sin({f.omega_0} * x.astype(float)).astype(x.dtype)",
    Snake: lambda f: f"(x + np.sin({f.alpha} * x.astype(float)) ** 2 / {f.alpha}).astype(x.dtype)",
    Step: lambda f: "np.heaviside(x, 1)",
    PReLU: lambda f, alpha: f"np.where(x > 0, x, {alpha} * x)",
    LearnedSwish: lambda f, beta: f"x * sigmoid({beta} * x)",
    Maxout: lambda f, W, b: f"(x @ {W} + {b}).max(axis=0)",
    LayerNorm: lambda f, gamma, beta: f"{gamma} * normalized(x, {f.epsilon}) + {beta}",
    BatchNorm: lambda f, gamma, beta, mean, variance: (
        f"{gamma} * (x - {mean}) / np.sqrt({variance} + {f.epsilon}) + {beta}"
    ),
    Softmax: lambda f: "np.exp(log_softmax(x))",
    LogSoftmax: lambda f: "log_softmax(x)",
}
HELPERS = {
    "sigmoid": "return np.exp(-np.logaddexp(0, -x))  # does not overflow",
    "gelu": """from math import erfc, sqrt

half_erfc = np.vectorize(lambda value: erfc(-value / sqrt(2)) / 2, otypes=[float])
return (x * half_erfc(x)).astype(x.dtype)""",
    "gelu_tanh": "return x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x))) / 2",
    "normalized": """x = x - x.mean(axis=-1, keepdims=True)
return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon)""",
    "log_softmax": """x = x - x.max(axis=-1, keepdims=True)
return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))""",
}


def numpy_code(checked: Checked) -> str:
    """The functions of a program in which `w` holds the weights by name."""
    lines = [f'"""x (batch, {checked.n_in}) -> (batch, {checked.n_out})."""', f"x = np.asarray(x, np.{checked.dtype})"]
    lines += _lines(checked.network, iter(checked.weights), "skip")
    body = "\n".join([*lines, "return x"])
    functions = []
    for name, text in HELPERS.items():
        if f"{name}(" in body:
            functions.append(f"def {name}({'x, epsilon' if 'epsilon' in text else 'x'}):\n{_indented(text)}")
    return "\n\n\n".join([*functions, f"def network(x):\n{_indented(body)}"])


def _lines(layer: Layer, names: Iterator[str], skip: str) -> list[str]:
    if type(layer) is Network:
        return [line for inner in layer.layers for line in _lines(inner, names, skip)]
    if type(layer) is Residual:
        return [f"{skip} = x", *_lines(layer.inner, names, f"{skip}_inner"), f"x = {skip} + x"]
    weights = [f'w["{next(names)}"]' for _ in layer.parameters]
    y = RULES[type(layer)](layer, *weights)
    return [f"x = {y}"] if y != "x" else []


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{factor} * "


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))
