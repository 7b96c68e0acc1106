"""For each check, classes with one realistic mistake each: the check has to raise and to name that mistake."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from minnet import SGD, Activation, Dense, Layer, Optimizer, Parameter, ReLU, Sigmoid, Tanh
from minnet.checks import CheckError, check_activation, check_layer, check_loss, check_optimizer
from minnet.initializers import ones, zeros
from minnet.losses import MeanSquaredError
from minnet.optimizers import weights_only

CASES: dict[str, list[Any]] = {"layer": [], "activation": [], "loss": [], "optimizer": []}


def broken(kind: str, fault: str, *arguments: Any) -> Callable[[Any], Any]:
    """Enter a class, made with these arguments, as an example of this fault (a regular expression)."""

    def enter(cls: Any) -> Any:
        CASES[kind].append(pytest.param(cls, arguments, fault, id=cls.__name__))
        return cls

    return enter


def faults_of(check: Callable[[], Any]) -> tuple[str, ...]:
    with pytest.raises(CheckError) as caught:
        check()
    return caught.value.faults


def named(faults: tuple[str, ...], pattern: str) -> bool:
    return any(re.search(pattern, fault) for fault in faults)


# Layers: a right y = x W + b in plain NumPy, in which each example overrides one piece.


@dataclass(frozen=True, repr=False)
class Linear(Layer):
    n_in: int = 3
    n_out: int = 3

    @property
    def parameters(self) -> Any:
        init = Dense(self.n_in, self.n_out).weight_init
        return (Parameter("W", (self.n_in, self.n_out), init), Parameter("b", (1, self.n_out), zeros, "bias"))

    def value(self, params: Any, x: Any, streams: Any) -> Any:
        W, b = params
        return x @ W + b

    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        grads[0][...] = x.mT @ dy
        grads[1][...] = dy.sum(axis=-2, keepdims=True)
        return dy @ params[0].mT

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        y = self.value(params, x, streams)
        return y, lambda dy, grads, need_dx=True: self.back(params, x, y, dy, grads)


def test_what_the_broken_layers_start_from_is_right() -> None:
    check_layer(Linear(3, 2), 3)


@broken("layer", r"dW: at .* the way back gives .*, a small step along it gives .*: the sign is wrong")
class WeightSign(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        dx = super().back(params, x, y, dy, grads)
        grads[0][...] *= -1
        return dx


@broken("layer", r"dx: at .*: the sign is wrong")
class InputSign(Linear):
    def back(self, *arguments: Any) -> Any:
        return -super().back(*arguments)


@broken("layer", r"db: at .* every entry is 0\.166667 times what it should be")
class BiasAveraged(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        dx = super().back(params, x, y, dy, grads)
        grads[1][...] = dy.mean(axis=-2, keepdims=True)
        return dx


@broken("layer", r"dx: at .* entries looked at are wrong")
class TransposeForgotten(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        super().back(params, x, y, dy, grads)
        return dy @ params[0]


@broken("layer", r"dx: at .* it is zero everywhere")
class NothingSentBack(Linear):
    def back(self, params: Any, x: Any, *rest: Any) -> Any:
        return 0 * super().back(params, x, *rest)


@broken("layer", r"dx: expected an array of x's shape \(6, 3\), got None")
class NoInputGradient(Linear):
    def back(self, *arguments: Any) -> Any:
        super().back(*arguments)


@broken("layer", r"dW is added to what stood in grads")
class Accumulates(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        before = grads[0].copy()
        dx = super().back(params, x, y, dy, grads)
        grads[0][...] += before
        return dx


@broken("layer", r"dW is not written: grads still holds")
class Rebinds(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        grads = list(grads)
        grads[1][...] = dy.sum(axis=-2, keepdims=True)
        grads[0] = x.mT @ dy
        return dy @ params[0].mT


@broken("layer", r"dW depends on what stood in grads before")
class WritesHalf(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        grads[0][..., :2, :] = (x.mT @ dy)[..., :2, :]
        grads[1][...] = dy.sum(axis=-2, keepdims=True)
        return dy @ params[0].mT


@broken("layer", r"dW with need_dx=False differs")
class SkipsTooMuch(Linear):
    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        y, way = super().forward(params, x)
        return y, lambda dy, grads, need_dx=True: way(dy, grads) if need_dx else None


@broken("layer", r"forward writes into x")
class CentresInPlace(Linear):
    def value(self, params: Any, x: Any, streams: Any) -> Any:
        x -= x.mean(axis=-1, keepdims=True)
        return super().value(params, x, streams)


@broken("layer", r"forward writes into params")
class ClipsWeights(Linear):
    def value(self, params: Any, x: Any, streams: Any) -> Any:
        np.clip(params[0], -0.1, 0.1, out=params[0])
        return super().value(params, x, streams)


@broken("layer", r"backward writes into dy")
class ScalesGradientInPlace(Linear):
    def value(self, *arguments: Any) -> Any:
        return 2 * super().value(*arguments)

    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        dy *= 2
        return super().back(params, x, y, dy, grads)


@broken("layer", r"backward writes into y")
@dataclass(frozen=True, repr=False)
class ReusesOutput(Layer):
    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        y = np.tanh(x)

        def backward(dy: Any, grads: Any, need_dx: bool = True) -> Any:
            np.multiply(y, y, out=y)
            return dy * (1 - y)

        return y, backward


@broken("layer", r"came in between: keep what backward needs in the closure")
@broken("layer", r"its own x changed in use")
class RemembersInput(Linear):
    def value(self, params: Any, x: Any, streams: Any) -> Any:
        object.__setattr__(self, "x", x)
        return super().value(params, x, streams)

    def back(self, params: Any, x: Any, *rest: Any) -> Any:
        return super().back(params, self.x, *rest)  # type: ignore[attr-defined]


@broken("layer", r"came in between")
class SharesABuffer(Linear):
    memory: ClassVar[dict[str, Any]] = {}

    def value(self, params: Any, x: Any, streams: Any) -> Any:
        self.memory["W"] = params[0]
        return super().value(params, x, streams)

    def back(self, params: Any, *rest: Any) -> Any:
        return super().back((self.memory["W"],), *rest)


@broken("layer", r"y came out differently with two threads at once")
class SharesScratch(Linear):
    """Right as long as nobody else computes between the two lines."""

    scratch: ClassVar[dict[str, Any]] = {}

    def value(self, params: Any, x: Any, streams: Any) -> Any:
        self.scratch["xW"] = x @ params[0]
        time.sleep(1e-4)
        return self.scratch["xW"] + params[1]


@broken("layer", r"y: expected float32 as theta and x are, got float64")
class Upcasts(Linear):
    def value(self, *arguments: Any) -> Any:
        return super().value(*arguments) * np.ones(3)


@broken("layer", r"dx: expected float32 as theta and x are, got float64")
class UpcastsOnTheWayBack(Linear):
    def back(self, *arguments: Any) -> Any:
        return super().back(*arguments) * np.ones(3)


@broken("layer", r"replicas: y.* of 2 replicas with an x each differ")
class BatchAxisFromTheFront(Linear):
    def value(self, params: Any, x: Any, streams: Any) -> Any:
        return super().value(params, x, streams) + 0 * x.sum() + params[1].sum()


@broken("layer", r"replicas: raised ValueError|replicas: .* differ")
class TransposesEverything(Linear):
    def back(self, params: Any, x: Any, y: Any, dy: Any, grads: Any) -> Any:
        super().back(params, x, y, dy, grads)
        return dy @ params[0].T


@broken("layer", r"in training, two calls with the same arguments differ in y, dx: draw noise from streams only")
@dataclass(frozen=True, repr=False)
class GlobalNoise(Layer):
    rng: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        mask = np.ones_like(x) if streams is None else (self.rng.random(x.shape) > 0.5).astype(x.dtype)
        return x * mask, lambda dy, grads, need_dx=True: dy * mask


@broken("layer", r"at inference: raised AttributeError: 'NoneType' object has no attribute 'draw'")
@dataclass(frozen=True, repr=False)
class DropsAtInference(Layer):
    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        mask = streams.draw(lambda rng: rng.random(x.shape[-2:]) > 0.5).astype(x.dtype)
        return x * mask, lambda dy, grads, need_dx=True: dy * mask


@broken("layer", r"replicas: y, dx of 2 replicas")
@dataclass(frozen=True, repr=False)
class OneNoiseForAll(Layer):
    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        mask = np.ones_like(x)
        if streams is not None:
            mask = mask * (streams.generators[0].random(x.shape[-2:]) > 0.5)
        return x * mask, lambda dy, grads, need_dx=True: dy * mask


@dataclass(frozen=True, repr=False)
class Centre(Layer):
    """x - mean, the mean a statistic."""

    n: int = 3

    @property
    def parameters(self) -> Any:
        return (Parameter("mean", (1, self.n), zeros, "statistic"), Parameter("scale", (1, self.n), ones, "scale"))

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        mean, scale = params

        def backward(dy: Any, grads: Any, need_dx: bool = True) -> Any:
            grads[0][...] = self.mean_gradient(dy * scale)
            grads[1][...] = (dy * (x - mean)).sum(axis=-2, keepdims=True)
            return dy * scale

        return (x - mean) * scale, backward

    def mean_gradient(self, dy: Any) -> Any:
        return 0

    def calibrate(self, params: Any, x: Any) -> Any:
        params[0][...] = x.mean(axis=-2, keepdims=True)
        return self.forward(params, x)[0]


def test_a_layer_with_a_statistic_can_be_right() -> None:
    check_layer(Centre(), 3)


@broken("layer", r"dmean: a statistic's gradient has to be exactly 0")
class LearnsStatistic(Centre):
    def mean_gradient(self, dy: Any) -> Any:
        return -dy.sum(axis=-2, keepdims=True)


@broken("layer", r"calibrate leaves every statistic as it was: does it pass through")
class ForgetsToCalibrate(Centre):
    def calibrate(self, params: Any, x: Any) -> Any:
        return self.forward(params, x)[0]


@broken("layer", r"calibrate writes into parameters that are no statistics")
class CalibratesTooMuch(Centre):
    def calibrate(self, params: Any, x: Any) -> Any:
        params[1][...] = 1 / x.std(axis=-2, keepdims=True)
        return super().calibrate(params, x)


@broken("layer", r"calibrate's y: expected what forward gives")
class CalibratesTooLate(Centre):
    def calibrate(self, params: Any, x: Any) -> Any:
        y = self.forward(params, x)[0]
        super().calibrate(params, x)
        return y


@broken("layer", r"calibrate: replicas together differ from one by one")
class CalibratesOverReplicas(Centre):
    def calibrate(self, params: Any, x: Any) -> Any:
        params[0][...] = x.mean(axis=tuple(range(x.ndim - 1)))
        return self.forward(params, x)[0]


@broken("layer", r"expected frozen settings: write @dataclass\(frozen=True")
@dataclass
class Thawed(Layer):
    factor: float = 2.0

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        return x * self.factor, lambda dy, grads, need_dx=True: dy * self.factor


@broken("layer", r"setting 'mask' is an array", np.ones(3))
@dataclass(frozen=True, repr=False)
class HoldsAnArray(Layer):
    mask: Any

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        return x * self.mask, lambda dy, grads, need_dx=True: dy * self.mask


@broken("layer", r"settings: raised TypeError: unhashable type: 'list'", [1.0, 2.0])
@dataclass(frozen=True, repr=False)
class HoldsAList(Layer):
    factors: list[float]

    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        factor = self.factors[0]
        return x * factor, lambda dy, grads, need_dx=True: dy * factor


@broken("layer", r"after copy.deepcopy it is not equal to what it was")
@dataclass(frozen=True, repr=False, eq=False)
class EqualToItselfOnly(Layer):
    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        return 2 * x, lambda dy, grads, need_dx=True: 2 * dy


@broken("layer", r"names of their own, got \['W', 'W'\]")
class TwoOfOneName(Linear):
    @property
    def parameters(self) -> Any:
        return tuple(p._replace(name="W") for p in Linear.parameters.fget(self))  # type: ignore[attr-defined]


@broken("layer", r"role of W: expected one of .*'statistic'.*, got 'kernel'")
class UnknownRole(Linear):
    @property
    def parameters(self) -> Any:
        W, b = Linear.parameters.fget(self)  # type: ignore[attr-defined]
        return W._replace(role="kernel"), b


@broken("layer", r"init of b: expected shape \(1, 3\), got \(3,\)")
class FlatBias(Linear):
    @property
    def parameters(self) -> Any:
        W, b = Linear.parameters.fget(self)  # type: ignore[attr-defined]
        return W, b._replace(init=lambda rng, shape: np.zeros(3))


@broken("layer", r"init of W: differs under the same rng")
class InitFromElsewhere(Linear):
    @property
    def parameters(self) -> Any:
        W, b = Linear.parameters.fget(self)  # type: ignore[attr-defined]
        return W._replace(init=lambda rng, shape: np.random.default_rng().standard_normal(shape)), b


@broken("layer", r"y: expected shape \(6, n_out\), got \(3, 6\)")
@dataclass(frozen=True, repr=False)
class Transposed(Layer):
    def forward(self, params: Any, x: Any, streams: Any = None) -> Any:
        return x.mT, lambda dy, grads, need_dx=True: dy.mT


# Activations: one method overridden in each.


@broken("activation", r"derivative at x = .*: got .*, a small step along the function gives .*: the sign is wrong")
class DerivativeSign(Tanh):
    def derivative(self, x: Any) -> Any:
        return -Tanh().derivative(x)


@broken("activation", r"derivative at x = .*: every entry is 0\.5 times")
class ChainRuleForgotten(Tanh):
    def __call__(self, x: Any) -> Any:
        return np.tanh(2 * x)

    def derivative(self, x: Any) -> Any:
        return Tanh().derivative(2 * x)

    def slope(self, x: Any, y: Any) -> Any:
        return self.derivative(x)


@broken("activation", r"derivative at x = -\d.*: got 0, a small step along the function gives 0\.2")
@dataclass(frozen=True, repr=False)
class WrongOnOneSide(Activation):
    def __call__(self, x: Any) -> Any:
        return np.where(x > 0, x, 0.2 * x).astype(x.dtype)

    def derivative(self, x: Any) -> Any:
        return np.where(np.isnan(x), x, x > 0).astype(x.dtype)


@broken("activation", r"slope in float64 at x = .*: expected the derivative .*, got .* eps of its maximum 1 away")
class SlopeOfY(Tanh):
    def slope(self, x: Any, y: Any) -> Any:
        return 1 - y


@broken("activation", r"slope in float32 at x = .*: expected the derivative")
class SlopeLosesDigits(Tanh):
    def slope(self, x: Any, y: Any) -> Any:
        return ((1 + y) - y) * (1 - y * y) + (1e4 + y - 1e4 - y)


@broken("activation", r"slope in float64 at x = .*e\+\d\d: expected the derivative .*, got nan")
class SlopeOverflows(Tanh):
    def slope(self, x: Any, y: Any) -> Any:
        return (1 - y * y) * ((1 + x * x) ** 8 / (1 + x * x) ** 8)


@broken("activation", r"derivative at x = 0: got nan, a small step along the function gives 1: it is not finite")
@dataclass(frozen=True, repr=False)
class ZeroOverZero(Activation):
    def __call__(self, x: Any) -> Any:
        return x + np.abs(x) * x

    def derivative(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return 1 + 2 * x * x / np.abs(x)


@broken("activation", r"value: not element by element")
class CentresItsInput(Tanh):
    def __call__(self, x: Any) -> Any:
        return np.tanh(x - x.mean(axis=-1, keepdims=True))


@broken("activation", r"derivative: not element by element")
class DerivativeOfTheMean(Tanh):
    def derivative(self, x: Any) -> Any:
        return Tanh().derivative(x) / Tanh().derivative(x).max()


@broken("activation", r"derivative at NaN: expected NaN, so that nothing hides it, got 0\.0")
@dataclass(frozen=True, repr=False)
class HidesNaN(Activation):
    def __call__(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def derivative(self, x: Any) -> Any:
        return (x > 0).astype(x.dtype)


@broken("activation", r"value at NaN: expected NaN")
class MendsNaN(Tanh):
    def __call__(self, x: Any) -> Any:
        return np.nan_to_num(np.tanh(x))


@broken("activation", r"value: a NaN in x spoils its neighbours")
class SpoilsNeighbours(Tanh):
    def __call__(self, x: Any) -> Any:
        return np.tanh(x) + 0 * x.sum()


@broken(
    "activation",
    r"value at -1e\+30 in float64, -1000 in float32: expected no warning, got: overflow encountered in exp",
)
class Overflows(Sigmoid):
    def __call__(self, x: Any) -> Any:
        return 1 / (1 + np.exp(-x))


@broken("activation", r"derivative at -inf .*expected no warning, got: .*invalid value")
@dataclass(frozen=True, repr=False)
class InfinityTimesZero(Activation):
    def __call__(self, x: Any) -> Any:
        return x * Sigmoid()(np.maximum(x, -700))

    def derivative(self, x: Any) -> Any:
        return Sigmoid()(x) + x * Sigmoid().derivative(x)


@broken("activation", r"value in float32 is not finite above 88\.7228: got inf at x = \d+, where the same code")
@broken("activation", r"value in float64 is not finite above 709\.783: got inf")
@dataclass(frozen=True, repr=False)
class NaiveSoftplus(Activation):
    def __call__(self, x: Any) -> Any:
        return np.log(1 + np.exp(x))

    def derivative(self, x: Any) -> Any:
        return Sigmoid()(x)


@broken("activation", r"derivative in float32 is not finite below -88\.7228: got nan")
@broken("activation", r"slope in float32 is not finite below -88\.7228: got nan")
class NaiveSigmoidsDerivative(Sigmoid):
    def derivative(self, x: Any) -> Any:
        e = np.exp(-x)
        return e / (1 + e) ** 2

    def slope(self, x: Any, y: Any) -> Any:
        return self.derivative(x)


@broken("activation", r"value in float32 is not finite above 88\.7228: got nan")
class ExpOverExp(Sigmoid):
    def __call__(self, x: Any) -> Any:
        return np.exp(x) / (1 + np.exp(x))


@broken("activation", r"value in float32 is not finite below -1\.84467e\+19, above 1\.84467e\+19: got inf")
@dataclass(frozen=True, repr=False)
class SquareUnderTheRoot(Activation):
    def __call__(self, x: Any) -> Any:
        return np.sqrt(x * x + 1)

    def derivative(self, x: Any) -> Any:
        return x / np.hypot(x, 1)


@broken("activation", r"slope in float32 is not finite above 88\.7228: got nan at x")
class OnlyTheSlopeOverflows(Sigmoid):
    def slope(self, x: Any, y: Any) -> Any:
        e = np.exp(x)
        return e / (1 + e) / (1 + e)


@broken("activation", r"derivative: expected the shape of x \(\d+,\), got \(\)")
@dataclass(frozen=True, repr=False)
class ConstantDerivative(Activation):
    def __call__(self, x: Any) -> Any:
        return 2 * x

    def derivative(self, x: Any) -> Any:
        return x.dtype.type(2)


@broken("activation", r"value writes into x")
class InPlace(Tanh):
    def __call__(self, x: Any) -> Any:
        return np.tanh(x, out=x)


@broken("activation", r"backward writes into y, which the next layer still needs")
class SlopeInPlace(Tanh):
    def slope(self, x: Any, y: Any) -> Any:
        y *= -y
        y += 1
        return y


@broken("activation", r"two calls with the same arguments differ in y")
class RandomSlope(ReLU):
    rng: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def __call__(self, x: Any) -> Any:
        return np.maximum(x, x.dtype.type(self.rng.uniform(0.1, 0.3)) * x)


@broken("activation", r"an activation has no parameters")
class Learns(Tanh):
    @property
    def parameters(self) -> Any:
        return (Parameter("alpha", (1, 3), ones),)


@broken("activation", r"expected a subclass of Activation, got NotAnActivation")
class NotAnActivation(Linear):
    pass


# Losses: a right mean squared error, in which each example overrides a piece.


class Squares(MeanSquaredError):
    """Written out, so that the examples can go wrong anywhere."""

    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        t = self.encode(target, y.shape[-1], y.dtype)
        self.check(y, t, weight)
        loss, dy = self.each(y, t)
        share = self.shares(y, weight)
        return (loss * share).sum(axis=-1), dy * share[..., None]

    def shares(self, y: Any, weight: Any) -> Any:
        if weight is None:
            return np.full(y.shape[:-1], 1 / y.shape[-2], y.dtype)
        return weight / weight.sum(axis=-1, keepdims=True)

    def check(self, y: Any, t: Any, weight: Any) -> None:
        if t.shape != y.shape or (weight is not None and weight.shape != y.shape[:-1]):
            raise ValueError(f"shapes {y.shape} and {t.shape} do not fit")


def test_what_the_broken_losses_start_from_is_right() -> None:
    check_loss(Squares())


@broken("loss", r"dL/dy: at .*: the sign is wrong")
class LossSign(Squares):
    def each(self, y: Any, target: Any) -> Any:
        loss, dy = super().each(y, target)
        return loss, -dy


@broken("loss", r"dL/dy: at .*: every entry is 3 times what it should be")
class OutputsForgotten(Squares):
    """The mistake of scikit-learn's multi-output regressor: off by the number of outputs."""

    def each(self, y: Any, target: Any) -> Any:
        loss, dy = super().each(y, target)
        return loss, 3 * dy


@broken("loss", r"dL/dy: at .*: every entry is 6 times what it should be")
class MeanForgottenOnTheWayBack(Squares):
    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        L, dy = super().__call__(y, target, weight)
        return L, dy * y.shape[-2]


@broken("loss", r"L of every sample twice: expected the same mean, .*, got")
class Sums(Squares):
    def shares(self, y: Any, weight: Any) -> Any:
        return np.ones(y.shape[:-1], y.dtype) if weight is None else weight


@broken("loss", r"weight 1 for all: L: expected the plain mean, .*, got")
class WeightsNotNormalised(Squares):
    def shares(self, y: Any, weight: Any) -> Any:
        return super().shares(y, None) if weight is None else weight


@broken("loss", r"weight 0: L: expected the same as leaving the sample out")
class DividesByAll(Squares):
    def shares(self, y: Any, weight: Any) -> Any:
        return super().shares(y, None) * (1 if weight is None else weight)


@broken("loss", r"weight 0: dL/dy of that sample: expected 0")
@broken("loss", r"weight 2: L: expected the same as the sample twice")
class WeightsIgnored(Squares):
    def shares(self, y: Any, weight: Any) -> Any:
        return super().shares(y, None)


@broken("loss", r"dL/dy with weights: at")
class WeightsForgottenOnTheWayBack(Squares):
    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        return super().__call__(y, target, weight)[0], super().__call__(y, target)[1]


@broken("loss", r"L of 3 replicas: expected one value a replica, got shape \(\)")
class OneNumberForAll(Squares):
    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        L, dy = super().__call__(y, target, weight)
        return L.mean(), dy


@broken("loss", r"replicas: dL/dy: expected that of each alone")
class DividesByReplicas(Squares):
    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        L, dy = super().__call__(y, target, weight)
        return L, dy / (y.size / y[..., 0].size / y.shape[-1] * len(y) / y.shape[-2])


@broken(
    "loss", r"one encoded target for all \(shapes \(6, 3\) and \(1, 3\)\): expected ValueError, but it was accepted"
)
class Broadcasts(Squares):
    def check(self, y: Any, t: Any, weight: Any) -> None:
        pass

    def encode(self, target: Any, n_out: int, dtype: Any) -> Any:
        return np.asarray(target).astype(dtype)


@broken("loss", r"a target too few .*: expected ValueError, got AssertionError")
class Asserts(Squares):
    def check(self, y: Any, t: Any, weight: Any) -> None:
        if t.shape != y.shape:
            raise AssertionError("shapes")
        super().check(y, t, weight)


@broken("loss", r"a column of weights .*: expected ValueError")
class WeightsOfAnyShape(Squares):
    def check(self, y: Any, t: Any, weight: Any) -> None:
        super().check(y, t, None)

    def shares(self, y: Any, weight: Any) -> Any:
        return super().shares(y, None if weight is None else weight.reshape(-1, 6)[0] if weight.size == 6 else weight)


@broken("loss", r"the loss writes into y")
class WritesOutput(Squares):
    def each(self, y: Any, target: Any) -> Any:
        loss, dy = super().each(y, target)
        y -= target
        return loss, dy


@broken("loss", r"the loss writes into weight")
class NormalisesWeightsInPlace(Squares):
    def shares(self, y: Any, weight: Any) -> Any:
        if weight is not None:
            weight /= weight.sum(axis=-1, keepdims=True)
        return super().shares(y, weight)


@broken("loss", r"encode writes into the target")
class EncodesInPlace(Squares):
    def encode(self, target: Any, n_out: int, dtype: Any) -> Any:
        np.clip(target, -1, 1, out=target)
        return super().encode(target, n_out, dtype)


@broken("loss", r"encode: expected an encoded target to stay as it is")
class EncodesTwice(Squares):
    def encode(self, target: Any, n_out: int, dtype: Any) -> Any:
        return 2 * super().encode(target, n_out, dtype) - 1


@broken("loss", r"L in float32 at y = \[.*\]: got inf, where the same code in float64 gives \d+")
@broken("loss", r"L in float64 at y = \[.*\]: got inf, where the same code in float\d+ gives \d+")
class PlainLog(MeanSquaredError):
    """Of probabilities; in float32 1 - p is 0 from a logit of 17 on."""

    def each(self, y: Any, target: Any) -> Any:
        t, n_out, p = _share(target), y.shape[-1], 1 / (1 + np.exp(-y))
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(axis=-1), (p - t) / n_out


@broken("loss", r"dL/dy in float32 at y = .*: got .*(nan|inf).*, where the same code in float64 gives")
class GradientThroughTheProbability(PlainLog):
    def each(self, y: Any, target: Any) -> Any:
        t, n_out, p = _share(target), y.shape[-1], 1 / (1 + np.exp(-y))
        loss = np.maximum(y, 0) - t * y + np.log1p(np.exp(-abs(y)))
        return loss.mean(axis=-1), ((1 - t) / (1 - p) - t / p) * p * (1 - p) / n_out


@broken("loss", r"L in float32 at y = \[.*\]: got inf, where the same code in float64 gives \d+")
class LogOfCosh(MeanSquaredError):
    def each(self, y: Any, target: Any) -> Any:
        error = y - target
        return np.log(np.cosh(error)).mean(axis=-1), np.tanh(error) / y.shape[-1]


def _share(target: Any) -> Any:
    return 1 / (1 + np.exp(-target))


@broken("loss", r"encode: expected float32 as asked for, got float64")
@broken("loss", r"L: expected float32 as y is, got float64")
class EncodesToDouble(Squares):
    def encode(self, target: Any, n_out: int, dtype: Any) -> Any:
        return super().encode(target, n_out, np.float64)


@broken("loss", r"dL/dy: expected float32 as y is, got float64")
class LossUpcasts(Squares):
    def each(self, y: Any, target: Any) -> Any:
        loss, dy = super().each(y, target)
        return loss, dy * np.ones(3)


@broken("loss", r"dL/dy changes through another call")
class OneBuffer(Squares):
    memory: ClassVar[dict[Any, Any]] = {}

    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        L, dy = super().__call__(y, target, weight)
        out = self.memory.setdefault((dy.shape, dy.dtype), np.empty_like(dy))
        np.copyto(out, dy)
        return L, out


@broken("loss", r"L is different after other calls: something is kept in between")
class RunningMean(Squares):
    memory: ClassVar[list[float]] = [0.0]

    def each(self, y: Any, target: Any) -> Any:
        loss, dy = super().each(y, target)
        self.memory[0] += 0.001
        return loss + y.dtype.type(self.memory[0]), dy


@broken("loss", r"metric of 3 replicas: expected one value a replica, got shape \(\)")
class OneMetric(Squares):
    def metric(self, y: Any, target: Any) -> Any:
        return np.abs(y - target).mean()


@broken("loss", r"dL/dy: expected an array of y's shape \(6, 3\), got \(6, 1\)")
class GradientOfTheSample(Squares):
    def each(self, y: Any, target: Any) -> Any:
        loss, dy = super().each(y, target)
        return loss, dy.sum(axis=-1, keepdims=True)


# Optimizers: gradient descent with momentum and weight decay, in which each example overrides a piece.


@dataclass(frozen=True, repr=False)
class Heavy(Optimizer):
    rate: float | tuple[float, ...] = 0.1
    weight_decay: float = 0.0
    memory: Any = field(default=None, compare=False)

    def init(self, theta: Any, parameters: Any = None) -> Any:
        decay = self.weight_decay * weights_only(theta, parameters)
        return {"rate": self.first_state(theta)["rate"], "velocity": np.zeros_like(theta), "decay": decay}

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        state["velocity"] *= 0.5
        state["velocity"] += gradient + state["decay"] * theta
        theta -= state["rate"] * state["velocity"]


def test_what_the_broken_optimizers_start_from_is_right() -> None:
    check_optimizer(Heavy())


@broken("optimizer", r"one small step on a convex quadratic: expected L to fall from .*, got")
class Ascends(Heavy):
    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        super().step(theta, -gradient, state)


@broken("optimizer", r"step leaves theta where it was: it has to be changed in place")
class ReturnsTheta(Heavy):
    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        theta = theta - state["rate"] * gradient


@broken("optimizer", r"step writes into the gradient")
class DecaysInPlace(Heavy):
    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        gradient += state["decay"] * theta
        gradient *= state["rate"]
        theta -= gradient


@broken("optimizer", r"init moves theta")
class InitMoves(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        theta *= 1 - self.first_state(theta)["rate"]
        return super().init(theta, parameters)


@broken("optimizer", r"its own velocity changed in use")
@broken("optimizer", r"two runs taking turns: expected the theta of each alone")
class VelocityInside(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        object.__setattr__(self, "velocity", np.zeros_like(theta))
        return {"rate": self.first_state(theta)["rate"]}

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        if self.velocity.shape == theta.shape:  # type: ignore[attr-defined]
            self.velocity[...] = 0.5 * self.velocity + gradient  # type: ignore[attr-defined]
            theta -= state["rate"] * self.velocity  # type: ignore[attr-defined]


@broken("optimizer", r"the same run twice: expected the same theta")
class StepsCountedInside(Heavy):
    count: ClassVar[list[int]] = [0]

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        self.count[0] += 1
        theta -= state["rate"] * gradient / self.count[0]


@broken("optimizer", r"state\['velocity'\]: expected shape \(3, 12\) or \(3, 1\) .* got \(12,\)")
class OneVelocityForAll(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return super().init(theta, parameters) | {"velocity": np.zeros(theta.shape[-1], theta.dtype)}

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        theta -= state["rate"] * (gradient + 0 * state["velocity"])


@broken("optimizer", r"state\['t'\]: expected shape .* got int")
class CounterIsANumber(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return super().init(theta, parameters) | {"t": 0}


@broken("optimizer", r"state\['before'\] is theta itself: expected a copy")
class KeepsTheta(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return super().init(theta, parameters) | {"before": theta}


@broken("optimizer", r"state\['velocity'\] is shared between two runs")
class OneStateForAllRuns(Heavy):
    memory_of: ClassVar[dict[Any, Any]] = {}

    def init(self, theta: Any, parameters: Any = None) -> Any:
        state = super().init(theta, parameters)
        return state | {"velocity": self.memory_of.setdefault((theta.shape, theta.dtype), state["velocity"])}


@broken("optimizer", r"state: expected an entry 'rate'")
class RateNotInState(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return {"eta": self.first_state(theta)["rate"]}

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        theta -= state["eta"] * gradient


@broken("optimizer", r"replicas together: expected the theta of each alone")
class ClipsAllTogether(Heavy):
    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        super().step(theta, gradient / np.linalg.norm(gradient), state)


@broken("optimizer", r"replicas, each with a rate of its own, together: expected the theta of each alone")
class FirstRateForAll(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        state = super().init(theta, parameters)
        return state | {"rate": 0 * state["rate"] + np.ravel(self.rate)[0]}


@broken("optimizer", r"after a replica is taken out the others go on differently")
class MixesReplicas(Heavy):
    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        super().step(theta, gradient + 0.1 * gradient.reshape(-1, 12).mean(axis=0), state)


@broken("optimizer", r"state\['velocity'\]: expected float32 as theta is, got float64")
class DoubleState(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return super().init(theta, parameters) | {"velocity": np.zeros(theta.shape)}


@broken("optimizer", r"weight_decay moves a bias: expected weights only")
@broken("optimizer", r"weight_decay moves a scale: expected weights only")
@broken("optimizer", r"DecaysEverything\(weight_decay=0\.1\) moves statistics, whose gradient is 0")
class DecaysEverything(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return super().init(theta, None)


@broken("optimizer", r"weight_decay: expected weights to shrink")
class DecayForgotten(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return super().init(theta, parameters) | {"decay": 0 * theta}


@broken("optimizer", r"moves statistics")
class AddsNoise(Heavy):
    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        super().step(theta, np.sign(gradient + 1e-8), state)


@broken("optimizer", r"expected frozen settings")
@dataclass
class ThawedOptimizer(Optimizer):
    rate: Any = 0.1

    def init(self, theta: Any, parameters: Any = None) -> Any:
        return {"rate": self.first_state(theta)["rate"]}

    def step(self, theta: Any, gradient: Any, state: Any) -> None:
        theta -= state["rate"] * gradient


@broken("optimizer", r"a first step: raised KeyError: 'velocity'")
class StateForgotten(Heavy):
    def init(self, theta: Any, parameters: Any = None) -> Any:
        return {"rate": self.first_state(theta)["rate"]}


@broken("optimizer", r"init: raised TypeError")
class KnowsNoRoles(Heavy):
    def init(self, theta: Any) -> Any:  # type: ignore[override]
        return SGD(0.1).init(theta)


@pytest.mark.parametrize(("cls", "arguments", "fault"), CASES["layer"])
def test_broken_layers(cls: Any, arguments: Any, fault: str) -> None:
    faults = faults_of(lambda: check_layer(cls(*arguments), 3))
    assert named(faults, fault), "\n".join(faults)


@pytest.mark.parametrize(("cls", "arguments", "fault"), CASES["activation"])
def test_broken_activations(cls: Any, arguments: Any, fault: str) -> None:
    faults = faults_of(lambda: check_activation(cls(*arguments), strict=True))
    assert named(faults, fault), "\n".join(faults)


@pytest.mark.parametrize(("cls", "arguments", "fault"), CASES["loss"])
def test_broken_losses(cls: Any, arguments: Any, fault: str) -> None:
    faults = faults_of(lambda: check_loss(cls(*arguments)))
    assert named(faults, fault), "\n".join(faults)


@pytest.mark.parametrize(("cls", "arguments", "fault"), CASES["optimizer"])
def test_broken_optimizers(cls: Any, arguments: Any, fault: str) -> None:
    faults = faults_of(lambda: check_optimizer(cls(*arguments)))
    assert named(faults, fault), "\n".join(faults)


def test_a_dozen_of_each_and_more() -> None:
    for kind, cases in CASES.items():
        assert len({case.values[0] for case in cases}) >= 12, kind
