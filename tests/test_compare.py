"""The comparison: the linear ceiling holds on the same points, numbers repeat, the protocol is kept."""

import numpy as np
import pytest
from scipy import stats

from minnet import Identity, ReLU, Tanh
from minnet.lab.compare import _best_rates, _beyond, activation, compare
from minnet.lab.datasets import dataset
from minnet.lab.statistics import mean_interval

DATA = dataset("moons", n_train=120, n_test=300)


@pytest.fixture(scope="module")
def found():
    return compare({"linear": Identity(), "relu": ReLU()}, DATA, hidden=(8,), seeds=3, epochs=30, jobs=1)


def test_no_linear_network_passes_the_best_half_plane_of_its_test_points(found):
    linear = found.runs[found.runs.activation == "linear"]
    assert len(linear) >= 3 * 7
    assert (linear.test_accuracy <= DATA.ceiling + 1e-12).all()
    assert found.table.accuracy["relu"] > DATA.ceiling


def test_rates_are_chosen_on_validation_data_and_tested_on_fresh_seeds(found):
    tuning, test = (found.runs[found.runs.phase == phase] for phase in ("tuning", "test"))
    assert set(tuning.seed) == {0, 1, 2}
    assert set(test.seed) == {3, 4, 5}
    assert tuning.rate.nunique() >= 7
    for name in ("linear", "relu"):
        means = tuning[tuning.activation == name].groupby("rate").validation_accuracy.mean()
        assert means[found.table.rate[name]] == means.max()
        assert found.table.rate[name] not in (tuning.rate.min(), tuning.rate.max())
        own = test[(test.activation == name) & (test.rate == found.table.rate[name])]
        assert found.table.accuracy[name] == pytest.approx(own.test_accuracy.mean())
        assert found.table.worst[name] == own.test_accuracy.min()
        shared = test[(test.activation == name) & (test.rate == 0.1)]
        assert found.table.shared_accuracy[name] == pytest.approx(shared.test_accuracy.mean())


def test_the_same_call_gives_the_same_numbers_on_one_core_and_on_two(found):
    again = compare({"linear": Identity(), "relu": ReLU()}, DATA, hidden=(8,), seeds=3, epochs=30, jobs=2)
    order = ["phase", "activation", "rate", "seed"]
    one, two = (runs.sort_values(order).reset_index(drop=True) for runs in (found.runs, again.runs))
    assert one.equals(two)


def test_examples_and_curves_are_those_of_the_first_fresh_seed(found):
    network, theta, split = found.examples["relu"]
    test = found.runs[(found.runs.phase == "test") & (found.runs.activation == "relu")]
    first = test[(test.rate == found.table.rate["relu"]) & (test.seed == 3)].test_accuracy.item()
    assert (network(theta, split.x_test).argmax(axis=1) == split.y_test).mean() == first
    assert found.curves["relu"].iloc[-1].iloc[0] == first


def test_a_diverged_run_scores_what_guessing_scores():
    found = compare({"relu": ReLU()}, DATA, hidden=(8,), seeds=2, epochs=5, rates=[0.1, 1e30], jobs=1, shared_rate=1e30)
    wild = found.runs[found.runs.rate == 1e30]
    assert wild.diverged.all()
    assert (wild[wild.phase == "test"].test_accuracy == DATA.guess).all()
    assert found.table.rate["relu"] < 1e30


def test_the_grid_is_widened_while_a_best_rate_lies_at_its_edge():
    assert _beyond([0.1, 1.0], {"a": 1.0}) == [10.0]
    assert _beyond([0.1, 1.0], {"a": 0.1}) == [0.01]
    assert _beyond([0.1, 1.0, 10.0], {"a": 1.0}) == []
    assert _beyond([1e3, 1e4], {"a": 1e4}) == []


def test_validation_loss_breaks_ties(found):
    runs = found.runs.head(2).assign(validation_accuracy=0.9, validation_loss=[0.3, 0.2], rate=[1.0, 2.0])
    assert _best_rates(runs) == {"linear": 2.0}


def test_the_verdict_follows_from_the_numbers(found):
    text = found.verdict()
    assert f"relu ({found.table.accuracy['relu']:.1%}) passes the best straight line" in text
    assert f"linear ({found.table.accuracy['linear']:.1%}) does not pass the best straight line" in text
    found.table.loc["relu", ["low", "shared_accuracy"]] = 0.5, 0.4
    text = found.verdict()
    assert "and relu" in text
    assert "do not pass" in text
    assert "would have wronged relu (40.0% instead of" in text


def test_mean_interval_is_scipys_t_interval():
    values = np.random.default_rng(0).normal(size=20)
    low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    np.testing.assert_allclose(mean_interval(values), [values.mean(), low, high], rtol=1e-12)
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert np.isnan(mean_interval([0.5])[1:]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activations": {}}, "at least one activation, got none"),
        ({"seeds": 0}, "seeds has to be >= 1, got 0"),
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
