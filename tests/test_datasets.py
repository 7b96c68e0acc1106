"""Data sets: shapes, standardisation, separate draws; and the exact best half-plane against brute force."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from minnet.lab.datasets import DATASETS, Dataset, best_half_plane, dataset, spirals


def brute_force(x, y):
    """Most points on their right side, over the line through every two points, cut in two at every place along it."""
    n = len(y)
    best = max((y == 0).sum(), (y == 1).sum())

    def score(side):
        nonlocal best
        right = (side == y).sum()
        best = max(best, right, n - right)

    distinct = np.unique(x, axis=0)
    for p, q in combinations(distinct, 2):
        d = q - p
        cross = d[0] * (x[:, 1] - p[1]) - d[1] * (x[:, 0] - p[0])
        along = (x - p) @ d
        for cut in [-np.inf, *np.unique(along[cross == 0])]:
            for flip in (False, True):
                on_line = (along > cut) != flip
                score(np.where(cross == 0, on_line, cross > 0).astype(int))
    return best


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=10))
def test_best_half_plane_equals_brute_force_on_a_small_grid(points):
    array = np.array(points)
    assert best_half_plane(array[:, :2], array[:, 2]) == brute_force(array[:, :2], array[:, 2])


def test_brute_force_equals_linear_programming():
    """Every one of the 2^n ways to split six points, each tried for a separating line by scipy's linear programming."""
    rng = np.random.default_rng(0)
    for _ in range(8):
        x, y = rng.integers(0, 4, (6, 2)), rng.integers(0, 2, 6)
        best = 0
        for split in product((-1, 1), repeat=6):
            side = np.array(split)
            margins = -side[:, None] * np.column_stack([x, np.ones(6)])  # side (w x + b) >= 1
            if linprog(np.zeros(3), margins, -np.ones(6), bounds=[(None, None)] * 3).status == 0:
                best = max(best, int(((side > 0) == y).sum()))
        assert brute_force(x, y) == best


def exact_brute_force(x, y):
    """`brute_force` in rational numbers."""
    points, labels = [(Fraction(float(a)), Fraction(float(b))) for a, b in x], [int(label) for label in y]
    best = max(labels.count(0), labels.count(1))
    for p, q in combinations(sorted(set(points)), 2):
        d = q[0] - p[0], q[1] - p[1]
        cross = [d[0] * (b - p[1]) - d[1] * (a - p[0]) for a, b in points]
        along = [(a - p[0]) * d[0] + (b - p[1]) * d[1] for a, b in points]
        for cut in sorted({place for place, c in zip(along, cross, strict=True) if c == 0}):
            for flip in (False, True):
                side = [(a > cut) != flip if c == 0 else c > 0 for a, c in zip(along, cross, strict=True)]
                right = sum(s == label for s, label in zip(side, labels, strict=True))
                best = max(best, right, len(labels) - right)
    return best


def on_a_line(rng, n):
    return np.column_stack([t := rng.uniform(-1, 1, n), rng.uniform(-2, 2) * t + rng.uniform(-2, 2)])


UNEQUAL = {
    "nearly on a line": on_a_line,
    "a last place off a line": lambda rng, n: on_a_line(rng, n) + rng.integers(0, 2, (n, 2)) * 2.0**-52,
    "tenths on a line": lambda rng, n: rng.integers(0, 12, (n, 1)) * [0.1, 0.3],
    "tenths": lambda rng, n: rng.integers(0, 5, (n, 2)) / 10,
    "far from 0": lambda rng, n: 1e6 + rng.integers(0, 4, (n, 2)) * 1e-9,
    "columns of 1e200 and 1e-200": lambda rng, n: rng.normal(size=(n, 2)) * [1e200, 1e-200],
    "a grid of 1e-200 and 1e200": lambda rng, n: rng.integers(0, 4, (n, 2)) * [1e-200, 1e200],
    "all sizes": lambda rng, n: 10.0 ** rng.integers(-300, 300, (n, 2)) * rng.integers(0, 3, (n, 2)),
    "the largest and the least": lambda rng, n: rng.choice([-1.7e308, 1.7e308, 1e308, 0, 5e-324], (n, 2)),
    "whole numbers": lambda rng, n: rng.integers(-(2**26), 2**26, (n, 2)),
    "normal": lambda rng, n: rng.normal(size=(n, 2)),
}


@pytest.mark.parametrize("draw", UNEQUAL.values(), ids=UNEQUAL)
def test_best_half_plane_is_exact_for_any_float64(draw):
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(2, 10))
        x, y = draw(rng, n), rng.integers(0, 2, n)
        assert best_half_plane(x, y) == exact_brute_force(x, y)


def test_best_half_plane_refuses_what_lies_nowhere():
    with pytest.raises(ValueError, match="finite coordinates, got NaN or infinity"):
        best_half_plane(np.array([[0, 0], [1, np.inf]]), np.array([0, 1]))


def test_best_half_plane_known_values():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert best_half_plane(corners, np.array([0, 1, 1, 0])) == 3  # XOR: Minsky & Papert 1969
    assert best_half_plane(corners, np.array([0, 1, 1, 1])) == 4  # OR is linear
    line = np.column_stack([np.arange(5), np.arange(5)])
    assert best_half_plane(line, np.array([0, 0, 1, 0, 0])) == 4
    assert best_half_plane(np.zeros((5, 2)), np.array([0, 1, 1, 0, 1])) == 3


def test_best_half_plane_is_not_below_a_linear_rule_somebody_else_fits():
    from sklearn.svm import LinearSVC

    for name in ("moons", "circles", "xor", "spirals", "checkerboard"):
        data = dataset(name, n_test=400)
        x, y = data.test
        assert round(LinearSVC(C=10).fit(x, y).score(x, y) * 400) <= best_half_plane(x, y)


@pytest.mark.parametrize("name", DATASETS)
def test_split(name):
    data = DATASETS[name]
    one, other = data.split(1), data.split(2)
    np.testing.assert_allclose(one.x.mean(axis=0), 0, atol=1e-9)
    std = one.x.std(axis=0)
    assert np.all((abs(std - 1) < 1e-9) | (std == 0))  # a constant pixel stays constant
    assert abs(one.x_val.mean()) > 1e-9  # validation data took no part in the standardisation
    assert one.x.shape[1] == data.n_in
    assert set(np.unique(one.y)) == set(range(data.n_classes))
    assert not np.array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.y_test, other.y_test)
    np.testing.assert_array_equal(data.split(1).x, one.x)
    stacked = data.splits([1, 2])
    np.testing.assert_array_equal(stacked.x_val[1], other.x_val)
    if name in ("moons", "circles", "xor", "spirals", "checkerboard"):
        assert (len(one.x), len(one.x_val), len(one.x_test)) == (300, 300, 2000)
        assert 0.5 <= data.guess <= data.ceiling < 1
    else:
        assert data.ceiling is None


def test_no_validation_or_test_point_is_a_training_point():
    for name in DATASETS:
        if name != "digits":
            split = DATASETS[name].split(3)
            rows = [set(map(tuple, part.round(9))) for part in (split.x, split.x_val, split.x_test)]
            assert not rows[0] & rows[1]
            assert not rows[0] & rows[2]
            assert not rows[1] & rows[2]


def test_spirals_have_as_many_arms_as_asked():
    x, y = spirals(999, np.random.default_rng(0), noise=0.0, arms=3)
    assert np.bincount(y).tolist() == [333, 333, 333]
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    turned = (angle - 2 * np.pi * 1.5 * radius - 2 * np.pi * y / 3) / (2 * np.pi)
    np.testing.assert_allclose(turned, turned.round(), atol=1e-9)


def test_toys_of_any_size_and_noise():
    quiet, loud = (dataset("circles", n_train=40, n_test=1000, noise=noise) for noise in (0.0, 0.5))
    radii = np.hypot(*quiet.test[0].T)
    assert np.all((abs(radii - 1) < 1e-9) | (abs(radii - 0.5) < 1e-9))
    assert loud.test[0].std() > 1.2 * quiet.test[0].std()
    assert len(quiet.split(0).x) == 40
    assert dataset("spirals", arms=4).n_classes == 4
    with pytest.raises(ValueError, match="moons has no setting 'nois'; it has noise, n_train, n_val, n_test"):
        dataset("moons", nois=1)
    with pytest.raises(ValueError, match="wine has no setting 'noise'; it has none"):
        dataset("wine", noise=1)
    with pytest.raises(ValueError, match="moons expects at least 1 point in each part, got"):
        dataset("moons", n_train=0)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"unknown data set 'mooons'; known are moons, circles"):
        dataset("mooons")


def test_the_task_tells_outputs_and_guess():
    assert (dataset("blobs").task, dataset("blobs").n_out, dataset("digits").n_out) == ("classification", 3, 10)

    class Line(Dataset):
        name, task = "line", "regression"

        @property
        def test(self):
            return np.zeros((5, 2)), np.zeros((5, 2))

        def training(self, seed):
            raise NotImplementedError

    assert (Line().n_out, Line().guess, Line().ceiling) == (2, 0.0, None)


def test_no_ceiling_is_computed_that_would_take_hours():
    assert dataset("moons", n_test=10_001).ceiling is None
    assert dataset("moons", n_test=100).ceiling is not None
