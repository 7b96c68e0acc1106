"""Every public class passes its check, healthy classes raise no false alarm, and the gradient check is exact."""

import inspect
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import minnet
from minnet import (
    GELU,
    SGD,
    Activation,
    Dense,
    Layer,
    Loss,
    Network,
    Optimizer,
    Parameter,
    ReLU,
    Residual,
    Softmax,
    Tanh,
)
from minnet.checks import (
    CheckError,
    check_activation,
    check_layer,
    check_loss,
    check_optimizer,
    differentiate,
    gradient_error,
)
from minnet.initializers import ones, zeros

rng = np.random.default_rng(0)
LABELS = np.array([0, 1, 2, 1, 0, 2, 2])

# An example of each public class that needs arguments; a layer with its n_in, a loss with an example of targets.
LAYERS: dict[str, tuple[Layer, int]] = {
    "Dense": (Dense(3, 2), 3),
    "Residual": (Residual(Network(Dense(3, 4), Tanh(), Dense(4, 3))), 3),
    "Network": (Network(Dense(3, 4), Tanh(), Dense(4, 2)), 3),
    "Softmax": (Softmax(), 3),
    "LogSoftmax": (minnet.LogSoftmax(), 3),
    "Dropout": (minnet.Dropout(0.4), 3),
    "LayerNorm": (minnet.LayerNorm(3), 3),
    "BatchNorm": (minnet.BatchNorm(3), 3),
    "PReLU": (minnet.PReLU(3), 3),
    "LearnedSwish": (minnet.LearnedSwish(3), 3),
    "Maxout": (minnet.Maxout(3, 2), 3),
}
ACTIVATIONS: dict[str, Activation] = {"Elementwise": minnet.Elementwise(np.arctan)}
LOSSES: dict[str, tuple[Loss, dict[str, Any]]] = {
    "MeanSquaredError": (minnet.mse, {}),
    "SoftmaxCrossEntropy": (minnet.softmax_cross_entropy, {"target": LABELS, "n_out": 4}),
    "MeanAbsoluteError": (minnet.mae, {}),
    "Huber": (minnet.Huber(0.5), {}),
    "Hinge": (minnet.hinge, {"target": np.where(rng.random((6, 2)) < 0.5, -1.0, 1.0)}),
    "Poisson": (minnet.poisson, {"target": rng.integers(0, 5, (6, 2)).astype(float)}),
    "BinaryCrossEntropy": (minnet.binary_cross_entropy, {"target": rng.random((6, 2))}),
}
OPTIMIZERS: dict[str, list[Optimizer]] = {
    "SGD": [
        SGD(0.1), SGD(0.1, 0.9), SGD(0.1, 0.9, nesterov=True), SGD(0.1, 0.5, weight_decay=0.2), SGD((0.1, 0.2, 0.3)),
    ],
    "AdaGrad": [minnet.AdaGrad(0.1)],
    "RMSProp": [minnet.RMSProp(0.01), minnet.RMSProp((0.1, 0.2, 0.3))],
    "Adam": [minnet.Adam(), minnet.Adam(minnet.CosineDecay(0.1, 10))],
    "AdamW": [minnet.AdamW(weight_decay=0.2), minnet.AdamW((0.1, 0.2, 0.3))],
    "Clipped": [
        minnet.Clipped(SGD(0.1, 0.9), norm=0.5),
        minnet.Clipped(minnet.Adam(), norm=0.5, value=0.1),
        minnet.Clipped(SGD(minnet.StepDecay(0.1, 2)), value=0.1),
    ],
}  # fmt: skip


def public(base: type, but: type | tuple[type, ...] = ()) -> list[Any]:
    """The concrete subclasses of base in minnet's __all__."""
    found = [
        value
        for name in minnet.__all__
        if isinstance(value := getattr(minnet, name), type) and issubclass(value, base) and not issubclass(value, but)
    ]
    return [pytest.param(cls, id=cls.__name__) for cls in found if not inspect.isabstract(cls)]


def example(cls: type, table: dict[str, Any], kind: str) -> Any:
    if cls.__name__ not in table:
        pytest.fail(f"{cls.__name__} is public, but the table {kind} of this file has no example of it")
    return table[cls.__name__]


@pytest.mark.parametrize("cls", public(Layer, Activation))
def test_every_public_layer_passes(cls: type) -> None:
    layer, n_in = example(cls, LAYERS, "LAYERS")
    check_layer(layer, n_in)


@pytest.mark.parametrize("cls", public(Activation))
def test_every_public_activation_passes(cls: type) -> None:
    try:
        activation = ACTIVATIONS.get(cls.__name__) or cls()
    except TypeError:
        example(cls, ACTIVATIONS, "ACTIVATIONS")
    check_activation(activation, strict=True)


@dataclass(frozen=True, repr=False)
class TextbookReLU(Activation):
    """As a first lesson writes it, with a derivative of whole numbers."""

    def __call__(self, x: Any) -> Any:
        return np.maximum(0, x)

    def derivative(self, x: Any) -> Any:
        return np.where(x > 0, 1, 0)


@dataclass(frozen=True, repr=False)
class InFloat64(Tanh):
    def __call__(self, x: Any) -> Any:
        return np.tanh(np.asarray(x, np.float64))

    def derivative(self, x: Any) -> Any:
        return Tanh().derivative(x) * np.ones(x.shape)

    def slope(self, x: Any, y: Any) -> Any:
        return self.derivative(x)


@dataclass(frozen=True, repr=False)
class WholeStep(Activation):
    def __call__(self, x: Any) -> Any:
        return np.where(x > 0, 1, 0)

    def derivative(self, x: Any) -> Any:
        return 0 * x


@pytest.mark.parametrize("cls", [TextbookReLU, InFloat64, WholeStep])
def test_another_dtype_is_cast_where_the_activation_is_called_and_one_note_says_so(cls: Any) -> None:
    activation = cls()
    report = check_activation(activation)
    assert sum("of another dtype than x" in note for note in report.notes) == 1
    for dtype in (np.float32, np.float64):
        x = np.linspace(-2, 2, 6, dtype=dtype)[None]
        y, backward = activation.forward([], x)
        dx = backward(np.ones_like(x), [])
        assert y.dtype == dx.dtype == dtype
        np.testing.assert_array_equal(y, activation(x).astype(dtype))
        np.testing.assert_array_equal(dx, activation.derivative(x).astype(dtype))


def test_textbook_relu_trains_as_relu_does_to_the_bit() -> None:
    x = np.random.default_rng(0).standard_normal((40, 2))
    thetas = [
        minnet.train(
            Network(Dense(2, 8, minnet.he_normal), act, Dense(8, 2)), minnet.softmax_cross_entropy, SGD(0.1), x,
            (x[:, 0] > 0).astype(int), epochs=5, batch_size=8, seed=0,
        ).theta
        for act in (ReLU(), TextbookReLU())
    ]  # fmt: skip
    assert thetas[0].dtype == thetas[1].dtype == np.float32
    np.testing.assert_array_equal(*thetas)


def test_an_overflow_inside_that_gives_the_right_0_is_a_note() -> None:
    @dataclass(frozen=True, repr=False)
    class Naive(Activation):
        def __call__(self, x: Any) -> Any:
            return 1 / (1 + np.exp(-x))

        def derivative(self, x: Any) -> Any:
            return self(x) * (1 - self(x))

    notes = check_activation(Naive()).notes
    assert any("value at" in note and "overflow encountered in exp" in note for note in notes)


@pytest.mark.parametrize("f", [np.exp, np.square, lambda x: x**3, lambda x: 1 / x, np.tan])
def test_what_leaves_the_floats_by_itself_is_no_fault(f: Any) -> None:
    """Where the true value is beyond float32, or there is a pole, infinity is the right answer."""
    assert "finite x" in check_activation(minnet.Elementwise(f)).passed


@pytest.mark.parametrize("f", [lambda x: np.log(1 + np.exp(x)), lambda x: 1 / (1 + np.exp(-x))])
def test_naive_expressions_are_caught_as_elementwise_too(f: Any) -> None:
    with pytest.raises(CheckError, match=r"slope in float32 is not finite (above|below) -?88\.7228: got nan"):
        check_activation(minnet.Elementwise(f))


@pytest.mark.parametrize("cls", public(Loss))
def test_every_public_loss_passes(cls: type) -> None:
    loss, arguments = example(cls, LOSSES, "LOSSES")
    check_loss(loss, **arguments)


@pytest.mark.parametrize("cls", public(Optimizer))
def test_every_public_optimizer_passes(cls: type) -> None:
    for optimizer in example(cls, OPTIMIZERS, "OPTIMIZERS"):
        check_optimizer(optimizer)


# Healthy classes as a user would write them: no false alarm over 20 seeds.


@dataclass(frozen=True, repr=False)
class Gated(Layer):
    """y = value(x) * gate(x): a composite with two inner layers."""

    value: Layer
    gate: Layer

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        parts = (("value", self.value), ("gate", self.gate))
        return tuple(p._replace(name=f"{name}.{p.name}") for name, layer in parts for p in layer.parameters)

    def unpack(self, vector: Any) -> Any:
        size = sum(int(np.prod(p.shape)) for p in self.value.parameters)
        return [self.value.unpack(vector[..., :size]), self.gate.unpack(vector[..., size:])]

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        value, value_backward = self.value.forward(params[0], x, streams)
        gate, gate_backward = self.gate.forward(params[1], x, streams)

        def backward(dy: Any, grads: Any, need_dx: bool = True) -> Any:
            dx = value_backward(dy * gate, grads[0], need_dx)
            other = gate_backward(dy * value, grads[1], need_dx)
            return dx + other if need_dx else None

        return value * gate, backward

    def calibrate(self, params: Any, x: Any) -> Any:
        return self.value.calibrate(params[0], x) * self.gate.calibrate(params[1], x)


@dataclass(frozen=True, repr=False)
class Drop(Layer):
    """A stochastic layer: inverted dropout (Srivastava et al. 2014)."""

    p: float = 0.4

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        if streams is None:
            return x, lambda dy, grads, need_dx=True: dy
        keep = streams.draw(lambda rng: rng.random(x.shape[-2:])) >= self.p
        scale = (keep / (1 - self.p)).astype(x.dtype)
        return x * scale, lambda dy, grads, need_dx=True: dy * scale


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Batch statistics in training, population statistics at inference (Ioffe & Szegedy 2015)."""

    n: int

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        n = self.n
        return (
            Parameter("scale", (1, n), ones, "scale"),
            Parameter("shift", (1, n), zeros, "bias"),
            Parameter("mean", (1, n), zeros, "statistic"),
            Parameter("variance", (1, n), ones, "statistic"),
        )

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        scale, shift, mean, variance = params
        training = streams is not None
        if training:
            mean, variance = x.mean(axis=-2, keepdims=True), x.var(axis=-2, keepdims=True)
        std = np.sqrt(variance + 1e-5)
        z = (x - mean) / std

        def backward(dy: Any, grads: Any, need_dx: bool = True) -> Any:
            grads[0][...] = (dy * z).sum(axis=-2, keepdims=True)
            grads[1][...] = dy.sum(axis=-2, keepdims=True)
            grads[2][...] = grads[3][...] = 0
            dz = dy * scale
            if training:
                dz = dz - dz.mean(axis=-2, keepdims=True) - z * (dz * z).mean(axis=-2, keepdims=True)
            return dz / std

        return z * scale + shift, backward

    def calibrate(self, params: Any, x: Any) -> Any:
        params[2][...] = x.mean(axis=-2, keepdims=True)
        params[3][...] = x.var(axis=-2, keepdims=True)
        return self.forward(params, x)[0]


@dataclass(frozen=True, repr=False)
class Bent(Activation):
    """A kink, a jump in the slope that is not at 0, and a setting that cannot be pickled."""

    steep: Any = lambda x: 3 * x

    def __call__(self, x: Any) -> Any:
        return np.where(x > 0.5, self.steep(x) - 1, x).astype(x.dtype)

    def derivative(self, x: Any) -> Any:
        return np.where(np.isnan(x), x, np.where(x > 0.5, 3, 1)).astype(x.dtype)


@dataclass(frozen=True, repr=False)
class Stairs(Activation):
    """Flat but for its jumps."""

    def __call__(self, x: Any) -> Any:
        return np.round(4 * x) / 4

    def derivative(self, x: Any) -> Any:
        return np.zeros_like(x)


@dataclass(frozen=True, repr=False)
class Absolute(Loss):
    def each(self, y: Any, target: Any) -> Any:
        error = y - target
        return np.abs(error).mean(axis=-1), np.sign(error) / y.shape[-1]


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Kingma & Ba 2015."""

    rate: float | tuple[float, ...] = 0.001
    weight_decay: float = 0.0

    def init(self, theta: Any, parameters: Any = None) -> Any:
        decay = self.weight_decay * minnet.optimizers.weights_only(theta, parameters)
        zero = np.zeros_like(theta)
        t = np.zeros((*theta.shape[:-1], 1), theta.dtype)
        return {**self.first_state(theta), "m": zero, "v": zero.copy(), "t": t, "decay": decay}

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        gradient = gradient + state["decay"] * theta
        state["t"] += 1
        state["m"] += 0.1 * (gradient - state["m"])
        state["v"] += 0.001 * (gradient * gradient - state["v"])
        m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
        theta -= state["rate"] * m / (np.sqrt(v) + 1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarms(seed: int) -> None:
    inner = Network(Dense(3, 3), BatchNorm(3), ReLU(), Drop(), Dense(3, 3))
    for layer in (
        Dense(3, 2),
        Gated(Dense(3, 2), Network(Dense(3, 2), Tanh())),
        Drop(),
        BatchNorm(3),
        Residual(Gated(inner, Dense(3, 3))),
    ):
        check_layer(layer, 3, seed=seed)
    for activation in (Tanh(), Bent(), Stairs()):
        check_activation(activation, seed=seed)
    check_loss(Absolute(), seed=seed)
    check_loss(minnet.softmax_cross_entropy, LABELS, seed=seed)
    for optimizer in (Adam(), Adam(0.1, 0.1), SGD(0.1, 0.9)):
        check_optimizer(optimizer, seed=seed)


def test_what_cannot_be_pickled_is_a_note_and_not_a_fault() -> None:
    report = check_activation(Bent())
    assert "cannot be pickled" in str(report)
    assert str(report).startswith("Bent() is all right: settings, ")


def test_all_faults_come_in_one_error() -> None:
    @dataclass(repr=False)
    class Wrong(Layer):
        def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
            return 2 * x, lambda dy, grads, need_dx=True: -2 * dy

    with pytest.raises(CheckError) as caught:
        check_layer(Wrong(), 3)
    assert len(caught.value.faults) >= 3
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    assert "frozen" in str(caught.value)
    assert "the sign is wrong" in str(caught.value)


# The gradient check itself.


@pytest.mark.parametrize("x", [0.3, 1.0, 5.0])
def test_differentiate_against_closed_forms(x: float) -> None:
    functions = {
        np.sin: np.cos(x),
        np.exp: np.exp(x),
        np.log: 1 / x,
        np.sqrt: 0.5 / np.sqrt(x),
        np.arctan: 1 / (1 + x * x),
    }
    for f, expected in functions.items():
        got, doubt = differentiate(lambda t, f=f: f(np.array([x + t])))
        np.testing.assert_allclose(got, expected, rtol=1e-11)
        assert doubt[0] < 1e-10 * expected


def test_a_kink_is_in_doubt_only_where_it_is() -> None:
    x = np.array([0.0, 1e-4, -1e-4, 0.1, -3.0])
    slope, doubt = differentiate(lambda t: np.abs(x + t))
    assert doubt[0] > 0.5
    np.testing.assert_allclose(doubt[1:], 0, atol=1e-10)
    np.testing.assert_allclose(slope[1:], [1, -1, 1, -1], rtol=1e-10)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("own_x", [False, True])
def test_nested_residual_network_with_3_replicas(training: bool, own_x: bool) -> None:
    block = Residual(Network(Dense(4, 4), Tanh(), Residual(Network(Dense(4, 4), ReLU(), Drop())), Dense(4, 4)))
    network = Network(Dense(3, 4), GELU(), block, BatchNorm(4), Dense(4, 2), Softmax())
    x = np.random.default_rng(1).standard_normal((3, 6, 3) if own_x else (6, 3))
    assert gradient_error(network, x, seed=(0, 1, 2), training=training) <= 1e-8


@dataclass(frozen=True, repr=False)
class Off(Layer):
    """ReLU with a derivative that is wrong by a factor of 1 + by, and only for one unit."""

    by: float
    unit: int = 0

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        def backward(dy: Any, grads: Any, need_dx: bool = True) -> Any:
            dx = dy * (x > 0)
            dx[..., self.unit] *= 1 + self.by
            return dx

        return np.maximum(x, 0), backward


@pytest.mark.parametrize("by", [1e-6, 1e-3, 1.0, -1.0, -2.0])
@pytest.mark.parametrize("n", [4, 400])
def test_a_wrong_derivative_does_not_hide_behind_kinks(by: float, n: int) -> None:
    x = np.random.default_rng(2).standard_normal((5, n))
    assert gradient_error(Off(0.0), x) < 1e-12
    assert gradient_error(Off(by, n // 2), x) > 1e-9 * abs(by) / 1e-6
    x[1] = 0.0  # a whole row on the kink
    if n == 4:
        assert gradient_error(Off(by, n // 2), x) > 1e-8


def test_many_points_on_kinks_are_a_finding() -> None:
    x = np.zeros((5, 4))
    assert gradient_error(ReLU(), x) == np.inf


def test_less_than_float64_inside_is_a_finding() -> None:
    @dataclass(frozen=True, repr=False)
    class Half(Layer):
        def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
            y = np.sin(x.astype(np.float32)).astype(x.dtype)
            return y, lambda dy, grads, need_dx=True: dy * np.cos(x)

    with pytest.raises(CheckError, match="cannot be checked, since small steps disagree"):
        check_layer(Half(), 3)


def test_an_error_of_one_in_ten_thousand_is_found_in_each_parameter() -> None:
    for i, name in enumerate(("dW", "db")):

        @dataclass(frozen=True, repr=False)
        class Slightly(Dense):
            index: int = 0

            def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
                y, way = Dense(self.n_in, self.n_out).forward(params, x)

                def backward(dy: Any, grads: Any, need_dx: bool = True) -> Any:
                    dx = way(dy, grads)
                    grads[self.index][..., 0, 0] *= 1.0001
                    return dx

                return y, backward

        with pytest.raises(CheckError, match=rf"{name}: at \[0, 0\] the way back gives"):
            check_layer(replace(Slightly(3, 2), index=i), 3)
