"""Networks that have nothing in common but the data, each at its own best learning rate: tuned, then tested anew.

The protocol is that of `compare`, with a grid of rates that stays as it is: a network that cannot be trained has its
best rate anywhere, and would widen the grid without end.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from minnet.lab.compare import LARGEST, MEASURED, in_pieces
from minnet.lab.datasets import Dataset
from minnet.lab.identity import identity
from minnet.lab.manifest import data_hash
from minnet.lab.summary import best_rates
from minnet.lab.trials import Trial
from minnet.lab.work import Store, on_stderr, work_out
from minnet.network import Network
from minnet.optimizers import Optimizer
from minnet.settings import Array


class Case(NamedTuple):
    """What is trained, the rates to choose from, and how it starts, where no initializer can say that (see Trial)."""

    network: Network
    optimizer: Optimizer
    rates: tuple[float, ...]
    start: Callable[[Network, Array], Array] | None = None


def tuned(
    cases: Mapping[str, Case],
    data: Dataset,
    *,
    tuning: range,
    test: range,
    store: Store,
    epochs: int = 200,
    batch_size: int = 32,
    jobs: int = -1,
    progress: bool = False,
    note: Callable[[str], Any] = on_stderr,
) -> pd.DataFrame:
    """One row a run: condition (the case's name), phase, rate, seed, diverged, message, and scores and losses.

    Phase "tuning": the seeds `tuning` at every rate of the case. Phase "test": the seeds `test` at the rate with the
    highest mean validation score (ties go to the lower mean validation loss). What is in `store` is not trained again:
    `note` is called with how much that was.
    """
    made_of = {name: identity(case.network, case.optimizer, case.start) for name, case in cases.items()}
    hashed, size = data_hash(data, *tuning, *test), sum(part.size for part in data.split(tuning.start))

    def runs(phase: str, seeds: range, rates: Mapping[str, Iterable[float]]) -> pd.DataFrame:
        trials = {
            name: [
                Trial(
                    case.network,
                    case.optimizer,
                    some,
                    data,
                    of,
                    epochs,
                    batch_size,
                    start=case.start,
                    made_of=made_of[name],
                )
                for some, of in in_pieces(sorted(rates[name]), seeds, LARGEST // size)
            ]
            for name, case in cases.items()
        }
        tasks = {trial.key(hashed): trial for some in trials.values() for trial in some}
        # The longest first: then no core waits for one that was begun last.
        order = sorted(tasks, key=lambda key: -tasks[key].network.size * len(tasks[key].rates))
        work = work_out({key: tasks[key] for key in order}, store, jobs=jobs, cluster=None)
        for _ in _counted(work, len(tasks), phase) if progress else work:
            pass
        frames = []
        for name, some in trials.items():
            for trial in some:
                outcome = store.get(trial.key(hashed))
                assert outcome is not None
                rate, seed = np.repeat(trial.rates, len(trial.seeds)), np.tile(trial.seeds, len(trial.rates))
                measured = {column: outcome[column] for column in MEASURED}
                frames.append(pd.DataFrame({"condition": name, "phase": phase, "rate": rate, "seed": seed, **measured}))
        return pd.concat(frames, ignore_index=True)

    found = runs("tuning", tuning, {name: case.rates for name, case in cases.items()})
    best = best_rates(found)
    tested = runs("test", test, {name: [best[name]] for name in cases})
    for remark in store.remarks():
        note(remark)
    return pd.concat([found, tested], ignore_index=True)


def _counted(work: Iterable[str], total: int, what: str) -> Iterable[str]:
    """With a bar on stderr, on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(work, what, total, console=console, disable=not console.is_terminal, transient=True)
