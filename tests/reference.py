"""The catalogue a second time, in mpmath: from the definitions, at two precisions that have to agree."""

from collections.abc import Callable

import mpmath
import numpy as np
from mpmath import mpf

import minnet as mn

Function = Callable[[mpf], mpf]
ONE = mpf(1)


def _e(x):  # exp(x); for x below -10⁵ it is 0 to every float, and mpmath would take minutes over its exponent
    return mpmath.exp(x) if x > -100_000 else mpf(0)


def _sigma(x):
    return 1 / (1 + _e(-x)) if x > -100_000 and x < 100_000 else mpf(x > 0)


def _log1pe(x):  # log(1 + exp x)
    return x + mpmath.log1p(_e(-x)) if x > 0 else mpmath.log1p(_e(x))


def _phi(x):
    return _e(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def _cdf(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2 if abs(x) < 400 else mpf(x > 0)


def _w(x):
    return 2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x**3)


def _dw(x):
    return 2 * mpmath.sqrt(2 / mpmath.pi) * (1 + 3 * mpf("0.044715") * x**2)


def _gate(x):  # tanh(softplus(x))
    e = _e(-abs(x))
    return e * (e + 2) / (e * (e + 2) + 2) if x < 0 else (1 + 2 * e) / (1 + 2 * e + 2 * e * e)


def _one_minus_gate_squared(x):
    e = _e(-abs(x))
    if x < 0:
        return 4 * (1 + e) ** 2 / (e * (e + 2) + 2) ** 2
    return 4 * e * e * (1 + e) ** 2 / (1 + 2 * e + 2 * e * e) ** 2


def _elu(x, alpha, beta=ONE):
    return x if x > 0 else alpha * mpmath.expm1(x / beta if x > -100_000 else mpf(-100_000) / beta)


def _silu_slope(x):
    return _sigma(x) + x * _sigma(x) * _sigma(-x)


def _tanh_form_slope(x):
    return _sigma(_w(x)) + x * _dw(x) * _sigma(_w(x)) * _sigma(-_w(x))


def _clip(x, low, high):
    return min(max(x, mpf(low)), mpf(high))


def reference(activation: mn.Activation) -> tuple[Function, Function]:
    """The value and the derivative of a member of the catalogue."""
    selu_scale = mpf("1.0507009873554804934193349852946")
    selu_floor = selu_scale * mpf("1.6732632423543772848170429916717")
    match activation:
        case mn.Identity():
            return lambda x: x, lambda x: ONE
        case mn.Sigmoid():
            return _sigma, lambda x: _e(-abs(x)) / (1 + _e(-abs(x))) ** 2
        case mn.Tanh():
            return lambda x: mpmath.tanh(
                _clip(x, -1e5, 1e5)
            ), lambda x: 4 * _e(-2 * abs(x)) / (1 + _e(-2 * abs(x))) ** 2
        case mn.ReLU():
            return lambda x: max(x, mpf(0)), lambda x: mpf(x > 0)
        case mn.LeakyReLU(alpha):
            return lambda x: x if x > 0 else mpf(alpha) * x, lambda x: ONE if x > 0 else mpf(alpha)
        case mn.ELU(alpha):
            return lambda x: _elu(x, mpf(alpha)), lambda x: ONE if x > 0 else mpf(alpha) * _e(x)
        case mn.CELU(alpha):
            return lambda x: _elu(x, mpf(alpha), mpf(alpha)), lambda x: ONE if x > 0 else _e(x / mpf(alpha))
        case mn.SELU():
            return (
                lambda x: selu_scale * x if x > 0 else _elu(x, selu_floor),
                lambda x: selu_scale if x > 0 else selu_floor * _e(x),
            )
        case mn.Softplus():
            return _log1pe, _sigma
        case mn.LogSigmoid():
            return lambda x: -_log1pe(-x), lambda x: _sigma(-x)
        case mn.Softsign():
            return lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2
        case mn.GELU("none"):
            return lambda x: x * _cdf(x), lambda x: _cdf(x) + x * _phi(x)
        case mn.GELU("tanh"):
            return lambda x: x * _sigma(_w(x)), _tanh_form_slope
        case mn.SiLU(beta):
            return lambda x: x * _sigma(mpf(beta) * x), lambda x: _silu_slope(mpf(beta) * x)
        case mn.Mish():
            return (
                lambda x: x * _gate(x),
                lambda x: _gate(x) + x * _one_minus_gate_squared(x) * _sigma(x),
            )
        case mn.HardSigmoid():
            return lambda x: _clip(x / 6 + ONE / 2, 0, 1), lambda x: ONE / 6 if abs(x) < 3 else mpf(0)
        case mn.HardTanh():
            return lambda x: _clip(x, -1, 1), lambda x: mpf(abs(x) < 1)
        case mn.HardSwish():
            return (
                lambda x: x * _clip(x + 3, 0, 6) / 6,
                lambda x: (2 * x + 3) / 6 if abs(x) < 3 else mpf(x > 0),
            )
        case mn.ReLU6():
            return lambda x: _clip(x, 0, 6), lambda x: mpf(0 < x < 6)
        case mn.Gaussian():
            return lambda x: _e(-x * x), lambda x: -2 * x * _e(-x * x)
        case mn.Sine(omega):
            return lambda x: mpmath.sin(mpf(omega) * x), lambda x: mpf(omega) * mpmath.cos(mpf(omega) * x)
        case mn.Snake(alpha):
            return (
                lambda x: x + mpmath.sin(mpf(alpha) * x) ** 2 / mpf(alpha),
                lambda x: 1 + mpmath.sin(2 * mpf(alpha) * x),
            )
        case mn.Step():
            return lambda x: mpf(x >= 0), lambda x: mpf(0)
    raise KeyError(activation)


def exact(f: Function, x: mpf) -> mpf:
    """f(x) to 75 bits or more: computed at two precisions, raised until both agree."""
    low = 110
    while True:
        with mpmath.workprec(low):
            first = f(x)
        with mpmath.workprec(low + 60):
            second = f(x)
            if abs(first - second) <= abs(second) * mpf(2) ** -75:
                return second
        low *= 2
        assert low < 10_000, f"no agreement at {x}"


def errors_in_ulp(f: Function, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """|y - f(x)| in units in the last place of f(x), or of the smallest subnormal where that is larger."""
    info = np.finfo(y.dtype)
    return np.array(
        [error_in_ulp(exact(f, mpf(float(a))), float(b), info) for a, b in zip(x, y, strict=True)],
    )


def error_in_ulp(true: mpf, y: float, info: np.finfo) -> float:
    if not np.isfinite(y):
        return 0.0 if np.sign(y) * true >= float(info.max) * (1 + float(info.eps) / 4) else float("inf")
    _sign, _, exponent, bits = true._mpf_
    place = max(exponent + bits - 1 if true else -(10**6), int(info.minexp)) - info.nmant
    with mpmath.workprec(200):
        return abs(float(mpmath.ldexp(true - mpf(y), -place)))


ROOTS = (0.0, 1.0, 0.7517915246935645, 0.7524614220710163, 1.2784645427610737, 1.1924312145154952, 3.0, 1.5, 6.0)


def sample(dtype: type, n: int, seed: int = 0) -> np.ndarray:
    """About n points of the whole range of a dtype, by strata."""
    rng = np.random.default_rng([seed, np.dtype(dtype).itemsize])
    info, m = np.finfo(dtype), n // 10
    integer = np.uint32 if dtype is np.float32 else np.uint64
    patterns = rng.integers(0, np.iinfo(integer).max, 2 * m, dtype=integer, endpoint=True).view(dtype)
    roots = np.repeat(ROOTS, m // len(ROOTS) + 1).astype(dtype)
    ulps = np.rint(2.0 ** rng.uniform(0, 0.7 * info.nmant, roots.size)).astype(dtype)
    subnormal = (rng.integers(1, 2**info.nmant, m // 2).astype(integer)).view(dtype)
    edge = 104.0 if dtype is np.float32 else 746.0  # exp(-edge) is below half the smallest subnormal
    smallest, tiny, large = info.smallest_subnormal, info.tiny, info.max
    parts = [
        patterns[np.isfinite(patterns)],
        rng.uniform(-6, 6, 2 * m),
        rng.normal(0, 20, m),
        np.sign(rng.uniform(-1, 1, m)) * 10.0 ** rng.uniform(-9, 0, m),  # dense near 0
        rng.uniform(-edge, -0.83 * edge, m),
        rng.uniform(-edge, edge, m),
        -np.sqrt(rng.uniform(1.5 * edge, 2.1 * edge, m)),  # where exp(-x²/2) ends
        -np.sqrt(rng.uniform(0.8 * edge, 1.02 * edge, m // 2)),  # where exp(-x²) ends
        -np.cbrt(rng.uniform(9, 15, m // 2) * edge),  # where exp(-x³ k₂) ends
        roots * (1 + ulps * info.eps),
        -roots * (1 + ulps * info.eps),
        -roots * (1 - ulps * info.eps),
        np.concatenate([subnormal, -subnormal]),
        [0.0, -0.0, 1, -1, 3, -3, 6, -6, 1.5, -1.5, smallest, -smallest, tiny, -tiny, large, -large, large / 2],
    ]
    return np.concatenate([np.asarray(part, dtype) for part in parts])
