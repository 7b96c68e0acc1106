"""The kernels of GELU, x Φ(x), Φ the normal distribution function: right in the tails too, which is not common.

The bounds are stated as in special.py.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from minnet.precision import exp_parts, in_blocks, in_own_blocks, mirrored, two_product
from minnet.settings import Array

# The normal distribution by Mills' ratio M(a) = (1 - Φ(a)) / φ(a), as polynomials in s = 2.25 a / (a + 5) - 1, which
# runs from -1 to 1 as a runs from 0 to 40: M(a) (1 + √(π/2) a), and (M(a) - a) / (a₀ - a) with M(a₀) = a₀. Both are
# Chebyshev series computed in 60 digits and truncated below 2⁻⁵⁷. (scipy's ndtr loses up to nine bits of float64.)
_MILLS = (
    1.4230514914534276, -0.17604580545593293, -0.01074156953952123, 0.10260249998581504, -0.10950688685503558,
    0.07416408147012653, -0.03567334758773723, 0.01169326085892096, -0.001936892813542717, -0.00029130479046060576,
    0.0002395119204447912, -2.5939099035096937e-05, -1.8166940216498585e-05, 5.05813010161478e-06,
    1.3886386416645128e-06, -6.468644252173883e-07, -1.3221841177071145e-07, 7.735181647454573e-08,
    1.7040071143145635e-08, -8.914044290719709e-09, -2.5976218978008603e-09, 8.985839156743146e-10,
    3.5842251819133154e-10, -5.766755200802269e-11, -2.962166719554377e-11,
)  # fmt: skip
_ROOT = (
    1.1585917731870352, -0.23318989548099847, 0.1460810561124128, -0.07820193492017398, 0.034943168773510176,
    -0.01249303069314825, 0.0032575449243994288, -0.00044793559045926547, -5.900966605609607e-05,
    4.2651255955480906e-05, -4.39349852741616e-06, -2.539051993741844e-06, 6.940692170886264e-07, 1.53419719087739e-07,
    -7.527885197762805e-08, -1.1720318142028918e-08, 7.902803726103107e-09, 1.2637128782181386e-09,
    -8.292008957208119e-10, -1.5571209314088066e-10, 7.929052493511734e-11, 1.3073214413017718e-11,
    -5.023845242728226e-12,
)  # fmt: skip
_SQRT_HALF_PI = 1.2533141373155003
_INV_SQRT_2PI = 0.3989422804014327


def _horner(s: Array, coefficients: Sequence[float]) -> Array:
    y = s * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        y += c
        y *= s
    return y + coefficients[0]


def _normal(a: Array) -> tuple[Array, Array | float]:
    """√(2π) φ(a), with the rounding error of a² put back, as exp_parts gives it."""
    square, low = two_product(a, a)
    return exp_parts(-0.5 * square, -0.5 * low, False)


@lru_cache(maxsize=1)
def _ndtr() -> np.ufunc:
    from scipy.special import ndtr

    return ndtr


@in_blocks
def gelu(x: Array, *, narrow: bool) -> Array:
    """x Φ(x) = max(x, 0) - |x| φ(x) M(|x|). Error: float64 ≤ 5 ULP, float32 ≤ 1."""
    if narrow:
        from_left = np.maximum(x, -40.0)
        return from_left * _ndtr()(from_left)
    a = np.minimum(np.abs(x), 40.0)
    e, scale = _normal(a)
    mills = _horner(a * 2.25 / (a + 5.0) - 1.0, _MILLS)
    mills *= a
    mills /= 1.0 + _SQRT_HALF_PI * a
    return np.maximum(x, 0.0) - mills * _INV_SQRT_2PI * e * scale


@in_own_blocks
def gelu_slope(x: Array) -> Array:
    """Φ(x) + x φ(x) as it stands: an error of a few ULP of 1, whatever the size of the result."""
    near = np.minimum(np.maximum(x, -40), 40)
    return _ndtr()(near) + near * np.exp(-0.5 * (near * near)) * _INV_SQRT_2PI


@in_blocks
def gelu_derivative(x: Array, *, narrow: bool) -> Array:
    """Φ(x) + x φ(x); left of 0 it is φ(a) (M(a) - a), a = |x|, its root factored out. float64 ≤ 5 ULP, float32 ≤ 1."""
    if narrow:
        return gelu_slope(x)
    a = np.minimum(np.abs(x), 40.0)
    e, scale = _normal(a)
    ratio = _horner(a * 2.25 / (a + 5.0) - 1.0, _ROOT)
    ratio *= (0.7517915246935645 - a) - 1.4956759177009883e-17
    return mirrored(x, ratio * _INV_SQRT_2PI * e * scale)
