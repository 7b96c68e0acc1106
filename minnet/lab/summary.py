"""From the runs of a comparison to what is chosen and what is said: best learning rates, and one row a condition."""

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from minnet.lab.datasets import Dataset
from minnet.lab.statistics import SAME, Bounds, all_pairs, crossed_interval, mean_interval, share_interval
from minnet.settings import Array

EXTREMES = (1e-6, 1e4)  # the grid of learning rates is not widened beyond these
POINT = 0.01  # one point of accuracy, or a hundredth of R²
DIGITS = 9  # of a mean score: means of the same counts may differ as floats beyond these
WHERE = " where it did not fail"  # of a pair's verdict
FEW_POINTS = 120  # test points: with fewer the interval for new points is too narrow (experiments/interval_coverage.py)


def limit(data: Dataset) -> tuple[float, str]:
    """What a network has to beat to have learned anything that a straight line could not, or else anything at all.

    Where the best straight line leaves less than one point to gain, it is guessing.
    """
    if data.ceiling is None or round(data.ceiling + POINT, DIGITS) >= 1:
        return data.guess, "guessing"
    return data.ceiling, "the best straight line"


def failed(data: Dataset, scores: pd.Series, diverged: pd.Series) -> pd.Series:
    """Which runs failed: those that diverged, or did no better than `limit` plus one point.

    Where less than two points are left above the limit, half of what is left stands for the point. A perfect score
    never fails, unless the run diverged.
    """
    least = limit(data)[0]
    enough = round(min(least + POINT, (1 + least) / 2), DIGITS)
    return diverged | ((scores.round(DIGITS) <= enough) & (scores < 1))


def passing(data: Dataset) -> str:
    """What a run has to pass in order not to have failed, in words."""
    least, name = limit(data)
    return f"{name} plus one point" if least + 2 * POINT <= 1 else f"half way from {name} to no error at all"


def bounds(data: Dataset) -> Bounds:
    """Where a mean score can be."""
    return (0.0, 1.0) if data.task == "classification" else (-np.inf, 1.0)


def resolution(data: Dataset) -> float:
    """The least step of a score: an accuracy changes by one test point; R² has no least step."""
    return 1 / len(data.test[1]) if data.task == "classification" else 0.0


def quoted(data: Dataset, score: float) -> str:
    """A score as it is quoted: an accuracy in per cent, R² as it is."""
    return f"{score:.1%}" if data.task == "classification" else f"{score:.3f}"


def tuning_means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean validation_score (to DIGITS) and validation_loss of the tuning runs, by condition and rate."""
    tuning = runs[runs.phase == "tuning"]
    means = tuning.groupby(["condition", "rate"])[["validation_score", "validation_loss"]].mean().reset_index()
    return means.round({"validation_score": DIGITS})


def best_rates(runs: pd.DataFrame) -> dict[str, float]:
    """By condition: the rate with the highest mean validation score; ties go to the lower mean validation loss."""
    ranked = tuning_means(runs).sort_values(
        ["validation_score", "validation_loss", "rate"], ascending=[False, True, True]
    )
    return {str(name): float(rate) for name, rate in ranked.groupby("condition").rate.first().items()}


def beyond(grid: Sequence[float], best: Iterable[float]) -> list[float]:
    """The rates to add to a grid: one step further at each edge where some condition's best lies.

    A step is that of the grid there, and at least a factor of 3, so that widening a narrow grid comes to an end.
    """
    best, least = set(best), 3.0
    below = [float(f"{grid[0] / max(grid[1] / grid[0], least):.2g}")] if len(grid) > 1 and grid[0] in best else []
    above = [float(f"{grid[-1] * max(grid[-1] / grid[-2], least):.2g}")] if len(grid) > 1 and grid[-1] in best else []
    return [rate for rate in below + above if EXTREMES[0] <= rate <= EXTREMES[1]]


def window(scores: pd.Series, best: float) -> tuple[float, float]:
    """The lowest and highest of the neighbouring rates around `best` that are good: within one point of its score.

    scores: mean validation score by rate, in the order of the rates.
    """
    good = (scores.round(DIGITS) >= round(scores[best] - POINT, DIGITS)).to_numpy()
    at = int(np.flatnonzero(scores.index == best)[0])
    bad = np.flatnonzero(~good)
    low = max((i + 1 for i in bad if i < at), default=0)
    high = min((i - 1 for i in bad if i > at), default=len(good) - 1)
    return float(scores.index[low]), float(scores.index[high])


def good_rates(row: pd.Series) -> str:
    """A condition's window of good rates in words; an end at the edge of the grid may lie further out: ≤ or ≥."""
    low = f"{'≤ ' if row.window_low <= row.grid_low else ''}{row.window_low:.3g}"
    high = f"{'≥ ' if row.window_high >= row.grid_high else ''}{row.window_high:.3g}"
    if row.window_low == row.window_high:
        return f"{max(low, high, key=len)} only"
    return f"{low} to {high}"


def summary(
    runs: pd.DataFrame,
    best: Mapping[str, float],
    shared: Mapping[str, float],
    data: Dataset,
    right: Mapping[Hashable, Array] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of a comparison, and all of its pairs (statistics.all_pairs).

    `right` has, for each condition, which test points each test seed got right at its best rate: (seeds, points); None
    for a regression.

    Columns: activation, initialiser, optimizer; score (mean test score at its own best rate), low, high (95 % interval
    on these test points), crossed_low, crossed_high (that for new seeds and new points; NaN for a regression), worst
    (seed), failed (share of seeds, see `failed`) with Wilson's failed_low and failed_high, rate (the best), window
    (decades from window_low to window_high, the good rates around it), grid_low and grid_high (the rates tried),
    shared_score, shared_rate; rank and shared_rank, 1 for the highest mean.
    """
    test, means = runs[runs.phase == "test"], tuning_means(runs)
    rows, scores, drops = [], {}, {}
    for name in best:
        mine = test[test.condition == name].set_index("seed")
        own = mine[mine.rate == best[name]]
        scores[name] = own.test_score
        mean, low, high = mean_interval(own.test_score, bounds=bounds(data), resolution=resolution(data))
        crossed = crossed_interval(right[name])[1:] if right is not None else (np.nan, np.nan)
        lost = failed(data, own.test_score, own.diverged)
        failed_low, failed_high = share_interval(int(lost.sum()), len(lost))
        # What the mean would lose if as many seeds failed as the share's interval allows, each as low as guessing.
        drops[name] = 0.0 if lost.all() else (failed_high - lost.mean()) * (own.test_score[~lost].mean() - data.guess)
        of_rates = means[means.condition == name].set_index("rate").validation_score
        good = window(of_rates, best[name])
        rows.append(
            {
                "condition": name,
                **own.iloc[0][["activation", "initialiser", "optimizer"]],
                "score": mean,
                "low": low,
                "high": high,
                "crossed_low": crossed[0],
                "crossed_high": crossed[1],
                "worst": own.test_score.min(),
                "failed": lost.mean(),
                "failed_low": failed_low,
                "failed_high": failed_high,
                "rate": best[name],
                "window": float(np.log10(good[1] / good[0])),
                "window_low": good[0],
                "window_high": good[1],
                "grid_low": float(of_rates.index.min()),
                "grid_high": float(of_rates.index.max()),
                "shared_score": mine[mine.rate == shared[name]].test_score.mean(),
                "shared_rate": shared[name],
            }
        )
    table = pd.DataFrame(rows).set_index("condition")
    for rank, score in (("rank", "score"), ("shared_rank", "shared_score")):
        table[rank] = table[score].round(DIGITS).rank(ascending=False, method="min").astype(int)
    pairs = all_pairs(pd.DataFrame(scores), resolution=resolution(data), right=right)
    return table, _where_it_did_not_fail(pairs, drops)


def _where_it_did_not_fail(pairs: pd.DataFrame, drops: Mapping[str, float]) -> pd.DataFrame:
    """The verdict "better" only where the difference is larger than what the failed seeds not seen could take away.

    `drops`: what the mean of each condition would lose if as many seeds failed as the share's interval allows. Else the
    verdict is "better where it did not fail". Of two conditions with equal means, one of which fails in 2 to 30 % of
    seeds, "better" is then said in at most 5 % of comparisons, where the t test alone says it in up to 86 %
    (`python -m experiments.interval_coverage`).
    """
    verdicts = [
        pair.verdict + WHERE
        if pair.verdict != SAME and abs(pair.difference) <= drops[pair.a if pair.difference > 0 else pair.b]
        else pair.verdict
        for pair in pairs.itertuples()
    ]
    return pairs.assign(verdict=verdicts)
