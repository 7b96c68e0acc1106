"""A fair comparison of activations: tune each one's learning rate on validation data, then test on fresh seeds.

Seed k fixes the data, the batch order and the base draws of the weights, for every condition alike.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from minnet.initializers import Initializer
from minnet.lab.conditions import RECOMMENDED, SAME, Condition, Part, activation, conditions, is_sgd, mlp
from minnet.lab.datasets import Dataset, Split
from minnet.lab.manifest import command, data_hash, engine_hash, versions
from minnet.lab.statistics import all_pairs
from minnet.lab.summary import POINT, best_rates, beyond, limit, summary
from minnet.lab.trials import Outcome, Trial
from minnet.lab.work import Store, work_out
from minnet.network import Network
from minnet.optimizers import Optimizer
from minnet.settings import Array, require

__all__ = ["ADAPTIVE_RATES", "RATES", "Comparison", "activation", "compare", "mlp"]
# Seven learning rates, two a decade: for gradient descent, and for optimizers that scale the step themselves.
RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-2, 1.25, 0.5))  # 0.01 to 10
ADAPTIVE_RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-4, -0.75, 0.5))  # 0.0001 to 0.1

MEASURED = ("diverged", "validation_score", "validation_loss", "test_score", "message")


@dataclass
class Comparison:
    """What a comparison found.

    `runs` has one row a run: condition, activation, initialiser, optimizer, phase ("tuning" or "test"), rate, seed,
    diverged, validation_score, validation_loss, test_score, message (why it diverged). `table` has one row a condition,
    `pairs` one a pair of them (statistics.all_pairs). `curves` maps a condition to the test score of its test runs at
    its own best rate over the epochs (a row an epoch, a column a seed), which decides nothing; `examples` maps it to
    the network, theta and Split of the first of them. `manifest` is plain JSON: what it takes to have it all again.
    """

    data: Dataset
    runs: pd.DataFrame
    table: pd.DataFrame
    pairs: pd.DataFrame
    curves: dict[str, pd.DataFrame]
    examples: dict[str, tuple[Network, Array, Split]]
    manifest: dict[str, Any]

    @property
    def shared_rate(self) -> float:
        """The learning rate that all were also tested at (the first optimizer's, if there are several)."""
        return float(self.table.shared_rate.iloc[0])

    def show(self, score: float) -> str:
        """A score as it is quoted: an accuracy in per cent, R² as it is."""
        return f"{score:.1%}" if self.data.task == "classification" else f"{score:.3f}"

    def verdict(self) -> str:
        """The numbers in words: who passes the best straight line, who is best, and who cannot be told from it."""
        least, name = limit(self.data)
        table, limited = self.table, f"{name} ({self.show(least)})"
        above = [f"{act} ({self.show(row.score)})" for act, row in table[table.low > least].iterrows()]
        level = [f"{act} ({self.show(row.score)})" for act, row in table[~(table.low > least)].iterrows()]
        parts = []
        if above:
            parts.append(f"{_listed(above)} {'passes' if len(above) == 1 else 'pass'} {limited}")
        if level:
            parts.append(f"{_listed(level)} {'does' if len(level) == 1 else 'do'} not pass {limited}")
        text = f"On {self.data.name}, each at its own best learning rate, {'; '.join(parts)}."
        if len(table) > 1:
            best = str(table.score.idxmax())
            level = [name for name in table.index if name != best and not self._differ(best, name)]
            text += f" The highest mean is that of {best}; "
            text += (
                f"no detectable difference from {_listed(level)}." if level else "every other one is detectably lower."
            )
        wronged = [
            f"{act} ({self.show(row.shared_score)} instead of {self.show(row.score)})"
            for act, row in table[table.shared_score < table.low - POINT].iterrows()
        ]
        if wronged:
            text += f" A comparison at one shared rate, {self.shared_rate:g}, would have wronged {_listed(wronged)}."
        return text

    def _differ(self, a: str, b: str) -> bool:
        pair = self.pairs[self.pairs.a.isin([a, b]) & self.pairs.b.isin([a, b])]
        return bool((pair.verdict != "no detectable difference").any())

    def rankings(self) -> str:
        """The order in which all stand at one shared learning rate, and each at its own best one: two lines."""
        lines = []
        for title, score, rate in (
            ("All at one shared rate", "shared_score", "shared_rate"),
            ("Each at its own best rate", "score", "rate"),
        ):
            table = self.table.sort_values(score, ascending=False, kind="stable")
            places = table[score].rank(ascending=False, method="min").astype(int)
            told = [f"{places[n]}. {n} {self.show(row[score])} (rate {row[rate]:g})" for n, row in table.iterrows()]
            lines.append(f"{title}: {', '.join(told)}.")
        return "\n".join(lines)

    def save(self, folder: Path) -> list[Path]:
        """Write runs, table and pairs as CSV and the manifest as JSON, each beside and renamed; return the paths."""
        texts = {
            "runs.csv": self.runs.to_csv(index=False),
            "table.csv": self.table.to_csv(),
            "pairs.csv": self.pairs.to_csv(index=False),
            "manifest.json": json.dumps(self.manifest, indent=2, ensure_ascii=False) + "\n",
        }
        paths = [folder / f"{self.data.name}_{name}" for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            beside = path.with_name(f"{path.name}.part")
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        return paths


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def compare(
    activations: Mapping[str, Part] | Iterable[Part],
    data: Dataset,
    *,
    hidden: Sequence[int] = (16, 16),
    initialisers: Mapping[str, Initializer] | Iterable[str] = (RECOMMENDED, SAME),
    optimizers: Mapping[str, Optimizer] | Iterable[str] = ("SGD",),
    rates: Literal["auto"] | Iterable[float] = "auto",
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
) -> Comparison:
    """Compare every combination of activations, initialisers and optimizers on the same data, seed by seed.

    activations: names, objects, "package.module:NAME" or factories (n_in, n_out) -> Network, as a list or by name.
    initialisers: "recommended" (each activation's own), "same" (glorot_uniform for all), or others by name.

    Tuning: `seeds` seeds at every rate of the grid ("auto": RATES, or ADAPTIVE_RATES for an adaptive optimizer), which
    is widened for all while some condition's best lies at its edge; the best has the highest mean validation score,
    ties go to the lower mean validation loss. Test: as many fresh seeds at each one's best rate and at `shared_rate`
    (0.1, or 0.001 for an adaptive optimizer). A run that diverges scores what guessing scores. `own_seeds` names
    activations that draw weights and batch order of their own rather than share them with the others.

    The work is spread over `jobs` cores, or over the Dask cluster whose scheduler is at `cluster`. What is trained is
    kept in `out`/trained, and not trained again unless `fresh`: a comparison that was killed goes on where it was.
    `watch(done, total)` is called as pieces of the work are done.
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
        data, data_hash(data, first_seed), Store(Path(out) / "trained" if out else None, fresh), jobs, cluster, watch
    )

    def trial(condition: Condition, rates: Iterable[float], seeds: range) -> Trial:
        return Trial(condition.network, condition.method, tuple(sorted(set(rates))), data, tuple(seeds), epochs,
                     batch_size, condition.offset, curves=seeds is test)  # fmt: skip

    methods = {c.optimizer: c.method for c in grid}
    todo = {name: fixed or list(RATES if is_sgd(method) else ADAPTIVE_RATES) for name, method in methods.items()}
    tried: dict[str, list[float]] = {name: [] for name in methods}
    while any(todo.values()):
        work.do(
            {(c, "tuning"): [trial(c, some, tuning) for some in _in_pairs(todo[c.optimizer])] for c in grid}, len(grid)
        )
        best = best_rates(work.runs())
        tried = {name: sorted(tried[name] + todo[name]) for name in methods}
        todo = {name: beyond(tried[name], (best[c.name] for c in grid if c.optimizer == name)) for name in methods}
    best = {c.name: best[c.name] for c in grid}
    shared = {c.name: shared_rate or (0.1 if is_sgd(c.method) else 0.001) for c in grid}
    work.do({(c, "test"): [trial(c, [best[c.name], shared[c.name]], test)] for c in grid})

    curves, examples, first = {}, {}, data.split(test[0])
    for c in grid:
        (tested,) = work.trials[c, "test"]
        outcome, at = work.outcome(tested), tested.rates.index(best[c.name])
        columns = pd.Index(test, name="seed")
        own = outcome["curve"][:, at * seeds : (at + 1) * seeds]
        curves[c.name] = pd.DataFrame(own, pd.Index(outcome["epoch"], name="epoch"), columns)
        examples[c.name] = c.network, outcome["theta"][at], first
    runs = work.runs()
    table, scores = summary(runs, best, shared, data)
    manifest = {
        "command": command(),
        "versions": versions(),
        "engine": engine_hash(),
        "data": {"name": data.name, "task": data.task, "n_in": data.n_in, "n_out": data.n_out, "hash": work.data_hash},
        "seeds": {"tuning": [tuning.start, tuning.stop - 1], "test": [test.start, test.stop - 1]},
        "settings": {"hidden": list(hidden), "epochs": epochs, "batch_size": batch_size, "rates": tried,
                     "own_seeds": sorted(own_seeds)},
        "conditions": {c.name: {"network": repr(c.network), "optimizer": repr(c.method)} for c in grid},
        "jobs": jobs,
        "cluster": cluster,
        "pieces": {"trained": work.done - work.store.found, "found": work.store.found},
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 2),
    }  # fmt: skip
    return Comparison(data, runs, table, all_pairs(scores), curves, examples, manifest)


def _in_pairs(rates: Sequence[float]) -> list[Sequence[float]]:
    """What is trained at once: one rate at a time would take a third longer, more would make the pieces coarse."""
    return [rates[i : i + 2] for i in range(0, len(rates), 2)]


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

    def runs(self) -> pd.DataFrame:
        """One row a run, in an order that does not depend on when each was done."""
        frames = []
        for (condition, phase), batch in self.trials.items():
            for trial in sorted(batch, key=lambda trial: trial.rates):
                names = {"condition": condition.name, "activation": condition.activation,
                         "initialiser": condition.initialiser, "optimizer": condition.optimizer}  # fmt: skip
                outcome = self.outcome(trial)
                rate, seed = np.repeat(trial.rates, len(trial.seeds)), np.tile(trial.seeds, len(trial.rates))
                frames.append(pd.DataFrame({**names, "phase": phase, "rate": rate, "seed": seed,
                                            **{column: outcome[column] for column in MEASURED}}))  # fmt: skip
        return pd.concat(frames, ignore_index=True)
