"""Which family promises most."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_fixture import FOLDS, RMSE, fold_result

from bench.candidate import Candidate
from bench.promise import FamilyRecord, _expected_improvement, expected_gain
from bench.trial import TrialResult


def record(errors, seconds=1.0):
    return FamilyRecord(errors=list(errors), fold_seconds={("", 0): seconds} if seconds else {})


def test_the_better_family_has_the_higher_gain():
    records = {"good": record([0.20, 0.22, 0.25]), "bad": record([0.50, 0.52, 0.55])}
    assert expected_gain(records, "good", seconds=1.0) > 100 * expected_gain(records, "bad", seconds=1.0) >= 0


EQUAL = (0.20, 0.22, 0.25)


def test_a_dear_family_promises_less_in_proportion_and_a_very_cheap_one_no_more_than_the_median():
    costs = (0.1, 1.0, 4.0, 8.0, 40.0)
    records = {f"costs {seconds:g}": record(EQUAL, seconds) for seconds in costs}
    gains = (expected_gain(records, name, seconds=own) for name, own in zip(records, costs, strict=True))
    free, cheap, median, dear, dearest = gains
    assert median > 1e-4
    assert free == cheap == median
    assert dear == pytest.approx(median / 2)
    assert dearest == pytest.approx(median / 10)


def test_time_counts_for_nothing_when_untimed():
    records = {"cheap": record(EQUAL, 1.0), "dear": record(EQUAL, 8.0)}
    cheap, dear = (expected_gain(records, name) for name in records)
    assert cheap == dear > 1e-4


def test_a_family_that_varies_more_promises_more():
    records = {"steady": record([0.205, 0.215, 0.22, 0.22]), "wild": record([0.19, 0.23, 0.25, 0.3])}
    assert expected_gain(records, "wild") > expected_gain(records, "steady")


def test_two_candidates_much_alike_are_not_all_that_a_family_can_do():
    tried = replace(record([0.575 + 0.0001 * n for n in range(40)]), tried=40)
    records = {"tried": tried, "alike": replace(record([0.590, 0.592]), tried=2), "other": record([0.58])}
    assert expected_gain(records, "alike") > expected_gain(records, "tried")


def test_a_family_without_a_whole_candidate_promises_nothing():
    assert expected_gain({"a": record([]), "b": record([0.3])}, "a", seconds=1.0) == 0.0
    assert expected_gain({"a": record([])}, "a", seconds=1.0) == 0.0


def test_equal_errors_everywhere_are_no_division_by_zero():
    records = {"a": record([0.3, 0.3]), "b": record([0.3], seconds=None)}
    gains = [expected_gain(records, name, seconds=1.0) for name in records]
    assert all(math.isfinite(gain) and gain > 0 for gain in gains)


def test_one_candidate_that_explodes_does_not_make_all_families_look_alike():
    def ratio(lines):
        records = {"good": record([0.20, 0.22], 5.0), "bad": record([0.50, 0.52], 1.0), "lines": record(lines, 0.1)}
        return expected_gain(records, "good", seconds=5.0) / max(1e-300, expected_gain(records, "bad", seconds=1.0))

    assert ratio([0.4, 1e6]) == pytest.approx(ratio([0.4]))


@given(mean=st.floats(-5, 5), spread=st.floats(0.01, 5), best=st.floats(-5, 5))
def test_expected_improvement_is_the_mean_of_what_is_won(mean, spread, best):
    draws = mean + spread * np.random.default_rng(0).standard_normal(20_000)
    expected = np.maximum(0, best - draws)
    found = _expected_improvement(mean, spread, best)
    assert found == pytest.approx(expected.mean(), abs=0.03 * spread + 4 * expected.std() / 141)
    assert found >= 0


def test_a_family_that_was_tried_often_promises_less_than_one_that_reaches_as_much_with_few():
    few, many = FamilyRecord(errors=[0.2, 0.22], tried=2), FamilyRecord(errors=[0.2, 0.22], tried=98)
    gains = [expected_gain({"few": few, "many": many}, name) for name in ("few", "many")]
    assert gains[0] == pytest.approx(33 * gains[1])


def test_an_untried_family_promises_what_it_reaches_elsewhere_and_less_the_dearer_it_is():
    records = {"a": record([0.2]), "b": record([0.22]), "c": record([0.9]), "new": FamilyRecord()}
    assert expected_gain(records, "new", seconds=1.0) == 0.0  # under way, or failed
    cheap, dear = (expected_gain(records, "new", seconds=cost, behind=0.05) for cost in (1.0, 10.0))
    assert 1e-4 < cheap == pytest.approx(10 * dear)
    records["worse"] = record([5.0])
    assert expected_gain(records, "new", seconds=1.0, behind=0.05) == pytest.approx(cheap)
    gains = [expected_gain(records, "new", behind=behind) for behind in (0.5, 0.1, 0.001)]
    assert 0 < gains[0] < gains[1] < gains[2] == pytest.approx(0.2 * 0.05, rel=0.03)


def test_what_an_untried_family_promises_is_the_mean_of_what_it_falls_short_by_less_than_is_in_reach():
    short = np.random.default_rng(0).exponential(0.1, 100_000)
    promised = expected_gain({"a": record([1.0]), "new": FamilyRecord()}, "new", behind=0.1)
    assert promised == pytest.approx(np.maximum(0.0, 0.05 - short).mean(), rel=0.05)


CANDIDATE = Candidate(trial_id="t", family="trees", params={}, origin="default", number=0, seed=1)
NUMBERS = itertools.count()


def closed(*folds, status):
    candidate = replace(CANDIDATE, trial_id=str(next(NUMBERS)))
    results = tuple(
        fold_result(candidate, number, 1.0 if of == "ok" else None, status=of, busy=seconds)
        for number, (of, seconds) in enumerate(folds)
    )
    return TrialResult(candidate=candidate, folds=results, asked=FOLDS, status=status)


def learn(record, result, *, cost=1.0):
    for fold in result.folds:
        record.clock(fold, cost=cost)
    record.add(result, RMSE)


def test_seconds_are_counted_in_default_fits():
    found = FamilyRecord()
    learn(found, closed(("ok", 8.0), ("ok", 12.0), status="ok"), cost=4.0)
    assert found.seconds_a_fold == pytest.approx(2.5)


def test_failures_are_counted_in_a_row():
    found, counts = FamilyRecord(), []
    for status in ("error", "timeout", "pruned", "skipped", "ok", "out_of_memory"):
        learn(found, closed((status, 1.0), status=status))
        counts.append(found.failures)
    assert counts == [1, 2, 0, 1, 0, 1]


def test_a_family_that_has_been_in_time_fails_by_errors_alone():
    found = FamilyRecord()
    learn(found, closed(("timeout", 2.0), status="timeout"))
    assert found.failures == 1
    learn(found, closed(("ok", 1.0), status="ok"))
    learn(found, closed(("timeout", 4.0), status="timeout"), cost=2.0)
    assert found.failures == 0
    assert found.seconds_a_fold == pytest.approx((1.0 + 2 * 2.0 + 2 * 2.0) / 3)  # foretold dearer by what was late
    learn(found, closed(("error", 1.0), status="error"))
    assert found.failures == 1


def test_candidates_under_way_count_like_those_that_were_tried():
    records = {"a": FamilyRecord(errors=[0.2, 0.21], tried=2), "b": FamilyRecord(errors=[0.2, 0.21], tried=4)}
    assert expected_gain(records, "a", under_way=2) == pytest.approx(expected_gain(records, "b"))


def test_a_default_somewhat_behind_promises_more_than_the_best_family_tried_for_the_tenth_time():
    records = {"best": FamilyRecord(errors=[0.2, *[0.201] * 9], tried=10), "behind": record([0.22])}
    assert expected_gain(records, "behind") > expected_gain(records, "best")
    assert expected_gain(records | {"behind": record([0.26])}, "behind") < expected_gain(records, "best")
