"""A user's own table, a CSV file or a DataFrame, as a data set: numbers, categories, missing values, labels or targets.

What can be mended without guessing is mended and said in `notes`; what cannot is refused in one line that says what to
change. scikit-learn does the preprocessing, fitted on each seed's training part; only which categories there are is
taken from training and validation part together, so that every seed has the same features.
"""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import pandas as pd

from minnet.lab.datasets import Dataset, Split
from minnet.randomness import generator
from minnet.settings import Array, require

Task = Literal["classification", "regression"]
MANY = 20  # more whole numbers than this in a target are guessed to be a quantity, not classes
CATEGORIES = 50  # of a column; the rarest share one feature
LEAST = 5  # rows of a class: one to test on, one to validate on, three to learn from
SEPARATORS = ",;\t|"
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


class Table(Dataset):
    """Rows of features and a target. A fifth of the rows is the test part; of the rest, a quarter validates.

    Both draws are stratified for classes, and the second is made anew for each seed. `classes` are the labels' names
    in order; a regression has none, and its targets are standardised on the training part. `notes` say what was left
    out or taken to mean what; `digest` is a hash of the content, whatever the file looked like.
    """

    def __init__(self, name: str, features: Sequence[Column], target: Column, task: Task, notes: Sequence[str]):
        self.name, self.target, self.task, self.notes = name, target.name, task, tuple(notes)
        self.digest = _digest([*features, target])
        self.numbers = [column.name for column in features if column.values is None]
        self.categories = [column.name for column in features if column.values is not None]
        numbers = np.empty((len(target.cells), len(self.numbers)), np.float32, order="F")
        kept = (column.cells for column in features if column.values is None)
        for i, cells in enumerate(kept):
            # Moved and scaled before it is cut to float32, so that small differences between large numbers survive;
            # the scaler, fitted on the training part alone, takes that out again.
            numbers[:, i] = (cells - np.nanmean(cells)) / np.nanstd(cells)
        codes = {column.name: column.cells for column in features if column.values is not None}
        self._x = pd.concat([pd.DataFrame(numbers, columns=self.numbers), pd.DataFrame(codes)], axis=1)
        if task == "classification":
            self.classes, self._y = _classes(target)
        else:
            self.classes, self._y = (), target.cells[:, None]
        self._rest, self._test = self._parted(np.arange(len(self._y)), 0.2, generator(0, "test"))
        self._known = [np.unique(self._x[name].to_numpy()[self._rest]) for name in self.categories]

    def __repr__(self) -> str:
        kind = f"{len(self.classes)} classes" if self.classes else "a quantity"
        return f"<Table {self.name}: {len(self._y)} rows, {self.n_in} features, target {self.target!r} ({kind})>"

    def _parted(self, rows: Array, share: float, rng: np.random.Generator) -> Any:
        from sklearn.model_selection import train_test_split

        state, labels = int(rng.integers(2**32)), self._y[rows] if self.classes else None
        return train_test_split(rows, test_size=share, stratify=labels, random_state=state)

    @property
    def n_in(self) -> int:
        return len(self.numbers) + sum(min(len(known), CATEGORIES) for known in self._known)

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def n_out(self) -> int:
        """Outputs that a network needs: one a class, or one for a quantity."""
        return len(self.classes) or 1

    @property
    def guess(self) -> float:
        """Test score without looking at the features: that of the most frequent class, or R² of the mean."""
        labels = self._y[self._test]
        return float(np.bincount(labels).max() / len(labels)) if self.classes else 0.0

    @property
    def ceiling(self) -> None:
        """Not computed: each seed fills in and scales in its own way, so the test points differ from seed to seed."""

    @property
    def test(self) -> tuple[Array, Array]:
        return self._x.iloc[self._test], self._y[self._test]

    def training(self, seed: int) -> tuple[Array, Array, Array, Array]:
        train, validate = self._parted(self._rest, 0.25, generator(seed, "data"))
        return self._x.iloc[train], self._y[train], self._x.iloc[validate], self._y[validate]

    def split(self, seed: int) -> Split:
        """The three parts under one seed, x (N, n_in) float32, filled in and scaled as the training part says."""
        from sklearn.preprocessing import StandardScaler

        x, y, x_val, y_val = self.training(seed)
        x_test, y_test = self.test
        features = self._preprocessing().fit(x)
        x, x_val, x_test = map(features.transform, (x, x_val, x_test))
        if not self.classes:
            scale = StandardScaler().fit(y)
            y, y_val, y_test = (scale.transform(part).astype(np.float32) for part in (y, y_val, y_test))
        return Split(x, y, x_val, y_val, x_test, y_test)

    def splits(self, seeds: Iterable[int]) -> Split:
        """One split a seed on a new first axis. Filled in one by one: a large table is never there twice."""
        seeds = list(seeds)
        whole: Split | None = None
        for row, seed in enumerate(seeds):
            one = self.split(seed)
            whole = whole or Split(*(np.empty((len(seeds), *part.shape), part.dtype) for part in one))
            for stack, part in zip(whole, one, strict=True):
                stack[row] = part
        require(whole is not None, "splits expects at least one seed, got none")
        return cast(Split, whole)

    def _preprocessing(self) -> Any:
        """Numbers: the median where missing, then mean 0, spread 1. Categories: a feature each, missing is one too."""
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        categories = OneHotEncoder(
            categories=self._known,
            handle_unknown="infrequent_if_exist",  # a category of the test part only: all zeros, or with the rarest
            max_categories=CATEGORIES,
            sparse_output=False,
            dtype=np.float32,
        )
        return ColumnTransformer([("numbers", numbers, self.numbers), ("categories", categories, self.categories)])


def read_table(source: str | Path | pd.DataFrame, target: str, *, task: Task | None = None) -> Table:
    """A CSV file or DataFrame as a data set whose column `target` is to be predicted from the others.

    A target of text, or of at most 20 whole numbers, is taken for classes, any other for a quantity (regression);
    `task` overrides that. Separators , ; tab and |, decimal commas and a byte order mark are recognised; empty cells
    and ? are missing values. Anything else that pandas reads can be given as a DataFrame.

    Raises ValueError in one line that says what to change.

    >>> from sklearn.datasets import load_iris
    >>> read_table(load_iris(as_frame=True).frame, "target")
    <Table table: 150 rows, 4 features, target 'target' (3 classes)>
    """
    require(
        task in (None, "classification", "regression"),
        f"task has to be 'classification' or 'regression', or left out, got {task!r}",
    )
    if isinstance(source, pd.DataFrame):
        name, separator, frame = "table", ",", source.set_axis([str(column) for column in source.columns], axis=1)
    else:
        name, (separator, frame) = Path(source).stem, _read_csv(Path(source))
    names = list(frame.columns)
    _refuse_duplicates(names)
    require(len(frame) > 0, f"{name} holds no rows{'' if isinstance(source, pd.DataFrame) else ' below its header'}")
    if target not in names:
        raise ValueError(f"{name} has no column {target!r}{_nearest(target, names)}")
    notes: list[str] = []
    labels = _column(frame[target], target, separator, notes)
    task = _checked_target(labels, task, notes)
    features = []
    for column in names:
        if column != target:
            read = _column(frame[column], column, separator, notes)
            reason = _useless(read, notes)
            if reason:
                notes.append(f"column {column!r} is left out: {reason}")
            else:
                features.append(read)
    require(bool(features), f"{name} has no column left to predict {target!r} from; {'; '.join(notes) or 'add one'}")
    return Table(name, features, labels, task, notes)


def _column(series: pd.Series, name: str, separator: str, notes: list[str]) -> Column:
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
            f"column {name!r} holds numbers, but text such as {example!r} in {_rows(wrong)}: "
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


def _useless(column: Column, notes: list[str]) -> str:
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
    require(not infinite.any(), f"column {column.name!r} is infinite in {_rows(infinite)}: correct or empty that cell")
    if len(present) == len(column.cells) and (np.diff(column.cells) == 1).all():
        if column.name.lower() in ("", "id", "index") or column.name.startswith(("Unnamed:", "column ")):
            return "it numbers the rows"
        notes.append(f"column {column.name!r} rises by 1 from row to row: delete it if it only numbers the rows")
    return ""


def _checked_target(target: Column, task: Task | None, notes: list[str]) -> Task:
    """The task, or a ValueError if the target does not lend itself to it."""
    name, missing = target.name, target.missing
    require(not missing.all(), f"target {name!r} is empty in every row")
    if missing.any():
        raise ValueError(f"target {name!r} is missing in {_rows(missing)}: fill in or delete these rows")
    kinds = np.unique(target.cells)
    if len(kinds) == 1:
        only = target.values[0] if target.values else f"{kinds[0]:.12g}"
        raise ValueError(f"target {name!r} has the same value, {only!r}, in every row: there is nothing to predict")
    if target.values is None:
        infinite = np.isinf(target.cells)
        require(not infinite.any(), f"target {name!r} is infinite in {_rows(infinite)}: correct or delete these rows")
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
    labels, y = _classes(target)
    counts = np.bincount(y)
    few = np.flatnonzero(counts < LEAST)
    if len(few):
        more = f" (and {len(few) - 1} more such)" if len(few) > 1 else ""
        way_out = ", or say task='regression'" if target.values is None else ""
        raise ValueError(
            f"target {name!r}: class {labels[few[0]]!r}{more} stands only in {_rows(y == few[0])}; a class needs "
            f"{LEAST} rows to be learned and tested: delete these rows, or give them another class{way_out}"
        )
    return "classification"


def _classes(target: Column) -> tuple[tuple[str, ...], Array]:
    """Names of the classes in order, and the label of each row."""
    kinds, labels = np.unique(target.cells, return_inverse=True)
    if target.values is not None:
        return target.values, labels
    return tuple(f"{kind:.12g}" for kind in kinds), labels


def _digest(columns: Sequence[Column]) -> str:
    whole = hashlib.sha256()
    for column in columns:
        whole.update(repr((column.name, column.values, column.cells.dtype.str)).encode())
        whole.update(np.ascontiguousarray(column.cells).data)
    return whole.hexdigest()


def _rows(which: Array) -> str:
    """Which rows, as counted by a reader: the first below the header is row 1."""
    places = np.flatnonzero(which) + 1
    if len(places) == 1:
        return f"row {places[0]}"
    shown = ", ".join(map(str, places[:5]))
    return f"{len(places)} rows ({shown}{', ...' if len(places) > 5 else ''})"


def _nearest(name: str, names: Sequence[str]) -> str:
    lower = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), lower, n=1)
    listed = ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    headless = all(other.replace(".", "").replace("-", "").isdigit() for other in names)
    hint = "; its first line has to hold the names of the columns" if headless else ""
    return f"{f'; did you mean {lower[near[0]]!r}?' if near else ';'} Its columns are {listed}{hint}"


def _refuse_duplicates(names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        first = names.index(name)
        require(first == i, f"columns {first + 1} and {i + 1} are both called {name!r}: rename or delete one")


def _read_csv(path: Path) -> tuple[str, pd.DataFrame]:
    """The separator, and the file as pandas reads it once every line is known to have as many fields as the first."""
    require(path.exists(), f"there is no file {str(path)!r}")
    require(path.is_file(), f"{str(path)!r} is not a file")
    with path.open("rb") as file:
        head = file.read(65536)
    require(bool(head.strip()), f"{path.name} is empty")
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = encoding == "utf-16" or b"\0" not in head
    require(text, f"{path.name} is not a text file: export the table as CSV, or read it into a DataFrame with pandas")
    try:
        separator, names = _checked_lines(path, encoding)
    except UnicodeDecodeError as error:
        raise ValueError(_where_not_utf8(path, error)) from None
    try:
        frame = pd.read_csv(
            path,
            sep=separator,
            encoding=encoding,
            names=names,
            header=0,
            index_col=False,
            skipinitialspace=True,
            low_memory=False,  # one type a column, also where a late row holds the first text
        )
        return separator, frame
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} cannot be read as CSV: {' '.join(str(error).split())}") from None


def _checked_lines(path: Path, encoding: str) -> tuple[str, list[str]]:
    """The separator and the names of the columns, or a ValueError that names the first line that does not fit."""
    with path.open(encoding=encoding, newline="") as file:
        separator, names = max(((s, _header(file, s)) for s in SEPARATORS), key=lambda found: len(found[1]))
        require(
            len(names) > 1, f"{path.name} has to begin with a line of two column names or more, parted by , ; tab or |"
        )
        names = [name.strip() or f"column {i}" for i, name in enumerate(names, 1)]
        _refuse_duplicates(names)
        reader = _reader(file, separator)
        try:
            for record in reader:
                if len(record) not in (0, len(names)):
                    number, cut_off = reader.line_num, len(record) < len(names) and next(reader, None) is None
                    raise ValueError(
                        f"line {number} of {path.name} has {len(record)} of {len(names)} fields: "
                        f"{'the file seems to be cut off there' if cut_off else 'correct that line'}"
                    )
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                what = "a quotation mark is opened and never closed: close it, or complete the file if it was cut off"
            else:
                what = f"in line {reader.line_num}, {error}"
            raise ValueError(f"{path.name} cannot be read as CSV: {what}") from None
    return separator, names


def _reader(file: Any, separator: str) -> Any:
    file.seek(0)
    return csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)


def _header(file: Any, separator: str) -> list[str]:
    """The fields of the first line that is not blank; none if it does not parse with this separator."""
    try:
        return next(filter(None, _reader(file, separator)), [])
    except csv.Error:
        return []


def _where_not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    if error.encoding != "utf-8":
        return f"{path.name} is not {error.encoding} all through: save it as UTF-8"
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as bad:
                start = line[max(0, bad.start - 12) : bad.start + 12].decode("cp1252", "replace").strip()
                return (
                    f"{path.name} is not UTF-8: line {number} holds byte 0x{line[bad.start]:02X}, perhaps {start!r} in "
                    "Windows-1252. Save it as UTF-8, or give pandas.read_csv(..., encoding='cp1252')"
                )
    return f"{path.name} is not UTF-8: save it as UTF-8"
