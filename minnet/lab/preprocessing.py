"""What was learned of a table's columns before training, as plain numbers and names: what new rows are made ready with.

It is kept with a trained network as JSON, so that a prediction needs neither the training data nor a pickle.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd

from minnet.blueprint import fits
from minnet.lab.columns import Column, as_column, rows
from minnet.lab.csv_files import nearest, read_csv
from minnet.lab.datasets import Dataset
from minnet.settings import Array, require
from minnet.tensor_files import short


@dataclass(frozen=True)
class Number:
    """A column of numbers, one feature: (x - mean) / scale, with `fill` where a cell is empty."""

    name: str
    mean: float
    scale: float
    fill: float | None = None  # None: no cell may be empty

    n_features = 1

    def __call__(self, column: Column, notes: list[str]) -> Array:
        if column.values is not None:
            wrong = ~column.missing
            raise ValueError(
                f"column {self.name!r} has to hold numbers, as in training, got {column.values[0]!r} among others in "
                f"{rows(wrong)}"
            )
        infinite = np.isinf(column.cells)
        require(not infinite.any(), f"column {self.name!r} is infinite in {rows(infinite)}")
        if column.missing.any():
            require(self.fill is not None, f"column {self.name!r} is empty in {rows(column.missing)}: fill these cells")
            notes.append(f"column {self.name!r} is empty in {rows(column.missing)}: filled with {self.fill:.6g}")
        cells = np.where(column.missing, self.fill or 0.0, column.cells)
        return ((cells - self.mean) / self.scale)[:, None]


@dataclass(frozen=True)
class Category:
    """A column of categories, a feature for each of `values` (None: an empty cell), and one for all others if `rest`.

    Without `rest` any other value is none of them: all zeros.
    """

    name: str
    values: tuple[str | None, ...]
    rest: tuple[str | None, ...] = ()  # the rare ones of the training data, which share a feature

    @property
    def n_features(self) -> int:
        """Width in the network's input."""
        return len(self.values) + bool(self.rest)

    def __call__(self, column: Column, notes: list[str]) -> Array:
        texts = column.values or ()
        place = {value: i for i, value in enumerate(self.values)}
        other = len(self.values)  # the shared feature, or past the end: none
        places = np.array([*(place.get(text, other) for text in texts), place.get(None, other)], int)[column.cells]
        known = np.array([*(text in place or text in self.rest for text in texts), True], bool)[column.cells]
        if not known.all():
            example = texts[column.cells[np.flatnonzero(~known)[0]]]
            notes.append(
                f"column {self.name!r} holds {example!r} in {rows(~known)}, which training never met: it counts as "
                f"{'one of the rare values' if self.rest else 'none of the known ones'}"
            )
        return np.eye(other + 1)[places][:, : self.n_features]


@dataclass(frozen=True)
class Preprocessing:
    """From rows as they stand in a file to a network's x, and from its y to what it is asked for.

    `classes` are the names of the labels; a regression has none, and its target is y * scale + mean.
    """

    columns: tuple[Number | Category, ...]
    target: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    def read(self, path: str | Path, notes: list[str]) -> Array:
        """x (N, n_in) float32 of a CSV file. What is taken to mean what is added to `notes`.

        Raises ValueError in one line for a column that is missing or holds what it cannot.
        """
        text = [column.name for column in self.columns if isinstance(column, Category)]
        separator, frame = read_csv(Path(path), least=1, as_text=text)
        name = Path(path).name
        require(len(frame) > 0, f"{name} holds no rows below its header")
        names = list(frame.columns)
        for column in self.columns:
            if column.name not in names:
                raise ValueError(f"{name} has no column {column.name!r}{nearest(column.name, names)}")
        return self({c.name: self._read(c, frame[c.name], separator, notes) for c in self.columns}, notes)

    @staticmethod
    def _read(column: Number | Category, cells: pd.Series, separator: str, notes: list[str]) -> Column:
        if isinstance(column, Number):
            return as_column(cells, column.name, separator, notes)
        texts = cells.astype("string").str.strip().replace({"": None, "?": None})
        if {*column.values, *column.rest} <= {"True", "False", None}:  # as pandas spells what a file may call TRUE
            texts = texts.str.capitalize()
        codes, found = pd.factorize(texts)
        return Column(column.name, codes, tuple(found))

    def __call__(self, columns: Mapping[str, Column], notes: list[str]) -> Array:
        """x (N, n_in) float32 of columns by name."""
        return np.hstack([column(columns[column.name], notes) for column in self.columns]).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers."""
        return json.loads(json.dumps(asdict(self), allow_nan=False))  # tuples become lists

    @classmethod
    def from_json(cls, plain: Any) -> "Preprocessing":
        """What `to_json` gave, or a ValueError for anything else."""
        try:
            columns = tuple(
                Category(c["name"], tuple(c["values"]), tuple(c["rest"])) if "values" in c else Number(**c)
                for c in plain["columns"]
            )
            it = cls(columns, plain["target"], tuple(plain["classes"]), plain["mean"], plain["scale"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no description of columns that minnet has written: {error}") from None
        for part in (it, *columns):
            for name, kind in get_type_hints(type(part)).items():
                value = getattr(part, name)
                right = fits(value, kind) and (kind is not float or name != "scale" or value != 0)
                require(right, f"this is no description of columns: {name} cannot be {short(value)}")
        return it


def preprocessing(data: Dataset, seed: int) -> Preprocessing:
    """How `data.split(seed)` makes its features. Those of a data set without names are called x1, x2, ..."""
    own = getattr(data, "preprocessing", None)
    if own is not None:
        return own(seed)
    x = data.training(seed)[0]
    mean, std = x.mean(axis=0), x.std(axis=0)
    columns = [
        Number(f"x{i}", float(m), float(s) if s > 0 else 1.0) for i, (m, s) in enumerate(zip(mean, std, strict=True), 1)
    ]
    return Preprocessing(tuple(columns), "class", tuple(str(label) for label in range(data.n_classes)))
