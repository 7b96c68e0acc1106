"""Randomness: one seed, separate streams; row k is what seed k draws alone."""

import numpy as np
import pytest
from scipy import stats

from minnet import Streams
from minnet.randomness import PURPOSES, generator


def test_purposes_and_seeds_draw_apart():
    draws = {(seed, purpose): generator(seed, purpose).random(2000) for seed in range(3) for purpose in PURPOSES}
    names = list(draws)
    for i, a in enumerate(names):
        np.testing.assert_array_equal(generator(*a).random(2000), draws[a])
        for b in names[:i]:
            assert abs(stats.pearsonr(draws[a], draws[b]).statistic) < 0.1  # the standard error is 0.022


def test_streams_draw_row_by_row():
    together = Streams(np.array([3, 8]), "order")
    for _ in range(3):
        rows = together.draw(lambda rng: rng.permutation(9))
    alone = Streams(8, "order")
    for _ in range(3):
        row = alone.draw(lambda rng: rng.permutation(9))
    np.testing.assert_array_equal(rows[1], row)
    together.keep(np.array([1]))
    np.testing.assert_array_equal(together.draw(lambda rng: rng.random(4))[0], alone.draw(lambda rng: rng.random(4)))


@pytest.mark.parametrize("seed", [-1, [0, -2]])
def test_negative_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="a seed has to be an integer >= 0, got -"):
        Streams(seed, "order")
