"""What is printed of the intervals' coverage is what is measured."""

import numpy as np
import pytest

from experiments import interval_coverage as experiment
from minnet.lab.statistics import RARE, SKEWED


def numbers(row):
    return [float(cell) for cell in row if cell.replace(".", "").isdigit()]


def test_intervals_hold_the_truth_as_often_as_the_page_says():
    rows = {row[0]: row for row in experiment.means(2000)}
    error = 4 * np.sqrt(0.5 * 0.5 / 2000)
    assert min(numbers(rows["normal, .96 ± .01"])) > 0.95 - error
    assert numbers(rows["2% of seeds fail"])[-1] == pytest.approx(0.35, abs=error)
    assert numbers(rows["5% of seeds fail"])[-1] == pytest.approx(0.64, abs=error)
    near = numbers(rows["beta, mean .99"])
    assert 0.82 - error < min(near) <= max(near) < 0.9 + error
    for row in rows.values():  # a sentence stands beside every case that falls short
        assert (min(numbers(row)) < experiment.LESS) == bool(row[-1])
    assert rows["5% of seeds fail"][-1] == RARE
    assert rows["beta, mean .99"][-1] == SKEWED


def test_better_is_seldom_said_of_equal_means():
    for row in experiment.verdicts(2000):
        t_test, rule = np.array([cell.replace("%", "").split(" / ") for cell in row[2:]], float).T
        assert rule.max() < 5 + 100 * 3 * np.sqrt(0.05 * 0.95 / 2000)
        if row[1] == "5%":
            assert t_test.max() > 20


def test_shares_and_crossed_designs_are_held():
    assert min(min(numbers(row[1:])) for row in experiment.shares(2000)) > 0.84
    for row in experiment.designs(200):
        here, new = numbers(row[1:])
        assert here < 0.7 < 0.9 < new


def test_a_group_of_networks_is_scored_on_points_of_its_own():
    right, further = experiment.group("linear-only", 0)
    assert right.shape == (20, 2000)
    assert abs(right.mean() - further) < 4 * np.sqrt(0.25 / 2000)
    assert 0.85 < further < 0.89
