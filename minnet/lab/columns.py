"""One column of a user's table: what it holds, whether anything can be learned from it, whether it can be predicted."""

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from minnet.settings import Array, require

Task = Literal["classification", "regression"]
MANY = 20  # more whole numbers than this in a target are guessed to be a quantity, not classes
LEAST = 5  # rows of a class: one to test on, one to validate on, three to learn from
DECIMAL_COMMA = r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?(e[+-]?\d+)?"
THOUSANDS = r"[+-]?(\d{1,3}|[1-9]\d{0,2}(,\d{3})+)(\.\d+)?"


class Column(NamedTuple):
    """One column: numbers (n,) in float64 with NaN, or codes (n,) of the values with -1, where a cell is empty."""

    name: str
    cells: Array
    values: tuple[str, ...] | None = None  # None: numbers

    @property
    def missing(self) -> Array:
        """Which cells are empty."""
        return np.isnan(self.cells) if self.values is None else self.cells < 0


def as_column(series: pd.Series, name: str, separator: str, notes: list[str]) -> Column:
    """The column as numbers if that is what it holds, else as codes of its values."""
    if pd.api.types.is_bool_dtype(series) or pd.api.types.is_any_real_numeric_dtype(series):
        return Column(name, series.to_numpy(np.float64, na_value=np.nan))
    fits = isinstance(series.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(series.dtype)
    fits = fits or series.dtype == object
    require(fits, f"column {name!r} holds {series.dtype}: turn it into numbers or text, or leave it out")
    try:
        codes, found = pd.factorize(series)
    except TypeError:
        raise ValueError(f"column {name!r} holds values that are neither numbers nor text: leave it out") from None
    texts = np.array([str(value).strip() for value in found], object)
    values = sorted(set(texts) - {"", "?"})
    place = {value: code for code, value in enumerate(values)}
    codes = np.array([*(place.get(text, -1) for text in texts), -1], np.int32)[codes]  # -1 picks the last: missing
    numbers = _as_numbers(pd.Series(values, dtype=object), name, separator, notes)
    right = ~np.isnan(numbers)
    if right.all():
        return Column(name, np.append(numbers, np.nan)[codes])
    wrong = np.isin(codes, np.flatnonzero(~right))
    if right.sum() > MANY and wrong.sum() <= 0.1 * (codes >= 0).sum():
        example = values[codes[wrong.argmax()]]
        raise ValueError(
            f"column {name!r} holds numbers, but text such as {example!r} in {rows(wrong)}: "
            "correct these cells or empty them"
        )
    return Column(name, codes, tuple(values))


def _as_numbers(values: pd.Series, name: str, separator: str, notes: list[str]) -> Array:
    """Text as numbers, NaN where it is none. All of 1.234,5 and 3,5 are numbers too, and all of 1,234.5 and 1,234."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    if not np.isnan(numbers).any():
        return numbers
    # Between thousands or decimals? 1,234 may be either: where commas part the columns, decimals have points.
    if separator == "," and values.str.fullmatch(THOUSANDS).all():
        how, values = "with commas between thousands", values.str.replace(",", "")
    elif values.str.fullmatch(DECIMAL_COMMA, case=False).all():
        how, values = "with decimal commas", values.str.replace(".", "").str.replace(",", ".")
    else:
        return numbers
    notes.append(f"column {name!r} is read {how}")
    return pd.to_numeric(values).to_numpy(np.float64)


def useless(column: Column, notes: list[str]) -> str:
    """Why nothing can be learned from a column, or nothing."""
    present = column.cells[~column.missing]
    kinds = len(np.unique(present)) if column.values is None else len(column.values)
    if not len(present):
        return "every cell is empty"
    if kinds == 1 and (column.values is None or len(present) == len(column.cells)):
        return "it has the same value in every row"
    if column.values is not None:
        if kinds > max(MANY, 0.9 * len(present)):
            return "it is text with another value in nearly every row (turn dates and quantities into numbers)"
        return ""
    infinite = np.isinf(column.cells)
    require(not infinite.any(), f"column {column.name!r} is infinite in {rows(infinite)}: correct or empty that cell")
    if len(present) == len(column.cells) and (np.diff(column.cells) == 1).all():
        if column.name.lower() in ("", "id", "index") or column.name.startswith(("Unnamed:", "column ")):
            return "it numbers the rows"
        notes.append(f"column {column.name!r} rises by 1 from row to row: delete it if it only numbers the rows")
    return ""


def checked_target(target: Column, task: Task | None, notes: list[str]) -> Task:
    """The task, or a ValueError if the target does not lend itself to it."""
    name, missing = target.name, target.missing
    require(not missing.all(), f"target {name!r} is empty in every row")
    if missing.any():
        raise ValueError(f"target {name!r} is missing in {rows(missing)}: fill in or delete these rows")
    kinds = np.unique(target.cells)
    if len(kinds) == 1:
        only = target.values[0] if target.values else f"{kinds[0]:.12g}"
        raise ValueError(f"target {name!r} has the same value, {only!r}, in every row: there is nothing to predict")
    if target.values is None:
        infinite = np.isinf(target.cells)
        require(not infinite.any(), f"target {name!r} is infinite in {rows(infinite)}: correct or delete these rows")
        if task is None:
            task = "regression" if len(kinds) > MANY or (kinds % 1 != 0).any() else "classification"
            other = "classification" if task == "regression" else "regression"
            notes.append(
                f"target {name!r} holds {len(kinds)} different numbers and is taken for "
                f"{'a quantity' if task == 'regression' else 'classes'}; task={other!r} takes it otherwise"
            )
    elif task == "regression":
        raise ValueError(
            f"a regression needs a target of numbers, but {name!r} holds text such as {target.values[0]!r}"
        )
    if task == "regression":
        require(len(target.cells) >= 2 * LEAST, f"a regression needs {2 * LEAST} rows or more, got {len(target.cells)}")
        return task
    labels, y = labelled(target)
    counts = np.bincount(y)
    few = np.flatnonzero(counts < LEAST)
    if len(few):
        more = f" (and {len(few) - 1} more such)" if len(few) > 1 else ""
        way_out = ", or say task='regression'" if target.values is None else ""
        raise ValueError(
            f"target {name!r}: class {labels[few[0]]!r}{more} stands only in {rows(y == few[0])}; a class needs "
            f"{LEAST} rows to be learned and tested: delete these rows, or give them another class{way_out}"
        )
    return "classification"


def labelled(target: Column) -> tuple[tuple[str, ...], Array]:
    """Names of the classes in order, and the label of each row."""
    kinds, labels = np.unique(target.cells, return_inverse=True)
    if target.values is not None:
        return target.values, labels
    return tuple(f"{kind:.12g}" for kind in kinds), labels


def digest(columns: Sequence[Column]) -> str:
    """A hash of names, kinds and cells: the same for the same content, whatever the file looked like."""
    whole = hashlib.sha256()
    for column in columns:
        whole.update(repr((column.name, column.values, column.cells.dtype.str)).encode())
        whole.update(np.ascontiguousarray(column.cells).data)
    return whole.hexdigest()


def rows(which: Array) -> str:
    """Which rows, as counted by a reader: the first below the header is row 1."""
    places = np.flatnonzero(which) + 1
    if len(places) == 1:
        return f"row {places[0]}"
    shown = ", ".join(map(str, places[:5]))
    return f"{len(places)} rows ({shown}{', ...' if len(places) > 5 else ''})"
