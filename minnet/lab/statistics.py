"""Intervals and tests for scores over seeds: of a mean, of a share, of a difference between paired conditions.

`mean_interval` is Student's t over seeds, cut at the score's bounds. It speaks of the test points that all seeds share.
`crossed_interval` adds the spread over test points, and so speaks of new points of the same kind. `share_interval` is
Wilson's.

`python -m experiments.interval_coverage` measures how often each holds the truth. A mean over seeds of which few fail
has no honest interval: at 2 % failing seeds, Student's t over 20 seeds holds the true mean in 35 % of samples, at 5 %
in 64 %. So the share of failed seeds is given beside each mean, with its interval.
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from minnet.settings import Array, require

Bounds = tuple[float, float]
ANY: Bounds = (-np.inf, np.inf)
SAME = "no detectable difference"
# What is printed beside intervals that hold the truth less often than they say: experiments/interval_coverage.py.
SKEWED = (
    "Scores near 100 % are skewed: around 95 % the 95 % interval of a mean over 3 to 20 seeds holds the truth in 92 to "
    "95 % of samples, around 99 % in 82 to 90 %."
)
COUNTS = "Rank correlations and counts of epochs are skewed: their intervals hold the truth in 88 to 95 % of samples."
RARE = (
    "Where 2 to 5 % of seeds fail, no interval of a mean is honest (over 20 seeds it holds the truth in 35 to 64 %, "
    "over 3 to 10 in 25 to 85 %): look at the share of failed seeds and its interval."
)


def mean_interval(
    values: Array, level: float = 0.95, *, bounds: Bounds = ANY, resolution: float = 0.0
) -> tuple[float, float, float]:
    """Mean and Student's t interval for it: values (n,) -> mean, low, high. One value alone has no interval (NaN).

    `bounds` cut the interval where no mean can be, such as (0, 1) for an accuracy. `resolution` is the least step of
    the values, such as 1/N for an accuracy on N points: the standard deviation is taken to be at least that, so that
    equal values do not pretend to certainty.

    >>> mean, low, high = mean_interval([1.0, 2.0, 3.0], bounds=(0, 4))
    >>> round(mean, 3), round(low, 3), round(high, 3)
    (2.0, 0.0, 4.0)
    """
    mean, low, high = mean_intervals(np.asarray(values, float), level, bounds=bounds, resolution=resolution)
    return float(mean), float(low), float(high)


def mean_intervals(
    samples: Array, level: float = 0.95, *, bounds: Bounds = ANY, resolution: float = 0.0
) -> tuple[Array, Array, Array]:
    """`mean_interval` of each row: samples (..., n) -> mean, low, high, each (...)."""
    n = samples.shape[-1]
    mean = samples.mean(axis=-1)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    with np.errstate(invalid="ignore"):  # an infinite value has no spread: the ends are NaN
        spread = np.maximum(samples.std(axis=-1, ddof=1), resolution)
    return _cut(mean, spread / np.sqrt(n), n, level, bounds)


def _cut(mean: Array, error: Array, n: int, level: float, bounds: Bounds) -> tuple[Array, Array, Array]:
    """Student's t interval from a mean and its standard error over n seeds."""
    from scipy import stats

    half = error * stats.t.ppf((1 + level) / 2, n - 1)
    return mean, np.maximum(mean - half, bounds[0]), np.minimum(mean + half, bounds[1])


def stated(values: Array, form: str = ".3f", *, bounds: Bounds = ANY, resolution: float = 0.0) -> str:
    """The mean and its interval as they are printed.

    >>> stated([0.5, 0.6, 0.7], ".1%")
    '60.0% [35.2%, 84.8%]'
    >>> stated([1.0, 1.0, 1.0], ".1%")
    '100.0% (the same in all 3)'
    >>> stated([1.0, 1.0, 1.0], ".1%", bounds=(0, 1), resolution=1 / 50)
    '100.0% [95.0%, 100.0%]'
    """
    mean, low, high = mean_interval(values, bounds=bounds, resolution=resolution)
    if len(values) < 2:
        return f"{mean:{form}} (one value, no interval)"
    if low == high:
        return f"{mean:{form}} (the same in all {len(values)})"
    return f"{mean:{form}} [{low:{form}}, {high:{form}}]"


def share_interval(count: Array | int, n: int, level: float = 0.95) -> tuple[Any, Any]:
    """Wilson's (1927) interval of a share: `count` of n -> low, high, numbers or arrays as `count` is. Of none: 0 to 1.

    >>> low, high = share_interval(1, 20)
    >>> f"{low:.1%} to {high:.1%}"
    '0.9% to 23.6%'
    """
    from scipy import stats

    count, z2 = np.asarray(count), stats.norm.ppf((1 + level) / 2) ** 2
    middle, half = (count + z2 / 2) / (n + z2), np.sqrt(z2 * (count * (n - count) / max(n, 1) + z2 / 4)) / (n + z2)
    return np.where(count == 0, 0.0, middle - half)[()], np.where(count == n, 1.0, middle + half)[()]


def crossed_error(right: Array) -> float:
    """Standard error of the mean of right (n seeds, N points), both drawn at random, every seed scored on every point.

    The variance of the mean is s²(seeds)/n + s²(points)/N - s²(seed × point)/(nN), where s²(seeds) is the variance of
    the row means, s²(points) that of the column means, and s²(seed × point) that of what neither explains (a two-way
    analysis of variance; Gallas 2006, with seeds as readers and points as cases). It is taken to be at least what the
    seeds alone give, and at least the square of 2/N: where all N points are right, the interval then reaches down to
    about 4/N, which the rule of three asks for.
    """
    n, points = right.shape
    values = right.astype(float)
    of_seed, of_point, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    if points < 2:
        return float("inf")
    rest = np.square(values - of_seed[:, None] - of_point + mean).sum() / ((n - 1) * (points - 1))
    seeds = of_seed.var(ddof=1) / n
    return float(np.sqrt(max(seeds + of_point.var(ddof=1) / points - rest / (n * points), seeds, (2 / points) ** 2)))


def crossed_interval(right: Array, level: float = 0.95, *, bounds: Bounds = (0, 1)) -> tuple[float, float, float]:
    """Mean and interval over new seeds and new points: right (n seeds, N points), 0 or 1 -> mean, low, high.

    Student's t with n - 1 degrees of freedom and `crossed_error`. For a difference between two conditions give the
    difference of their arrays, and bounds (-1, 1).

    >>> right = np.array([[1, 1, 0, 1, 1, 0, 1, 1], [1, 1, 0, 1, 0, 1, 1, 1], [1, 1, 0, 1, 1, 1, 1, 1]])
    >>> mean, low, high = crossed_interval(right)
    >>> f"{mean:.2f} {low:.2f} {high:.2f}"
    '0.79 0.00 1.00'
    """
    if len(right) < 2:
        return float(right.mean()), np.nan, np.nan
    mean, low, high = _cut(right.mean(), np.asarray(crossed_error(right)), len(right), level, bounds)
    return float(mean), float(low), float(high)


def superiority(a: Array, b: Array) -> float:
    """Share of the pairs in which a is higher, ties counted half: a, b (n,) -> 0 to 1, and ½ when neither is better.

    >>> superiority(np.array([1, 2, 3]), np.array([0, 2, 4]))
    0.5
    """
    return float((np.greater(a, b) + 0.5 * np.equal(a, b)).mean())


def coverage(samples: Array, mean: float, *, bounds: Bounds = ANY, resolution: float = 0.0) -> float:
    """Share of the samples, rows of (repeats, n), whose `mean_interval` holds the true mean."""
    _, low, high = mean_intervals(samples, bounds=bounds, resolution=resolution)
    return float(((low <= mean) & (mean <= high)).mean())


def paired_p(a: Array, b: Array, *, resolution: float = 0.0) -> float:
    """Two-sided p of the paired t test (Student 1908) that the mean of a - b is 0: a, b (n,).

    The standard deviation of the differences is taken to be at least `resolution` (see mean_interval), and at least
    what rounding to float32 can make. Equal a and b have p = 1. Where a value is infinite there is no t, and the p is
    that of the sign test.

    >>> round(paired_p([1.0, 2.0, 4.0], [0.0, 1.5, 3.0]), 3)
    0.038
    """
    from scipy import stats

    a, b = np.asarray(a, float), np.asarray(b, float)
    if np.array_equal(a, b):
        return 1.0
    if not np.isfinite([a, b]).all():
        higher, lower = int((a > b).sum()), int((a < b).sum())
        return float(stats.binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0
    difference, n = a - b, len(a)
    rounding = np.finfo(np.float32).eps * max(np.abs(a).max(), np.abs(b).max())
    error = max(difference.std(ddof=1), resolution, rounding) / np.sqrt(n)
    return float(2 * stats.t.sf(abs(difference.mean()) / error, n - 1))


def holm(p: Sequence[float]) -> Array:
    """Holm's (1979) adjusted p, (m,) -> (m,): at most `alpha` of all families have one false positive below `alpha`.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1)
    return adjusted


def all_pairs(
    scores: pd.DataFrame,
    alpha: float = 0.05,
    *,
    resolution: float = 0.0,
    lower_is_better: bool = False,
    right: Mapping[Hashable, Array] | None = None,
) -> pd.DataFrame:
    """Every two columns of `scores` (a row a seed, a column a condition), compared seed by seed.

    One row a pair: a, b, difference (mean of a - b) with the 95 % t interval from low to high (of this pair alone),
    superiority (share of seeds in which a is higher, ties halved), p (paired t test), p_holm (corrected over all pairs:
    it depends on how many are compared) and verdict: which one is better if p_holm < alpha, else "no detectable
    difference". `lower_is_better` is for losses. `resolution` is the least step of a score (see mean_interval).

    `right` has, for each condition, which points each seed got right: (seeds, points). Then crossed_low and
    crossed_high are the interval of the difference for new seeds and new points, and p is that of the same: it tests
    the data set, and not only these points.

    >>> scores = pd.DataFrame({"tanh": [0.9, 0.8, 0.9, 0.8], "relu": [0.8, 0.7, 0.8, 0.71]})
    >>> print(all_pairs(scores)[["a", "b", "verdict"]].to_string(index=False))
       a    b     verdict
    tanh relu tanh better
    """
    require(len(scores) >= 2, f"a comparison of pairs expects at least 2 seeds, got {len(scores)}")
    rows = []
    for a, b in combinations(scores.columns, 2):
        one, two = scores[a].to_numpy(float), scores[b].to_numpy(float)
        won = superiority(one, two)
        with np.errstate(invalid="ignore"):  # both infinite
            difference, low, high = mean_interval(one - two, resolution=resolution)
        crossed, p = (np.nan, np.nan), paired_p(one, two, resolution=resolution)
        if right is not None:
            crossed, p = _crossed_difference(right[a].astype(np.int8) - right[b])
        higher = difference if np.isfinite(difference) else won - 0.5  # infinite scores have an order, but no mean
        better = str(b if (higher > 0) == lower_is_better else a)
        rows.append((a, b, difference, low, high, *crossed, won, p, better))
    names = ["a", "b", "difference", "low", "high", "crossed_low", "crossed_high", "superiority", "p", "verdict"]
    pairs = pd.DataFrame(rows, columns=names)
    pairs.insert(9, "p_holm", holm(pairs.p.to_list()))
    pairs["verdict"] = [f"{row.verdict} better" if row.p_holm < alpha else SAME for row in pairs.itertuples()]
    return pairs if right is not None else pairs.drop(columns=["crossed_low", "crossed_high"])


def _crossed_difference(difference: Array) -> tuple[tuple[float, float], float]:
    """Of (n, N) differences -1, 0 or 1: the crossed interval of the mean, and the two-sided p that it is 0."""
    from scipy import stats

    mean, low, high = crossed_interval(difference, bounds=(-1, 1))
    return (low, high), float(2 * stats.t.sf(abs(mean) / crossed_error(difference), len(difference) - 1))
