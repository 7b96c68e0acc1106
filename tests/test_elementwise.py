"""Derivatives of expressions against mpmath's, and what is said when an expression cannot be followed."""

import math
import pickle

import mpmath
import numpy as np
import pytest
from mpmath import mp
from scipy import special

import minnet as mn
from minnet.elementwise import Elementwise

X = np.array([-2.3, -0.71, -0.2, 0.15, 0.62, 1.9])
UNIT, POSITIVE, ABOVE = X / 3, np.abs(X), np.abs(X) + 1.1

EXPRESSIONS = {
    "arithmetic": (lambda x: 3 - 2 * x + x * x / (1 + x * x), lambda x: 3 - 2 * x + x * x / (1 + x * x), X),
    "power": (lambda x: x**3 - 2.0**x + (+x) ** -2, lambda x: x**3 - mp.mpf(2) ** x + x**-2, X),
    "power of itself": (lambda x: x**x, lambda x: x**x, POSITIVE),
    "float_power": (lambda x: np.float_power(x, 1.5), lambda x: x**1.5, POSITIVE),
    "abs": (lambda x: abs(x) + np.fabs(-x), lambda x: 2 * abs(x), X),
    "square, sqrt": (lambda x: np.sqrt(1 + np.square(x)), lambda x: mp.sqrt(1 + x * x), X),
    "cbrt, reciprocal": (lambda x: np.cbrt(np.reciprocal(x)), lambda x: mp.cbrt(1 / x), POSITIVE),
    "exp": (lambda x: np.exp(x) + np.exp2(x) + np.expm1(x), lambda x: 2 * mp.exp(x) + 2**x - 1, X),
    "log": (lambda x: np.log(x) * np.log2(x) - np.log10(x), lambda x: mp.log(x) * mp.log(x, 2) - mp.log10(x), POSITIVE),
    "log1p": (lambda x: np.log1p(x * x), lambda x: mp.log(1 + x * x), X),
    "sin": (
        lambda x: np.sin(x) * np.cos(2 * x) + np.tan(x / 2),
        lambda x: mp.sin(x) * mp.cos(2 * x) + mp.tan(x / 2),
        X,
    ),
    "arcsin": (lambda x: np.arcsin(x) * np.arccos(x * x), lambda x: mp.asin(x) * mp.acos(x * x), UNIT),
    "arctan": (lambda x: np.arctan(x) + np.arctan2(x, 2) + np.arctan2(2, x), lambda x: mp.atan(x) + mp.pi / 2, X),
    "sinh": (lambda x: np.sinh(x) / np.cosh(x) - np.tanh(2 * x), lambda x: mp.tanh(x) - mp.tanh(2 * x), X),
    "arcsinh": (lambda x: np.arcsinh(x), mp.asinh, X),
    "arccosh": (lambda x: np.arccosh(x), mp.acosh, ABOVE),
    "arctanh": (lambda x: np.arctanh(x), mp.atanh, UNIT),
    "degrees": (lambda x: np.deg2rad(x) + np.rad2deg(x), lambda x: x * mp.pi / 180 + x * 180 / mp.pi, X),
    "maximum": (lambda x: np.maximum(x, 0.3) * np.fmin(1, x), lambda x: max(x, mp.mpf("0.3")) * min(1, x), X),
    "clip": (lambda x: np.clip(x, -1, 1) + x.clip(0, 6), lambda x: min(max(x, -1), 1) + min(max(x, 0), 6), X),
    "where": (lambda x: np.where(x > 0, x, 0.1 * x), lambda x: x if x > 0 else x / 10, X),
    "mask": (lambda x: (x > 0) * x + np.heaviside(x, 0) * np.sign(x), lambda x: x + 1 if x > 0 else 0 * x, X),
    "copysign, hypot": (lambda x: np.copysign(np.hypot(x, 2), x), lambda x: mp.sign(x) * mp.hypot(x, 2), X),
    "logaddexp": (
        lambda x: np.logaddexp(0, x) + np.logaddexp2(x, -x),
        lambda x: mp.log(1 + mp.exp(x)) + mp.log(2**x + 2**-x, 2),
        X,
    ),
    "sinc": (lambda x: np.sinc(x), mp.sincpi, X),
    "steps": (lambda x: x * np.floor(x) + np.rint(x) - np.ceil(x) + np.trunc(x), lambda x: x * mp.floor(x), X),
    "scipy": (
        lambda x: special.expit(x) * special.erf(x) + x * special.ndtr(x) - special.erfc(x) + special.log_expit(x),
        lambda x: mp.erf(x) / (1 + mp.exp(-x)) + x * mp.ncdf(x) - mp.erfc(x) - mp.log(1 + mp.exp(-x)),
        X,
    ),
    "constant": (lambda x: np.ones_like(x) + 0 * x, lambda x: mp.mpf(1), X),
    "closed branch": (lambda x: np.full_like(x, 2.0), lambda x: mp.mpf(2), X),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_derivative_of_an_expression_is_exact(name):
    f, true, points = EXPRESSIONS[name]
    activation = Elementwise(f) if points is X else Elementwise(lambda x: f(x), df=None)
    with mpmath.workdps(40):
        expected = [float(mpmath.diff(true, mpmath.mpf(float(v)))) for v in points]
    np.testing.assert_allclose(activation.derivative(points), expected, rtol=1e-13, atol=1e-15)


def naive_mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def test_the_textbook_mish_has_the_slope_of_mish_where_it_is_stable():
    x = np.linspace(-30, 700, 20_001)
    x = x[np.abs(x + 1.19243) > 0.01]  # at its root every expression loses digits
    np.testing.assert_allclose(Elementwise(naive_mish).derivative(x), mn.Mish().derivative(x), rtol=3e-13)


def test_an_expression_trains_as_the_built_in_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    losses = []
    for activation in (Elementwise(lambda x: x * np.tanh(np.log1p(np.exp(x)))), mn.Mish()):
        network = mn.Network(mn.Dense(2, 12), activation, mn.Dense(12, 2))
        run = mn.train(network, mn.softmax_cross_entropy, mn.SGD(0.3), x, y, epochs=30, batch_size=20, seed=0)
        losses.append(run.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert losses[0][-1] < 0.7 * losses[0][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_x_is_kept(dtype):
    x = np.array([-1.0, 0.0, 2.0], dtype)
    activation = Elementwise(lambda x: np.float64(0.3) * x * np.exp(-x * x))
    assert activation(x).dtype == activation.derivative(x).dtype == dtype
    assert activation(np.array([1, 2])).dtype == np.float64


def test_slopes_at_kinks_are_those_of_the_constant_side():
    zero = np.zeros(1)
    for f in (lambda x: np.maximum(x, 0), lambda x: np.maximum(0, x), lambda x: np.clip(x, 0, 6), lambda x: abs(x)):
        assert Elementwise(f).derivative(zero) == 0
    assert Elementwise(lambda x: np.maximum(x, 0.2 * x)).derivative(zero) == pytest.approx(0.6)  # half of each


def test_nan_passes_through():
    activation = Elementwise(lambda x: np.maximum(x, 0.1 * x))
    np.testing.assert_array_equal(activation.derivative(np.array([np.nan, -9.0, 9.0])), [np.nan, 0.1, 1])
    for f in (lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)):  # f itself is 0 there
        assert np.isnan(Elementwise(f).derivative(np.array([np.nan])))


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: math.exp(x), TypeError, "math module"),
        (lambda x: x if x > 0 else 0, TypeError, r"np\.where"),
        (lambda x: max(x, 0), TypeError, r"np\.maximum"),
        (lambda x: special.gammaln(x), TypeError, "gammaln has no rule"),
        (lambda x: np.sort(x), TypeError, "np.sort does not act element by element"),
        (lambda x: np.vectorize(math.exp)(x), TypeError, "left NumPy's"),
        (lambda x: np.add(x, 1, dtype=float), TypeError, "has no rule"),
        (lambda x: x.sum(), ValueError, r"return the shape of x, \(2, 4\), got \(\)"),
        (lambda x: 1.0, ValueError, "return the shape of x"),
        (lambda x: x[:, :1], ValueError, r"got \(2, 1\)"),
        (lambda x: x / np.abs(x).max(), ValueError, "does not act element by element"),
        (lambda x: x - x.mean(axis=-1, keepdims=True), ValueError, "does not act element by element"),
        (lambda x: x > 0, ValueError, "has to return real numbers, got bool"),
        (lambda x: x + 1j, ValueError, "has to return real numbers, got complex"),
        (lambda x: undefined_name, TypeError, "undefined_name"),  # noqa: F821
        ("x + 1", ValueError, "expects f to be a function of one array"),
    ],
)
def test_what_cannot_be_carried_is_said_at_once(f, error, message):
    with pytest.raises(error, match=message):
        Elementwise(f)


def test_a_derivative_by_hand_is_compared_and_then_used():
    assert Elementwise(np.tanh, df=lambda x: 1 - np.tanh(x) ** 2).derivative(np.array([0.5])) == 1 - np.tanh(0.5) ** 2
    with pytest.raises(ValueError, match=r"at x = -3.1 df is .* but the automatic derivative is"):
        Elementwise(np.tanh, df=lambda x: 1 - np.tanh(x))
    by_hand = Elementwise(special.gammaln, df=special.digamma)  # no rule: a difference quotient is the judge
    assert by_hand.derivative(np.array([2.5])) == special.digamma(2.5)
    with pytest.raises(ValueError, match="difference quotient"):
        Elementwise(special.gammaln, df=special.gamma)
    with pytest.raises(ValueError, match="shape of x"):
        Elementwise(np.tanh, df=lambda x: 1.0)


def test_a_named_function_pickles_and_a_lambda_says_no():
    activation = Elementwise(naive_mish)
    assert pickle.loads(pickle.dumps(activation)) == activation
    assert repr(activation) == "Elementwise(naive_mish)"
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(Elementwise(lambda x: x))
