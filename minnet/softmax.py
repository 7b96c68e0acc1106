"""Softmax and its logarithm as layers: rows become probabilities. Training takes logits and needs neither."""

from dataclasses import dataclass

from minnet.layers import Backward, Layer, Params
from minnet.randomness import Streams
from minnet.settings import Array
from minnet.special import complement, log_softmax, softmax


@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ): each row becomes positive and sums to 1 (Bridle 1990). x, y: (..., batch, classes).

    To train a classifier leave it out: softmax_cross_entropy takes logits.

    >>> import numpy as np
    >>> Softmax().forward([], np.array([[0.0, np.log(3)]]))[0]
    array([[0.25, 0.75]])
    """

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return the softmax of each row, and the way back: dxᵢ = yᵢ (dyᵢ (1 - yᵢ) - Σⱼ≠ᵢ dyⱼ yⱼ)."""
        y = softmax(x)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            if not need_dx:
                return None
            each = dy * y
            return y * (dy * complement(y) - (each.sum(axis=-1, keepdims=True) - each))

        return y, backward


@dataclass(frozen=True, repr=False)
class LogSoftmax(Layer):
    """yᵢ = xᵢ - log Σⱼ exp(xⱼ), range (-∞, 0), without underflow. x, y: (..., batch, classes).

    To train a classifier leave it out: softmax_cross_entropy takes logits.

    >>> import numpy as np
    >>> LogSoftmax().forward([], np.array([[0.0, -1000.0]]))[0]
    array([[    0., -1000.]])
    """

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return the log-softmax of each row, and the way back: dxᵢ = dyᵢ - pᵢ Σⱼ dyⱼ, p the softmax."""

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            if not need_dx:
                return None
            p = softmax(x)
            return dy * complement(p) - p * (dy.sum(axis=-1, keepdims=True) - dy)

        return log_softmax(x), backward
