"""A loss says how wrong the output is, and in the same breath which way is better: (y, target) -> L, dL/dy.

Means are PyTorch's: over the batch, and for elementwise losses over the outputs too. L has one value a replica.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from minnet.products import ones, row_sums
from minnet.settings import Array, Settings, require_finite


class Loss(Settings, ABC):
    """The contract. A loss of your own is a frozen dataclass with `each` (and `encode` if its targets are special).

    `takes_logits = True` has `train` refuse a network that ends in a Sigmoid or a Softmax.

    >>> mse(np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]]))  # L and dL/dy
    (np.float64(2.5), array([[1.],
           [2.]]))
    """

    takes_logits: ClassVar[bool] = False

    @abstractmethod
    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        """The loss of each sample, (..., batch), and its gradient; y and target: (..., batch, n_out)."""

    def encode(self, target: npt.ArrayLike, n_out: int, dtype: npt.DTypeLike) -> Array:
        """Check targets and return them as `each` takes them: (..., batch, n_out) in dtype. `train` does it once."""
        return real_target(self, target, n_out, dtype)

    def metric(self, y: Array, target: Array) -> Array:
        """What people quote: here R², one value a replica (1 is perfect, 0 is the mean); classifiers say accuracy."""
        target = self.encoded(y, target)
        spread = np.square(target - target.mean(axis=-2, keepdims=True)).mean(axis=-2)
        return share_explained(np.square(y - target).mean(axis=-2), spread, target)

    def __call__(self, y: Array, target: npt.ArrayLike, weight: Array | None = None) -> tuple[Array, Array]:
        """Return L (...,) and dL/dy (..., batch, n_out); weight (..., batch) makes L the weighted mean of the samples.

        Class weights are sample weights too: scikit-learn's `compute_sample_weight` makes them from labels.
        """
        if y.ndim < 2:
            raise ValueError(f"{self} expects y of shape (..., batch, n_out), got {y.shape}")
        t = np.asarray(target)
        loss, dy = self.each(y, t if t.shape == y.shape and t.dtype is y.dtype else self.encoded(y, t))
        if weight is None:
            share = 1 / y.shape[-2]
            dy *= share
            return loss.dot(ones(y.shape[-2], 1, y.dtype)[:, 0]) * share, dy
        if weight.shape != y.shape[:-1]:
            raise ValueError(f"{self} expects weights of shape {y.shape[:-1]}, got {weight.shape}")
        total = weight.sum(axis=-1, keepdims=True)
        shares = weight / np.where(total > 0, total, 1)
        return np.add.reduce(loss * shares, axis=-1), dy * shares[..., None]

    def encoded(self, y: Array, target: npt.ArrayLike) -> Array:
        """The target as `each` takes it: encoded where that is still to do, one row for each of y."""
        t = np.asarray(target)
        if t.shape == y.shape and t.dtype == y.dtype:
            return t
        t = self.encode(t, y.shape[-1], y.dtype)
        if t.shape != y.shape:
            raise ValueError(f"{self} expects one target a row of y {y.shape}, got {t.shape} after encoding")
        return t


def real_target(loss: Loss, target: npt.ArrayLike, n_out: int, dtype: npt.DTypeLike) -> Array:
    """Targets (..., batch, n_out) in dtype, or a ValueError if they are of another shape or not finite."""
    target = np.asarray(target)
    if target.ndim < 2 or target.shape[-1] != n_out:
        raise ValueError(f"{loss} expects targets of shape (..., batch, {n_out}), got {target.shape}")
    require_finite(target, f"the target of {loss}")
    return target.astype(dtype)


def share_explained(error: Array, spread: Array, target: Array) -> Array:
    """1 - error / spread, (..., n_out), averaged over the outputs; of a constant target 1 if hit, else 0.

    This is scikit-learn's `force_finite`. Constant is what does not vary: a spread may be rounding alone.
    """
    constant = target.max(axis=-2) == target.min(axis=-2)
    return np.where(constant, error == 0, 1 - error / np.where(constant, 1, spread)).mean(axis=-1)


@dataclass(frozen=True, repr=False)
class MeanSquaredError(Loss):
    """L = mean (y - t)², over batch and outputs.

    >>> loss, dy = MeanSquaredError()(np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]]))
    >>> float(loss)
    2.5
    """

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        """(y - t)² averaged over the outputs, and 2 (y - t) / n_out."""
        error = y - target
        n_out = y.shape[-1]
        return np.vecdot(error, error) / n_out, error * (2 / n_out)


@dataclass(frozen=True, repr=False)
class SoftmaxCrossEntropy(Loss):
    """L = mean -log softmax(y)[label], for logits y (..., batch, n_classes) and integer labels (..., batch).

    Class probabilities (..., batch, n_classes) are taken too, as PyTorch's CrossEntropyLoss does.

    >>> loss, dy = SoftmaxCrossEntropy()(np.zeros((2, 4)), np.array([0, 3]))
    >>> print(round(float(loss), 4), dy[0])  # log 4, and softmax minus one-hot, over the batch
    1.3863 [-0.375  0.125  0.125  0.125]
    """

    takes_logits: ClassVar[bool] = True

    def encode(self, target: npt.ArrayLike, n_out: int, dtype: npt.DTypeLike) -> Array:
        """Labels as one-hot rows; probabilities as they are."""
        target = np.asarray(target)
        if target.dtype.kind in "iub":
            if target.size and (target.min() < 0 or target.max() >= n_out):
                raise ValueError(f"{self} expects labels from 0 to {n_out - 1}, got {target.min()} to {target.max()}")
            if target.ndim >= 1:
                return (target[..., None] == np.arange(n_out)).astype(dtype)
        if target.ndim < 2 or target.shape[-1] != n_out or target.dtype.kind != "f":
            raise ValueError(
                f"{self} expects integer labels of shape (..., batch) or probabilities of shape (..., batch, {n_out}), "
                f"got {target.dtype} of shape {target.shape} (labels stored as floats: y.astype(int))"
            )
        require_finite(target, f"the target of {self}")
        if (target < 0).any() or (abs(target.sum(axis=-1) - 1) > 1e-3).any():
            raise ValueError(
                f"{self} expects rows of probabilities that sum to 1, got {target.min()} to {target.max()}"
            )
        return target.astype(dtype)

    def metric(self, y: Array, target: Array) -> Array:
        """Accuracy: the share of rows whose largest logit is the label's."""
        return (y.argmax(axis=-1) == self.encoded(y, target).argmax(axis=-1)).mean(axis=-1)

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        """log Σ exp(y) - Σ t y, and softmax(y) - t; the largest logit is taken off first, so nothing overflows."""
        largest = np.maximum.reduce(y.T.copy()).T  # many times faster than over a short last axis
        z = y - largest[..., None]
        e = np.exp(z)
        total = row_sums(e)
        e /= total
        e -= target
        z *= target
        np.fmin(z, target, z)  # z <= 0 <= t, and 0 · -∞, of a class that is neither likely nor the label, becomes t = 0
        return np.log(total[..., 0]) - row_sums(z)[..., 0], e


mse = MeanSquaredError()
softmax_cross_entropy = SoftmaxCrossEntropy()
