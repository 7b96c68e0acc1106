"""New rows are made ready as scikit-learn made the training rows ready, from plain numbers and names."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from minnet.lab.datasets import dataset
from minnet.lab.preprocessing import Preprocessing, preprocessing
from minnet.lab.tables import read_table

N = 400


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "far": 1e7 + rng.standard_normal(N),
            "gaps": np.where(rng.random(N) < 0.2, np.nan, rng.exponential(size=N)),
            "colour": rng.choice(["red", "green", "blue", None], N),
            "many": rng.choice([f"v{i}" for i in range(70)], N),
            "flag": rng.choice([True, False, None], N),
            "code": rng.choice(["1", "2", "x"], N),
        }
    )
    frame["kind"] = np.where((frame.far > 1e7) ^ (frame.colour == "red"), "a", "b")
    frame["amount"] = 5 * rng.standard_normal(N) + 100
    return frame


@pytest.mark.parametrize(("target", "other"), [("kind", "amount"), ("amount", "kind")])
def test_rows_of_a_file_become_what_training_saw(frame, target, other, tmp_path):
    frame.drop(columns=other).to_csv(tmp_path / "t.csv", index=False)
    table, seed = read_table(tmp_path / "t.csv", target), 3
    ready = table.preprocessing(seed)
    assert Preprocessing.from_json(json.loads(json.dumps(ready.to_json(), allow_nan=False))) == ready
    notes = []
    x = ready.read(tmp_path / "t.csv", notes)
    assert x.dtype == np.float32
    assert notes == [n for n in notes if n.startswith("column 'gaps' is empty in") and "filled with" in n] != []
    parts = [part.index for part in table.training(seed)[::2]] + [table.test[0].index]
    split = table.split(seed)
    for rows, expected in zip(parts, (split.x, split.x_val, split.x_test), strict=True):
        np.testing.assert_allclose(x[rows], expected, rtol=0, atol=2e-6)
    if target == "amount":
        np.testing.assert_allclose(split.y[:, 0] * ready.scale + ready.mean, frame.amount[parts[0]], rtol=1e-6)
    else:
        assert [ready.classes[label] for label in split.y] == frame.kind[parts[0]].tolist()


def test_it_is_scikit_learns_own_pipeline_on_the_raw_columns(frame, tmp_path):
    names, categories = ["far", "gaps"], ["colour", "code"]
    frame = frame[[*names, *categories, "kind"]].fillna({"colour": "none at all"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", "kind")
    train, rest = (frame.loc[part.index] for part in table.training(0)[::2])
    pipeline = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), names),
            ("categories", OneHotEncoder(sparse_output=False), categories),
        ]
    ).fit(train)
    np.testing.assert_allclose(
        table.preprocessing(0).read(tmp_path / "t.csv", [])[rest.index], pipeline.transform(rest), rtol=0, atol=2e-6
    )


def test_what_training_never_met(frame, tmp_path):
    table = read_table(frame.drop(columns="amount"), "kind")
    ready = table.preprocessing(0)
    new = frame.head(3).assign(
        colour=["mauve", "red", None], many=["v1", "none such", "v2"], flag=["TRUE", "false", ""]
    )
    new.to_csv(tmp_path / "new.csv", index=False)
    notes = []
    x = ready.read(tmp_path / "new.csv", notes)
    colour, many, flag = (next(c for c in ready.columns if c.name == name) for name in ("colour", "many", "flag"))
    at = {
        c.name: i for c, i in zip(ready.columns, np.cumsum([0, *(c.n_features for c in ready.columns)]), strict=False)
    }
    rows = x[:, at["colour"] : at["colour"] + colour.n_features]
    assert rows.sum(axis=1).tolist() == [0, 1, 1]
    assert (colour.values[rows[1].argmax()], colour.values[rows[2].argmax()]) == ("red", None)
    assert x[1, at["many"] + many.n_features - 1] == 1  # with the rare ones
    rows = x[:, at["flag"] : at["flag"] + flag.n_features]
    assert [flag.values[row.argmax()] for row in rows] == ["True", "False", None]
    told = "\n".join(notes)
    assert "column 'colour' holds 'mauve' in row 1, which training never met: it counts as none of the known" in told
    assert "column 'many' holds 'none such' in row 2" in told
    assert "flag" not in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"far": ["low", "high", "low"]}, "column 'far' has to hold numbers, as in training, got 'high' among others"),
        ({"far": [1, np.inf, 2]}, "column 'far' is infinite in row 2"),
        ({"far": None}, "has no column 'far'"),
    ],
)
def test_what_cannot_be_made_ready_is_told_in_one_line(frame, change, message, tmp_path):
    ready = read_table(frame, "kind").preprocessing(0)
    new = frame.head(3).assign(**change)
    new.drop(columns=[name for name, values in change.items() if values is None]).to_csv(
        tmp_path / "new.csv", index=False
    )
    with pytest.raises(ValueError, match=message) as caught:
        ready.read(tmp_path / "new.csv", [])
    assert "\n" not in str(caught.value)


def test_a_toy_has_columns_x1_and_x2(tmp_path):
    data = dataset("moons", n_train=50)
    ready, split = preprocessing(data, 1), data.split(1)
    raw = pd.DataFrame(data.test[0][:100], columns=["x1", "x2"])
    raw.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_allclose(ready.read(tmp_path / "new.csv", []), split.x_test[:100], rtol=1e-6, atol=1e-6)
    raw.assign(x2=np.nan).to_csv(tmp_path / "gaps.csv", index=False)
    with pytest.raises(ValueError, match="column 'x2' is empty in 100 rows"):
        ready.read(tmp_path / "gaps.csv", [])
    with pytest.raises(ValueError, match="no description of columns"):
        Preprocessing.from_json({"columns": [{}]})
