"""A user's own table, a CSV file or a DataFrame, as a data set: numbers, categories, missing values, labels or targets.

What can be mended without guessing is mended and said in `notes`; what cannot is refused in one line that says what to
change. scikit-learn does the preprocessing, fitted on each seed's training part; only which categories there are is
taken from training and validation part together, so that every seed has the same features.
"""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from minnet.lab.columns import Column, Task, as_column, checked_target, digest, labelled, rows, useless
from minnet.lab.csv_files import nearest, read_csv, refuse_duplicates
from minnet.lab.datasets import Dataset, Split
from minnet.lab.preprocessing import Category, Number, Preprocessing
from minnet.randomness import generator
from minnet.settings import Array, require

CATEGORIES = 50  # of a column; the rarest share one feature


class Table(Dataset):
    """Rows of features and a target. A fifth of the rows is the test part; of the rest, a quarter validates.

    Both draws are stratified for classes, and the second is made anew for each seed. `classes` are the labels' names
    in order; a regression has none, and its targets are standardised on the training part. `notes` say what was left
    out or taken to mean what; `digest` is a hash of the content, whatever the file looked like.
    """

    def __init__(self, name: str, features: Sequence[Column], target: Column, task: Task, notes: Sequence[str]):
        self.name, self.target, self.task, self.notes = name, target.name, task, tuple(notes)
        self.digest = digest([*features, target])
        self.numbers = [column.name for column in features if column.values is None]
        self.categories = [column.name for column in features if column.values is not None]
        numbers = np.empty((len(target.cells), len(self.numbers)), np.float32, order="F")
        kept = [column.cells for column in features if column.values is None]
        # Moved and scaled before it is cut to float32, so that small differences between large numbers survive;
        # the scaler, fitted on the training part alone, takes that out again.
        self._centre = np.array([np.nanmean(cells) for cells in kept])
        self._spread = np.array([np.nanstd(cells) for cells in kept])
        for i, cells in enumerate(kept):
            numbers[:, i] = (cells - self._centre[i]) / self._spread[i]
        codes = {column.name: column.cells for column in features if column.values is not None}
        self._values = [column.values for column in features if column.values is not None]
        self._x = pd.concat([pd.DataFrame(numbers, columns=self.numbers), pd.DataFrame(codes)], axis=1)
        if task == "classification":
            self.classes, self._y = labelled(target)
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
        features = self._sklearn().fit(x)
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

    def preprocessing(self, seed: int) -> Preprocessing:
        """The same as `split` does under this seed, as plain numbers and names, to be kept with a trained network."""
        x, y, _, _ = self.training(seed)
        fitted = self._sklearn().fit(x).named_transformers_
        columns: list[Number | Category] = []
        if self.numbers:
            fill, scaler = fitted["numbers"][0].statistics_, fitted["numbers"][1]
            fill, mean = (self._centre + self._spread * part for part in (fill, scaler.mean_))
            parts = zip(self.numbers, mean, self._spread * scaler.scale_, fill, strict=True)
            columns += [Number(name, *map(float, numbers)) for name, *numbers in parts]
        if self.categories:
            rare = getattr(fitted["categories"], "infrequent_categories_", [None] * len(self.categories))
            for name, values, known, few in zip(self.categories, self._values, self._known, rare, strict=True):
                texts = dict(zip(known, [None if code < 0 else values[code] for code in known], strict=True))
                shared = () if few is None else tuple(texts.pop(code) for code in few)
                columns.append(Category(name, tuple(texts.values()), shared))
        if self.classes:
            return Preprocessing(tuple(columns), self.target, self.classes)
        return Preprocessing(tuple(columns), self.target, (), float(y.mean()), float(y.std()))

    def _sklearn(self) -> Any:
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
        first, places = len(self.numbers), range(self._x.shape[1])  # by place: names are looked up one by one
        return ColumnTransformer(
            [("numbers", numbers, [*places[:first]]), ("categories", categories, [*places[first:]])]
        )


def read_table(source: str | Path | pd.DataFrame, target: Hashable, *, task: Task | None = None) -> Table:
    """A CSV file or DataFrame as a data set whose column `target` is to be predicted from the others.

    A target of text, or of at most 20 whole numbers, is taken for classes, any other for a quantity (regression);
    `task` overrides that. Separators , ; tab and |, decimal commas and a byte order mark are recognised; empty cells
    and ? are missing values. Anything else that pandas reads can be given as a DataFrame; its names are taken as text,
    so that a column 2 is called "2", and `target` may be either.

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
        name, (separator, frame) = Path(source).stem, read_csv(Path(source))
    names, target = list(frame.columns), str(target)
    refuse_duplicates(names)
    require(len(frame) > 0, f"{name} holds no rows{'' if isinstance(source, pd.DataFrame) else ' below its header'}")
    if target not in names:
        raise ValueError(f"{name} has no column {target!r}{nearest(target, names)}")
    notes: list[str] = []
    labels = as_column(frame[target], target, separator, notes)
    task = checked_target(labels, task, notes)
    features = []
    for column in names:
        if column != target:
            read = as_column(frame[column], column, separator, notes)
            reason = useless(read, notes)
            if reason:
                notes.append(f"column {column!r} is left out: {reason}")
            else:
                features.append(read)
                if read.values is None and read.missing.any():
                    notes.append(f"column {column!r} is empty in {rows(read.missing)}: filled with its median")
    require(bool(features), f"{name} has no column left to predict {target!r} from; {'; '.join(notes) or 'add one'}")
    return Table(name, features, labels, task, notes)
