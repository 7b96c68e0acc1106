"""From one seed to separate streams of random numbers, so that changing one thing leaves the others alone.

Two networks that are compared under seed k see the same data and the same batch order, and draw from the same streams.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from minnet.settings import Array, require

Purpose = Literal["data", "weights", "order", "noise", "test"]
PURPOSES: tuple[Purpose, ...] = ("data", "weights", "order", "noise", "test")
Seed = int | Sequence[int] | Array


def generator(seed: int, purpose: Purpose) -> "np.random.Generator":
    """The random numbers of one purpose under one seed (numpy's SeedSequence keeps the purposes independent)."""
    require(seed >= 0, f"a seed has to be an integer >= 0, got {seed}")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),)))


class Streams:
    """One Generator a replica, so that row k of what is drawn is what seed k draws alone.

    >>> Streams([3, 4], "noise").draw(lambda rng: rng.random(5)).shape
    (2, 5)
    >>> Streams(3, "noise").draw(lambda rng: rng.random(5)).shape
    (5,)
    """

    def __init__(self, seed: Seed, purpose: Purpose):
        seeds = np.asarray(seed)
        require(seeds.size > 0, "seed has to be an integer or a sequence of at least one, got an empty sequence")
        whole = seeds.dtype.kind in "iu" and seeds.ndim <= 1
        require(whole, f"seed has to be an integer or a sequence of integers, got {seed!r}")
        self.single = seeds.ndim == 0
        self.generators = [generator(int(one), purpose) for one in seeds.reshape(-1)]

    def draw(self, sample: Callable[["np.random.Generator"], Array]) -> Array:
        """One sample a replica, stacked on a new first axis; a single network's sample has no such axis."""
        if self.single:
            return sample(self.generators[0])
        return np.stack([sample(rng) for rng in self.generators])

    def keep(self, rows: Array) -> None:
        """Go on with these replicas only (row numbers)."""
        self.generators = [self.generators[row] for row in rows]
