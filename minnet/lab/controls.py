"""Controls of the comparison itself: it must see no difference where there is none, and see one that is known.

Null: ReLU against ReLU under another name, the copy with weights and batch order of its own. Positive: a linear-only
network must lose to ReLU on data that no straight line divides. Coverage: the interval must hold the true mean.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from minnet.activations import Identity, ReLU
from minnet.lab.compare import compare
from minnet.lab.datasets import Dataset
from minnet.lab.statistics import coverage
from minnet.lab.work import on_cores

KNOWN_TO_BEND = ("moons", "circles", "xor", "spirals")


def null_control(data: Dataset, repeats: int, **settings: Any) -> pd.DataFrame:
    """Compare ReLU with itself `repeats` times, each time on other seeds: one row a repeat.

    The verdict should be "no detectable difference" in about 95 of 100, the level of the test being 5 %.
    """
    return _repeated({"relu": ReLU(), "relu again": ReLU()}, [data], repeats, own_seeds=("relu again",), **settings)


def positive_control(data: Iterable[Dataset], repeats: int, **settings: Any) -> pd.DataFrame:
    """Compare linear-only with ReLU `repeats` times on each of `data`: one row a repeat.

    Each verdict should begin with "relu better" (on few seeds it adds "where it did not fail").
    """
    return _repeated({"linear-only": Identity(), "relu": ReLU()}, data, repeats, **settings)


def coverage_control(repeats: int, seeds: int = 20, failing: float = 0.0) -> float:
    """How often the interval of `mean_interval` holds the true mean, over `repeats` samples of made-up scores.

    A score is normal about 0.96 with standard deviation 0.01; each seed fails with the chance `failing`, and then is
    normal about 0.5 with standard deviation 0.02.
    """
    rng = np.random.default_rng(0)
    failed = rng.random((repeats, seeds)) < failing
    scores = np.where(failed, rng.normal(0.5, 0.02, failed.shape), rng.normal(0.96, 0.01, failed.shape))
    return coverage(scores, (1 - failing) * 0.96 + failing * 0.5)


def _repeated(
    activations: dict[str, Any],
    data: Iterable[Dataset],
    repeats: int,
    *,
    jobs: int = -1,
    seeds: int = 20,
    watch: Callable[[int, int], Any] = lambda done, total: None,
    **settings: Any,
) -> pd.DataFrame:
    """The pair of each repeat (statistics.all_pairs), with data and repeat; joblib spreads repeats over the cores."""
    from joblib import delayed

    once = partial(_pair, activations, seeds=seeds, settings=settings)
    grid = [(source, repeat) for source in data for repeat in range(repeats)]
    rows = []
    for row in on_cores((delayed(once)(source, repeat) for source, repeat in grid), jobs, ordered=True):
        rows.append(row)
        watch(len(rows), len(grid))
    return pd.concat(rows, ignore_index=True)


def _pair(
    activations: dict[str, Any], data: Dataset, repeat: int, *, seeds: int, settings: dict[str, Any]
) -> pd.DataFrame:
    first = 2 * seeds * repeat  # no seed serves in two repeats
    found = compare(activations, data, initialisers=["recommended"], seeds=seeds, first_seed=first, jobs=1, **settings)
    return found.pairs.assign(data=data.name, repeat=repeat)
