"""The numerical kernels that the costly activations are made of, each with its error bound.

ULP: units in the last place of the result; next to the smallest normal number and below it, units of the smallest
subnormal. Every kernel works in float64; float32 is computed there and rounded once. The bounds are the largest errors
over 20,000 points of the whole range, rounded up; they assume an exp and expm1 within 1 ULP, as NumPy's are.
"""

from typing import Any

import numpy as np

from minnet.precision import exp_parts, in_blocks, in_own_blocks, mirrored, scaled, two_product, two_sum
from minnet.settings import Array

# GELU's tanh form is x σ(w) with w = k₁ x + k₂ x³, k₁ = 2 √(2/π), k₂ = 0.044715 k₁: each as a float and the rest of it.
_K1, _K1_LOW = 1.5957691216057308, -9.96930880911092e-17
_K2, _K2_LOW = 0.07135481627260025, -6.175149918155315e-19


def _tanh_form(x: Array, narrow: bool) -> tuple[Array, Array | float]:
    """exp(-|w|), as exp_parts gives it."""
    if narrow:
        return exp_parts(x * (_K1 + _K2 * (x * x)), 0.0, narrow)
    square, square_low = two_product(x, x)
    cubic, cubic_low = two_product(square, _K2)
    slope, slope_low = two_sum(np.full_like(x, _K1), cubic)
    slope_low += cubic_low + (_K2 * square_low + _K2_LOW * square + _K1_LOW)
    w, w_low = two_product(x, slope)
    return exp_parts(w, w_low + x * slope_low, narrow)


def _gate_slope(w: Array, v: Array) -> Array:
    """σ(w) + v σ′(w): the derivative of x σ(w(x)), v = x w′(x), to a few ULP of 1, whatever the size of the result."""
    e = np.exp(-np.abs(w))
    share = 1 / (1 + e)
    return (np.maximum(e, np.sign(w)) + v * e * share) * share


@in_blocks
def gelu_tanh(x: Array, *, narrow: bool) -> Array:
    """x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2. Error: float64 ≤ 4 ULP, float32 ≤ 1."""
    from_left = np.maximum(x, -26.0)
    e, scale = _tanh_form(np.minimum(from_left, 26.0), narrow)
    return from_left * np.maximum(e, np.sign(x)) / (1.0 + e) * scale


@in_blocks
def gelu_tanh_derivative(x: Array, *, narrow: bool) -> Array:
    """The derivative of gelu_tanh. Error: float64 ≤ 6 ULP, float32 ≤ 1.

    At -a it is E / (1 + E)² · (1 + E - a w′(a)), E = exp(-w(a)). The last factor is 0 at a₀; written as its change from
    there, E₀ expm1(w(a₀) - w(a)) - (a w′(a) - a₀ w′(a₀)), it is a sum of two terms of one sign for every a.
    """
    a = np.minimum(np.abs(x), 26.0)
    e, scale = _tanh_form(-a, narrow)
    root = 0.7524614220710163
    d = (a - root) + 3.635560509207687e-17
    cubic = _K2 * (3.0 * root * root + d * (3.0 * root + d))
    change = 0.29195521191476714 * np.expm1(-d * (_K1 + cubic)) - d * (_K1 + 3.0 * cubic)
    return mirrored(x, e / np.square(1.0 + e) * change * scale)


@in_own_blocks
def gelu_tanh_slope(x: Array) -> Array:
    """The derivative of gelu_tanh in the dtype of x, to a few ULP of 1."""
    near = np.minimum(np.maximum(x, -26), 26)
    w, cubic = near * _K1, _K2 * near * near * near
    return _gate_slope(w + cubic, w + 3 * cubic)


@in_blocks
def silu(x: Array, beta: float, *, narrow: bool) -> Array:
    """x σ(βx). Error: float64 ≤ 3 ULP, float32 ≤ 1."""
    e, scale = exp_parts(*scaled(x, beta, narrow), narrow)
    y = np.maximum(x, -1500.0 / beta)
    y *= np.maximum(e, np.sign(x))
    y /= 1.0 + e
    return y if narrow else y * scale


@in_blocks
def silu_derivative(x: Array, beta: float, *, narrow: bool) -> Array:
    """σ(z) + z σ′(z), z = βx; the factor 1 + E - |z| as its change from its root (see gelu_tanh_derivative).

    Error: float64 ≤ 5 ULP, float32 ≤ 1.
    """
    z, z_low = scaled(-np.minimum(np.abs(x), 1500.0 / beta), beta, narrow)
    e, scale = exp_parts(z, z_low, narrow)
    d = (-z - 1.2784645427610737) - (z_low + 1.0946994183093437e-16)
    change = 0.2784645427610738 * np.expm1(-d) - d
    return mirrored(x, e / np.square(1.0 + e) * change * scale)


@in_own_blocks
def silu_slope(x: Array, beta: float) -> Array:
    """The derivative of silu in the dtype of x, to a few ULP of 1."""
    if beta == 1:
        return _gate_slope(x, x)
    bound = 1500 / beta
    z = np.minimum(np.maximum(x, -bound), bound) * beta
    return _gate_slope(z, z)


@in_blocks
def mish(x: Array, *, narrow: bool) -> Array:
    """x tanh(log(1 + exp x)) = x u (u + 2v) / (u (u + 2v) + 2v²), where u / v = exp x. float64 ≤ 4 ULP, float32 ≤ 1."""
    from_left = np.maximum(x, -1500.0)
    e, scale = exp_parts(from_left, 0.0, narrow)
    u, v = np.maximum(e, np.sign(x)), np.maximum(e, np.sign(-x))
    n = u * (u + 2.0 * v)
    return from_left * (n / (n + 2.0 * (v * v))) * scale


@in_blocks
def mish_derivative(x: Array, *, narrow: bool) -> Array:
    """The derivative of mish. Error: float64 ≤ 6 ULP, float32 ≤ 1.

    With E = exp(-a), a = |x|: right of 0 a ratio of sums of positive terms; left of 0 it is E G / (E² + 2E + 2)²,
    G = E³ + 4E² + (6 - 4a) E + 4 - 4a, and G is written as its change from its root, all terms of one sign.
    """
    a = np.minimum(np.abs(x), 1500.0)
    e, scale = exp_parts(-a, 0.0, narrow)
    e0 = 0.3034825352815289
    d = (a - 1.1924312145154952) - 4.8484829848031044e-17
    q = np.expm1(-d)
    g = q * (e0**3 * (3.0 + q * (3.0 + q)) + 4.0 * e0**2 * (2.0 + q) + (6.0 - 4.0 * 1.1924312145154952) * e0)
    left = e / np.square(2.0 + e * (2.0 + e)) * (g - 4.0 * d * (1.0 + e)) * scale
    right = (1.0 + e * (4.0 + e * (6.0 + 4.0 * a + 4.0 * e * (1.0 + a)))) / np.square(1.0 + 2.0 * e * (1.0 + e))
    return np.where(x > 0, right, left)


@in_own_blocks
def mish_slope(x: Array) -> Array:
    """The derivative of mish in the dtype of x, to a few ULP of 1: t + x σ (1 - t²), where f(x) = x t."""
    near = np.minimum(np.maximum(x, -1500), 1500)
    e = np.exp(-np.abs(near))
    u, v = np.maximum(e, np.sign(x)), np.maximum(e, np.sign(-x))  # u / v = exp x
    n, w = u * (u + 2 * v), 2 * v * v
    share = 1 / (n + w)
    return (n + 2 * near * u * w * (u + v) * share) * share


def _bell(near: Array, narrow: bool) -> tuple[Array, Array | float]:
    """exp(-near²), as exp_parts gives it; the square of a float32 is exact in float64."""
    if narrow:
        return exp_parts(near * near, 0.0, narrow)
    square, low = two_product(near, near)
    return exp_parts(-square, -low, narrow)


@in_blocks
def gaussian(x: Array, *, narrow: bool) -> Array:
    """exp(-x²). Error: float64 ≤ 2 ULP, float32 ≤ 1."""
    e, scale = _bell(np.minimum(np.abs(x), 30.0), narrow)
    return e * scale


@in_blocks
def gaussian_derivative(x: Array, *, narrow: bool) -> Array:
    """-2x exp(-x²). Error: float64 ≤ 3 ULP, float32 ≤ 1."""
    near = np.minimum(np.maximum(x, -30.0), 30.0)
    e, scale = _bell(near, narrow)
    return -2.0 * near * e * scale


def _shifted(x: Array) -> tuple[Array, Array]:
    """Classes first (..., classes, batch), in float64: x - max x, and the rounding error of that.

    NumPy reduces a short last axis many times slower. Equal infinities count as equal numbers.
    """
    x = np.array(x.mT, np.float64, order="C")
    top = np.maximum.reduce(x, axis=-2, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        d, low = two_sum(x, -top)
    if not np.isfinite(low).all():  # an infinity, or a difference beyond the floats
        d, low = np.where(x == top, 0.0, d), np.where(np.isfinite(low), low, 0.0)
    return d, low


def _sum(e: Array) -> Array:
    """Σ over the classes, in pairs: the rounding errors grow with the logarithm of their number only."""
    while (n := e.shape[-2]) > 1:
        half = e[..., : n // 2, :] + e[..., n // 2 : n // 2 * 2, :]
        e = half if n % 2 == 0 else np.concatenate([half, e[..., -1:, :]], axis=-2)
    return e


def _classes_last(y: Array, dtype: np.dtype[Any]) -> Array:
    return np.array(y.mT, dtype if dtype.kind == "f" else np.float64, order="C")


def _others(e: Array, d: Array) -> Array:
    """Σ over the classes but the largest, whose e is 1: added last, that one costs the sum a single rounding."""
    e = e.copy()
    np.put_along_axis(e, d.argmax(axis=-2, keepdims=True), 0.0, axis=-2)
    return _sum(e)


def softmax(x: Array) -> Array:
    """exp(xᵢ) / Σⱼ exp(xⱼ) over the last axis of x (..., batch, classes). Error: float64 ≤ 4 ULP, float32 ≤ 1.

    The difference to the largest logit is rounded, and at -700 that alone costs 500 ULP: the error is put back.
    """
    d, low = _shifted(x)
    e = np.exp(d)
    e += e * low
    e /= 1.0 + _others(e, d)
    return _classes_last(e, x.dtype)


def log_softmax(x: Array) -> Array:
    """xᵢ - log Σⱼ exp(xⱼ) over the last axis of x (..., batch, classes). Error: float64 ≤ 4 ULP, float32 ≤ 1."""
    d, low = _shifted(x)
    e = np.exp(d)
    e += e * low
    with np.errstate(over="ignore"):
        return _classes_last(d + (low - np.log1p(_others(e, d))), x.dtype)


def complement(y: Array) -> Array:
    """1 - y for rows y of a softmax, without cancellation: the sum of the others where y is above one half."""
    others = _sum(np.where(y > 0.5, 0.0, y).mT).mT
    return np.where(y > 0.5, others, 1.0 - y)
