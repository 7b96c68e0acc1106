"""Tools of the kernels: float64 work in blocks, rounded once; numbers held as a float and its rounding error."""

import math
from collections.abc import Callable
from functools import wraps

import numpy as np

from minnet.settings import Array

BLOCK = 4096  # float64 numbers: 32 KiB, so that the temporaries of a kernel stay in the nearest cache
Kernel = Callable[..., Array]


def in_blocks(kernel: Kernel) -> Kernel:
    """Run kernel(x, *settings, narrow=...) in float64, block by block, and round once to the dtype of x.

    `narrow` says that x came with fewer digits, so that the kernel may leave out what float32 cannot see.
    """

    @wraps(kernel)
    def run(x: Array, *settings: float) -> Array:
        x = np.asarray(x)
        narrow = x.dtype.kind == "f" and x.dtype.itemsize < 8
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        if x.size <= BLOCK:
            flat = x.astype(np.float64, copy=False).reshape(-1)
            return kernel(flat, *settings, narrow=narrow).astype(dtype, copy=False).reshape(x.shape)
        flat, y = x.reshape(-1), np.empty(x.size, dtype)
        for start in range(0, x.size, BLOCK):
            part = flat[start : start + BLOCK].astype(np.float64, copy=False)
            y[start : start + BLOCK] = kernel(part, *settings, narrow=narrow)
        return y.reshape(x.shape)

    return run


def in_own_blocks(kernel: Kernel) -> Kernel:
    """The same for a kernel(x, *settings) that works in the dtype of x."""

    @wraps(kernel)
    def run(x: Array, *settings: float) -> Array:
        if x.size <= BLOCK:
            return kernel(x, *settings)
        flat, y = x.reshape(-1), np.empty(x.size, x.dtype)
        for start in range(0, x.size, BLOCK):
            y[start : start + BLOCK] = kernel(flat[start : start + BLOCK], *settings)
        return y.reshape(x.shape)

    return run


def two_product(a: Array, b: Array | float) -> tuple[Array, Array]:
    """a b as the unevaluated sum of a float and its rounding error (Dekker 1971); needs |a|, |b| < 1e300."""
    product = a * b
    a_high, b_high = a * 134217729.0, b * 134217729.0
    a_high = a_high - (a_high - a)
    b_high = b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as the unevaluated sum of a float and its rounding error (Knuth 1969)."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def scaled(x: Array, factor: float, narrow: bool) -> tuple[Array, Array | float]:
    """x · factor and its rounding error, with x first moved to where exp(-|x factor|) is not yet 0 in float64."""
    if factor == 1:
        return x, 0.0
    bound = 1500.0 / factor
    x = np.minimum(np.maximum(x, -bound), bound)
    return (x * factor, 0.0) if narrow else two_product(x, factor)


def mirrored(x: Array, left: Array) -> Array:
    """f′(x) where f(x) - f(-x) = x, hence f′(x) + f′(-x) = 1: `left` is f′(-|x|)."""
    sign = np.copysign(1.0, x)
    return (sign > 0) - sign * left


def exp_parts(z: Array, z_low: Array | float, narrow: bool) -> tuple[Array, Array | float]:
    """e and scale with e · scale = exp(-|z + z_low|); scale is 1 unless the product is about to underflow.

    What is large is multiplied in between, so that nothing is lost in a subnormal number that is not the result. z < 0
    where that matters.
    """
    scale: Array | float = 1.0
    e = -np.abs(z)
    if not narrow and (far := z < -700.0).any():
        e += 40.0 * far
        scale = np.where(far, math.exp(-40.0), 1.0)
    np.exp(e, out=e)
    return (e, scale) if isinstance(z_low, float) else (e - e * (np.copysign(1.0, z) * z_low), scale)
