"""What large weights cost, added to the loss."""

from dataclasses import dataclass

import numpy as np

from minnet.allowed import NotNegative
from minnet.settings import Array, Settings


@dataclass(frozen=True, repr=False)
class Penalty(Settings):
    """l1 Σ|w| + l2 / 2 Σw² over the weights, added to the loss; biases, scales and statistics are spared.

    >>> added, gradient = Penalty(l2=0.1)(np.array([2.0, 5.0]), np.array([1, 0]))  # a weight and a bias
    >>> print(added, gradient)
    0.2 [0.2 0. ]
    """

    l1: NotNegative = 0.0
    l2: NotNegative = 0.0

    def __call__(self, theta: Array, weights: Array) -> tuple[Array, Array]:
        """The penalty (...,) and its gradient (..., P); `weights` is 1 where theta holds weights, else 0."""
        w = weights * theta
        if not self.l1:
            return self.l2 / 2 * np.vecdot(w, w), self.l2 * w
        return self.l1 * np.abs(w).sum(axis=-1) + self.l2 / 2 * np.vecdot(w, w), self.l1 * np.sign(w) + self.l2 * w
