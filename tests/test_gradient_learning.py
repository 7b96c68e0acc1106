"""What the experiment on gradient-based learning says comes from its numbers; each law is seen to fail when broken."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import minnet as mn
from experiments import gradient_learning
from experiments.gradient_learning import Kink
from minnet.lab.claims import Effort
from minnet.lab.compare import compare
from minnet.lab.heads import Measured
from minnet.lab.statistics import all_pairs, mean_interval
from minnet.lab.verdicts import FAILS, UNDECIDED


@pytest.fixture
def short(monkeypatch):
    """Comparisons of one epoch at one rate: what they find is not what is tested here."""
    settings = {"epochs": 1, "seeds": 2, "rates": (0.1,), "jobs": 1}
    monkeypatch.setattr(gradient_learning, "compare", lambda *parts, **given: compare(*parts, **{**given, **settings}))


@dataclass(frozen=True, repr=False)
class Wrong(mn.Tanh):
    """A derivative that is off by one part in a million."""

    def slope(self, x, y):
        return (1 + 1e-6) * (1 - y * y)


def test_a_wrong_derivative_breaks_the_law_of_the_gradient_check():
    assert gradient_learning.gradient_check(Effort.QUICK, (mn.Tanh(),)).verdict == "holds"
    broken = gradient_learning.gradient_check(Effort.QUICK, (mn.Tanh(), Wrong()))
    assert broken.law
    assert broken.answer == FAILS
    assert "of Wrong()" in broken.measured


def test_biases_break_the_law_of_exact_zeros():
    assert gradient_learning.exact_zeros(Effort.QUICK).verdict == "holds"
    broken = gradient_learning.exact_zeros(Effort.QUICK, bias=0.01)
    assert broken.law
    assert broken.answer == FAILS


def test_the_slope_at_the_kink_is_the_one_asked_for():
    x = np.array([[-1.0, 0.0, 2.0]])
    for slope in (0.0, 0.5, 1.0):
        np.testing.assert_array_equal(Kink(slope).derivative(x), [[0, slope, 1]])
    met = []
    Kink(0.0, met).derivative(np.array([[[0.0]], [[1.0]]]))
    np.testing.assert_array_equal(met[0], [True, False])


def test_a_slope_that_changes_elsewhere_breaks_the_law_of_the_kink(short, monkeypatch):
    assert gradient_learning.slope_at_the_kink(Effort.QUICK).verdict.endswith("(the law holds)")

    @dataclass(frozen=True, repr=False)
    class Elsewhere(Kink):
        def derivative(self, x):
            return super().derivative(x) + (x < 0) * x.dtype.type(self.at_zero / 100)

    monkeypatch.setattr(gradient_learning, "Kink", Elsewhere)
    assert gradient_learning.slope_at_the_kink(Effort.QUICK).verdict.endswith("(the law does not hold)")


def measured(curve):
    curve, none = np.array(curve, float), np.zeros((curve and 3, 1))
    return Measured(0.1, np.zeros(3, bool), none, none, np.arange(len(curve)) + 1, curve, (0.1,), (0.5,))


def curves(first, end):
    """Accuracies over 30 epochs of three seeds, which pass the line at these epochs and end at these."""
    epoch = np.arange(1, 31)[:, None]
    return measured(np.where(epoch < np.array(first), 0.5, np.where(epoch < 30, 0.9, np.array(end))).tolist())


GOOD, BAD = [0.96, 0.97, 0.965], [0.9, 0.89, 0.91]


@pytest.mark.parametrize(
    ("squared", "verdict"),
    [
        (curves([20, 21, 23], BAD), "holds"),
        (
            curves([20, 21, 23], GOOD),
            "half true: holds for the epochs it takes; does not hold for the accuracy at the end",
        ),
        (curves([2, 3, 2], GOOD), "does not hold"),
        (
            curves([5, 6, 7], GOOD),
            "not decided: not decided for the epochs it takes; does not hold for the accuracy at the end",
        ),
        (curves([5, 9, 9], [0.9, 0.95, 0.98]), "not decided"),
    ],
)
def test_the_verdict_on_losses_follows_the_curves_and_not_an_identity(squared, verdict, monkeypatch):
    found = dict.fromkeys(gradient_learning.heads(), curves([5, 6, 7], GOOD))
    found["squared error, started at z = -10"] = squared
    monkeypatch.setattr(gradient_learning, "tuned", lambda *heads, **settings: found)
    assert gradient_learning.loss_and_slope(Effort.QUICK).verdict == f"{verdict} (the law holds)"
    broken = gradient_learning.loss_and_slope(Effort.QUICK, mn.mse)
    assert broken.verdict == f"{verdict} (the law does not hold)"


def test_the_epoch_at_which_a_seed_passes_the_line():
    np.testing.assert_array_equal(gradient_learning.passed(measured([[0.5, 0.9, 0.1], [0.9, 0.5, 0.2]])), [2, 1, 2])


def test_another_activation_breaks_the_published_example():
    assert gradient_learning.by_hand(Effort.QUICK).verdict == "holds"
    tanh = mn.Network(mn.Dense(2, 2), mn.Tanh(), mn.Dense(2, 2), mn.Sigmoid())
    broken = gradient_learning.by_hand(Effort.QUICK, tanh)
    assert broken.law
    assert broken.answer == FAILS


def test_what_has_learned_nothing_yet_supports_no_claim(short):
    assert gradient_learning.differentiable(Effort.QUICK).answer == UNDECIDED


ABOVE, BELOW = [0.96, 0.962, 0.961], [0.85, 0.852, 0.851]


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((ABOVE, BELOW, BELOW), "holds"),
        ((BELOW, ABOVE, ABOVE), "does not hold"),
        (
            (ABOVE, ABOVE, BELOW),
            "half true: holds for tanh (smooth), hard step (flat); does not hold for ReLU (a kink)",
        ),
        (
            (ABOVE, [0.96, 0.961, 0.5], BELOW),  # one dead seed of three
            "not decided: holds for tanh (smooth), hard step (flat); not decided for ReLU (a kink)",
        ),
        (([0.8, 0.9, 0.96],) * 3, "not decided"),
    ],
)
def test_differentiability_is_judged_by_intervals(scores, verdict, monkeypatch):
    names = ["tanh (smooth)", "ReLU (a kink)", "hard step (flat)"]
    table = pd.DataFrame([mean_interval(of) for of in scores], index=names, columns=["score", "low", "high"])
    pairs = all_pairs(pd.DataFrame(dict(zip(names, scores, strict=True))))
    monkeypatch.setattr(gradient_learning, "compare", lambda *a, **k: SimpleNamespace(table=table, pairs=pairs))
    assert gradient_learning.differentiable(Effort.QUICK).verdict == verdict
