"""Intervals and tests on seeds: against scipy, by their measured coverage, and where a formula would divide by zero."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from minnet.lab.controls import coverage_control
from minnet.lab.statistics import (
    all_pairs,
    coverage,
    crossed_error,
    crossed_interval,
    holm,
    mean_interval,
    paired_p,
    share_interval,
    stated,
    superiority,
)

SAMPLES, SEEDS = 4000, 20


def test_mean_interval_is_scipys_t_interval():
    values = np.random.default_rng(0).normal(size=20)
    low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    np.testing.assert_allclose(mean_interval(values), [values.mean(), low, high], rtol=1e-12)
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert np.isnan(mean_interval([0.5])[1:]).all()


def test_the_interval_covers_95_percent_on_normal_data():
    assert 0.94 <= coverage_control(SAMPLES, SEEDS) <= 0.96
    low, high = stats.binom.interval(0.999, SAMPLES, 0.95)  # what chance leaves to a method that is exact
    assert low <= SAMPLES * coverage_control(SAMPLES, SEEDS) <= high


def test_with_failed_seeds_the_interval_holds_the_mean_about_as_often_as_a_seed_fails_in_the_sample():
    rng = np.random.default_rng(0)
    failed = rng.random((SAMPLES, SEEDS)) < 0.1
    samples = np.where(failed, rng.normal(0.5, 0.02, failed.shape), rng.normal(0.96, 0.01, failed.shape))
    with_failure = failed.any(axis=1)
    mean = 0.9 * 0.96 + 0.1 * 0.5
    assert coverage(samples[~with_failure], mean) == 0
    assert coverage(samples[with_failure], mean) > 0.99
    assert 0.86 <= coverage_control(SAMPLES, SEEDS, failing=0.1) <= 1 - 0.9**SEEDS + 0.02


def test_ends_lie_within_the_bounds():
    assert mean_interval([0.2, 0.99, 0.98], bounds=(0, 1))[1:] == (0, 1)
    assert mean_interval([0.9, 0.8, -0.2], bounds=(-1, 1))[2] == 1  # a correlation
    assert mean_interval([1.0, 2.0, 40.0], bounds=(0, np.inf))[1] == 0  # epochs
    inner = [0.5, 0.6, 0.55, 0.58]
    assert mean_interval(inner, bounds=(0, 1)) == mean_interval(inner)
    assert stated([0.2, 0.99, 0.98], ".0%", bounds=(0, 1)) == "72% [0%, 100%]"


def test_equal_values_do_not_pretend_to_certainty():
    n, points = 5, 200
    mean, low, high = mean_interval(np.ones(n), bounds=(0, 1), resolution=1 / points)
    assert (mean, high) == (1, 1)
    assert low == pytest.approx(1 - stats.t.ppf(0.975, n - 1) / points / np.sqrt(n), rel=1e-12)
    wide = np.array([0.5, 0.6, 0.9])
    assert mean_interval(wide, resolution=0.01) == mean_interval(wide)
    assert stated([0.5] * 3) == "0.500 (the same in all 3)"
    assert stated([0.5]) == "0.500 (one value, no interval)"


@pytest.mark.parametrize(("count", "n"), [(0, 20), (1, 20), (19, 20), (20, 20), (3, 7), (0, 1), (500, 1000)])
def test_share_interval_is_scipys_wilson(count, n):
    expected = stats.binomtest(count, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(share_interval(count, n), expected, rtol=1e-9, atol=1e-12)


def test_the_variance_of_a_crossed_design_is_that_of_the_analysis_of_variance():
    """Against the mean squares of a two-way layout (Searle, Casella & McCulloch 1992, chapter 4), written out."""
    rng = np.random.default_rng(0)
    x = (0.3 * rng.normal(size=(5, 1)) + rng.normal(size=400) + 0.5 * rng.normal(size=(5, 400)) < 0.5).astype(int)
    n, points = x.shape
    total = np.square(x - x.mean()).sum()
    seeds = points * np.square(x.mean(axis=1) - x.mean()).sum()
    of_points = n * np.square(x.mean(axis=0) - x.mean()).sum()
    both = (total - seeds - of_points) / ((n - 1) * (points - 1))
    expected = (seeds / (n - 1) + of_points / (points - 1) - both) / (n * points)
    assert crossed_error(x) ** 2 == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("seeds", "points"), [(5, 300), (20, 300)])
def test_the_crossed_interval_holds_a_truth_that_the_interval_of_these_points_misses(seeds, points):
    """x = 1 where u(seed) + v(point) + w(seed, point) < c, all normal: the truth is a normal distribution's share."""
    rng, spreads, c, repeats = np.random.default_rng(1), (0.1, 1.0, 0.3), 1.5, 1000
    truth = stats.norm.cdf(c / np.sqrt(np.square(spreads).sum()))
    held = np.zeros((repeats, 2), bool)
    for i in range(repeats):
        u, v, w = rng.normal(size=(seeds, 1)), rng.normal(size=points), rng.normal(size=(seeds, points))
        x = spreads[0] * u + spreads[1] * v + spreads[2] * w < c
        for j, (_, low, high) in enumerate((crossed_interval(x), mean_interval(x.mean(axis=1), bounds=(0, 1)))):
            held[i, j] = low <= truth <= high
    crossed, here = held.mean(axis=0)
    assert 0.93 < crossed <= 1
    assert here < 0.85


def test_a_crossed_interval_is_within_bounds_and_never_certain():
    mean, low, high = crossed_interval(np.ones((20, 300), bool))
    assert (mean, high) == (1, 1)
    assert low < 1 - 3 / 300  # the rule of three: 300 of 300 right leave room for 1 % wrong
    assert crossed_interval(np.zeros((20, 300), np.int8), bounds=(-1, 1))[0] == 0
    assert np.isnan(crossed_interval(np.ones((1, 300)))[1:]).all()
    assert crossed_interval(np.ones((3, 1)))[1:] == (0, 1)  # one point tells nothing of others


def test_p_is_scipys_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 12))
    assert paired_p(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-12)


def test_p_of_differences_that_are_all_the_same():
    a = np.array([0.9, 0.95, 0.97])
    assert paired_p(a, a) == 1
    assert paired_p(np.zeros(3), np.zeros(3)) == 1
    assert paired_p(a, a + 1e-9) > 0.05  # float32 cannot tell these apart
    # The spread is taken to be one test point: t = 0.01 / (0.001 / √3), with 2 degrees of freedom.
    assert paired_p(a, a - 0.01, resolution=0.001) == pytest.approx(2 * stats.t.sf(10 * np.sqrt(3), 2), rel=1e-9)
    assert paired_p(np.ones(3), np.full(3, 0.5), resolution=1 / 2000) < 1e-6
    nearly = paired_p([0.1, 0.1, 0.1005], np.zeros(3), resolution=1 / 2000)
    assert nearly > paired_p([0.1, 0.1, 0.1005], np.zeros(3))


def test_p_of_infinite_losses_is_the_sign_tests():
    worse = np.array([np.inf, np.inf, 3.0, 2.0, np.inf, 4.0])
    assert paired_p(worse, np.ones(6)) == stats.binomtest(6, 6).pvalue
    assert paired_p([np.inf, 1.0], [np.inf, 1.0]) == 1
    assert paired_p([np.inf, 1.0, 2.0], [np.inf, 2.0, 1.0]) == 1


def test_of_losses_the_lower_is_better():
    rng = np.random.default_rng(5)
    losses = pd.DataFrame({"bad": rng.normal(2, 0.1, 8), "good": rng.normal(1, 0.1, 8)})
    assert all_pairs(losses, lower_is_better=True).verdict.item() == "good better"
    assert all_pairs(losses[["good", "bad"]], lower_is_better=True).verdict.item() == "good better"
    losses.loc[:, "bad"] = np.inf
    pair = all_pairs(losses, lower_is_better=True).iloc[0]
    assert (pair.verdict, pair.difference) == ("good better", np.inf)
    losses["good"] = np.where(np.arange(8) < 1, np.inf, losses.good)  # both infinite in one seed: the mean is NaN
    assert all_pairs(losses, lower_is_better=True).verdict.item() == "good better"


def test_columns_may_be_named_by_numbers():
    rng = np.random.default_rng(6)
    scores = pd.DataFrame(np.column_stack([rng.normal(0.9, 0.01, 8), rng.normal(0.8, 0.01, 8)]))
    assert all_pairs(scores).verdict.item() == "0 better"


def test_pairs_of_a_data_set_are_tested_over_seeds_and_points():
    """Two networks that differ on two points of 300 only, in every seed alike."""
    right = np.ones((10, 300), bool)
    less = right.copy()
    less[:, :2] = False
    scores = pd.DataFrame({"a": right.mean(axis=1), "b": less.mean(axis=1)})
    here = all_pairs(scores, resolution=1 / 300).iloc[0]
    crossed = all_pairs(scores, resolution=1 / 300, right={"a": right, "b": less}).iloc[0]
    assert here.verdict == "a better"
    assert crossed.verdict == "no detectable difference"
    assert crossed.crossed_low < 0 < crossed.low
    same = all_pairs(scores.assign(b=scores.a), right={"a": right, "b": right}).iloc[0]
    assert (same.p, same.verdict, same.difference) == (1, "no detectable difference", 0)


def test_superiority_counts_ties_half():
    assert superiority([3, 2, 1, 0], [1, 2, 3, 4]) == 0.375
    assert superiority([1, 1], [1, 1]) == 0.5


def test_holm_is_the_papers_procedure():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_array_equal(holm([0.9, 0.8]), [1, 1])


@pytest.mark.parametrize("m", [3, 6])
def test_holm_keeps_false_positives_to_5_percent_of_all_families(m):
    p = np.random.default_rng(2).random((4000, m))
    wrong = np.mean([(holm(row) < 0.05).any() for row in p])
    assert 0.035 < wrong < 0.06


def test_identical_columns_are_not_told_apart_and_nothing_is_nan():
    scores = np.random.default_rng(3).normal(0.96, 0.01, 20)
    pairs = all_pairs(pd.DataFrame({"a": scores, "b": scores, "c": scores - 0.1 + np.linspace(0, 0.01, 20)}))
    assert not pairs.isna().any(axis=None)
    same = pairs.iloc[0]
    assert same.verdict == "no detectable difference"
    assert same[["difference", "low", "high", "superiority", "p", "p_holm"]].tolist() == [0, 0, 0, 0.5, 1, 1]
    assert pairs.verdict.tolist()[1:] == ["a better", "b better"]
    assert (pairs.p_holm[1:] >= pairs.p[1:] * 2).all()
    constant = all_pairs(pd.DataFrame({"a": [0.5, 0.5], "b": [0.5, 0.5]}))
    assert constant.verdict.item() == "no detectable difference"


def test_pairs_name_the_better_one_whichever_comes_first():
    rng = np.random.default_rng(4)
    low, high = rng.normal(0.8, 0.01, 20), rng.normal(0.9, 0.01, 20)
    assert all_pairs(pd.DataFrame({"low": low, "high": high})).verdict.item() == "high better"
    assert all_pairs(pd.DataFrame({"high": high, "low": low})).verdict.item() == "high better"
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        all_pairs(pd.DataFrame({"a": [1.0], "b": [2.0]}))
