"""Losses for yes or no, outliers, margins and counts."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from minnet.allowed import Positive
from minnet.losses import Loss, real_target, share_explained
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(Loss):
    """L = mean -[t log σ(y) + (1 - t) log(1 - σ(y))], for logits y and targets in [0, 1], both (..., batch, n_out).

    >>> loss, dy = BinaryCrossEntropy()(np.zeros((2, 1)), np.array([[0.0], [1.0]]))
    >>> print(round(float(loss), 4), dy.ravel())
    0.6931 [ 0.25 -0.25]
    """

    takes_logits: ClassVar[bool] = True

    def encode(self, target: npt.ArrayLike, n_out: int, dtype: npt.DTypeLike) -> Array:
        """As any real target, and between 0 and 1."""
        t = real_target(self, target, n_out, dtype)
        if t.size and not (t.min() >= 0 and t.max() <= 1):
            raise ValueError(f"{self} expects targets between 0 and 1, got {t.min()} to {t.max()}")
        return t

    def metric(self, y: Array, target: Array) -> Array:
        """Accuracy: the share of outputs on the right side of 0."""
        return ((y > 0) == (self.encoded(y, target) > 0.5)).mean(axis=(-2, -1))

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        """|y| |[y > 0] - t| + log(1 + exp(-|y|)), and σ(y) - t; both averaged over the outputs."""
        n_out, size = y.shape[-1], np.abs(y)
        e = np.exp(-size)
        loss = np.fmax(size * np.abs((y > 0) - target), 0) + np.log1p(e)  # ∞ · 0 is 0; NaN shows in e
        sigmoid: Any = np.where(y >= 0, 1, e) / (1 + e)
        return np.add.reduce(loss, axis=-1) / n_out, (sigmoid - target) / n_out


@dataclass(frozen=True, repr=False)
class MeanAbsoluteError(Loss):
    """L = mean |y - t|, over batch and outputs; the slope at y = t is taken as 0, as PyTorch does.

    >>> print(MeanAbsoluteError()(np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]]))[0])
    1.5
    """

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        error, n_out = y - target, y.shape[-1]
        return np.abs(error).mean(axis=-1), np.sign(error) / n_out


@dataclass(frozen=True, repr=False)
class Huber(Loss):
    """L = mean of e² / 2 where |e| <= δ, else δ (|e| - δ / 2), e = y - t: no outlier pulls more (Huber 1964).

    >>> print(Huber(delta=0.5)(np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]]))[0])
    0.625
    """

    delta: Positive = 1.0

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        error, n_out = y - target, y.shape[-1]
        pull = np.clip(error, -self.delta, self.delta)
        return (pull * (error - pull / 2)).mean(axis=-1), pull / n_out


@dataclass(frozen=True, repr=False)
class Hinge(Loss):
    """L = mean max(0, 1 - t y), for targets t of -1 and 1, both (..., batch, n_out) (Cortes & Vapnik 1995).

    >>> print(Hinge()(np.array([[0.5], [3.0]]), np.array([[-1.0], [1.0]]))[0])
    0.75
    """

    takes_logits: ClassVar[bool] = True

    def encode(self, target: npt.ArrayLike, n_out: int, dtype: npt.DTypeLike) -> Array:
        """As any real target, and -1 or 1."""
        t = real_target(self, target, n_out, dtype)
        if not (np.abs(t) == 1).all():
            raise ValueError(f"{self} expects targets of -1 and 1, got {t.min()} to {t.max()}")
        return t

    def metric(self, y: Array, target: Array) -> Array:
        """Accuracy: the share of outputs on the right side of 0."""
        return (y * self.encoded(y, target) > 0).mean(axis=(-2, -1))

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        margin = 1 - target * y
        return np.maximum(margin, 0).mean(axis=-1), np.where(margin > 0, -target, 0) / y.shape[-1]


@dataclass(frozen=True, repr=False)
class Poisson(Loss):
    """L = mean exp(y) - t y, for counts t >= 0 and y the logarithm of their mean (PyTorch's PoissonNLLLoss).

    >>> print(Poisson()(np.array([[0.0], [0.0]]), np.array([[3.0], [1.0]]))[0])
    1.0
    """

    def encode(self, target: npt.ArrayLike, n_out: int, dtype: npt.DTypeLike) -> Array:
        """As any real target, and not below 0."""
        t = real_target(self, target, n_out, dtype)
        if t.size and t.min() < 0:
            raise ValueError(f"{self} expects targets >= 0, got {t.min()}")
        return t

    def metric(self, y: Array, target: Array) -> Array:
        """D², the share of the Poisson deviance explained (1 is perfect, 0 is the mean)."""
        target = self.encoded(y, target)
        mean = np.broadcast_to(target.mean(axis=-2, keepdims=True), target.shape)
        return share_explained(_poisson_deviance(np.exp(y), target), _poisson_deviance(mean, target), target)

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        mean, n_out = np.exp(y), y.shape[-1]
        expected = np.where(target > 0, target * y, 0)  # y = -∞ is a mean of 0, of which a count of 0 is no surprise
        return (mean - expected).mean(axis=-1), (mean - target) / n_out


def _poisson_deviance(mean: Array, target: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = np.where(target > 0, target * np.log(target / mean), 0)
    return (surprise - target + mean).sum(axis=-2)


binary_cross_entropy = BinaryCrossEntropy()
mae = MeanAbsoluteError()
hinge = Hinge()
poisson = Poisson()
