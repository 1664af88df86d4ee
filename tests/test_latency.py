"""What may be combined without predicting taking too long, and how that is measured."""

import time
from dataclasses import replace

from spies import candidate

from bench.latency import predict_seconds, quick_enough
from bench.trial import FoldResult, TrialResult


def member(name: str, family: str, seconds: float) -> TrialResult:
    fold = FoldResult(trial_id=name, fold=0, status="ok", score=1.0, scores={}, predict_seconds=seconds / 2)
    made = replace(candidate(family), trial_id=name)
    return TrialResult(candidate=made, folds=(fold, replace(fold, fold=1)), asked=2, status="ok")


def names(members):
    return [m.candidate.trial_id for m in members]


def test_together_they_take_no_longer_than_the_limit():
    members = [member("a", "linear", 1.0), member("b", "linear", 1.0), member("c", "linear", 1.5)]
    assert names(quick_enough(members, 3.0)) == ["a", "b"]
    assert names(quick_enough(members, 3.5)) == ["a", "b", "c"]
    assert names(quick_enough(members, 1.0)) == ["a"]


def test_other_families_come_before_the_second_of_one():
    members = [member("a", "linear", 1.0), member("b", "linear", 1.0), member("c", "knn", 1.5)]
    assert names(quick_enough(members, 3.0)) == ["a", "c"]


def test_one_that_is_too_slow_leaves_room_for_those_behind_it():
    members = [member("a", "linear", 1.0), member("b", "knn", 9.0), member("c", "dummy", 0.1)]
    assert names(quick_enough(members, 2.0)) == ["a", "c"]


def test_nothing_is_chosen_from_nothing():
    assert quick_enough([], 3.0) == ()


def test_the_first_prediction_is_not_timed():
    calls = []

    def predict():
        calls.append(None)
        time.sleep(0.2 if len(calls) == 1 else 0.001)

    assert 0.001 <= predict_seconds(predict) < 0.1
