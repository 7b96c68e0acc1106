"""A fair comparison of activations: tune each one's learning rate on validation data, then test on fresh seeds.

Seed k fixes the data and the batch order for every condition alike, and the stream that the weights are drawn from. The
draws themselves are the same where the initializer is: the normals of one and the uniforms of another share nothing.
"""

import os
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from minnet.initializers import Initializer
from minnet.lab.comparison import Comparison
from minnet.lab.conditions import (
    RECOMMENDED,
    SAME,
    UNNAMED,
    Condition,
    Part,
    activation,
    conditions,
    is_sgd,
    mlp,
)
from minnet.lab.datasets import Dataset
from minnet.lab.identity import ONCE
from minnet.lab.manifest import command, data_hash, engine_hash, versions
from minnet.lab.summary import best_rates, beyond, summary
from minnet.lab.trials import Outcome, Trial
from minnet.lab.work import Store, on_stderr, work_out
from minnet.optimizers import Optimizer, with_rate
from minnet.settings import Array, require

__all__ = ["ADAPTIVE_RATES", "RATES", "Comparison", "activation", "compare", "mlp"]
# Seven learning rates, two a decade: for gradient descent, and for optimizers that scale the step themselves.
RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-2, 1.25, 0.5))  # 0.01 to 10
ADAPTIVE_RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-4, -0.75, 0.5))  # 0.0001 to 0.1

LARGEST = 2**24  # numbers of data that one piece of work holds at once: with all copies about 400 MB
MEASURED = ("diverged", "validation_score", "validation_loss", "test_score", "message")


def compare(
    activations: Mapping[str, Part] | Iterable[Part],
    data: Dataset,
    *,
    hidden: Sequence[int] = (16, 16),
    initialisers: Mapping[str, Initializer] | Iterable[str] = (RECOMMENDED, SAME),
    optimizers: Mapping[str, Optimizer] | Iterable[str] = ("SGD",),
    rates: Literal["auto"] | Iterable[float] = "auto",
    widen: bool | None = None,
    shared_rate: float | None = None,
    seeds: int = 20,
    first_seed: int = 0,
    own_seeds: Collection[str] = (),
    epochs: int = 200,
    batch_size: int = 32,
    jobs: int = -1,
    cluster: str | None = None,
    out: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    watch: Callable[[int, int], Any] = lambda done, total: None,
    note: Callable[[str], Any] = on_stderr,
) -> Comparison:
    """Compare every combination of activations, initialisers and optimizers on the same data, seed by seed.

    activations: names, objects, "package.module:NAME" or factories (n_in, n_out) -> Network, as a list or by name.
    initialisers: "recommended" (each activation's own), "same" (glorot_uniform for all), or others by name.

    Tuning: `seeds` seeds at every rate of the grid ("auto": RATES, or ADAPTIVE_RATES for an adaptive optimizer). If
    `widen`, it is widened for all while some condition's best lies at its edge; by default rates that you give stay as
    they are. The best has the highest mean validation score, ties go to the lower mean validation loss. Test: as many
    fresh seeds at each one's best rate and at `shared_rate` (0.1, or 0.001 for an adaptive optimizer). A run that
    diverges counts, and scores what guessing scores. `own_seeds` names activations that draw weights and batch order of
    their own rather than share them with the others.

    Intervals are of two kinds: for these test points, which all seeds share, and for new points (see `summary`). The
    pairs' p is corrected over all pairs by Holm's method, so a pair's verdict depends on how many are compared.

    The work is spread over `jobs` cores, or over the Dask cluster whose scheduler is at `cluster`. What is trained is
    kept in `out`/trained, and not trained again unless `fresh`: a comparison that was killed goes on where it was. What
    cannot be proved to be the same code and settings (see identity.py) is trained again. `watch(done, total)` is called
    as pieces of the work are done, and `note` with each remark, as on how many pieces were taken from `out`.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    require(seeds >= 2, f"seeds has to be >= 2, got {seeds}: one seed has no interval")
    require(shared_rate is None or shared_rate > 0, f"shared_rate has to be > 0, got {shared_rate}")
    grid = conditions(activations, data.n_in, data.n_out, hidden=hidden, initialisers=initialisers,
                      optimizers=optimizers, own_seeds=own_seeds)  # fmt: skip
    fixed = None if rates == "auto" else sorted({float(rate) for rate in rates})
    require(fixed is None or (len(fixed) > 0 and fixed[0] > 0), f"rates has to be some numbers > 0, got {fixed}")
    tuning, test = range(first_seed, first_seed + seeds), range(first_seed + seeds, first_seed + 2 * seeds)
    work = _Work(
        data,
        data_hash(data, *tuning, *test),
        Store(Path(out) / "trained" if out else None, fresh),
        jobs,
        cluster,
        watch,
    )

    size = sum(part.size for part in data.split(first_seed))

    def trials(condition: Condition, rates: Iterable[float], seeds: range) -> list[Trial]:
        pieces = in_pieces(sorted(set(rates)), seeds, LARGEST // size)
        return [Trial(condition.network, condition.method, some, data, of, epochs, batch_size, condition.offset,
                      curves=seeds is test, made_of=condition.made_of) for some, of in pieces]  # fmt: skip

    methods = {c.optimizer: c.method for c in grid}
    todo = {name: fixed or list(RATES if is_sgd(method) else ADAPTIVE_RATES) for name, method in methods.items()}
    tried: dict[str, list[float]] = {name: [] for name in methods}
    widened = fixed is None if widen is None else widen
    while any(todo.values()):
        work.do({(c, "tuning"): trials(c, todo[c.optimizer], tuning) for c in grid}, len(grid))
        best = best_rates(work.runs())
        tried = {name: sorted(tried[name] + todo[name]) for name in methods}
        todo = {name: beyond(tried[name], [best[c.name] for c in grid if c.optimizer == name]) if widened else []
                for name in methods}  # fmt: skip
    best = {c.name: best[c.name] for c in grid}
    shared = {c.name: shared_rate or (0.1 if is_sgd(c.method) else 0.001) for c in grid}
    work.do({(c, "test"): trials(c, (best[c.name], shared[c.name]), test) for c in grid})

    curves, examples, right, first = {}, {}, dict[Hashable, Array](), data.split(test[0])
    for c in grid:
        curves[c.name], theta, right[c.name] = work.at_rate(c, best[c.name])
        examples[c.name] = c.network, theta, first
    runs = work.runs()
    table, pairs = summary(runs, best, shared, data, right if data.task == "classification" else None)
    manifest = {
        "command": command(),
        "versions": dict(versions()),
        "engine": engine_hash(),
        "data": {"name": data.name, "task": data.task, "n_in": data.n_in, "n_out": data.n_out, "hash": work.data_hash},
        "seeds": {"tuning": [tuning.start, tuning.stop - 1], "test": [test.start, test.stop - 1]},
        "settings": {"hidden": list(hidden), "epochs": epochs, "batch_size": batch_size, "rates": tried,
                     "own_seeds": sorted(own_seeds)},
        "conditions": {
            c.name: {
                "network": repr(c.network),
                "weights": c.weights,
                "optimizer": repr(with_rate(c.method, best[c.name])),
                "optimizer at the shared rate": repr(with_rate(c.method, shared[c.name])),
            }
            for c in grid
        },
        "jobs": jobs,
        "cluster": cluster,
        "pieces": {"trained": work.done - work.store.found, "found": work.store.found},
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 2),
    }  # fmt: skip
    unnamed = [f"The weights of {c.name} start by {c.weights}." for c in grid if UNNAMED in c.weights]
    once = [c.name for c in grid if out and c.made_of.startswith(ONCE)]
    unproved = [f"Trained anew each time, as it cannot be proved to be the same as before: {', '.join(once)}."] * bool(
        once
    )
    for remark in (*unnamed, *unproved, *work.store.remarks()):
        note(remark)
    return Comparison(data, runs, table, pairs, curves, examples, manifest)


def in_pieces(
    rates: Sequence[float], seeds: Sequence[int], most: int
) -> list[tuple[tuple[float, ...], tuple[int, ...]]]:
    """What is trained at once, at most `most` replicas if that is possible: all seeds at two rates, or parts of that.

    One rate at a time would take a third longer; more than two would make the pieces coarse.
    """
    n_rates = 2 if most >= 2 * len(seeds) else 1
    n_seeds = max(1, min(len(seeds), most // n_rates))
    return [
        (tuple(rates[i : i + n_rates]), tuple(seeds[j : j + n_seeds]))
        for i in range(0, len(rates), n_rates)
        for j in range(0, len(seeds), n_seeds)
    ]


@dataclass
class _Work:
    """The trials of each condition and phase, and where their outcomes are."""

    data: Dataset
    data_hash: str
    store: Store
    jobs: int
    cluster: str | None
    watch: Callable[[int, int], Any]
    done: int = 0
    trials: dict[tuple[Condition, str], list[Trial]] = field(default_factory=dict)

    def do(self, wanted: Mapping[tuple[Condition, str], list[Trial]], later: int = 0) -> None:
        """See to these trials; `later` more are expected to come. Those that are alike are trained once."""
        tasks = {trial.key(self.data_hash): trial for batch in wanted.values() for trial in batch}
        total = self.done + len(tasks) + later
        for _ in work_out(tasks, self.store, jobs=self.jobs, cluster=self.cluster):
            self.done += 1
            self.watch(self.done, total)
        for where, batch in wanted.items():
            self.trials.setdefault(where, []).extend(batch)

    def outcome(self, trial: Trial) -> Outcome:
        found = self.store.get(trial.key(self.data_hash))
        assert found is not None
        return found

    def at_rate(self, condition: Condition, rate: float) -> tuple[pd.DataFrame, Array, Array]:
        """Of the test at this rate: the test score (a row an epoch, a column a seed), and the first seed's theta.

        And which test points each seed got right, (seeds, N); (seeds, 0) for a regression.
        """
        curves, thetas, rights, points = [], [], [], len(self.data.test[1])
        for trial in self.trials[condition, "test"]:
            if rate in trial.rates:
                outcome, at, n = self.outcome(trial), trial.rates.index(rate), len(trial.seeds)
                epoch, seed = pd.Index(outcome["epoch"], name="epoch"), pd.Index(trial.seeds, name="seed")
                curves.append(pd.DataFrame(outcome["curve"][:, at * n : (at + 1) * n], epoch, seed))
                thetas.append(outcome["theta"][at])
                rights.append(np.unpackbits(outcome["right"][at * n : (at + 1) * n], axis=1)[:, :points])
        return pd.concat(curves, axis=1), thetas[0], np.concatenate(rights)

    def runs(self) -> pd.DataFrame:
        """One row a run, in an order that does not depend on when each was done."""
        frames = []
        for (c, phase), batch in self.trials.items():
            names = {"condition": c.name, "activation": c.activation, "initialiser": c.initialiser}
            rows = [
                pd.DataFrame({
                    **names,
                    "optimizer": c.optimizer,
                    "phase": phase,
                    "rate": np.repeat(trial.rates, len(trial.seeds)),
                    "seed": np.tile(trial.seeds, len(trial.rates)),
                    **{column: self.outcome(trial)[column] for column in MEASURED},
                })
                for trial in batch
            ]  # fmt: skip
            frames.append(pd.concat(rows).sort_values(["rate", "seed"]))
        return pd.concat(frames, ignore_index=True)
