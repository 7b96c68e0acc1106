"""Constructions, floors and pieces against closed forms; each law of the experiment is seen to fail when broken."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

import minnet as mn
from experiments import universal_approximation as experiment
from minnet.lab.approximation import alternation, best_polynomial, interpolant, least_largest, log_slope, staircase
from minnet.lab.claims import Effort
from minnet.lab.pieces import linear_pieces, tent
from minnet.lab.targets import Target, target
from minnet.lab.verdicts import FAILS

GRID = np.linspace(-1, 1, 2001)


def test_the_interpolant_is_numpys_straight_lines_between_any_knots():
    rng = np.random.default_rng(0)
    knots, y = np.sort(rng.uniform(-3, 3, 20)), rng.standard_normal(20)
    network, theta = interpolant(knots, y)
    x = np.linspace(knots[0], knots[-1], 501)
    np.testing.assert_allclose(network(theta, x[:, None])[:, 0], np.interp(x, knots, y), rtol=0, atol=1e-12)
    assert network.parameters[0].shape == (1, 19)


def test_the_staircase_stands_at_the_knots_and_turns_half_way():
    knots, y = np.array([0.0, 1.0, 3.0]), np.array([5.0, -1.0, 2.0])
    network, theta = staircase(knots, y)
    x = np.array([[0.0], [0.49], [0.5], [0.51], [1.0], [1.98], [2.0], [2.02], [3.0]])
    np.testing.assert_allclose(network(theta, x)[:, 0], [5, 5, 2, -1, -1, -1, 0.5, 2, 2], atol=1e-8)


@pytest.mark.parametrize("build", [interpolant, staircase])
def test_knots_that_do_not_rise_are_refused(build):
    with pytest.raises(ValueError, match="at least two rising numbers"):
        build(np.array([0.0, 0.0]), np.zeros(2))


def test_log_slope_of_a_power_is_its_exponent():
    n = np.array([4, 8, 16])
    assert log_slope(n, 7 * n**-1.5) == pytest.approx(-1.5)


def sine_floor():
    """The best a·x on [-π, π]: sin t - a t = E where cos t = a, and aπ = E at the end, so tan t = t + π."""
    t = brentq(lambda t: np.sin(t) - (t + np.pi) * np.cos(t), 0.5, 1.57)
    return np.pi * np.cos(t)


@pytest.mark.parametrize(
    ("f", "degree", "floor"),
    [
        (np.abs, 2, 1 / 8),  # x² + 1/8 (Chebyshev)
        (lambda x: x**3, 2, 1 / 4),  # x³ - T₃/4
        (lambda x: x**5, 4, 1 / 16),
        (lambda x: np.sin(np.pi * x), 2, sine_floor()),
        (lambda x: 3 * x**2 - x, 2, 0),
    ],
)
def test_the_floor_by_linear_programming_is_the_one_of_the_closed_form_and_is_proved(f, degree, floor):
    residual = best_polynomial(GRID, f(GRID), degree) - f(GRID)
    assert np.abs(residual).max() == pytest.approx(floor, abs=2e-6)  # on 2001 points, not on all
    assert alternation(residual, degree) == pytest.approx(np.abs(residual).max(), abs=1e-9)


def test_alternation_is_a_lower_bound_by_the_theorem_and_exact_for_the_best_only():
    y = np.exp(GRID)
    floor = np.abs(best_polynomial(GRID, y, 2) - y).max()
    rng = np.random.default_rng(1)
    best = np.polynomial.Chebyshev.fit(GRID, best_polynomial(GRID, y, 2), 2).coef
    proved = [
        alternation(np.polynomial.Chebyshev(best + 0.03 * rng.standard_normal(3))(GRID) - y, 2) for _ in range(200)
    ]
    assert max(proved) < floor  # also where there are more changes of sign than needed
    assert sum(p > 0 for p in proved) > 20
    assert alternation(np.ones(5), 2) == 0
    assert alternation(np.array([3, 0, -1, 2, -4, 5, -6.0]), 2) == 3  # 3 (-1 2) -4 5 -6: of 6 peaks, the best 4


def test_training_for_the_least_largest_error_ends_near_the_floor():
    network = mn.Network(mn.Dense(1, 4), mn.Elementwise(np.square), mn.Dense(4, 1))
    u = np.linspace(-1, 1, 101)[:, None]
    theta = least_largest(network, u, np.abs(u), seed=0)
    assert 1 / 8 - 1e-3 < np.abs(network(theta, u) - np.abs(u)).max() < 0.13


# --- pieces -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3, 6, 10])
def test_the_composed_tent_is_the_tent_composed_and_has_exactly_so_many_pieces(times):
    network, theta = tent(times)
    assert sum(layer.n_out for layer in network.layers[:-1] if isinstance(layer, mn.Dense)) == 2 * times
    x = np.arange(0, 1025) / 1024
    y = x
    for _ in range(times):
        y = 1 - np.abs(2 * y - 1)
    np.testing.assert_array_equal(network(theta, x[:, None])[:, 0], y)  # dyadic numbers: no rounding
    pieces = linear_pieces(network, theta, low=0.0, high=1.0)
    assert len(pieces) == 2**times
    assert [piece.low for piece in pieces] == [Fraction(i, 2**times) for i in range(2**times)]
    slopes = [Fraction(piece.slope[0], piece.scale) for piece in pieces]
    assert slopes == [2**times, -(2**times)] * (2 ** (times - 1))


def random_network(seed, sizes):
    layers = [mn.Dense(a, b, mn.he_normal, mn.glorot_normal) for a, b in pairwise(sizes)]
    network = mn.Network(*(part for layer in layers[:-1] for part in (layer, mn.ReLU())), layers[-1])
    return network, network.init_theta(seed)


@pytest.mark.parametrize("seed", range(6))
def test_pieces_are_what_the_network_computes_and_where_its_slope_changes(seed):
    network, theta = random_network(seed, (2, 5, 6, 4, 2))
    start, direction = np.array([0.3, -0.2]), np.array([1.0, 0.7])
    pieces = linear_pieces(network, theta, start, direction, low=-4.0, high=4.0)
    assert pieces[0].low == -4
    assert pieces[-1].high == 4
    assert all(a.high == b.low for a, b in pairwise(pieces))
    assert all((a.slope != b.slope).any() for a, b in pairwise(pieces))
    for piece in pieces:
        for t in np.linspace(float(piece.low), float(piece.high), 5):
            exact = [float(Fraction(c, piece.scale) + Fraction(s, piece.scale) * Fraction(t))
                     for c, s in zip(piece.constant, piece.slope, strict=True)]  # fmt: skip
            computed = network(theta.astype(float), (start + t * direction)[None])[0]
            np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-12)
    # Seen from outside: on a fine grid second differences vanish except in cells that hold a kink.
    t = np.linspace(-4, 4, 40_001)
    y = network(theta.astype(float), start + t[:, None] * direction)
    kinks = (np.abs(np.diff(y, 2, axis=0)).max(axis=1) > 1e-9).astype(int)
    assert (np.diff(kinks, prepend=0) == 1).sum() <= len(pieces) - 1 <= kinks.sum()


def test_one_hidden_layer_has_a_piece_more_than_units_on_the_whole_line_and_never_more():
    for seed in range(20):
        network, theta = random_network(seed, (1, 12, 1))
        assert len(linear_pieces(network, theta)) <= 13
    network, theta = interpolant(np.arange(9.0), np.sin(np.arange(9.0)))
    assert len(linear_pieces(network, theta)) == 9  # 8 units, and the level line before the first knot


def test_two_layers_are_below_montufars_bound():
    bound = sum(comb(4, j) for j in range(2)) ** 2  # Montúfar et al. 2014: regions of 4 units on a line, twice
    assert max(len(linear_pieces(*random_network(seed, (1, 4, 4, 1)))) for seed in range(200)) <= bound


def test_a_unit_that_nothing_listens_to_adds_no_piece():
    network = mn.Network(mn.Dense(1, 2), mn.ReLU(), mn.Dense(2, 1))
    assert len(linear_pieces(network, np.array([1.0, 1, 0, -1, 2, 0, 0]))) == 2


def test_pieces_of_other_activations_are_not_counted():
    with pytest.raises(ValueError, match=r"counted of Dense and ReLU layers, got Tanh\(\)"):
        linear_pieces(mn.Network(mn.Dense(1, 1), mn.Tanh()), np.zeros(2))


# --- targets ----------------------------------------------------------------------------------------------------------


def test_a_table_becomes_the_straight_lines_between_its_points(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("name,y,x\na,1,3\nb,5,1\nc,7,1\nd,-1,10\n")
    f = target(None, path, -1.0, 1.0)
    assert (f.low, f.high) == (1, 10)
    np.testing.assert_array_equal(f.points, [1, 3, 10])
    np.testing.assert_array_equal(f.f(np.array([1.0, 2, 3, 10])), [6, 3.5, 1, -1])  # y is averaged at x = 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column 'x'"),
        ("x,z\n1,2\n", "no column 'y'"),
        ("x,y\n1,2\n2,\n3,4\n", "column 'y' has to hold finite numbers; row 2 holds nan"),
        ("x,y\n1,2\nhello,3\n3,4\n", "column 'x' has to hold finite numbers; row 2 holds hello"),
        ("x,y\n1,2\ninf,3\n3,4\n", "column 'x'"),
        ("x,y\n1,2\n2,3\n", "at least 3 different x, got 2"),
        ("x,y\n1,2\n2,2\n3,2\n", "the same all over"),
        ("", "is empty"),
        ("x,y\n1,2\n3\n", "line 3 of my.csv has 1 of 2 fields"),
    ],
)
def test_a_table_that_is_no_function_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "my.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        target(None, path, -1.0, 1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "low", "high", "message"),
    [
        ("9**9**9", -1, 1, "has to be finite, and at most 1e100, on"),
        ("log(x)", -1, 1, "at x = -1 it is nan"),
        ("1/x", -1, 1, "at x = 0 it is inf"),
        ("2", -1, 1, "the same all over"),
        ("x", 1, -1, "an interval within"),
        ("x", 0, 1e300, "an interval within"),
        ("x", 0, float("nan"), "an interval within"),
        ("x", 0, 0, "an interval within"),
    ],
)
def test_a_formula_that_cannot_be_approximated_is_refused(formula, low, high, message):
    with pytest.raises(ValueError, match=message):
        target(formula, None, low, high)


def test_errors_and_variation_of_a_target():
    f = Target("x", lambda x: 2 * x, 0.0, 4.0)
    assert f.variation(4, 8) == 2
    assert f.span == (4, 4)
    u, v = f.scaled(np.array([0.0, 2, 4]))
    np.testing.assert_array_equal(np.hstack([u, v]), [[-1, -1], [0, 0], [1, 1]])
    line = mn.Network(mn.Dense(1, 1))
    assert f.sup_error((line, np.array([2.0, 0.5])), np.array([0.0, 4])) == 0.5
    np.testing.assert_allclose(
        f.learned_error(line, np.array([[1.0, 0], [1, 0.25]]), np.array([1.0, 3])), [4 * 2**-52, 1]
    )


# --- the experiment: what holds, and that each law can fail ----------------------------------------------------------


def test_the_constructions_are_as_good_as_the_theorem_says():
    part = experiment.constructed(Effort.QUICK)
    assert part.law
    assert part.verdict == "holds"


def shifted(knots, y):
    return interpolant(knots + 0.1 * (knots[1] - knots[0]), y)


def coarse(knots, y):
    return interpolant(np.append(knots[:-1:2], knots[-1]), np.append(y[:-1:2], y[-1]))


def backwards(knots, y):
    return staircase(knots, y[::-1].copy())


@pytest.mark.parametrize(
    "broken",
    [{"polygon": shifted}, {"polygon": coarse}, {"polygon": staircase}, {"stairs": backwards}, {"stairs": interpolant}],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_law_of_the_constructions_fails_with_another_construction(broken):
    assert experiment.constructed(Effort.QUICK, **broken).answer == FAILS


@pytest.mark.parametrize("formula", ["abs(x)", "sin(5*x)/x**2", "exp(x)"])
def test_the_law_for_any_function_is_its_variation(formula):
    f = target(formula, None, 0.5 if "/" in formula else -1.0, 2.0)
    assert experiment.constructed(Effort.QUICK, f).verdict == "holds"
    assert experiment.constructed(Effort.QUICK, f, stairs=backwards).answer == FAILS


def test_units_that_square_stay_on_the_floor_and_relu_falls_through_it():
    part = experiment.quadratic(Effort.QUICK, widths=(2, 16))
    assert part.verdict == "holds"
    assert f"{sine_floor():.5f}"[:6] in part.measured
    assert experiment.quadratic(Effort.QUICK, activation=mn.ReLU(), widths=(4,)).answer == FAILS


def test_the_law_of_the_pieces_fails_with_another_map():
    assert experiment.depth(Effort.QUICK).verdict == "holds"

    def shallow(times):
        return tent(min(times, 5))

    assert experiment.depth(Effort.QUICK, shallow).answer == FAILS


def test_the_law_of_the_pieces_fails_where_one_hidden_layer_is_two(monkeypatch):
    monkeypatch.setattr(experiment, "_network", lambda units, act: random_network(0, (1, units, units, 1))[0])
    assert experiment.depth(Effort.QUICK).answer == FAILS


def run(*arguments, cwd):
    script = Path(experiment.__file__)
    return subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, "PYTHONPATH": str(script.parent.parent)})  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--function", "__import__('os').system('touch owned')"), "may not stand in a formula"),
        (("--function", "9**9**9"), "has to be finite"),
        (("--function", "(" * 100_000), "at most 200 characters, got 100000"),
        (("--data", "nowhere.csv"), "there is no file 'nowhere.csv'"),
    ],
)
def test_what_cannot_be_approximated_ends_with_code_2_and_nothing_runs(arguments, message, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("Error:") == 1
    assert message in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--function", "sin(x) + abs(x)"), ("--data", "my.csv")])
def test_the_whole_experiment_on_the_sine_a_formula_and_a_table(arguments, tmp_path):
    (tmp_path / "my.csv").write_text("x;y\n" + "\n".join(f"{x};{np.sin(x)}" for x in np.linspace(-3, 3, 40) ** 3))
    done = run("--quick", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    kept = json.loads((tmp_path / "results" / "universal_approximation.json").read_text())
    assert [part["letter"] for part in kept["parts"]] == list("abcde")
    assert all(part["answer"] == "holds" for part in kept["parts"] if part["law"])
