"""A user's own table: what is read, left out or refused, and in which words; nothing leaks from test data."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from minnet import SGD, Dense, Network, Tanh, mse, softmax_cross_entropy, train
from minnet.lab import tables
from minnet.lab.csv_files import refuse_duplicates
from minnet.lab.tables import read_table


def mixed(n=60, seed=0):
    """Numbers, categories, holes in both, three classes."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "length": rng.normal(5, 2, n).round(3),
            "width": rng.integers(0, 9, n).astype(float),
            "colour": rng.choice(["red", "green", "blue"], n),
            "species": np.resize(["a", "b", "c"], n),
        }
    )
    frame.loc[3, "length"] = np.nan
    frame.loc[[4, 7], "colour"] = None
    return frame


def written(tmp_path, text, encoding="utf-8", name="my.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


ROWS = [f"{i * 1.5},{'xyz'[i % 3]},{'ab'[i % 2]}" for i in range(20)]
GOOD = "\n".join(["size,kind,label", *ROWS, ""])


def test_splits_are_stratified_disjoint_and_whole():
    data = read_table(mixed(100), "species")
    assert data.task == "classification"
    assert (data.n_out, data.n_classes, data.classes) == (3, 3, ("a", "b", "c"))
    one, other = data.split(0), data.split(1)
    assert [len(part) for part in one] == [60, 60, 20, 20, 20, 20]
    for labels in (one.y, one.y_val, one.y_test):
        assert np.ptp(np.bincount(labels)) <= 1
    np.testing.assert_array_equal(one.y_test, other.y_test)
    rows = [set(part.index) for part in (data.training(0)[0], data.training(0)[2], data.test[0])]
    assert set.union(*rows) == set(range(100))
    assert sum(map(len, rows)) == 100
    assert rows[0] != set(data.training(1)[0].index)
    np.testing.assert_array_equal(data.split(0).x, one.x)
    assert one.x.dtype == np.float32
    assert one.x.shape[1] == data.n_in == 2 + 4  # three colours, and none given
    stacked = data.splits([0, 1])
    for whole, first, second in zip(stacked, one, other, strict=True):
        np.testing.assert_array_equal(whole, np.stack([first, second]))
    assert data.guess == np.bincount(one.y_test).max() / 20
    assert data.ceiling is None


def test_preprocessing_is_scikit_learns_fitted_on_the_training_part():
    """The reference is scikit-learn's pipeline on the frame itself, untouched by this module."""
    frame = mixed(100)
    data = read_table(frame, "species")
    train, validate, test = (part.index for part in (data.training(7)[0], data.training(7)[2], data.test[0]))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    known = frame.colour.fillna("").loc[train.union(validate)].unique()
    pipeline = ColumnTransformer(
        [
            ("numbers", numbers, ["length", "width"]),
            ("categories", OneHotEncoder(categories=[sorted(known)], sparse_output=False), ["colour"]),
        ]
    ).fit(frame.fillna({"colour": ""}).loc[train])
    split = data.split(7)
    for part, rows in ((split.x, train), (split.x_val, validate), (split.x_test, test)):
        np.testing.assert_allclose(part, pipeline.transform(frame.fillna({"colour": ""}).loc[rows]), atol=2e-6)


def test_nothing_of_the_test_part_reaches_the_training_part():
    frame = mixed(100)
    data = read_table(frame, "species")
    test = data.test[0].index
    frame.loc[test, "length"] += 1000.0
    frame.loc[test, "colour"] = "violet"
    changed = read_table(frame, "species")
    before, after = data.split(2), changed.split(2)
    np.testing.assert_allclose(after.x, before.x, atol=1e-4)
    np.testing.assert_allclose(after.x_val, before.x_val, atol=1e-4)
    assert after.x_test[:, 0].min() > 100
    assert (after.x_test[:, 2:] == 0).all()  # a category that only the test part has
    assert changed.digest != data.digest


def test_small_differences_between_large_numbers_survive():
    frame = mixed(100)
    frame["time"] = 1.7e9 + np.random.default_rng(1).normal(size=100)
    split = read_table(frame[["time", "species"]], "species").split(0)
    assert len(np.unique(split.x)) == len(split.x)
    assert split.x.std() == pytest.approx(1, abs=1e-5)


def test_rare_categories_share_one_feature():
    rng = np.random.default_rng(0)
    town = rng.choice([f"town {i}" for i in range(80)], 2000, p=np.r_[np.full(40, 0.02), np.full(40, 0.005)])
    data = read_table(pd.DataFrame({"town": town, "y": np.resize(["a", "b"], 2000)}), "y")
    split = data.split(0)
    assert data.n_in == split.x.shape[1] == tables.CATEGORIES
    assert (split.x.sum(axis=1) == 1).all()
    assert split.x.sum(axis=0).max() == split.x[:, -1].sum()


def test_regression_targets_are_standardised_on_the_training_part():
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    data = read_table(x.assign(target=y), "target")
    assert (data.task, data.n_out, data.classes, data.guess) == ("regression", 1, (), 0.0)
    assert any("is taken for a quantity" in note for note in data.notes)
    split = data.split(0)
    assert split.y.shape == (len(split.x), 1)
    assert split.y.dtype == np.float32
    assert (split.y.mean(), split.y.std()) == pytest.approx((0, 1), abs=1e-5)
    raw = data.training(0)[1]
    np.testing.assert_allclose(split.y_test, (data.test[1] - raw.mean()) / raw.std(), rtol=1e-4, atol=1e-5)
    linear = LinearRegression().fit(split.x, split.y)
    run = train(Network(Dense(data.n_in, 1)), mse, SGD(0.05), split.x, split.y, epochs=100, batch_size=32, seed=0)
    ours = mse.metric(run(split.x_test), split.y_test)
    assert ours == pytest.approx(linear.score(split.x_test, split.y_test), abs=0.03)


def test_replicas_train_on_a_table():
    iris = load_iris(as_frame=True).frame
    data = read_table(iris, "target")
    assert data.classes == ("0", "1", "2")
    split, network = data.splits(range(3)), Network(Dense(data.n_in, 16), Tanh(), Dense(16, data.n_out))
    run = train(network, softmax_cross_entropy, SGD(0.1), split.x, split.y, epochs=50, batch_size=16, seed=range(3))
    assert ((run(split.x_test).argmax(axis=-1) == split.y_test).mean(axis=-1) > 0.9).all()


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (np.arange(60) % 4, "classification"),
        (np.arange(60) % 4 + 0.0, "classification"),
        (np.arange(60) % 4 + 0.5, "regression"),
        (np.arange(60) % 21, "regression"),
        (np.arange(60) % 2 == 0, "classification"),
        (pd.Categorical(np.resize(["u", "v"], 60)), "classification"),
        (pd.array(np.arange(60), dtype="Int64"), "regression"),
    ],
)
def test_the_task_is_guessed_from_the_target(values, task):
    assert read_table(mixed(60).assign(y=values), "y").task == task


def test_task_overrides_the_guess():
    frame = mixed(60).assign(y=np.arange(60) % 4)
    assert read_table(frame, "y", task="regression").n_out == 1
    assert read_table(frame.assign(y=frame.y + 0.5), "y", task="classification").classes == ("0.5", "1.5", "2.5", "3.5")


def test_every_spelling_of_a_file_is_the_same_data(tmp_path):
    frame = mixed(40)
    expected = read_table(frame, "species")
    plain, german = frame.to_csv(index=False), frame.to_csv(index=False, sep=";", decimal=",")
    spellings = {
        "plain": plain.encode(),
        "bom": plain.encode("utf-8-sig"),
        "utf-16": plain.encode("utf-16"),
        "crlf": plain.replace("\n", "\r\n").encode(),
        "semicolons": german.encode("utf-8-sig"),
        "tabs": frame.to_csv(index=False, sep="\t").encode(),
        "question marks": frame.to_csv(index=False, na_rep="?").encode(),
        "spaces": plain.replace(",", " , ").encode(),
        "quoted": frame.to_csv(index=False, quoting=1).encode(),
        "spaces before quotes": frame.to_csv(index=False, quoting=1).replace('","', '", "').encode(),
        "blank lines": plain.replace("\n", "\n\n").encode(),
    }
    for spelling, content in spellings.items():
        path = tmp_path / "my.csv"
        path.write_bytes(content)
        data = read_table(path, "species")
        assert data.digest == expected.digest, spelling
        np.testing.assert_array_equal(data.split(0).x, expected.split(0).x)


def test_commas_in_numbers(tmp_path):
    def read(values, separator):
        lines = [f'"{value}"{separator}{"ab"[i % 2]}' for i, value in enumerate(values)]
        data = read_table(written(tmp_path, "\n".join([f"x{separator}y", *lines])), "y")
        return data.numbers, data.notes

    for values, separator, note in (
        (["1.234,5", "3,25"] * 10, ";", "column 'x' is read with decimal commas"),
        (["0,123", "1,234"] * 10, ",", "column 'x' is read with decimal commas"),
        (["1,234", "999"] * 10, ";", "column 'x' is read with decimal commas"),
        (["1,234", "999", "1,234,567.5"] * 10, ",", "column 'x' is read with commas between thousands"),
    ):
        assert read(values, separator) == (["x"], (note,))


def test_quoted_newlines_and_separators(tmp_path):
    lines = [f'"two\nlines, {"uv"[i % 2]}",{i % 7},"say ""{"ab"[i % 2]}"""' for i in range(20)]
    data = read_table(written(tmp_path, "\n".join(['"note, text",x,y', *lines])), "y")
    assert data.categories == ["note, text"]
    assert data.classes == ('say "a"', 'say "b"')


def test_everything_at_once(tmp_path):
    """Strings, missing cells, a constant column, a class of two rows, a byte order mark, semicolons, decimal commas."""
    frame = mixed(62).assign(unit="cm")
    frame.loc[[7, 50], "species"] = "rare"
    path = tmp_path / "my.csv"
    frame.to_csv(path, sep=";", decimal=",", encoding="utf-8-sig", index=False)
    with pytest.raises(ValueError, match=re.escape("class 'rare' stands only in 2 rows (8, 51); a class needs 5 rows")):
        read_table(path, "species")
    frame.drop(index=[7, 50]).to_csv(path, sep=";", decimal=",", encoding="utf-8-sig", index=False)
    data = read_table(path, "species")
    assert (data.numbers, data.categories, data.classes) == (["length", "width"], ["colour"], ("a", "b", "c"))
    assert "column 'unit' is left out: it has the same value in every row" in data.notes
    assert repr(data) == "<Table my: 60 rows, 5 features, target 'species' (3 classes)>"


def test_text_far_down_a_long_file(tmp_path):
    """A reader that guesses types chunk by chunk makes numbers of the first 1s, and text of the last."""
    lines = [f"{i % 7},{i * 1.5:.1f},{'ab'[i % 2]}" for i in range(300_000)]
    data = read_table(written(tmp_path, "\n".join(["x,size,y", *lines, "u,1.0,a\n"])), "y")
    assert data.categories == ["x"]
    assert data.n_in == 1 + 7


def test_columns_that_teach_nothing_are_left_out_and_said_so():
    frame = mixed(60).assign(
        id=range(60), nothing=np.nan, blank="", same="x", one=1.0, name=[f"n{i}" for i in range(60)], time=range(60)
    )
    data = read_table(frame, "species")
    assert data.numbers == ["length", "width", "time"]
    assert data.categories == ["colour"]
    assert data.notes == (
        "column 'length' is empty in row 4: filled with its median",
        "column 'id' is left out: it numbers the rows",
        "column 'nothing' is left out: every cell is empty",
        "column 'blank' is left out: every cell is empty",
        "column 'same' is left out: it has the same value in every row",
        "column 'one' is left out: it has the same value in every row",
        "column 'name' is left out: it is text with another value in nearly every row "
        "(turn dates and quantities into numbers)",
        "column 'time' rises by 1 from row to row: delete it if it only numbers the rows",
    )


def test_the_digest_is_of_the_content():
    frame = mixed()
    digest = read_table(frame, "species").digest
    assert len(digest) == 64
    assert read_table(frame.copy(), "species").digest == digest
    for change in (
        frame.assign(width=frame.width + (frame.index == 7)),
        frame.rename(columns={"width": "breadth"}),
        frame.assign(colour=frame.colour.replace("red", "crimson")),
        frame.iloc[::-1],
    ):
        assert read_table(change, "species").digest != digest


def test_the_frame_is_left_alone():
    frame = mixed()
    before = frame.copy()
    read_table(frame, "species").split(0)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    "names", [range(4), np.arange(4) / 2, [("a", i) for i in range(4)], [0, "1", 2.5, None]], ids=str
)
def test_names_of_columns_may_be_of_any_kind(names):
    frame = mixed()
    as_text = frame.set_axis([str(name) for name in names], axis=1)
    as_given = frame.set_axis(pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else list(names), axis=1)
    expected = read_table(as_text, str(names[3]))
    for target in (names[3], str(names[3])):
        data = read_table(as_given, target)
        assert (data.digest, data.target) == (expected.digest, str(names[3]))
        np.testing.assert_array_equal(data.split(0).x, expected.split(0).x)
        assert data.preprocessing(0) == expected.preprocessing(0)
    for missing in (4, np.int64(7), b"0", ("a",), 1.25):
        with pytest.raises(ValueError, match=re.escape(f"has no column {str(missing)!r}; ")):
            read_table(as_given, missing)


def test_names_that_are_one_as_text_are_refused():
    with pytest.raises(ValueError, match="columns 1 and 3 are both called '1': rename or delete one"):
        read_table(mixed().set_axis([1, 2, "1", 3], axis=1), 3)


def test_no_object_is_held():
    data = read_table(mixed(1000), "species")
    assert set(map(str, data._x.dtypes)) == {"float32", "int32"}
    assert data._x.memory_usage(index=False, deep=True).sum() == 1000 * 3 * 4


WRONG = "\n".join(["size,kind,label", *ROWS[:5], "1.0,2.0", *ROWS])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.csv is empty"),
        ("\ufeff", "my.csv has to begin with a line of two column names or more"),
        ("size,label\n", "my holds no rows below its header"),
        ("label\na\nb\n", "my.csv has to begin with a line of two column names or more, parted by , ; tab or |"),
        (GOOD.replace("label", "labels"), "my has no column 'label'; did you mean 'labels'? Its columns are 'size', "),
        ("\n".join(r.replace("a", "1").replace("b", "2").replace("x", "3") for r in ROWS), "'3', '1'; its first"),
        (GOOD.replace("size,kind", "kind,kind"), "columns 1 and 2 are both called 'kind': rename or delete one"),
        (WRONG, "line 7 of my.csv has 2 of 3 fields: correct that line"),
        (WRONG.replace("1.0,2.0", "1,2,3,4"), "line 7 of my.csv has 4 of 3 fields: correct that line"),
        (GOOD + "3.0,x", "line 22 of my.csv has 2 of 3 fields: the file seems to be cut off there"),
        (GOOD + '3.0,"x', "my.csv cannot be read as CSV: a quotation mark is opened and never closed"),
        (GOOD + '3.0,"x"x,a', "my.csv cannot be read as CSV: in line 22, ',' expected after '\"'"),
        (GOOD.replace("1.5,y,b", "1.5,y,"), "target 'label' is missing in row 2: fill in or delete these rows"),
        (GOOD.replace(",b", ",?"), "target 'label' is missing in 10 rows (2, 4, 6, 8, 10, ...)"),
        (GOOD.replace(",b", ",a"), "target 'label' has the same value, 'a', in every row"),
        (GOOD + "1,x,c\n2,x,c\n", "class 'c' stands only in 2 rows (21, 22); a class needs 5 rows"),
        (GOOD + "1,x,c\n2,x,d\n", "class 'c' (and 1 more such) stands only in row 21; a class needs 5"),
        (GOOD.replace("\n1.5,", "\ninf,"), "column 'size' is infinite in row 2"),
        ("kind,label\n" + "x,a\nx,b\n" * 9, "no column left to predict 'label' from; column 'kind' is left out"),
    ],
)  # fmt: skip
def test_what_cannot_be_mended_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_table(written(tmp_path, text), "label")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.where(np.arange(60) == 5, np.nan, 1.5)}, "target 'y' is missing in row 6"),
        ({"y": np.nan}, "target 'y' is empty in every row"),
        ({"y": np.where(np.arange(60) == 5, np.inf, np.arange(60) / 2)}, "target 'y' is infinite in row 6"),
        ({"y": 1}, "target 'y' has the same value, '1', in every row"),
        ({"y": [*range(10)] * 5 + [11] * 10, "when": pd.Timestamp("2020-01-01")}, "column 'when' holds datetime64"),
        ({"y": [*range(10)] * 5 + [11] * 10, "lists": [[1]] * 60}, "column 'lists' holds values that are neither"),
        ({"y": [*range(10)] * 5 + [11] * 10, "size": [*map(str, range(59)), "7 cm"]}, "text such as '7 cm' in row 60"),
        ({"y": [0] * 57 + [1] * 3}, "class '1' stands only in 3 rows (58, 59, 60); a class needs 5 rows to be learned "
                                    "and tested: delete these rows, or give them another class, or say task='regress"),
    ],
)  # fmt: skip
def test_frames_are_refused_in_one_line(change, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_table(mixed(60).assign(**change), "y")
    assert "\n" not in str(caught.value)


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="task has to be 'classification' or 'regression'"):
        read_table(mixed(), "species", task="ranking")
    with pytest.raises(ValueError, match="needs a target of numbers, but 'species' holds text such as 'a'"):
        read_table(mixed(), "species", task="regression")
    with pytest.raises(ValueError, match="a regression needs 10 rows or more, got 8"):
        read_table(mixed(8), "width", task="regression")
    with pytest.raises(ValueError, match="splits expects at least one seed"):
        read_table(mixed(), "species").splits([])


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file 'nowhere\.csv'"):
        read_table("nowhere.csv", "y")
    with pytest.raises(ValueError, match="is not a file"):
        read_table(tmp_path, "y")
    path = tmp_path / "my.xlsx"
    path.write_bytes(b"PK\x03\x04\x00\x00")
    with pytest.raises(ValueError, match=r"my.xlsx is not a text file: export the table as CSV"):
        read_table(path, "y")


def test_another_encoding_is_named_with_its_place(tmp_path):
    path = written(tmp_path, GOOD.replace("y", "café"), "cp1252")
    with pytest.raises(ValueError, match=r"my.csv is not UTF-8: line 3 holds byte 0xE9, perhaps '1.5,café,b' in Windo"):
        read_table(path, "label")
    path = written(tmp_path, GOOD, "utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"my.csv is not utf-16"):
        read_table(path, "label")


def test_cells_that_are_filled_are_said():
    frame = mixed(60).assign(gap=[np.nan, *range(100, 159)])
    assert "column 'gap' is empty in row 1: filled with its median" in read_table(frame, "species").notes


@pytest.mark.parametrize("target", ["2", 2, np.int64(2)])
def test_columns_named_by_numbers(target):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)))
    table = read_table(frame, target)
    assert (table.target, table.n_in) == ("2", 2)
    with pytest.raises(ValueError, match="has no column '7'"):
        read_table(frame, 7)


def test_wide_tables_take_time_in_proportion(monkeypatch):
    """Names are looked up in no list: a look-up for each of them would be quadratic, minutes for 100,000 columns."""

    class Counted(list):
        def index(self, *arguments):
            raise AssertionError("a look-up in a list")

    refuse_duplicates(Counted(f"c{i}" for i in range(100_000)))
    with pytest.raises(ValueError, match="columns 3 and 100001 are both called 'c2': rename or delete one"):
        refuse_duplicates([*(f"c{i}" for i in range(100_000)), "c2"])
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(14, 30)), columns=[f"c{i}" for i in range(30)])
    table = read_table(wide.assign(text=list("abcabcabcabcab"), y=["a", "b"] * 7), "y")
    looked_up = {name: columns for name, _, columns in table._sklearn().transformers}
    assert looked_up == {"numbers": list(range(30)), "categories": [30]}
