"""What experiments/output_range.py says comes from its numbers: each law is seen to fail when the thing is broken."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

import minnet as mn
from experiments import output_range
from minnet.lab import heads
from minnet.lab.claims import Effort
from minnet.lab.datasets import dataset
from minnet.lab.heads import Head, Measured, accuracy, brier, log_loss, tuned
from minnet.lab.verdicts import FAILS

rng = np.random.default_rng(0)
P, Y = rng.random(500), rng.integers(0, 2, 500).astype(float)


@dataclass(frozen=True, repr=False)
class Over(mn.Sigmoid):
    """A sigmoid that goes a little too far."""

    def __call__(self, x):
        return mn.Sigmoid()(x) * x.dtype.type(1 + 1e-6)


@dataclass(frozen=True, repr=False)
class Under(mn.Sigmoid):
    """A sigmoid that never gets there."""

    def __call__(self, x):
        return mn.Sigmoid()(x) * x.dtype.type(1 - 1e-6)


def test_sigmoid_is_1_from_where_what_is_added_to_1_is_lost():
    for kind, bits in ((np.float32, 24), (np.float64, 53)):
        assert output_range.first_reached(mn.Sigmoid(), kind, 1.0) == pytest.approx(bits * np.log(2), rel=1e-6)
    assert output_range.first_reached(mn.HardSigmoid(), np.float64, 1.0) == pytest.approx(3)
    assert output_range.first_reached(Under(), np.float64, 1.0) is None


def test_an_output_beyond_its_bound_breaks_the_law_of_ranges():
    assert output_range.ranges(Effort.QUICK).verdict == "holds"
    for act in (Over(), Under()):
        broken = output_range.ranges(Effort.QUICK, {"sigmoid": (act, 0.0, 1.0)})
        assert broken.law
        assert broken.answer == FAILS


def test_the_floats_reach_from_end_to_end():
    for kind in (np.float32, np.float64):
        z, info = output_range.floats(kind), np.finfo(kind)
        assert z.dtype == kind
        assert {-np.inf, -info.max, -info.smallest_subnormal, 0, info.tiny, info.max, np.inf} <= set(z.tolist())


def test_the_textbook_softmax_breaks_the_law_of_sums():
    assert output_range.softmax_sums(Effort.QUICK).verdict == "holds"
    for softmax in (output_range.textbook_softmax, lambda x: output_range.minnet_softmax(x) * x.dtype.type(1 + 1e-5)):
        broken = output_range.softmax_sums(Effort.QUICK, softmax)
        assert broken.law
        assert broken.answer == FAILS


def test_scores_of_probabilities_are_those_of_scikit_learn():
    assert brier(P, Y) == pytest.approx(metrics.brier_score_loss(Y, P))
    assert log_loss(P, Y) == pytest.approx(metrics.log_loss(Y, P))
    assert accuracy(P, Y) == metrics.accuracy_score(Y, P > 0.5)
    assert log_loss(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0
    assert log_loss(np.array([0.0, 1.0]), np.array([1.0, 1.0])) == np.inf


def test_reliability_is_that_of_scikit_learn():
    count, said, so = output_range.reliability(P, Y)
    theirs_so, theirs_said = calibration_curve(Y, P, n_bins=10)
    np.testing.assert_allclose(so, theirs_so)
    np.testing.assert_allclose(said, theirs_said)
    assert count.sum() == 500
    assert output_range.calibration_error(np.array([0.2, 0.2, 0.9]), np.array([0, 1, 1.0])) == pytest.approx(0.7 / 3)
    assert output_range.calibration_error(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0


MOONS = dataset("moons", n_train=60, n_val=60, n_test=100)
LINEAR = Head(mn.Network(mn.Dense(2, 4), mn.Tanh(), mn.Dense(4, 1)), mn.mse, output_range.clip)
TANH = Head(mn.Network(mn.Dense(2, 4), mn.Tanh(), mn.Dense(4, 1), mn.Tanh()), mn.mse, output_range.centred, low=-1.0)


def test_heads_are_tuned_on_validation_data_and_tested_on_fresh_seeds(monkeypatch):
    monkeypatch.setattr(heads, "RATES", (0.01, 0.1, 0.3, 1.0, 100.0))
    found = tuned({"linear": LINEAR, "tanh": TANH}, MOONS, score=accuracy, seeds=2, epochs=6, jobs=1)
    for head, one in zip((LINEAR, TANH), found.values(), strict=True):
        assert one.scores[one.rates.index(one.rate)] == max(one.scores)
        split, seeds = MOONS.splits([2, 3]), [2, 3]
        labels = split.y[..., None] if head is LINEAR else 2 * split.y[..., None] - 1
        run = mn.train(head.network, mn.mse, mn.SGD(one.rate), split.x, labels, epochs=6, batch_size=32, seed=seeds)
        np.testing.assert_array_equal(one.outputs, run(split.x_test)[..., 0])
        np.testing.assert_allclose(one.curve[-1], accuracy(one.probabilities, split.y_test))
        assert list(one.epoch) == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(found["tanh"].probabilities, (1 + found["tanh"].outputs) / 2)


def test_the_grid_is_widened_while_the_best_lies_at_its_edge(monkeypatch):
    monkeypatch.setattr(heads, "RATES", (1e-4, 1e-3))
    found = tuned({"linear": LINEAR}, MOONS, score=lambda p, y: -brier(p, y), seeds=2, epochs=5, jobs=1)["linear"]
    assert found.rates[1] < found.rate < found.rates[-1]


def test_a_head_that_diverged_knows_nothing(monkeypatch):
    monkeypatch.setattr(heads, "RATES", (1e20,))
    found = tuned({"linear": LINEAR}, MOONS, score=accuracy, seeds=2, epochs=3, jobs=1)["linear"]
    assert found.diverged.all()
    assert np.isnan(found.outputs).all()
    assert (found.probabilities == 0.5).all()


def fake(p, outputs=None):
    none = np.zeros((1, len(p)))
    return Measured(0.1, np.zeros(len(p), bool), p if outputs is None else outputs, p, np.ones(1), none, (0.1,), (0.5,))


def test_one_seed_that_leaves_the_range_decides_nothing(monkeypatch):
    p = rng.uniform(-0.5, 1.5, (1, len(output_range.MOONS.test[1])))
    monkeypatch.setattr(output_range, "trained", lambda how: {"linear": fake(p)})
    monkeypatch.setattr(output_range, "_outputs_figure", lambda found, outside: None)
    assert output_range.unbounded_head(Effort.QUICK).verdict == "not decided"


def test_the_verdicts_on_heads_follow_their_numbers(monkeypatch):
    y = output_range.MOONS.test[1]
    noise = 0.05 * rng.random((5, len(y)))
    good = np.clip(y + np.where(y == 1, -0.1, 0.1) + noise - 0.025, 0, 1)
    best = np.clip(y + np.where(y == 1, -0.05, 0.05) + noise / 9 - 0.025 / 9, 0, 1)
    worse = np.clip(y + np.where(y == 1, -0.4, 0.4) + noise - 0.025, 0, 1)
    found = {"linear": fake(worse, worse + 0.5), "tanh": fake(worse), "sigmoid": fake(good)}
    monkeypatch.setattr(output_range, "trained", lambda how: found)
    assert output_range.unbounded_head(Effort.QUICK).verdict == "holds"
    assert output_range.what_a_head_is_for(Effort.QUICK).verdict == "holds"
    found["tanh"] = fake(good)
    undecided = output_range.what_a_head_is_for(Effort.QUICK).verdict
    assert undecided == (
        "not decided: holds against linear by log-loss, linear by Brier score; "
        "not decided against tanh by log-loss, tanh by Brier score"
    )
    found["tanh"] = fake(best)
    assert output_range.what_a_head_is_for(Effort.QUICK).verdict == (
        "half true: holds against linear by log-loss, linear by Brier score; "
        "does not hold against tanh by log-loss, tanh by Brier score"
    )
    found["tanh"] = fake(good)
    found["linear"] = fake(good)
    assert output_range.unbounded_head(Effort.QUICK).verdict == "does not hold"
    assert output_range.what_a_head_is_for(Effort.QUICK).verdict == "not decided"
    found["sigmoid"] = fake(worse)
    assert output_range.what_a_head_is_for(Effort.QUICK).verdict == "does not hold"
