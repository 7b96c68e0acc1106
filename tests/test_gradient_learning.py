"""What the experiment on gradient-based learning says comes from its numbers; each law is seen to fail when broken."""

from dataclasses import dataclass

import numpy as np
import pytest

import minnet as mn
from experiments import gradient_learning
from experiments.gradient_learning import Kink
from minnet.lab.claims import Effort
from minnet.lab.compare import compare
from minnet.lab.heads import Measured


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
    assert broken.verdict == "does not hold"
    assert "of Wrong()" in broken.measured


def test_biases_break_the_law_of_exact_zeros():
    assert gradient_learning.exact_zeros(Effort.QUICK).verdict == "holds"
    broken = gradient_learning.exact_zeros(Effort.QUICK, bias=0.01)
    assert broken.law
    assert broken.verdict == "does not hold"


def test_the_slope_at_the_kink_is_the_one_asked_for():
    x = np.array([[-1.0, 0.0, 2.0]])
    for slope in (0.0, 0.5, 1.0):
        np.testing.assert_array_equal(Kink(slope).derivative(x), [[0, slope, 1]])
    met = []
    Kink(0.0, met).derivative(np.array([[[0.0]], [[1.0]]]))
    np.testing.assert_array_equal(met[0], [True, False])


def test_a_slope_that_changes_elsewhere_breaks_the_law_of_the_kink(short, monkeypatch):
    assert gradient_learning.slope_at_the_kink(Effort.QUICK).holds

    @dataclass(frozen=True, repr=False)
    class Elsewhere(Kink):
        def derivative(self, x):
            return super().derivative(x) + (x < 0) * x.dtype.type(self.at_zero / 100)

    monkeypatch.setattr(gradient_learning, "Kink", Elsewhere)
    broken = gradient_learning.slope_at_the_kink(Effort.QUICK)
    assert broken.law
    assert broken.verdict == "does not hold"


def measured(curve):
    curve, none = np.array(curve, float), np.zeros((curve and 3, 1))
    return Measured(0.1, np.zeros(3, bool), none, none, np.arange(len(curve)) + 1, curve, (0.1,), (0.5,))


def test_another_loss_breaks_the_law_of_the_gradients_and_the_verdict_follows_the_curves(monkeypatch):
    good, late = measured([[0.5] * 3, [0.96, 0.97, 0.96]]), measured([[0.5] * 3, [0.7, 0.71, 0.72]])
    found = dict.fromkeys(gradient_learning.heads(), good)
    monkeypatch.setattr(gradient_learning, "tuned", lambda *heads, **settings: found)
    assert gradient_learning.loss_and_slope(Effort.QUICK).verdict.startswith("only half true: of the gradient")
    found["squared error, started at z = -10"] = late
    assert gradient_learning.loss_and_slope(Effort.QUICK).verdict == "holds"
    broken = gradient_learning.loss_and_slope(Effort.QUICK, mn.mse)
    assert broken.law
    assert broken.verdict == "does not hold"


def test_the_epoch_at_which_a_seed_passes_the_line():
    np.testing.assert_array_equal(gradient_learning.passed(measured([[0.5, 0.9, 0.1], [0.9, 0.5, 0.2]])), [2, 1, 2])


def test_another_activation_breaks_the_published_example():
    assert gradient_learning.by_hand(Effort.QUICK).verdict == "holds"
    tanh = mn.Network(mn.Dense(2, 2), mn.Tanh(), mn.Dense(2, 2), mn.Sigmoid())
    broken = gradient_learning.by_hand(Effort.QUICK, tanh)
    assert broken.law
    assert broken.verdict == "does not hold"


def test_what_has_learned_nothing_yet_supports_no_claim(short):
    assert gradient_learning.differentiable(Effort.QUICK).verdict == "does not hold"
