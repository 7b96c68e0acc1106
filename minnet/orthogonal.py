"""Initial weights that keep lengths: orthonormal rows or columns."""

from dataclasses import dataclass

import numpy as np

from minnet.allowed import Finite
from minnet.settings import Array, Settings


@dataclass(frozen=True, repr=False)
class Orthogonal(Settings):
    """Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe, McClelland & Ganguli 2014).

    >>> W = Orthogonal()(np.random.default_rng(0), (3, 2))
    >>> np.allclose(W.T @ W, np.eye(2))
    True
    """

    gain: Finite = 1.0

    def __call__(self, rng: "np.random.Generator", shape: tuple[int, ...]) -> Array:
        n_in, n_out = shape[-2:]
        tall = rng.standard_normal((*shape[:-2], max(n_in, n_out), min(n_in, n_out)))
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]  # makes it uniform (Mezzadri 2007)
        return self.gain * (q if n_in >= n_out else q.mT)


orthogonal = Orthogonal()
