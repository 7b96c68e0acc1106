"""From the runs of a comparison to what is chosen and what is said: best learning rates, and one row a condition."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from minnet.lab.datasets import Dataset
from minnet.lab.statistics import mean_interval

EXTREMES = (1e-6, 1e4)  # the grid of learning rates is not widened beyond these
POINT = 0.01  # one point of accuracy, or a hundredth of R²


def limit(data: Dataset) -> tuple[float, str]:
    """What a network has to beat to have learned anything that a straight line could not, or else anything at all."""
    return (data.guess, "guessing") if data.ceiling is None else (data.ceiling, "the best straight line")


def quoted(data: Dataset, score: float) -> str:
    """A score as it is quoted: an accuracy in per cent, R² as it is."""
    return f"{score:.1%}" if data.task == "classification" else f"{score:.3f}"


def tuning_means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean validation_score and validation_loss of the tuning runs, by condition and rate."""
    tuning = runs[runs.phase == "tuning"]
    return tuning.groupby(["condition", "rate"])[["validation_score", "validation_loss"]].mean().reset_index()


def best_rates(runs: pd.DataFrame) -> dict[str, float]:
    """By condition: the rate with the highest mean validation score; ties go to the lower mean validation loss."""
    ranked = tuning_means(runs).sort_values(
        ["validation_score", "validation_loss", "rate"], ascending=[False, True, True]
    )
    return {str(name): float(rate) for name, rate in ranked.groupby("condition").rate.first().items()}


def beyond(grid: Sequence[float], best: Iterable[float]) -> list[float]:
    """The rates to add to a grid: one step further at each edge where some condition's best lies."""
    best = set(best)
    below = [float(f"{grid[0] ** 2 / grid[1]:.2g}")] if len(grid) > 1 and grid[0] in best else []
    above = [float(f"{grid[-1] ** 2 / grid[-2]:.2g}")] if len(grid) > 1 and grid[-1] in best else []
    return [rate for rate in below + above if EXTREMES[0] <= rate <= EXTREMES[1]]


def window(scores: pd.Series, best: float) -> tuple[float, float]:
    """The lowest and highest of the neighbouring rates around `best` that are good: within one point of its score.

    scores: mean validation score by rate, in the order of the rates.
    """
    good = (scores >= scores[best] - POINT).to_numpy()
    at = int(np.flatnonzero(scores.index == best)[0])
    bad = np.flatnonzero(~good)
    low = max((i + 1 for i in bad if i < at), default=0)
    high = min((i - 1 for i in bad if i > at), default=len(good) - 1)
    return float(scores.index[low]), float(scores.index[high])


def summary(
    runs: pd.DataFrame, best: Mapping[str, float], shared: Mapping[str, float], data: Dataset
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of a comparison, and the test scores that its pairs are made of (a row a seed, a column a condition).

    Columns: activation, initialiser, optimizer; score (mean test score at its own best rate), low, high (95 %
    interval), worst (seed), failed (share of seeds that diverged or did no better than `limit` plus one point), rate
    (the best), window (decades from window_low to window_high, the good rates around it), shared_score, shared_rate;
    rank and shared_rank, 1 for the highest mean.
    """
    test, means = runs[runs.phase == "test"], tuning_means(runs)
    enough = limit(data)[0] + POINT
    rows, scores = [], {}
    for name in best:
        mine = test[test.condition == name].set_index("seed")
        own = mine[mine.rate == best[name]]
        scores[name] = own.test_score
        mean, low, high = mean_interval(own.test_score)
        of_rates = means[means.condition == name].set_index("rate").validation_score
        good = window(of_rates, best[name])
        rows.append(
            {
                "condition": name,
                **own.iloc[0][["activation", "initialiser", "optimizer"]],
                "score": mean,
                "low": low,
                "high": high,
                "worst": own.test_score.min(),
                "failed": (own.diverged | (own.test_score <= enough)).mean(),
                "rate": best[name],
                "window": float(np.log10(good[1] / good[0])),
                "window_low": good[0],
                "window_high": good[1],
                "shared_score": mine[mine.rate == shared[name]].test_score.mean(),
                "shared_rate": shared[name],
            }
        )
    table = pd.DataFrame(rows).set_index("condition")
    for rank, score in (("rank", "score"), ("shared_rank", "shared_score")):
        table[rank] = table[score].rank(ascending=False, method="min").astype(int)
    return table, pd.DataFrame(scores)
