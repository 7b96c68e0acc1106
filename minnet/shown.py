"""How results print: as aligned lines in a terminal, and as a small table in Jupyter."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minnet.settings import Array

Rows = list[tuple[str, str]]


class Shown:
    """Base of what prints as a title with rows of names and texts."""

    @abstractmethod
    def shown(self) -> tuple[str, Rows]:
        """The title, and the rows: name and text."""

    def __repr__(self) -> str:
        title, rows = self.shown()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([title, *(f"  {name:{width}}  {text}" for name, text in rows)])

    def _repr_html_(self) -> str:
        return as_html(*self.shown())


def as_html(title: str, rows: Iterable[Sequence[str]] = (), *, header: Sequence[str] = (), note: str = "") -> str:
    """A title, a table and a note as HTML: all of it escaped, in the colours and letters of the page it stands on.

    A class shows itself in Jupyter by `def _repr_html_(self): return as_html(...)`.

    >>> as_html("a < b", [("loss", "0.5")])  # doctest: +ELLIPSIS
    '<div><div style="...">a &lt; b</div><table ...<td style="text-align: left">loss</td>...'
    """
    from html import escape  # takes a twentieth of the time of `import minnet`, and is seldom wanted

    def line(cells: Sequence[str], tag: str) -> str:
        each = (f'<{tag} style="text-align: left">{escape(cell)}</{tag}>' for cell in cells)
        return f"<tr>{''.join(each)}</tr>"

    lines = [line(row, "td") for row in rows]
    head = f"<thead>{line(header, 'th')}</thead>" if header else ""
    parts = [f'<div style="margin: 0.4em 0; font-weight: bold">{escape(title)}</div>']
    if lines:
        inherit = "margin: 0; font-size: inherit; color: inherit"  # in some pages a table would not
        parts.append(f'<table style="{inherit}">{head}<tbody>{"".join(lines)}</tbody></table>')
    if note:
        parts.append(f'<div style="margin: 0.4em 0; max-width: 50em">{escape(note)}</div>')
    return f"<div>{''.join(parts)}</div>"


def training_rows(stops: Sequence[Any], history: Mapping[str, Array]) -> Rows:
    """How many replicas stopped for which reason (run.Stop), and the last finite value of each line of the history."""
    rows = []
    for reason in dict.fromkeys(stop.reason for stop in stops):
        epochs = [stop.epoch for stop in stops if stop.reason == reason]
        span = f"{min(epochs)} to {max(epochs)}" if min(epochs) < max(epochs) else f"{min(epochs)}"
        rows.append((reason, f"{len(epochs)} of {len(stops)}, after {span} epochs"))
    for name, values in history.items():
        columns = [column[np.isfinite(column)] for column in values.reshape(len(values), -1).T]
        last = [column[-1] for column in columns if len(column)]
        if last:
            spread = f" ({min(last):.4g} to {max(last):.4g})" if len(last) > 1 else ""
            rows.append((name, f"{np.mean(last):.4g}{spread}"))
    return rows
