"""Matrix products as a training step needs them: the same numbers with less waiting."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from minnet.settings import Array


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """a @ b; two plain matrices go through dot, which takes half the time on small ones."""
    return a.dot(b, out) if a.ndim == b.ndim == 2 else np.matmul(a, b, out)


def times_transposed(a: Array, b: Array, out: Array | None = None) -> Array:
    """a bᵀ; in a stack of small matrices BLAS is slow to read b by columns, and faster with a copy."""
    stack_of_small = b.ndim > 2 and b.shape[-1] * b.shape[-2] <= 2**14
    return matmul(a, b.mT.copy() if stack_of_small else b.mT, out)


def row_sums(a: Array) -> Array:
    """Sums over the last axis: (..., 1), or once a column where they are few: broadcasting to short rows is slow."""
    n = a.shape[-1]
    return matmul(a, ones(n, n if n <= 16 else 1, a.dtype))


@lru_cache(maxsize=64)
def ones(rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    """A matrix of ones, read-only: a product with it sums over an axis, several times faster than sum()."""
    matrix = np.ones((rows, columns), dtype)
    matrix.flags.writeable = False
    return matrix
