"""The comparison: the linear ceiling holds on the same points, numbers repeat, the protocol is kept."""

import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.stats import rankdata

from minnet import (
    CATALOGUE,
    SGD,
    Activation,
    Adam,
    Clipped,
    CosineDecay,
    Dense,
    Elementwise,
    Identity,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    WarmUp,
    glorot_uniform,
    he_normal,
    train,
)
from minnet.lab.compare import ADAPTIVE_RATES, RATES, compare, in_pieces
from minnet.lab.conditions import activation, conditions, initialiser, mlp, optimizer
from minnet.lab.controls import null_control, positive_control
from minnet.lab.datasets import Dataset, Split, dataset
from minnet.lab.summary import best_rates, beyond, failed, good_rates, summary, window
from minnet.lab.trials import Trial
from minnet.optimizers import with_rate

DATA = dataset("moons", n_train=120, n_test=300)
SMALL = {"hidden": (8,), "seeds": 3, "epochs": 30, "jobs": 1}


@pytest.fixture(scope="module")
def found():
    return compare({"linear": Identity(), "relu": ReLU()}, DATA, initialisers=["recommended"], **SMALL)


@pytest.fixture(scope="module")
def grid():
    activations = {"tanh": "tanh", "relu": "relu", "whole": whole}
    return compare(activations, DATA, optimizers=["sgd", "adam"], hidden=(8,), seeds=2, epochs=5, jobs=1)


def whole(n_in, n_out):
    """A network of the user's own."""
    return Network(Dense(n_in, 6), Tanh(), Residual(Network(Dense(6, 6), Tanh())), Dense(6, n_out))


def test_no_linear_network_passes_the_best_half_plane_of_its_test_points(found):
    linear = found.runs[found.runs.activation == "linear"]
    assert len(linear) >= 3 * 7
    assert (linear.test_score <= DATA.ceiling + 1e-12).all()
    assert found.table.score["relu"] > DATA.ceiling


def test_rates_are_chosen_on_validation_data_and_tested_on_fresh_seeds(found):
    tuning, test = (found.runs[found.runs.phase == phase] for phase in ("tuning", "test"))
    assert set(tuning.seed) == {0, 1, 2}
    assert set(test.seed) == {3, 4, 5}
    assert tuning.rate.nunique() >= 7
    for name in ("linear", "relu"):
        means = tuning[tuning.condition == name].groupby("rate").validation_score.mean()
        row = found.table.loc[name]
        assert means[row.rate] == means.max()
        assert row.rate not in (tuning.rate.min(), tuning.rate.max())
        assert {row.window_low, row.rate, row.window_high} <= set(means[means >= means.max() - 0.01].index)
        assert row.window == pytest.approx(np.log10(row.window_high / row.window_low))
        own = test[(test.condition == name) & (test.rate == row.rate)]
        assert row.score == pytest.approx(own.test_score.mean())
        assert row.worst == own.test_score.min()
        assert row.failed == (own.test_score <= DATA.ceiling + 0.01).mean()
        shared = test[(test.condition == name) & (test.rate == 0.1)]
        assert row.shared_score == pytest.approx(shared.test_score.mean())
    assert found.table.loc["linear", "failed"] == 1


def test_the_same_call_gives_the_same_numbers_on_one_core_and_on_two(found):
    again = compare({"linear": Identity(), "relu": ReLU()}, DATA, initialisers=["recommended"], **SMALL | {"jobs": 2})
    pd.testing.assert_frame_equal(found.runs, again.runs, check_exact=True)
    pd.testing.assert_frame_equal(found.table, again.table, check_exact=True)


def test_the_numbers_are_those_of_train(found):
    row = found.runs[(found.runs.condition == "relu") & (found.runs.rate == 0.32) & (found.runs.phase == "tuning")]
    split = DATA.splits(range(3))
    network = mlp(ReLU(), 2, (8,), 2)
    from minnet import softmax_cross_entropy

    run = train(network, softmax_cross_entropy, SGD(0.32), split.x, split.y, epochs=30, batch_size=32, seed=range(3))
    right = (run(split.x_test).argmax(axis=-1) == split.y_test).mean(axis=-1)
    np.testing.assert_allclose(row.test_score, right, atol=1 / 300)  # trained beside another rate: rounding may differ


def test_examples_and_curves_are_those_of_the_first_fresh_seed(found):
    network, theta, split = found.examples["relu"]
    test = found.runs[(found.runs.phase == "test") & (found.runs.condition == "relu")]
    first = test[(test.rate == found.table.rate["relu"]) & (test.seed == 3)].test_score.item()
    assert (network(theta, split.x_test).argmax(axis=1) == split.y_test).mean() == first
    assert found.curves["relu"].loc[30, 3] == first
    assert list(found.curves["relu"].columns) == [3, 4, 5]


def test_a_diverged_run_scores_what_guessing_scores_and_says_why():
    found = compare({"relu": ReLU()}, DATA, rates=[0.1, 1e30], shared_rate=1e30, initialisers=["recommended"], **SMALL)
    wild = found.runs[found.runs.rate == 1e30]
    assert wild.diverged.all()
    assert wild.message.str.contains("training diverged in epoch 1 at learning rate 1e\\+30").all()
    assert (wild[wild.phase == "test"].test_score == DATA.guess).all()
    assert found.table.rate["relu"] < 1e30
    assert not found.runs[~found.runs.diverged].message.any()


def test_the_whole_grid_is_compared_each_optimizer_on_rates_of_its_own(grid):
    starts = {"tanh", "relu/recommended", "relu/same", "whole"}  # tanh is recommended what is common to all
    assert set(grid.table.index) == {f"{name}/{method}" for name in starts for method in ("sgd", "adam")}
    assert grid.table.initialiser["tanh/sgd"] == "recommended = same"
    tuning = grid.runs[grid.runs.phase == "tuning"]
    assert set(RATES) <= set(tuning[tuning.optimizer == "sgd"].rate)
    assert set(ADAPTIVE_RATES) <= set(tuning[tuning.optimizer == "adam"].rate)
    assert (tuning.groupby(["optimizer", "condition"]).rate.nunique().groupby("optimizer").nunique() == 1).all()
    assert set(grid.table[grid.table.optimizer == "adam"].shared_rate) == {0.001}
    assert len(grid.pairs) == 8 * 7 / 2
    assert isinstance(grid.examples["whole/sgd"][0].layers[2], Residual)
    relu = tuning[tuning.activation == "relu"].groupby("initialiser").validation_loss.median()
    assert relu["recommended"] != relu["same"]
    assert not grid.table.isna().any(axis=None)


def test_the_same_network_under_two_names_is_trained_once_and_not_told_apart():
    found = compare({"relu": ReLU(), "copy": ReLU()}, DATA, initialisers=["same"], rates=[0.1], **SMALL)
    assert found.manifest["pieces"]["trained"] == 2  # tuning and test
    pair = found.pairs.iloc[0]
    assert pair.verdict == "no detectable difference"
    assert pair[["difference", "superiority", "p_holm"]].tolist() == [0, 0.5, 1]
    assert pair.crossed_low < pair.low < 0 < pair.high < pair.crossed_high  # not certain to be the same


def test_the_manifest_is_plain_json_and_tells_seeds_and_settings(found):
    manifest = json.loads(json.dumps(found.manifest))
    assert manifest == found.manifest
    assert manifest["seeds"] == {"tuning": [0, 2], "test": [3, 5]}
    assert manifest["settings"]["epochs"] == 30
    assert set(manifest["settings"]["rates"]["SGD"]) == set(found.runs[found.runs.phase == "tuning"].rate)
    assert manifest["versions"]["numpy"] == np.__version__
    other = compare(["relu"], dataset("moons", n_train=121, n_test=300), **SMALL | {"epochs": 1}).manifest
    assert other["data"]["hash"] != manifest["data"]["hash"]


def test_the_grid_is_widened_while_a_best_rate_lies_at_its_edge():
    assert beyond([0.1, 1.0], [1.0]) == [10.0]
    assert beyond([0.1, 1.0], [0.1]) == [0.01]
    assert beyond([0.1, 1.0, 10.0], [1.0]) == []
    assert beyond([1e3, 1e4], [1e4]) == []
    assert beyond(RATES, [RATES[0], RATES[-1]]) == [0.0031, 31.0]
    assert beyond([0.5, 0.502], [0.502]) == [1.5]  # at least a factor of 3, so that it ends
    assert beyond([0.5, 0.502], [0.5]) == [0.17]
    assert beyond([1.0, 1.0 + 1e-12], [1.0]) == [0.33]
    given = {"rates": [0.001, 0.003], **SMALL, "epochs": 3}
    as_given = compare(["relu"], DATA, **given)
    assert set(as_given.runs[as_given.runs.phase == "tuning"].rate) == {0.001, 0.003}
    assert as_given.table.rate.max() == 0.003
    found = compare({"linear": Identity(), "relu": ReLU()}, DATA, widen=True, **given)
    tuning = found.runs[found.runs.phase == "tuning"]
    assert tuning.rate.max() > found.table.rate.max() > 0.003
    assert tuning.groupby("condition").rate.nunique().nunique() == 1  # for all alike


def test_a_grid_of_two_rates_next_to_each_other_comes_to_an_end():
    grid = [0.5, 0.502]
    while (more := beyond(grid, [grid[-1]])) and len(grid) < 40:
        assert more[0] > grid[-1]
        grid += more
    assert len(grid) < 15


def test_validation_loss_breaks_ties(found):
    runs = found.runs.head(2).assign(validation_score=0.9, validation_loss=[0.3, 0.2], rate=[1.0, 2.0])
    assert best_rates(runs) == {"linear": 2.0}


def test_equal_counts_tie_whatever_order_they_come_in():
    """Means of the same accuracies in another order differ as floats; the lower loss decides all the same."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.integers(200, 300, 20) / 300
        frames = [
            pd.DataFrame({"condition": "c", "phase": "tuning", "rate": rate, "seed": range(20),
                          "validation_score": rng.permutation(scores), "validation_loss": loss})
            for rate, loss in ((0.1, 0.3), (1.0, 0.2), (10.0, 0.4))
        ]  # fmt: skip
        assert best_rates(pd.concat(frames)) == {"c": 1.0}


def test_a_mean_exactly_one_point_lower_is_within_the_window():
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(200, 300, 20)
        means = [(rng.permutation(counts - lower) / 300).mean() for lower in (3, 0, 4)]  # of 300 points 3 are one point
        assert window(pd.Series(means, index=[0.1, 1.0, 10.0]), 1.0) == (0.1, 1.0)


def test_the_window_is_marked_where_the_grid_ends():
    row = pd.Series({"window_low": 0.01, "window_high": 1.0, "grid_low": 0.01, "grid_high": 10.0})
    assert good_rates(row) == "≤ 0.01 to 1"
    assert good_rates(row.replace(10.0, 1.0)) == "≤ 0.01 to ≥ 1"
    only = pd.Series({"window_low": 1.0, "window_high": 1.0, "grid_low": 0.01, "grid_high": 1.0})
    assert good_rates(only) == "≥ 1 only"
    assert good_rates(only.replace(1.0, 0.1)) == "≥ 0.1 only"
    assert good_rates(only.replace(0.01, 1.0)) in ("≤ 1 only", "≥ 1 only")  # one rate alone


class Lines(Dataset):
    """Two classes that a straight line parts all but perfectly: of 400 test points `wrong` lie on the wrong side."""

    def __init__(self, wrong, share=0.5):
        self.name, self.wrong, self.share = f"lines {wrong} {share}", wrong, share

    def drawn(self, rng, n):
        x = rng.uniform(-1, 1, (n, 2))
        y = (np.arange(n) >= n * self.share).astype(int)
        return np.column_stack([np.where(y == 1, 1, -1) * (0.2 + abs(x[:, 0])), x[:, 1]]), y

    @property
    def test(self):
        x, y = self.drawn(np.random.default_rng(0), 400)
        x[: self.wrong] = [5, 0]
        return x, y

    def training(self, seed):
        rng = np.random.default_rng(seed)
        return (*self.drawn(rng, 80), *self.drawn(rng, 80))


@pytest.mark.parametrize("wrong", [0, 3])
def test_where_a_straight_line_is_all_but_perfect_right_networks_do_not_fail(wrong):
    data = Lines(wrong)
    assert data.ceiling == 1 - wrong / 400
    found = compare({"linear": "identity", "relu": "relu"}, data, initialisers=["recommended"], **SMALL)
    assert found.table.score.min() > 0.98
    assert (found.table.failed == 0).all()
    text = found.verdict()
    assert "pass guessing (50.0%)" in text
    assert f"The best straight line is right on {data.ceiling:.1%}, which leaves less than a point to gain" in text
    assert not (found.table.low == found.table.high).any()
    assert found.table.crossed_high.max() <= 1


@pytest.mark.parametrize("share", [0.9975, 1.0])
def test_where_guessing_is_all_but_perfect_right_networks_do_not_fail(share):
    data = Lines(0, share)
    scores, none = pd.Series([1.0, data.guess - 0.01]), pd.Series([False, False])
    assert failed(data, scores, none).tolist() == [False, True]


def test_a_condition_that_always_diverges_is_told_from_one_that_is_always_right():
    data = Lines(0)
    found = compare({"relu": ReLU(), "wild": Blows()}, data, initialisers=["recommended"], **SMALL)
    pair = found.pairs.iloc[0]
    assert found.table.failed["wild"] == 1
    assert pair.p_holm < 0.01
    assert pair.verdict == "relu better"  # 50 points, of which failing in 56 % of seeds would take 28
    assert (found.failed("relu"), found.failed("wild")) == ("0% [0%, 56%]", "100% [44%, 100%]")


def test_better_is_said_only_where_unseen_failures_could_not_undo_it():
    """20 seeds, none failed: up to 16.1 % may, at 46 points each."""
    right = {"fails rarely": np.arange(2000) < 1920, "other": np.arange(2000) < 1860}
    for other, verdict in ((1860, "fails rarely better where it did not fail"), (1700, "fails rarely better")):
        right["other"] = np.arange(2000) < other
        runs = pd.concat(
            pd.DataFrame({
                "condition": name, "activation": name, "initialiser": "", "optimizer": "", "phase": phase, "rate": 0.1,
                "seed": range(20), "diverged": False, "validation_score": 0.9, "validation_loss": 0.1,
                "test_score": which.mean(),
            })
            for name, which in right.items() for phase in ("tuning", "test")
        )  # fmt: skip
        rates = dict.fromkeys(right, 0.1)
        rows = {name: np.tile(which, (20, 1)) for name, which in right.items()}
        _, pairs = summary(runs, rates, rates, dataset("moons"), rows)
        assert pairs.verdict.item() == verdict


@dataclass(frozen=True)
class Blows(Activation):
    """Diverges at once, at any learning rate."""

    def __call__(self, x):
        return np.tanh(x)

    def derivative(self, x):
        return np.full_like(x, np.nan)


def test_a_table_says_what_is_so_of_new_points(found):
    row = found.table.loc["relu"]
    assert 0 <= row.crossed_low < row.low < row.score < row.high <= row.crossed_high <= 1
    assert row.failed_low == 0 < row.failed_high < 1
    pair = found.pairs.iloc[0]
    assert pair.crossed_low < pair.low < pair.high < pair.crossed_high


def test_conditions_may_be_named_by_numbers():
    found = compare({1: ReLU(), 2: Tanh()}, DATA, initialisers=["same"], rates=[0.1], **SMALL | {"epochs": 2})
    assert list(found.table.index) == ["1", "2"]


def test_few_test_points_are_warned_of():
    found = compare(["relu"], dataset("moons", n_train=60, n_test=36), rates=[0.1], **SMALL)
    assert "With 36 test points the intervals for new points are too narrow" in found.verdict()


def test_the_window_holds_the_neighbours_within_one_point():
    scores = pd.Series([0.9, 0.5, 0.895, 0.9, 0.892, 0.88, 0.9], index=[1.0, 2, 4, 8, 16, 32, 64])
    assert window(scores, 8.0) == (4, 16)
    assert window(scores, 1.0) == (1, 1)
    assert window(scores, 64.0) == (64, 64)


def test_a_comparison_prints_its_table_and_verdict(found):
    *table, empty, verdict = repr(found).splitlines()
    columns = ["score", "low", "high", "crossed_low", "crossed_high", "worst", "failed", "rate", "shared_score"]
    assert table[0].split() == columns
    assert table[-1].split()[0] == "relu"
    assert (empty, verdict) == ("", found.verdict())


def test_the_verdict_follows_from_the_numbers(found):
    text = found.verdict()
    assert found.pairs.verdict.item() == "relu better where it did not fail"  # 56 % of seeds may fail
    assert "is so of the seeds in which relu did not fail" in text
    assert "(relu 0% [0%, 56%], linear 100% [44%, 100%])" in text
    assert f"relu ({found.table.score['relu']:.1%}) passes the best straight line" in text
    assert f"linear ({found.table.score['linear']:.1%}) does not pass the best straight line" in text
    assert "The highest mean is that of relu" in text
    assert ("no detectable difference from linear" in text) == (found.pairs.p_holm[0] >= 0.05)
    table = found.table.copy()
    found.table.loc["relu", ["low", "crossed_low", "shared_score"]] = 0.9, 0.5, 0.4
    text = found.verdict()
    found.table = table
    assert "is not shown to pass the best straight line" in text
    assert "which is within the interval" in text
    assert "linear (" in text.split("does not pass")[0].split(";")[-1]
    assert "would have wronged relu (40.0% instead of" in text


def test_the_ranking_at_one_shared_rate_may_be_another_than_at_own_best_rates():
    found = compare({"linear": "identity", "sigmoid": "sigmoid", "relu": "relu"}, dataset("moons", n_test=1000),
                    initialisers=["same"], hidden=(16,), seeds=4, epochs=100, jobs=2)  # fmt: skip
    titles, first, *_ = found.rankings().splitlines()
    table = found.table
    assert table.shared_score["sigmoid"] < table.shared_score["linear"] + 0.01  # the trap: as if it were linear
    assert table.score["sigmoid"] > DATA.ceiling + 0.03
    assert titles.split("  ")[0] == "all at one shared rate"
    best, best_shared = table.score.idxmax(), table.shared_score.idxmax()
    assert first.startswith(f"1. {best_shared}  {table.shared_score.max():.1%} at 0.1  ")
    assert first.endswith(f"1. {best}  {table.score.max():.1%} at {table.rate[best]:g}")
    assert f"sigmoid  {table.shared_score['sigmoid']:.1%} at 0.1" in found.rankings()
    assert table["rank"].tolist() == rankdata(-table.score, method="min").tolist()


@dataclass(frozen=True)
class Curve(Dataset):
    """y = sin(3 x), with two targets."""

    name = "curve"
    task = "regression"

    @property
    def test(self):
        x = np.linspace(-1, 1, 100)[:, None]
        return x, np.column_stack([np.sin(3 * x), np.cos(3 * x)])

    def training(self, seed):
        x, x_val = np.random.default_rng(seed).uniform(-1, 1, (2, 60, 1))
        return (
            x,
            np.column_stack([np.sin(3 * x), np.cos(3 * x)]),
            x_val,
            np.column_stack([np.sin(3 * x_val), np.cos(3 * x_val)]),
        )


def test_regression_is_scored_by_r_squared():
    from sklearn.metrics import r2_score

    found = compare({"linear": Identity(), "tanh": Tanh()}, Curve(), initialisers=["same"], shared_rate=1e30,
                    **SMALL | {"epochs": 100})  # fmt: skip
    network, theta, split = found.examples["tanh"]
    test = found.runs[(found.runs.phase == "test") & (found.runs.condition == "tanh") & (found.runs.seed == 3)]
    own = test[test.rate == found.table.rate["tanh"]].test_score.item()
    assert own == pytest.approx(r2_score(split.y_test, network(theta, split.x_test)), abs=1e-5)
    assert found.table.score["tanh"] > 0.9 > found.table.score["linear"] + 0.2
    assert (found.table.shared_score == 0).all()  # all diverge, and score as the mean does
    assert "pass guessing (0.000)" in found.verdict().replace("passes", "pass")


def test_one_column_of_targets_may_come_flat():
    class Flat(Curve):
        n_out = 1

        def split(self, seed):
            return Split(*(part[:, 0] if i % 2 else part for i, part in enumerate(Curve.split(self, seed))))

    trial = Trial(mlp(Tanh(), 1, (4,), 1), SGD(1.0), (0.1,), Flat(), (0, 1), 2, 16)
    assert np.isfinite(trial()["test_score"]).all()


def test_large_data_are_trained_in_smaller_pieces_with_the_same_outcome(found, monkeypatch):
    assert in_pieces([1.0, 2.0, 3.0], range(4), 8) == [((1, 2), (0, 1, 2, 3)), ((3,), (0, 1, 2, 3))]
    assert in_pieces([1.0, 2.0], range(3), 5) == [((1,), (0, 1, 2)), ((2,), (0, 1, 2))]
    assert in_pieces([1.0], range(3), 2) == [((1,), (0, 1)), ((1,), (2,))]
    assert in_pieces([1.0], range(2), 0) == [((1,), (0,)), ((1,), (1,))]
    monkeypatch.setattr("minnet.lab.compare.LARGEST", 3000 * 2)  # a seed has 2,160 numbers
    again = compare({"linear": Identity(), "relu": ReLU()}, DATA, initialisers=["recommended"], **SMALL)
    assert again.manifest["pieces"]["trained"] > 2 * found.manifest["pieces"]["trained"]
    pd.testing.assert_frame_equal(again.runs, found.runs, rtol=1e-3, atol=2 / 300)
    for name in found.curves:
        pd.testing.assert_frame_equal(again.curves[name], found.curves[name], atol=2 / 300)
        np.testing.assert_allclose(again.examples[name][1], found.examples[name][1], rtol=1e-2, atol=1e-3)


def test_own_seeds_change_weights_and_order_but_not_the_data():
    named = {"relu": ReLU(), "copy": ReLU()}
    settings = {"initialisers": ["same"], **SMALL}
    same, own = compare(named, DATA, **settings), compare(named, DATA, own_seeds=["copy"], **settings)
    assert same.pairs.superiority.item() == 0.5
    assert same.pairs.verdict.item() == "no detectable difference"
    scores = own.runs[own.runs.phase == "tuning"].pivot(
        index=["rate", "seed"], columns="condition", values="validation_loss"
    )
    assert (scores.relu != scores["copy"]).mean() > 0.9
    for one, two in zip(own.examples["relu"][2], own.examples["copy"][2], strict=True):
        np.testing.assert_array_equal(one, two)
    pd.testing.assert_frame_equal(own.runs[own.runs.condition == "relu"], same.runs[same.runs.condition == "relu"])
    with pytest.raises(ValueError, match="own_seeds names gelu, which is not compared"):
        compare(named, DATA, own_seeds=["gelu"])


def test_the_null_control_sees_no_difference_and_the_positive_one_does():
    quick = {"seeds": 5, "epochs": 40, "jobs": 2}
    pairs = null_control(DATA, 6, hidden=(8,), **quick)
    assert len(pairs) == 6
    assert (pairs.verdict == "no detectable difference").sum() >= 4  # at 5 %, 3 false alarms of 6 come once in 500
    assert pairs.difference.nunique() > 1
    assert (pairs.superiority != 0.5).any()
    pairs = positive_control([dataset("circles", n_test=500)], 2, **quick)
    assert (pairs.verdict == "relu better").all()


@dataclass(frozen=True)
class Cubed(Activation):
    def __call__(self, x):
        return x * x * x

    def derivative(self, x):
        return 3 * x * x


def test_activations_are_given_by_name_object_class_path_or_factory(monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(Path(__file__).parent)
    parts = ["ReLU", Sigmoid(), Tanh, f"{Path(__file__).stem}:Cubed", whole]
    found = conditions(parts, 2, 3, hidden=(4,), initialisers=["recommended", "same"], optimizers=["sgd"])
    assert [c.name for c in found] == [
        "ReLU/recommended", "ReLU/same", "sigmoid/recommended", "sigmoid/same", "tanh",
        "test_compare:Cubed/recommended", "test_compare:Cubed/same", "whole",
    ]  # fmt: skip
    assert found[0].network.layers[:2] == (Dense(2, 4, he_normal), ReLU())
    assert found[1].network.layers[:2] == (Dense(2, 4), ReLU())
    assert found[3].network.layers[:2] == (Dense(2, 4), Sigmoid())
    assert type(found[5].network.layers[1]).__name__ == "Cubed"
    assert found[6].network.layers[0].weight_init == glorot_uniform  # what "same" is
    assert found[7].network == whole(2, 3)


def test_a_rate_is_put_wherever_an_optimizer_keeps_it():
    rates = (0.1, 0.2)
    assert with_rate(SGD(1.0, 0.9, nesterov=True), rates) == SGD(rates, 0.9, nesterov=True)
    assert with_rate(Clipped(Adam(), norm=1.0), rates) == Clipped(Adam(rates), norm=1.0)
    assert with_rate(SGD(CosineDecay(0.5, 100)), rates) == SGD(CosineDecay(rates, 100))
    assert with_rate(SGD(WarmUp(0.5, 100)), rates) == SGD(WarmUp(rates, 100))
    assert with_rate(SGD(WarmUp(CosineDecay(0.5, 9), 100)), rates) == SGD(WarmUp(CosineDecay(rates, 9), 100))
    assert (optimizer("adamw").rate, initialiser("he_normal")) == (1.0, he_normal)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activations": {}}, "at least one activation, got none"),
        ({"activations": ["tanh", Tanh()]}, "two of tanh, tanh have the same name"),
        ({"activations": {"tanh": 3}}, "'tanh' has to be an Activation or a function"),
        ({"activations": {"dense": lambda n_in, n_out: 3}}, r"dense has to make a Network of \(n_in, n_out\), got 3"),
        ({"activations": ["nowhere.at_all:Act"]}, "expects package.module:NAME of something that can be imported"),
        ({"activations": ["minnet:Nothing"]}, "has no attribute 'Nothing'"),
        ({"initialisers": ["he"]}, "unknown initialiser 'he'; known are recommended, same"),
        ({"initialisers": []}, "at least one initialiser"),
        ({"optimizers": ["sdg"]}, "unknown optimizer 'sdg'; known are adagrad, adam"),
        ({"seeds": 1}, "seeds has to be >= 2, got 1"),
        ({"rates": [0.0, 1.0]}, "rates has to be some numbers > 0"),
        ({"rates": []}, "rates has to be some numbers > 0"),
        ({"hidden": (8, 0)}, r"hidden sizes have to be >= 1, got \(8, 0\)"),
        ({"shared_rate": 0.0}, "shared_rate has to be > 0"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        compare(**{"activations": {"tanh": Tanh()}, "data": DATA} | change)


def test_activation_by_name():
    assert activation("ReLU") == ReLU()
    with pytest.raises(ValueError, match=r"unknown activation 'activation'; known are celu, elu"):
        activation("activation")


def test_the_manifest_names_the_rate_each_ran_at_and_what_started_its_weights():
    remarks = []
    acts = {"tanh": "tanh", "mine": Elementwise(np.arctan), "step": Elementwise(lambda x: 0 * x), "net": whole}
    found = compare(acts, DATA, rates=[0.03, 0.1], shared_rate=0.5, initialisers=["recommended"],
                    optimizers={"heavy": SGD(1.0, 0.9)}, note=remarks.append, **SMALL | {"epochs": 3})  # fmt: skip
    said = found.manifest["conditions"]
    for name, rate in found.table.rate.items():
        assert said[name]["optimizer"] == repr(SGD(rate, 0.9))
        assert said[name]["optimizer at the shared rate"] == repr(SGD(0.5, 0.9))
    assert said["tanh"]["weights"] == repr(glorot_uniform)
    # E[arctan²] and E[1/(1 + x²)²], by SciPy's quadrature
    f, b = (integrate.quad(lambda x, g=g: g(x) ** 2 * stats.norm.pdf(x), -np.inf, np.inf)[0]
            for g in (np.arctan, lambda x: 1 / (1 + x * x)))  # fmt: skip
    start = f"Following(Elementwise(arctan)) (no weight_init is named; E[f²] = {f:.4g}, E[f′²] = {b:.4g})"
    assert said["mine"]["weights"] == start
    assert said["step"]["weights"] == f"{glorot_uniform!r} (no weight_init is named; no moments)"
    assert said["net"]["weights"] == "as the network says"
    assert remarks == [f"The weights of {name} start by {said[name]['weights']}." for name in ("mine", "step")]


def test_weights_of_an_activation_of_one_s_own_follow_its_moments():
    """The variance is 2 / (n_in E[f²] + n_out E[f′²]); those moments, of x³/10 cut at ±10, by SciPy's quadrature."""
    cut = Elementwise(lambda x: np.clip(0.1 * x**3, -10, 10))
    edge = 100 ** (1 / 3)
    forward = 2 * integrate.quad(lambda x: 0.01 * x**6 * stats.norm.pdf(x), 0, edge)[0] + 200 * stats.norm.sf(edge)
    back = 2 * integrate.quad(lambda x: 0.09 * x**4 * stats.norm.pdf(x), 0, edge)[0]
    network = mlp(cut, 300, [200], 2)
    W = network.unpack(network.init_theta(0, np.float64))[0][0]
    assert W.var() == pytest.approx(2 / (300 * forward + 200 * back), rel=4 * np.sqrt(2 / W.size))
    named = [act for act in CATALOGUE if type(act).weight_init is None]
    assert not named


def test_moments_are_never_another_activations():
    """Activations that compare equal, or cannot be hashed, each follow their own moments."""

    @dataclass(frozen=True)
    class Loud(Activation):
        beta: float = field(default=1.0, compare=False)

        def __call__(self, x):
            return self.beta * x

        def derivative(self, x):
            return x * 0 + self.beta

    for kind in (Loud, dataclass(type("Unhashable", (Loud,), {"__hash__": None, "__eq__": lambda a, b: True}),
                                 frozen=True, eq=False)):  # fmt: skip
        one, ten = (mlp(kind(beta), 2, [4], 2).init_theta(0, np.float64) for beta in (1.0, 10.0))
        np.testing.assert_allclose(one[:8], 10 * ten[:8], rtol=1e-9)
        assert list(compare({"a": kind(1.0)}, DATA, rates=[0.1], **SMALL | {"epochs": 1}).table.index) == [
            "a/recommended", "a/same"]  # fmt: skip
