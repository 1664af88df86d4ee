import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from bench.metric import METRICS
from bench.stats import (
    Resamples,
    bootstrap_interval,
    corrected_t_test,
    paired_bootstrap,
    probability_worse,
    student_cdf,
)

NUMBERS = np.random.default_rng(0).normal(size=400)


def mean_of(values):
    return lambda rows: float(values[rows].mean())


def labelled(n_rows, seed, rate=0.3):
    generator = np.random.default_rng(seed)
    y = (generator.random(n_rows) < rate).astype(np.int64)
    positive = 1 / (1 + np.exp(-generator.normal(size=n_rows) - 1.5 * y))
    return y, np.column_stack([1 - positive, positive])


def test_resamples_come_again_and_depend_on_the_seed():
    first, again, other = (list(Resamples(n_rows=50, seed=seed, repeats=5)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array),
    seed=st.integers(0, 1000),
)
def test_every_class_is_in_every_resample(labels, seed):
    for rows in Resamples(n_rows=len(labels), seed=seed, labels=labels, repeats=3):
        np.testing.assert_array_equal(np.unique(labels[rows]), np.unique(labels))
        assert len(labels) <= len(rows) <= len(labels) + len(np.unique(labels))


def test_every_row_is_as_likely():
    labels = np.repeat([0, 1], [10, 30])
    for resamples in (Resamples(n_rows=40, seed=0), Resamples(n_rows=40, seed=0, labels=labels)):
        times = np.bincount(np.concatenate(list(resamples)), minlength=40) / len(resamples)
        np.testing.assert_allclose(times, 1, atol=0.15)


def test_how_many_rows_a_class_has_varies_as_in_new_rows():
    """Where one class is told much better than the other, accuracy varies with their shares: a tenth, 0.02 or so."""
    labels = np.repeat([0, 1], [360, 40])
    hits = np.concatenate([np.ones(360), np.zeros(40)])
    low, high = bootstrap_interval(mean_of(hits), Resamples(n_rows=400, seed=0, labels=labels))
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / 400), rel=0.15)


def test_rows_of_a_group_are_no_independent_evidence():
    values, groups = np.repeat(NUMBERS[:50], 20), np.repeat(np.arange(50), 20)
    few = bootstrap_interval(mean_of(NUMBERS[:50]), Resamples(n_rows=50, seed=1))
    grouped = bootstrap_interval(mean_of(values), Resamples(n_rows=1000, seed=0, groups=groups))
    np.testing.assert_allclose(grouped, few, atol=0.06)
    large = bootstrap_interval(
        mean_of(np.tile(values, 80)), Resamples(n_rows=80_000, seed=0, groups=np.arange(80_000) // 20)
    )
    assert large[1] - large[0] == pytest.approx((few[1] - few[0]) / np.sqrt(80), rel=0.25)


def test_a_lone_group_tells_nothing_of_others():
    lone = Resamples(n_rows=400, seed=0, groups=np.zeros(400, dtype=np.int64))
    assert all(math.isnan(end) for end in bootstrap_interval(mean_of(NUMBERS), lone))


def test_large_tables_are_drawn_from_sparingly_and_every_class_is_seen():
    labels = np.zeros(300_000, dtype=np.int64)
    labels[:7] = 2
    resamples = Resamples(n_rows=len(labels), seed=0, labels=labels)
    rows = next(iter(resamples))
    assert len(rows) <= 100_000
    assert len(resamples) * len(rows) <= 10_000_000
    assert 1 <= np.count_nonzero(labels[rows] == 2) <= 7


def test_interval_agrees_with_the_normal_one():
    low, high = bootstrap_interval(mean_of(NUMBERS), Resamples(n_rows=400, seed=3))
    half = 1.96 * NUMBERS.std() / 20
    assert low == pytest.approx(NUMBERS.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(NUMBERS.mean() + half, abs=0.15 * half)


def test_interval_of_a_large_table_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(size=80_000)
    low, high = bootstrap_interval(mean_of(values), Resamples(n_rows=80_000, seed=3))
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(80_000), rel=0.15)


def test_higher_level_is_wider():
    narrow, wide = (bootstrap_interval(mean_of(NUMBERS), Resamples(n_rows=400, seed=3), level=p) for p in (0.8, 0.99))
    assert wide[0] < narrow[0] < NUMBERS.mean() < narrow[1] < wide[1]


@pytest.mark.parametrize("n_rows", [150, 12_000])
def test_interval_covers_the_true_score(n_rows):
    truth = METRICS["roc_auc"].score(*labelled(400_000, 99))
    covered = 0
    for seed in range(40):
        y, p = labelled(n_rows, seed)
        resamples = Resamples(n_rows=n_rows, seed=seed, labels=y, repeats=150)
        low, high = bootstrap_interval(lambda rows, y=y, p=p: METRICS["roc_auc"].score(y[rows], p[rows]), resamples)
        covered += low <= truth <= high
    assert covered >= 34


def test_interval_without_usable_scores_is_nan():
    assert all(math.isnan(end) for end in bootstrap_interval(lambda rows: math.nan, Resamples(n_rows=9, seed=0)))


def test_seconds_end_the_work():
    def slow(rows):
        time.sleep(0.01)
        return float(rows.mean())

    begun = time.monotonic()
    low, high = bootstrap_interval(slow, Resamples(n_rows=30, seed=0), seconds=0.4)
    assert time.monotonic() - begun < 2
    assert low < 14.5 < high
    assert math.isnan(bootstrap_interval(slow, Resamples(n_rows=30, seed=0), seconds=0.0)[0])


def test_paired_comparison_sees_what_separate_intervals_hide():
    better = NUMBERS + 0.05 + np.random.default_rng(5).normal(scale=0.1, size=400)
    resamples = Resamples(n_rows=400, seed=0)
    comparison = paired_bootstrap(mean_of(better), mean_of(NUMBERS), resamples)
    assert comparison.difference == pytest.approx((better - NUMBERS).mean())
    assert 0 < comparison.low < comparison.difference < comparison.high
    assert comparison.p_value < 0.01
    assert bootstrap_interval(mean_of(better), resamples)[0] < NUMBERS.mean()


def test_paired_comparison_of_a_prediction_with_itself():
    comparison = paired_bootstrap(mean_of(NUMBERS), mean_of(NUMBERS), Resamples(n_rows=400, seed=0))
    assert (comparison.difference, comparison.low, comparison.high, comparison.p_value) == (0, 0, 0, 1)


@given(t=st.floats(-60, 60), degrees=st.integers(1, 60))
def test_student_distribution_agrees_with_scipy(t, degrees):
    assert student_cdf(t, degrees) == pytest.approx(reference.t.cdf(t, degrees), abs=1e-7)


@given(differences=st.lists(st.floats(-5, 5), min_size=2, max_size=12), base=st.floats(-1, 1))
def test_uncorrected_t_test_agrees_with_scipy(differences, base):
    if np.std(differences) < 1e-3:
        differences = [*differences, 7.0]
    scores_b = [base] * len(differences)
    scores_a = [base + difference for difference in differences]
    expected = reference.ttest_rel(scores_a, scores_b, alternative="greater")
    interval = reference.ttest_rel(scores_a, scores_b).confidence_interval(0.9)
    found = corrected_t_test(scores_a, scores_b, valid_share=0.0, level=0.9)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_correction_of_ten_folds():
    differences = np.linspace(-0.01, 0.03, 10)
    statistic = differences.mean() / math.sqrt((1 / 10 + 1 / 9) * differences.var(ddof=1))
    found = corrected_t_test(differences, np.zeros(10), valid_share=0.1)
    assert found.p_value == pytest.approx(reference.t.sf(statistic, 9))


@pytest.mark.parametrize(("shift", "p_value"), [(0.1, 0.0), (0.0, 0.5), (-0.1, 1.0)])
def test_equal_differences_are_certain(shift, p_value):
    scores = [0.7, 0.8, 0.75]
    found = corrected_t_test([score + shift for score in scores], scores, valid_share=0.2)
    assert found.p_value == p_value


def test_one_fold_decides_nothing():
    found = corrected_t_test([0.9], [0.1], valid_share=0.2)
    assert (found.low, found.high, found.p_value) == (-math.inf, math.inf, 0.5)
    assert probability_worse([0.9], [0.1, 0.2], valid_share=0.2) == 0.5
    assert probability_worse([], [], valid_share=0.2) == 0.5


def test_scores_must_pair():
    with pytest.raises(ValueError, match="shorter"):
        corrected_t_test([0.1, 0.2], [0.1], valid_share=0.2)


def test_clearly_worse_candidate_is_seen_and_a_close_one_kept():
    incumbent = [0.10, 0.12, 0.11, 0.09, 0.13]
    assert probability_worse([0.30, 0.33, 0.30], incumbent, valid_share=0.2) > 0.99
    assert probability_worse([0.11, 0.11, 0.12], incumbent, valid_share=0.2) < 0.8
    assert probability_worse([0.01, 0.02, 0.00], incumbent, valid_share=0.2) < 0.01


@given(
    folds=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8),
    share=st.floats(0.05, 0.5),
)
def test_one_of_two_is_worse(folds, share):
    errors, incumbent = zip(*folds, strict=True)
    total = probability_worse(errors, incumbent, valid_share=share) + probability_worse(
        incumbent, errors, valid_share=share
    )
    assert total == pytest.approx(1, abs=1e-9)


def test_equal_candidates_are_seldom_given_up_after_two_folds():
    generator = np.random.default_rng(0)
    pairs = generator.normal(size=(2000, 2, 2))
    given_up = sum(probability_worse(a, b, valid_share=0.2) > 0.95 for a, b in pairs)
    assert given_up / 2000 < 0.06
