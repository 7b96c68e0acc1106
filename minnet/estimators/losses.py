"""The losses and scores of scikit-learn's MLP. Over several outputs it sums, where the engine's losses average.

Its squared error alone is averaged over the outputs in value and summed in gradient; here both are the sum.
"""

from dataclasses import dataclass

import numpy as np

from minnet.losses import MeanSquaredError, share_explained
from minnet.more_losses import BinaryCrossEntropy, Poisson, binary_cross_entropy
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class HalfSquaredError(MeanSquaredError):
    """L = mean over the batch of ½ Σ (y - t)² over the outputs."""

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        error = y - target
        return np.vecdot(error, error) / 2, error


@dataclass(frozen=True, repr=False)
class HalfPoissonDeviance(Poisson):
    """L = mean over the batch of Σ t log(t / μ) - t + μ over the outputs, with μ = exp(y)."""

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        mean = np.exp(y)
        at_best = target * np.log(np.where(target > 0, target, 1)) - target
        return (at_best + mean - target * y).sum(axis=-1), mean - target


@dataclass(frozen=True, repr=False)
class SummedBinaryCrossEntropy(BinaryCrossEntropy):
    """L = mean over the batch of Σ -[t log σ(y) + (1 - t) log(1 - σ(y))] over the outputs."""

    def each(self, y: Array, target: Array) -> tuple[Array, Array]:
        loss, dy = binary_cross_entropy.each(y, target)
        n_out = y.shape[-1]
        return (loss, dy) if n_out == 1 else (loss * n_out, dy * n_out)


def accuracy(y: Array, target: Array, weight: Array | None, one_of_many: bool) -> Array:
    """The share of samples that are wholly right; logits y (..., N, n_out), target (N, n_out) of 0 and 1."""
    right = y.argmax(axis=-1) == target.argmax(axis=-1) if one_of_many else ((y > 0) == (target > 0.5)).all(axis=-1)
    return np.average(right, axis=-1, weights=weight)


def r2(y: Array, target: Array, weight: Array | None) -> Array:
    """R² averaged over the outputs, y (..., N, n_out), target (N, n_out); of a constant target 1 if hit, else 0."""
    mean = np.average(target, axis=-2, weights=weight)
    spread = np.average(np.square(target - mean), axis=-2, weights=weight)
    error = np.average(np.square(y - target), axis=-2, weights=weight)
    return share_explained(error, spread, target if weight is None else target[weight > 0])
