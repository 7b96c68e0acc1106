"""A network as an ONNX model, which ONNX Runtime and many other engines run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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
from minnet.exports.parts import Rules, checked
from minnet.files import replace_file
from minnet.layers import Dense, Layer, Residual
from minnet.learned import LearnedSwish, Maxout, PReLU
from minnet.network import Network
from minnet.normalization import BatchNorm, LayerNorm
from minnet.rectifiers import CELU, ELU, GELU, SELU, SELU_FLOOR, SELU_SCALE, Mish, SiLU
from minnet.settings import Array
from minnet.softmax import LogSoftmax, Softmax

OPSET = 20  # the first with Gelu; ONNX Runtime has it since 1.17
IR_VERSION = 9  # of the file format: the one that came with that opset


class _Graph:
    """Nodes in order. Calling it with an operator and its inputs (names, or numbers) adds a node, returns its name."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self.helper, self.numpy_helper = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, operator: str, *inputs: str | float | Array, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        y = f"{operator}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(operator, names, [y], name=y, **attributes))
        return y

    def constant(self, value: float | Array, dtype: npt.DTypeLike = np.float32) -> str:
        """The name of a number or an array."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def wide(self, x: str) -> str:
        """x in float64: a float32 product of frequency and x is off by more than 1e-6 before its sine is taken."""
        return self("Cast", x, to=self.helper.np_dtype_to_tensor_dtype(np.dtype(np.float64)))

    def narrow(self, x: str) -> str:
        """x in float32."""
        return self("Cast", x, to=self.helper.np_dtype_to_tensor_dtype(np.dtype(np.float32)))


def _snake(g: _Graph, f: Snake, x: str) -> str:
    alpha, x = g.constant(f.alpha, np.float64), g.wide(x)
    sine = g("Sin", g("Mul", x, alpha))
    return g.narrow(g("Add", x, g("Div", g("Mul", sine, sine), alpha)))


# Each adds the nodes of a layer to graph g and returns the name of y, from the layer, the name of x and its weights.
RULES: Rules = {
    Identity: lambda g, f, x: x,
    Dropout: lambda g, f, x: x,
    Dense: lambda g, f, x, W, b: g("Gemm", x, W, b),
    Sigmoid: lambda g, f, x: g("Sigmoid", x),
    Tanh: lambda g, f, x: g("Tanh", x),
    ReLU: lambda g, f, x: g("Relu", x),
    LeakyReLU: lambda g, f, x: g("LeakyRelu", x, alpha=f.alpha),
    ELU: lambda g, f, x: g("Elu", x, alpha=f.alpha),
    CELU: lambda g, f, x: g("Celu", x, alpha=f.alpha),
    SELU: lambda g, f, x: g("Selu", x, alpha=SELU_FLOOR / SELU_SCALE, gamma=SELU_SCALE),
    Softplus: lambda g, f, x: g("Softplus", x),
    LogSigmoid: lambda g, f, x: g("Neg", g("Softplus", g("Neg", x))),
    Softsign: lambda g, f, x: g("Softsign", x),
    GELU: lambda g, f, x: g("Gelu", x, approximate=f.approximate),
    SiLU: lambda g, f, x: g("Mul", x, g("Sigmoid", x if f.beta == 1 else g("Mul", f.beta, x))),
    Mish: lambda g, f, x: g("Mish", x),
    HardSigmoid: lambda g, f, x: g("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    HardTanh: lambda g, f, x: g("Clip", x, -1.0, 1.0),
    HardSwish: lambda g, f, x: g("HardSwish", x),
    ReLU6: lambda g, f, x: g("Clip", x, 0.0, 6.0),
    Gaussian: lambda g, f, x: g("Exp", g("Neg", g("Mul", x, x))),
    Sine: lambda g, f, x: g.narrow(g("Sin", g("Mul", g.wide(x), g.constant(f.omega_0, np.float64)))),
    Snake: _snake,
    Step: lambda g, f, x: g.narrow(g("GreaterOrEqual", x, 0.0)),
    PReLU: lambda g, f, x, alpha: g("PRelu", x, alpha),
    LearnedSwish: lambda g, f, x, beta: g("Mul", x, g("Sigmoid", g("Mul", beta, x))),
    Maxout: lambda g, f, x, W, b: g("ReduceMax", g("Add", g("MatMul", x, W), b), g.constant([0], np.int64), keepdims=0),
    LayerNorm: lambda g, f, x, *weights: g("LayerNormalization", x, *weights, epsilon=f.epsilon),
    BatchNorm: lambda g, f, x, *weights: g("BatchNormalization", x, *(w[0] for w in weights), epsilon=f.epsilon),
    Softmax: lambda g, f, x: g("Softmax", x),
    LogSoftmax: lambda g, f, x: g("LogSoftmax", x),
}


def to_onnx(network: Network, theta: npt.ArrayLike, path: str | os.PathLike[str] | None = None) -> Any:
    """The network as an onnx.ModelProto, x (batch, n_in) -> y (batch, n_out) in float32; theta (P,).

    With a `path` it is also written there. Needs the package onnx: the extra `onnx`. float64 parameters are rounded to
    float32, as engines lack many operators in float64. Raises ValueError for a layer that has no counterpart in ONNX,
    and for replicas: pick theta[k]. Elsewhere the file then runs without minnet:

        onnxruntime.InferenceSession("net.onnx").run(None, {"x": x.astype("float32")})

    >>> from minnet import Elementwise
    >>> to_onnx(Network(Elementwise(np.cbrt)), np.zeros(0))
    Traceback (most recent call last):
        ...
    ValueError: Elementwise(cbrt) cannot be exported, ONNX has no counterpart
    """
    it = checked(network, theta, "ONNX", {*RULES, Residual})
    try:
        from onnx import TensorProto, helper
    except ImportError as error:
        raise ImportError("to_onnx needs the package onnx: pip install 'minnet-nn[onnx]'") from error
    graph = _Graph()
    y = _added(graph, network, "x", iter(it.weights.values()))
    graph.nodes.append(helper.make_node("Identity", [y], ["y"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])
        for name, n in (("x", it.n_in), ("y", it.n_out))
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "minnet", ends[:1], ends[1:], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minnet",
        doc_string=repr(network),
    )
    if path is not None:
        replace_file(Path(path), model.SerializeToString())
    return model


def _added(graph: _Graph, layer: Layer, x: str, weights: Iterator[Array]) -> str:
    """Add the nodes of a layer; return the name of its output."""
    if type(layer) is Network:
        for inner in layer.layers:
            x = _added(graph, inner, x, weights)
        return x
    if type(layer) is Residual:
        return graph("Add", x, _added(graph, layer.inner, x, weights))
    return str(RULES[type(layer)](graph, layer, x, *[next(weights) for _ in layer.parameters]))
