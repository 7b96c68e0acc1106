"""Sines of a product, sin(ω x), right for every finite x: the kernels of Sine and Snake, each with its error bound."""

import math
from functools import lru_cache

import numpy as np

from minnet.precision import in_blocks, two_product, two_sum
from minnet.settings import Array

# π/2 in three parts: the first two so short that their product with an integer below 2²⁰ is exact (Cody & Waite 1980).
_HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)


@lru_cache(maxsize=1)
def _half_pi_bits() -> int:
    """π/2 · 2¹⁵⁰⁰, by Machin's formula in integers."""

    def arctan_of_inverse(n: int) -> int:
        term, total, k = (1 << 1600) // n, 0, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term, k = term // (n * n), k + 2
        return total

    return (8 * arctan_of_inverse(5) - 2 * arctan_of_inverse(239)) >> 100


def _reduced(x: Array, factor: float, shift: float) -> tuple[Array, Array, Array]:
    """q, r, r_low with x · factor = (q - shift) π/2 + r + r_low, q whole, |r| at most π/4; x finite.

    Beyond 2¹⁹ number by number in whole numbers: as exact, and much slower (Payne & Hanek 1983).
    """
    far = np.abs(x) > 2.0**19 / factor
    z, z_low = two_product(np.where(far, 0.0, x), factor)
    q = np.rint(z * (2.0 / math.pi) + shift)
    turns = q - shift
    r, r_low = two_sum(z - turns * _HALF_PI[0], -turns * _HALF_PI[1])
    r_low += z_low - turns * _HALF_PI[2]
    r, r_low = two_sum(r, r_low)
    if far.any():
        f, f_below = float(factor).as_integer_ratio()
        half_pi, unit = _half_pi_bits(), 1 << 1500
        for i in np.flatnonzero(far):
            n, n_below = float(x[i]).as_integer_ratio()
            top = n * f * unit // (n_below * f_below) * 2 + round(2 * shift) * half_pi
            whole = (top + half_pi) // (2 * half_pi)
            q[i], r[i], r_low[i] = whole % 4, (top - 2 * whole * half_pi) / (2 * unit), 0.0
    return q, r, r_low


def _sine(x: Array, factor: float, shift: float, narrow: bool) -> Array:
    """sin(x · factor + shift π/2), NaN where x is not finite."""
    if narrow:  # near 0, what is rounded away in float64 is below the digits of float32
        far = ~(np.abs(x) <= 256.0 / factor)
        y = np.sin(np.where(far, 0.0, x) * factor + shift * (math.pi / 2))
        if far.any():
            y[far] = _sine(x[far], factor, shift, False)
        return y
    finite = np.isfinite(x)
    q, r, r_low = _reduced(np.where(finite, x, 0.0), factor, shift)
    quarter = q.astype(np.int64)
    sine, cosine = np.sin(r), np.cos(r)
    y = np.where(quarter & 1, cosine, sine + cosine * r_low)
    y *= 1 - (quarter & 2)
    return np.where(finite, y, np.nan)


@in_blocks
def sin_product(x: Array, omega: float, *, narrow: bool) -> Array:
    """sin(ωx). Error: float64 ≤ 2 ULP, float32 ≤ 1."""
    return _sine(x, omega, 0.0, narrow)


@in_blocks
def sin_product_derivative(x: Array, omega: float, *, narrow: bool) -> Array:
    """ω cos(ωx). Error: float64 ≤ 3 ULP, float32 ≤ 1."""
    return omega * _sine(x, omega, 1.0, narrow)


@in_blocks
def snake(x: Array, alpha: float, *, narrow: bool) -> Array:
    """x + sin²(αx) / α. Error: float64 ≤ 3 ULP (5 unless α is a power of 2), float32 ≤ 1.

    Where sin² > 1/2 it is 1 - cos², and x + 1/α is added up before the small rest is taken off.
    """
    near = np.where(np.isfinite(x), x, 0.0)
    if narrow:
        sine = _sine(near, alpha, 0.0, narrow)
        return x + sine * sine / alpha
    q, r, r_low = _reduced(near, alpha, 0.0)
    sine = np.sin(r) + np.cos(r) * r_low
    rest = sine * sine / alpha
    odd = q.astype(np.int64) & 1
    total, low = two_sum(near, odd / alpha)
    return np.where(near == x, total + (low + rest * (1.0 - 2.0 * odd)), x)


@in_blocks
def snake_derivative(x: Array, alpha: float, *, narrow: bool) -> Array:
    """1 + sin(2αx) = 2 sin²(αx + π/4). Error: float64 ≤ 4 ULP, float32 ≤ 1."""
    sine = _sine(x, alpha, 0.5, narrow)
    return 2.0 * sine * sine
