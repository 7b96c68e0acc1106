"""What a comparison found: every run, a table, all pairs, and the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from minnet.lab.datasets import Dataset, Split
from minnet.lab.statistics import RARE, SAME, SKEWED
from minnet.lab.summary import DIGITS, FEW_POINTS, POINT, WHERE, limit, quoted
from minnet.network import Network
from minnet.settings import Array
from minnet.shown import as_html

COLUMNS = ["score", "low", "high", "crossed_low", "crossed_high", "worst", "failed", "rate", "shared_score"]
NEAR_THE_END = 0.94  # a mean accuracy from which on its interval is known to hold the truth less often than 95 %


@dataclass(repr=False)
class Comparison:
    """What a comparison found.

    `runs` has one row a run: condition, activation, initialiser, optimizer, phase ("tuning" or "test"), rate, seed,
    diverged, validation_score, validation_loss, test_score, message (why it diverged). `table` has one row a condition,
    `pairs` one a pair of them (statistics.all_pairs; its verdict may add "where it did not fail", see `verdict`).
    `curves` maps a condition to the test score of its test runs at its own best rate over the epochs (a row an epoch, a
    column a seed), which decides nothing; `examples` maps it to the network, theta and Split of the first of them.
    `manifest` is plain JSON: what it takes to have it all again.
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

    @property
    def best(self) -> str:
        """The condition with the highest mean; of several, the first."""
        return str(self.table.score.round(DIGITS).idxmax())

    @property
    def test_points(self) -> int:
        """How many test points all seeds share."""
        return len(self.data.test[1])

    def verdict(self) -> str:
        """The numbers in words: who passes the best straight line, who is best, and who cannot be told from it.

        Of classes it rests on the intervals for new seeds and new points; of a regression on those for these points.
        A difference is stated of the seeds that did not fail, unless it would remain with as many failed seeds as the
        share's interval allows.
        """
        least, name = limit(self.data)
        table, limited = self.table, f"{name} ({self.show(least)})"
        level = (table.score - least).round(DIGITS) == 0
        low, mean = table.low.where(table.crossed_low.isna(), table.crossed_low) > least, table.score > least
        groups = {
            ("passes", "pass", limited): low & ~level,
            ("is not shown to pass", "are not shown to pass", f"{limited}, which is within the interval"):
                mean & ~low & ~level,
            ("is level with", "are level with", limited): level,
            ("does not pass", "do not pass", limited): ~mean & ~level,
        }  # fmt: skip
        parts = []
        for (one, many, what), which in groups.items():
            names = [f"{act} ({self.show(row.score)})" for act, row in table[which].iterrows()]
            if names:
                parts.append(f"{_listed(names)} {one if len(names) == 1 else many} {what}")
        only = "" if self.data.task == "classification" else f"these {self.test_points:,} test points of "
        text = f"On {only}{self.data.name}, each at its own best learning rate, {'; '.join(parts)}."
        ceiling = self.data.ceiling
        if ceiling is not None and name == "guessing":
            text += f" The best straight line is right on {self.show(ceiling)}, which leaves less than a point to gain."
        if len(table) > 1:
            text += self._of_pairs()
        lower = [
            f"{act} ({self.show(row.shared_score)} instead of {self.show(row.score)})"
            for act, row in table[table.shared_score < table.low - POINT].iterrows()
        ]
        if lower:
            text += f" A comparison at one shared rate, {self.shared_rate:g}, would have wronged {_listed(lower)}."
        if self.data.task == "classification" and self.test_points < FEW_POINTS:
            text += (
                f" With {self.test_points} test points the intervals for new points are too narrow: repeat the "
                "comparison with other test points."
            )
        return text

    def cautions(self) -> list[str]:
        """What has to stand beside the intervals of the table."""
        near_the_end = self.data.task == "classification" and self.table.score.max() >= NEAR_THE_END
        return [*([SKEWED] if near_the_end else []), RARE]

    def _of_pairs(self) -> str:
        """The best one beside the others."""
        best = self.best
        verdicts = {name: self._between(best, str(name)) for name in self.table.index if name != best}
        same = [str(name) for name, verdict in verdicts.items() if verdict == SAME]
        aside = [str(name) for name, verdict in verdicts.items() if verdict.endswith(WHERE)]
        text = f" The highest mean is that of {best}; "
        text += f"no detectable difference from {_listed(same)}" if same else "every other one is detectably lower"
        text += f" (p corrected over all {len(self.pairs)} pairs)." if len(self.pairs) > 1 else "."
        if aside:
            shares = [f"{name} {self.failed(name)}" for name in (best, *aside)]
            text += (
                f" That it is better than {_listed(aside)} is so of the seeds in which {best} did not fail; the share "
                f"of seeds that fail may be large enough to undo it ({', '.join(shares)})."
            )
        return text

    def failed(self, name: str) -> str:
        """A condition's share of failed seeds with Wilson's interval."""
        row = self.table.loc[name]
        return f"{row.failed:.0%} [{row.failed_low:.0%}, {row.failed_high:.0%}]"

    def _between(self, a: str, b: str) -> str:
        """The verdict of this pair."""
        pair = self.pairs[self.pairs.a.isin([a, b]) & self.pairs.b.isin([a, b])]
        return str(pair.verdict.item())

    def rankings(self) -> str:
        """The order of all at one shared learning rate, beside that of each at its own best: a line a place."""
        columns = []
        for title, score, rate, rank in (
            ("all at one shared rate", "shared_score", "shared_rate", "shared_rank"),
            ("each at its own best rate", "score", "rate", "rank"),
        ):
            table = self.table.sort_values(score, ascending=False, kind="stable")
            lines = [f"{row[rank]}. {n}  {self.show(row[score])} at {row[rate]:g}" for n, row in table.iterrows()]
            columns.append([title, *lines])
        width = max(map(len, columns[0])) + 3
        return "\n".join(f"{left:{width}}{right}" for left, right in zip(*columns, strict=True))


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
