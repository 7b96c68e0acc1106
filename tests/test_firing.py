"""What experiments/firing.py says comes from its numbers: each law is seen to fail when the thing is broken."""

import re

import numpy as np
import pytest
from scipy.stats import spearmanr

import minnet as mn
from experiments import firing
from experiments.firing import MOONS, Trained
from minnet.lab.claims import Effort
from minnet.lab.compare import mlp

SEEDS = [0, 1, 2]


def untrained(act, scale=1.0):
    network = mlp(act, 2, [16, 16], 2)
    theta = scale * network.init_theta(SEEDS)
    return Trained(network, 0.1, theta, theta, MOONS.splits(SEEDS))


@pytest.fixture
def networks(monkeypatch):
    """Networks at their start, in place of those that take a while to train."""
    known = {"relu": untrained(mn.ReLU()), "sigmoid": untrained(mn.Sigmoid()), "softplus": untrained(mn.Softplus())}
    monkeypatch.setattr(firing, "trained", lambda how: known)
    return known


def test_who_has_an_off_is_told_from_who_is_rounded_to_0():
    off = {type(act).__name__ for act in mn.CATALOGUE if firing.has_off(act)}
    assert off == {"ReLU", "HardSigmoid", "HardSwish", "ReLU6", "Step"}
    assert firing.switches(Effort.QUICK).verdict == "half true: holds for 5 of 23; does not hold for 18 of 23"


def test_a_sigmoid_that_can_be_off_breaks_the_law(networks):
    assert firing.never_off(Effort.QUICK).verdict == "holds (the law holds)"
    networks["sigmoid"] = untrained(mn.HardSigmoid(), scale=4)
    assert firing.never_off(Effort.QUICK).verdict == "holds (the law does not hold)"


def test_relu_units_that_are_always_on_do_not_fire_or_not(networks):
    networks["relu"] = networks["sigmoid"]
    assert firing.never_off(Effort.QUICK).verdict == "does not hold (the law holds)"


def test_units_that_are_not_drawn_symmetrically_break_the_law_of_one_half(networks):
    deep = firing.half_of_the_inputs(Effort.QUICK)
    assert "does not hold for single units of the last layer" in deep.verdict
    assert deep.verdict.endswith("(the law holds)")
    shallow = firing.half_of_the_inputs(Effort.QUICK, mlp(mn.ReLU(), 2, [16], 2))
    assert "does not hold for single units" not in shallow.verdict
    biased = mn.Network(mn.Dense(2, 16, mn.he_normal, bias_init=mn.Constant(0.05)), mn.ReLU(), mn.Dense(16, 2))
    assert firing.half_of_the_inputs(Effort.QUICK, biased).verdict.endswith("(the law does not hold)")


def test_weights_that_move_break_the_law_of_the_hard_step():
    assert firing.hard_step(Effort.QUICK).verdict == "holds"
    broken = firing.hard_step(Effort.QUICK, mn.Sigmoid())
    assert broken.law
    assert broken.verdict == "does not hold"


def test_silencing_a_unit_is_taking_its_output_away():
    this = untrained(mn.ReLU())
    shares, lost = firing.silencing(this)
    x, y = this.split.x_test[1], this.split.y_test[1]
    groups = this.network.unpack(this.end[1])
    first = np.maximum(x @ groups[0][0] + groups[0][1], 0)
    second = np.maximum(first @ groups[2][0] + groups[2][1], 0)
    right = ((second @ groups[4][0] + groups[4][1]).argmax(axis=1) == y).mean()
    second[:, 5] = 0
    without = ((second @ groups[4][0] + groups[4][1]).argmax(axis=1) == y).mean()
    assert lost[1][1, 5] == pytest.approx(right - without, abs=1e-3)
    np.testing.assert_allclose(shares[0][1], (first > 0).mean(axis=0))


def test_the_rank_correlations_are_those_of_scipy_and_0_where_nothing_varies():
    a, b = np.random.default_rng(0).standard_normal((2, 2, 9))
    np.testing.assert_allclose(
        firing.rank_correlations(a, b), [spearmanr(one, two).statistic for one, two in zip(a, b, strict=True)]
    )
    assert firing.rank_correlations(np.ones((1, 4)), np.arange(4.0)[None]) == [0]


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [
        ((1, 1), "holds"),
        ((-1, -1), "does not hold"),
        ((-1, 1), "half true: holds in layer 2; does not hold in layer 1"),
        ((0, 0), "not decided"),
        ((0, 1), "not decided: holds in layer 2; not decided in layer 1"),
    ],
)
def test_firing_more_is_found_to_matter_more_in_the_layers_where_it_does(slopes, verdict, networks, monkeypatch):
    rng = np.random.default_rng(0)
    share = rng.random((20, 16))
    lost = [slope * share + rng.standard_normal(share.shape) for slope in slopes]
    monkeypatch.setattr(firing, "silencing", lambda this: ([share, share], lost))
    monkeypatch.setattr(firing, "more_seeds", lambda this, count: this, raising=False)
    assert firing.silenced(Effort.QUICK).verdict == verdict


def test_an_interval_of_correlations_stays_within_what_is_possible(networks, monkeypatch):
    share = np.tile(np.arange(16.0), (3, 1))
    lost = np.array([share[0], share[0], np.roll(share[0], 8)])
    monkeypatch.setattr(firing, "silencing", lambda this: ([share, -share], [lost, lost]))
    monkeypatch.setattr(firing, "more_seeds", lambda this, count: this, raising=False)
    intervals = re.findall(
        r"\[(-?[0-9.]+), (-?[0-9.]+)\]", firing.silenced(Effort.QUICK).measured.partition("seeds")[0]
    )
    ends = [end for interval in intervals for end in interval]
    assert len(ends) >= 6
    assert max(abs(float(end)) for end in ends) <= 1
    assert "1.00" in ends


def test_more_seeds_are_networks_of_the_same_kind_from_fresh_seeds(networks):
    more = firing.more_seeds(networks["relu"], 2)
    assert (more.network, more.rate) == (networks["relu"].network, networks["relu"].rate)
    assert more.end.shape[0] == 2
    np.testing.assert_array_equal(more.start, more.network.init_theta([firing.FRESH, firing.FRESH + 1]))
