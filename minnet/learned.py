"""Activations that learn their own shape: layers with parameters, so that the data choose the bend."""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from dataclasses import dataclass

import numpy as np

from minnet.activations import Sigmoid
from minnet.allowed import Count, Finite
from minnet.initializers import Constant, Initializer, glorot_uniform, ones, zeros
from minnet.layers import Backward, Layer, Parameter, Params
from minnet.randomness import Streams
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class PReLU(Layer):
    """y = x where x > 0, else αx; α is learned, one for all features (n = 1) or one each (He et al. 2015).

    α starts at ¼ and, as the paper asks, weight decay spares it.

    >>> PReLU().forward([np.array([[0.25]])], np.array([[-2.0, 2.0]]))[0]
    array([[-0.5,  2. ]])
    """

    n: Count = 1
    start: Finite = 0.25

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("alpha", (1, self.n), Constant(self.start), "scale"),)

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return y, and the way back: dα = Σ dy min(x, 0)."""
        _check_features(self, self.n, x)
        (alpha,) = params
        negative = np.minimum(x, 0)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            grads[0][...] = _sum_to(self.n, dy * negative)
            return np.where(x > 0, dy, alpha * dy) if need_dx else None

        return np.where(x > 0, x, alpha * negative), backward


@dataclass(frozen=True, repr=False)
class LearnedSwish(Layer):
    """y = x σ(βx); β is learned, one for all features (n = 1) or one each (Ramachandran, Zoph & Le 2017).

    β = 0 is half the identity, β → ∞ is ReLU; it starts at 1.

    >>> LearnedSwish().forward([np.array([[0.0]])], np.array([[-2.0, 2.0]]))[0]  # with β = 0
    array([[-1.,  1.]])
    """

    n: Count = 1

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("beta", (1, self.n), ones, "scale"),)

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return y, and the way back: with s = σ(βx), dβ = Σ dy x² s (1 - s), dx = dy (s + βx s (1 - s))."""
        _check_features(self, self.n, x)
        (beta,) = params
        sigmoid = Sigmoid()
        s = sigmoid(beta * x)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            pull = x * sigmoid.slope(x, s)  # first of all: where x² or βx is too large a number, this is 0
            grads[0][...] = _sum_to(self.n, dy * (x * pull))
            return dy * (s + beta * pull) if need_dx else None

        return x * s, backward


@dataclass(frozen=True, repr=False)
class Maxout(Layer):
    """y = the largest of `pieces` linear maps x Wᵢ + bᵢ, output by output (Goodfellow et al. 2013).

    W (..., pieces, n_in, n_out), b (..., pieces, 1, n_out). At a tie the first piece is taken.

    >>> [parameter.shape for parameter in Maxout(4, 2, pieces=3).parameters]
    [(3, 4, 2), (3, 1, 2)]
    """

    n_in: Count
    n_out: Count
    pieces: Count = 2
    weight_init: Initializer = glorot_uniform

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("W", (self.pieces, self.n_in, self.n_out), self.weight_init),
            Parameter("b", (self.pieces, 1, self.n_out), zeros, "bias"),
        )

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return y, and the way back: dy reaches the winning piece only."""
        if x.shape[-1] != self.n_in:
            raise ValueError(f"{self} expects {self.n_in} input features, got x of shape {x.shape}")
        W, b = params
        x = x[..., None, :, :]
        z = x @ W
        z += b
        winner = z.argmax(axis=-3)[..., None, :, :]

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            dz = np.where(winner == np.arange(self.pieces)[:, None, None], dy[..., None, :, :], dy.dtype.type(0))
            np.matmul(x.mT, dz, out=grads[0])
            np.sum(dz, axis=-2, keepdims=True, out=grads[1])
            return (dz @ W.mT).sum(axis=-3) if need_dx else None

        return np.take_along_axis(z, winner, axis=-3)[..., 0, :, :], backward


def _check_features(layer: Layer, n: int, x: Array) -> None:
    if n != 1 and x.shape[-1] != n:
        raise ValueError(f"{layer} expects {n} input features, got x of shape {x.shape}")


def _sum_to(n: int, array: Array) -> Array:
    """Sum (..., batch, features) over the batch, and over the features too if they share the one parameter."""
    total = array.sum(axis=-2, keepdims=True)
    return total.sum(axis=-1, keepdims=True) if n == 1 else total
