"""Dropout: noise that keeps units from relying on one another."""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from dataclasses import dataclass

import numpy as np

from minnet.allowed import Fraction
from minnet.layers import Backward, Layer, Params
from minnet.randomness import Streams
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """In training each entry is 0 with probability `rate`, and the others grow by 1 / (1 - rate); else y = x.

    Srivastava et al. 2014, scaled in training rather than in inference, as everywhere today.

    >>> Dropout(0.5).forward([], np.ones((1, 6)), Streams(2, "noise"))[0]
    array([[0., 2., 2., 0., 0., 2.]])
    """

    rate: Fraction = 0.5

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return x times the mask, and the way back: dx = dy times the same mask."""
        mask: Array = np.ones((), x.dtype)
        if streams is not None:
            kept = streams.draw(lambda rng: rng.random(x.shape[-2:])) >= self.rate
            mask = kept.astype(x.dtype) / (1 - self.rate)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            return dy * mask if need_dx else None

        return x * mask, backward
