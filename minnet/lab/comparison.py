"""What a comparison found: every run, a table, all pairs, and the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from minnet.lab.datasets import Dataset, Split
from minnet.lab.summary import POINT, limit, quoted
from minnet.network import Network
from minnet.settings import Array
from minnet.shown import as_html

COLUMNS = ["score", "low", "high", "worst", "failed", "rate", "shared_score"]


@dataclass(repr=False)
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

    def __repr__(self) -> str:
        return f"{self.table[COLUMNS].to_string(float_format='{:.3g}'.format)}\n\n{self.verdict()}"

    def _repr_html_(self) -> str:
        rows = [(str(name), *(f"{row[column]:.3g}" for column in COLUMNS)) for name, row in self.table.iterrows()]
        header = ("", *(column.replace("_", " ") for column in COLUMNS))
        return as_html(f"Comparison on {self.data.name}", rows, header=header, note=self.verdict())

    @property
    def shared_rate(self) -> float:
        """The learning rate that all were also tested at (the first optimizer's, if there are several)."""
        return float(self.table.shared_rate.iloc[0])

    def show(self, score: float) -> str:
        """A score as it is quoted: an accuracy in per cent, R² as it is."""
        return quoted(self.data, score)

    def verdict(self) -> str:
        """The numbers in words: who passes the best straight line, who is best, and who cannot be told from it."""
        least, name = limit(self.data)
        table, limited = self.table, f"{name} ({self.show(least)})"
        low, mean = table.low > least, table.score > least
        groups = {
            ("passes", "pass", limited): low,
            ("is not shown to pass", "are not shown to pass", f"{limited}, which is within the interval"): mean & ~low,
            ("does not pass", "do not pass", limited): ~mean,
        }
        parts = []
        for (one, many, what), which in groups.items():
            names = [f"{act} ({self.show(row.score)})" for act, row in table[which].iterrows()]
            if names:
                parts.append(f"{_listed(names)} {one if len(names) == 1 else many} {what}")
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
        """The order of all at one shared learning rate, beside that of each at its own best: a line a place."""
        columns = []
        for title, score, rate, rank in (
            ("all at one shared rate", "shared_score", "shared_rate", "shared_rank"),
            ("each at its own best rate", "score", "rate", "rank"),
        ):
            table = self.table.sort_values(score, ascending=False, kind="stable")
            told = [f"{row[rank]}. {n}  {self.show(row[score])} at {row[rate]:g}" for n, row in table.iterrows()]
            columns.append([title, *told])
        width = max(map(len, columns[0])) + 3
        return "\n".join(f"{left:{width}}{right}" for left, right in zip(*columns, strict=True))


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
