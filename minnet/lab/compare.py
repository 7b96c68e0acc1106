"""A fair comparison of activations: tune each one's learning rate on validation data, then test on fresh seeds.

Seed k fixes the data, the batch order and the base draws of the weights, for every activation alike.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from minnet.activations import Activation
from minnet.catalogue import CATALOGUE
from minnet.lab.datasets import Dataset, Split
from minnet.lab.statistics import mean_interval
from minnet.layers import Dense
from minnet.losses import softmax_cross_entropy
from minnet.network import Network
from minnet.optimizers import SGD
from minnet.run import Run
from minnet.settings import Array, require
from minnet.training import train

RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-2, 1.25, 0.5))  # 0.01 to 10, two a decade
EXTREMES = (1e-5, 1e4)  # the grid is not extended beyond these


def activation(name: str) -> Activation:
    """A catalogue activation by its class name in any case, with its default settings."""
    known = {type(member).__name__.lower(): type(member) for member in CATALOGUE}
    require(name.lower() in known, f"unknown activation {name!r}; known are {', '.join(sorted(known))}")
    return known[name.lower()]()


def mlp(act: Activation, n_in: int, hidden: Sequence[int], n_out: int) -> Network:
    """Dense layers of these sizes, each hidden one followed by `act` and started as is recommended for it."""
    sizes = [n_in, *hidden]
    weight_init = type(act).weight_init
    layers = [part for a, b in pairwise(sizes) for part in (Dense(a, b, weight_init), act)]
    return Network(*layers, Dense(sizes[-1], n_out))


@dataclass
class Comparison:
    """What a comparison found.

    `runs` has one row a run: activation, phase ("tuning" or "test"), rate, seed, diverged, validation_accuracy,
    validation_loss, test_accuracy. `table` has one row an activation. `curves` maps an activation to the test accuracy
    of its test runs at its own best rate over the epochs (a row an epoch, a column a seed), which decides nothing;
    `examples` maps it to the network, theta and Split of the first of them.
    """

    data: Dataset
    shared_rate: float
    runs: pd.DataFrame
    table: pd.DataFrame
    curves: dict[str, pd.DataFrame]
    examples: dict[str, tuple[Network, Array, Split]]

    def verdict(self) -> str:
        """What the numbers say, in words: which activations pass the best straight line, and which do not."""
        limit, name = self._limit
        table = self.table
        above = [f"{act} ({row.accuracy:.1%})" for act, row in table[table.low > limit].iterrows()]
        level = [f"{act} ({row.accuracy:.1%})" for act, row in table[~(table.low > limit)].iterrows()]
        parts = []
        if above:
            parts.append(f"{_listed(above)} {'passes' if len(above) == 1 else 'pass'} {name} ({limit:.1%})")
        if level:
            parts.append(f"{_listed(level)} {'does' if len(level) == 1 else 'do'} not pass {name} ({limit:.1%})")
        text = f"On {self.data.name}, each at its own best learning rate, {'; '.join(parts)}."
        wronged = [
            f"{act} ({row.shared_accuracy:.1%} instead of {row.accuracy:.1%})"
            for act, row in table[table.shared_accuracy < table.low - 0.01].iterrows()
        ]
        if wronged:
            text += f" A comparison at one shared rate, {self.shared_rate:g}, would have wronged {_listed(wronged)}."
        return text

    @property
    def _limit(self) -> tuple[float, str]:
        """What a network has to beat to have learned anything that a straight line could not."""
        ceiling = self.data.ceiling
        return (self.data.guess, "guessing") if ceiling is None else (ceiling, "the best straight line")


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def compare(
    activations: dict[str, Activation],
    data: Dataset,
    *,
    hidden: Sequence[int] = (16, 16),
    seeds: int = 20,
    epochs: int = 200,
    batch_size: int = 32,
    rates: Iterable[float] = RATES,
    shared_rate: float = 0.1,
    jobs: int = -1,
    watch: Callable[[int, int], Any] = lambda done, total: None,
) -> Comparison:
    """Compare activations under plain SGD; `watch(done, total)` is called as pieces of the work are done.

    Tuning: seeds 0 to n - 1 at every rate of the grid, which is widened for all while some activation's best lies at
    its edge; the best has the highest mean validation accuracy, ties go to the lower mean validation loss. Test: seeds
    n to 2n - 1 at each one's best rate and at the shared one. A diverged run scores what guessing the majority scores.
    """
    require(len(activations) > 0, "compare expects at least one activation, got none")
    require(seeds >= 1, f"seeds has to be >= 1, got {seeds}")
    require(all(size >= 1 for size in hidden), f"hidden sizes have to be >= 1, got {tuple(hidden)}")
    require(shared_rate > 0, f"shared_rate has to be > 0, got {shared_rate}")
    networks = {name: mlp(act, data.n_in, hidden, data.n_classes) for name, act in activations.items()}
    tuning, fresh = range(seeds), range(seeds, 2 * seeds)
    todo, runs, done = sorted(set(map(float, rates))), pd.DataFrame(), 0
    while todo:
        tasks = [
            (name, network, data, [rate], tuning, epochs, batch_size, "tuning")
            for name, network in networks.items()
            for rate in todo
        ]
        total = done + len(tasks) + len(networks)
        for frame, *_ in _parallel(tasks, jobs):
            runs, done = pd.concat([runs, frame], ignore_index=True), done + 1
            watch(done, total)
        best = _best_rates(runs)
        todo = _beyond(sorted(runs.rate.unique()), best)
    tasks = [
        (name, network, data, sorted({best[name], shared_rate}), fresh, epochs, batch_size, "test")
        for name, network in networks.items()
    ]
    curves, examples = {}, {}
    for (name, network, _, grid, *_), (frame, curve, theta, split) in zip(tasks, _parallel(tasks, jobs), strict=True):
        runs, done = pd.concat([runs, frame], ignore_index=True), done + 1
        watch(done, done + len(tasks))
        own = grid.index(best[name]) * seeds
        curves[name] = curve.iloc[:, own : own + seeds]
        examples[name] = network, theta[own], split
    table = _table(runs, best, shared_rate, data, list(activations))
    return Comparison(data, shared_rate, runs, table, curves, examples)


def _parallel(tasks: Sequence[tuple[Any, ...]], jobs: int) -> Iterable[Any]:
    """The results of _condition(*task), in order, over the cores; each core's BLAS keeps to one thread."""
    from joblib import Parallel, delayed

    return Parallel(n_jobs=jobs, return_as="generator")(delayed(_condition)(*task) for task in tasks)


def _condition(
    name: str,
    network: Network,
    data: Dataset,
    rates: Sequence[float],
    seeds: range,
    epochs: int,
    batch_size: int,
    phase: str,
) -> tuple[pd.DataFrame, pd.DataFrame, Array, Split]:
    """Train one network at every rate on every seed, all as replicas.

    Returns the rows of `Comparison.runs`, in the test phase the test accuracy at some forty epochs (epochs, replicas),
    the trained theta and the data of the first seed.
    """
    from threadpoolctl import threadpool_limits

    split = Split(*(np.concatenate([part] * len(rates)) for part in data.splits(seeds)))
    rate, seed = np.repeat(rates, len(seeds)), np.tile(seeds, len(rates))
    curve: dict[int, Array] = {}

    def watch(run: Run) -> None:
        epoch = len(run.history["loss"])
        if phase == "test" and (epoch % -(-epochs // 40) == 0 or epoch in (1, epochs)):
            curve[epoch] = _score(run, split.x_test, split.y_test)[1]

    with threadpool_limits(1):
        run = train(
            network,
            softmax_cross_entropy,
            SGD(tuple(rate.tolist())),
            split.x,
            split.y,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            callbacks=[watch],
        )
        loss, accuracy = _score(run, split.x_val, split.y_val)
        _, test_accuracy = _score(run, split.x_test, split.y_test)
    if any(stop.reason == "interrupted" for stop in run.stops):
        raise KeyboardInterrupt
    frame = pd.DataFrame(
        {
            "activation": name,
            "phase": phase,
            "rate": rate,
            "seed": seed,
            "diverged": run.diverged,
            "validation_accuracy": accuracy,
            "validation_loss": loss,
            "test_accuracy": test_accuracy,
        }
    )
    return frame, pd.DataFrame.from_dict(curve, orient="index"), run.theta, Split(*(part[0] for part in split))


def _score(run: Run, x: Array, y: Array) -> tuple[Array, Array]:
    """Loss and accuracy of each replica; one that diverged scores as if it always guessed the most frequent class."""
    with np.errstate(all="ignore"):
        logits = run(x)
        loss, _ = softmax_cross_entropy(logits, y)
    right = (logits.argmax(axis=-1) == y).mean(axis=-1)
    guess = np.array([np.bincount(labels).max() / len(labels) for labels in y])
    return np.where(run.diverged, np.inf, loss), np.where(run.diverged, guess, right)


def _best_rates(runs: pd.DataFrame) -> dict[str, float]:
    means = runs.groupby(["activation", "rate"])[["validation_accuracy", "validation_loss"]].mean().reset_index()
    ranked = means.sort_values(["validation_accuracy", "validation_loss"], ascending=[False, True])
    return dict(ranked.groupby("activation").rate.first())


def _beyond(grid: Sequence[float], best: dict[str, float]) -> list[float]:
    """The rates to add to the grid: one step further at each edge where some activation's best lies."""
    below = [float(f"{grid[0] ** 2 / grid[1]:.2g}")] if len(grid) > 1 and grid[0] in best.values() else []
    above = [float(f"{grid[-1] ** 2 / grid[-2]:.2g}")] if len(grid) > 1 and grid[-1] in best.values() else []
    return [rate for rate in below + above if EXTREMES[0] <= rate <= EXTREMES[1]]


def _table(
    runs: pd.DataFrame, best: dict[str, float], shared_rate: float, data: Dataset, names: Sequence[str]
) -> pd.DataFrame:
    """One row an activation: accuracy at its own best rate with interval, at the shared rate, worst seed, failures."""
    limit = data.guess if data.ceiling is None else data.ceiling
    test = runs[runs.phase == "test"]
    rows = []
    for name in names:
        own = test[(test.activation == name) & (test.rate == best[name])]
        shared = test[(test.activation == name) & (test.rate == shared_rate)]
        mean, low, high = mean_interval(own.test_accuracy)
        rows.append(
            {
                "activation": name,
                "accuracy": mean,
                "low": low,
                "high": high,
                "worst": own.test_accuracy.min(),
                "failed": (own.diverged | (own.test_accuracy <= limit + 0.01)).mean(),
                "rate": best[name],
                "shared_accuracy": shared.test_accuracy.mean(),
            }
        )
    return pd.DataFrame(rows).set_index("activation")
