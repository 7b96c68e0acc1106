"""Intervals and tests on seeds: against scipy, by their measured coverage, and where a formula would divide by zero."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from minnet.lab.controls import coverage_control
from minnet.lab.statistics import all_pairs, coverage, holm, mean_interval, paired_p, superiority

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


def test_with_failed_seeds_no_interval_can_know_more_than_the_sample_and_this_one_comes_near():
    rng = np.random.default_rng(0)
    failed = rng.random((SAMPLES, SEEDS)) < 0.1
    samples = np.where(failed, rng.normal(0.5, 0.02, failed.shape), rng.normal(0.96, 0.01, failed.shape))
    with_failure = failed.any(axis=1)
    mean = 0.9 * 0.96 + 0.1 * 0.5
    assert coverage(samples[~with_failure], mean) == 0
    assert coverage(samples[with_failure], mean) > 0.99
    assert 0.86 <= coverage_control(SAMPLES, SEEDS, failing=0.1) <= 1 - 0.9**SEEDS + 0.02
    bootstrap = stats.bootstrap((samples[:500],), np.mean, axis=1, n_resamples=500, method="percentile", rng=rng)
    low, high = bootstrap.confidence_interval
    assert coverage(samples[:500], mean) >= ((low <= mean) & (mean <= high)).mean()


def test_p_is_scipys_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 12))
    assert paired_p(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-12)


def test_p_of_differences_that_are_all_the_same():
    a = np.array([0.9, 0.95, 0.97])
    assert paired_p(a, a) == 1
    assert paired_p(a, a - 0.01) == 0.25  # rounding makes the differences differ in the last place
    assert paired_p(np.zeros(3), np.zeros(3)) == 1


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
