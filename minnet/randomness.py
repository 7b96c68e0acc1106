"""From one seed to separate streams of random numbers, so that changing one thing leaves the others alone.

Two networks that are compared under seed k see the same data and the same batch order, and draw from the same streams.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from minnet.settings import Array, require

Purpose = Literal["data", "weights", "order", "noise", "test"]
PURPOSES: tuple[Purpose, ...] = ("data", "weights", "order", "noise", "test")
Seed = int | Sequence[int] | Array


def generator(seed: int, purpose: Purpose) -> "np.random.Generator":
    """The random numbers of one purpose under one seed (numpy's SeedSequence keeps the purposes independent)."""
    require(seed >= 0, f"a seed has to be an integer >= 0, got {seed}")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),)))


def seeds_of(seed: Seed) -> list[int]:
    """The seeds as plain integers, one for a single network; ValueError for what is none.

    Any integer >= 0 is a seed, however large, as it is for numpy's SeedSequence. So secrets.randbits(128) is one.
    """
    seeds = seed if isinstance(seed, np.ndarray) else np.array(seed, object)  # numpy takes 2**63 and 1 for floats
    whole = seeds.ndim <= 1 and all(isinstance(s, int | np.integer) and type(s) is not bool for s in seeds.flat)
    require(whole, f"seed has to be an integer or a sequence of integers, got {seed!r}")
    require(seeds.size > 0, "seed has to be an integer or a sequence of at least one, got an empty sequence")
    return [int(one) for one in seeds.flat]


class Streams:
    """One Generator a replica, so that row k of what is drawn is what seed k draws alone.

    >>> Streams([3, 4], "noise").draw(lambda rng: rng.random(5)).shape
    (2, 5)
    >>> Streams(3, "noise").draw(lambda rng: rng.random(5)).shape
    (5,)
    """

    def __init__(self, seed: Seed, purpose: Purpose):
        self.single = np.ndim(seed) == 0
        self.generators = [generator(one, purpose) for one in seeds_of(seed)]

    def draw(self, sample: Callable[["np.random.Generator"], Array]) -> Array:
        """One sample a replica, stacked on a new first axis; a single network's sample has no such axis."""
        if self.single:
            return sample(self.generators[0])
        return np.stack([sample(rng) for rng in self.generators])

    @property
    def states(self) -> list[dict[str, Any]]:
        """The state of each generator; setting them goes on from there."""
        return [dict(rng.bit_generator.state) for rng in self.generators]

    @states.setter
    def states(self, states: Sequence[dict[str, Any]]) -> None:
        for rng, state in zip(self.generators, states, strict=True):
            rng.bit_generator.state = state

    def keep(self, rows: Array) -> None:
        """Go on with these replicas only (row numbers)."""
        self.generators = [self.generators[row] for row in rows]
