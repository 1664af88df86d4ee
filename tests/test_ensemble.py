import functools
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import small
from spies import candidate, watch

from bench.combine import WeightedMean
from bench.ensemble import build_ensembles
from bench.family import discover, space_of
from bench.keep import KEPT_A_FAMILY, kept
from bench.resources import Allotment
from bench.split import Fold, Splits
from bench.store import building, fold_folder, read_predictions, write_predictions
from bench.trial import FoldResult, TrialResult, run_fold

KINDS = ("binary", "multiclass", "regression")
LEARNERS = ("linear", "knn", "decision_tree")


def whole(problem, name, *, seed=7, **params):
    """Fit one candidate on all folds."""
    made = candidate(name, seed=seed, **space_of(discover()[name]).defaults | params)
    count = len(problem.splits.folds)
    folds = tuple(run_fold(problem, made, fold, allotment=Allotment(), seconds=None) for fold in range(count))
    assert all(fold.status == "ok" for fold in folds), folds
    return TrialResult(candidate=made, folds=folds, asked=count, status="ok")


def stored(problem, result, part=0):
    """What a row of the board predicted fold by fold: validation rows (part 0) or test rows (part 1)."""
    count = len(problem.splits.folds)
    return [read_predictions(fold_folder(problem.folder, result.candidate.trial_id, k))[part] for k in range(count)]


def with_labels(problem, rows, seed, tmp_path):
    """A copy of the problem, folder and all, whose labels are shuffled in some rows."""
    y = problem.task.y.copy()
    y[rows] = np.random.default_rng(seed).permutation(y[rows])
    assert not np.array_equal(y, problem.task.y, equal_nan=True)
    shutil.copytree(problem.folder, tmp_path / "copy")
    return replace(problem, task=replace(problem.task, y=y), folder=tmp_path / "copy")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Gives ``(problem, results)``, three candidates on a small table of a kind, which no test changes."""

    @functools.cache
    def make(kind):
        problem = small(tmp_path_factory.mktemp("problems") / kind, kind)
        return problem, [whole(problem, name) for name in LEARNERS]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_fold_is_judged_by_weights_that_never_saw_its_labels(fitted, tmp_path, kind):
    problem, results = fitted(kind)
    build_ensembles(problem, results)
    fold = 1
    changed = with_labels(problem, problem.splits.folds[fold].valid, 0, tmp_path)
    for before, after in zip(build_ensembles(problem, results), build_ensembles(changed, results), strict=True):
        name = before.result.candidate.label
        ours, theirs = stored(problem, before.result), stored(changed, after.result)
        np.testing.assert_array_equal(ours[fold], theirs[fold], err_msg=name)
        assert before.result.folds[fold].score != after.result.folds[fold].score
        if name == "ensemble_stack":
            assert before.combiner != after.combiner
            assert any(not np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_rows_of_a_fold_are_left_out_of_every_repeat(fitted, tmp_path):
    """A row is scored once a repeat; its label must not come in through another one."""
    problem, results = fitted("binary")
    repeats = [fold.repeat for fold in problem.splits.folds]
    assert max(repeats) > 0
    last = problem.splits.folds[-1].valid
    changed = with_labels(problem, last, 1, tmp_path)
    ours = build_ensembles(problem, results)[1]
    theirs = build_ensembles(changed, results)[1]
    np.testing.assert_array_equal(stored(problem, ours.result)[-1], stored(changed, theirs.result)[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_sealed_labels_are_not_needed(fitted, kind):
    problem, results = fitted(kind)
    assert (np.isnan(problem.task.y) | (problem.task.y == -1)).sum() == len(problem.splits.test) > 0
    for ensemble in build_ensembles(problem, results):
        for fold, prediction in enumerate(stored(problem, ensemble.result, part=1)):
            members = np.stack([stored(problem, member, part=1)[fold] for member in ensemble.members])
            np.testing.assert_array_equal(prediction, ensemble.combiner.combine(members))


@pytest.mark.parametrize("kind", KINDS)
def test_ensemble_is_a_row_like_any_other(fitted, kind):
    problem, results = fitted(kind)
    for ensemble in build_ensembles(problem, results):
        result = ensemble.result
        assert (result.status, result.asked, len(result.folds)) == ("ok", len(problem.splits.folds), result.asked)
        assert result.candidate.name == result.candidate.label
        assert {member.candidate.family for member in ensemble.members} == set(LEARNERS)
        for fold, prediction in zip(result.folds, stored(problem, result), strict=True):
            y = problem.task.y[problem.splits.folds[fold.fold].valid]
            assert fold.score == problem.task.metric.score(y, prediction, problem.task.classes)
            assert fold.scores[problem.task.metric.name] == fold.score


def test_cost_is_that_of_the_members_used(fitted):
    problem, results = fitted("binary")
    results = [
        replace(result, folds=tuple(replace(f, fit_seconds=100.0**k, peak_memory_mb=float(k)) for f in result.folds))
        for k, result in enumerate(results)
    ]
    for ensemble in build_ensembles(problem, results):
        used = [k for k, result in enumerate(results) if result.candidate.name in ensemble.weights]
        expected = sum(100.0**k for k in used)
        assert expected <= ensemble.result.folds[0].fit_seconds < expected + 5
        assert ensemble.result.folds[0].peak_memory_mb == max(used)


def test_weights_name_the_members_that_count(fitted):
    problem, results = fitted("regression")
    for ensemble in build_ensembles(problem, results):
        assert all(weight > 0 for weight in ensemble.weights.values())
        assert set(ensemble.weights) <= set(LEARNERS)
        assert sum(ensemble.weights.values()) == pytest.approx(sum(ensemble.combiner.weights))


def test_ensemble_is_the_same_each_time_and_another_of_other_members(fitted):
    problem, results = fitted("multiclass")
    first, again = build_ensembles(problem, results), build_ensembles(problem, results)
    assert [e.combiner for e in first] == [e.combiner for e in again]
    ids = {e.result.candidate.trial_id for e in first}
    assert ids == {e.result.candidate.trial_id for e in again}
    assert len(ids) == 2
    fewer = build_ensembles(problem, results[:2])
    assert not ids & {e.result.candidate.trial_id for e in fewer}


def test_order_in_which_candidates_came_does_not_matter(fitted):
    problem, results = fitted("binary")
    ours = build_ensembles(problem, results)
    theirs = build_ensembles(problem, results[::-1])
    assert [e.combiner for e in ours] == [e.combiner for e in theirs]


def test_fewer_than_two_whole_candidates_make_no_ensemble(fitted):
    problem, results = fitted("binary")
    assert build_ensembles(problem, []) == ()
    assert build_ensembles(problem, results[:1]) == ()
    pruned = replace(results[1], status="pruned", folds=results[1].folds[:1])
    assert build_ensembles(problem, [results[0], pruned]) == ()


def test_lone_fold_is_judged_by_the_plain_mean(make_small):
    """Forward chaining may leave one fold: there are no other rows to fit weights on."""
    fold = Fold(train=np.arange(80), valid=np.arange(80, 120))
    splits = Splits(strategy="time", test=np.empty(0, dtype=np.int64), folds=(fold,), fingerprint="by hand")
    for kind in KINDS:
        problem = make_small(kind, splits=splits)
        results = [whole(problem, name) for name in LEARNERS]
        mean = np.mean([stored(problem, result)[0] for result in results], axis=0)
        for ensemble in build_ensembles(problem, results):
            np.testing.assert_allclose(stored(problem, ensemble.result)[0], mean, atol=1e-12)
            if ensemble.result.candidate.label == "ensemble_stack":
                assert not isinstance(ensemble.combiner, WeightedMean)


def test_best_few_of_each_family_take_part(monkeypatch, make_small):
    problem = make_small("regression")
    watch(monkeypatch)
    results = []
    for number in range(KEPT_A_FAMILY + 3):
        for family in ("a", "b"):
            made = replace(candidate("spy", seed=number), family=family, number=number, trial_id=f"{family}{number}")
            score = 10.0 - number if family == "a" else 20.0 + number
            results.append(_stored_result(problem, made, score))
    best = kept(results, problem.task.metric)
    scores = [result.mean for result in best]
    assert scores == sorted(scores)
    assert [result.candidate.family for result in best] == ["a"] * KEPT_A_FAMILY + ["b"] * KEPT_A_FAMILY
    assert {r.candidate.number for r in best if r.candidate.family == "a"} == {3, 4, 5, 6}
    assert build_ensembles(problem, results)[0].members == best


def _stored_result(problem, made, score):
    """A candidate with noise for predictions, and a score that is not theirs."""
    folds = []
    generator = np.random.default_rng(made.number)
    for number, fold in enumerate(problem.splits.folds):
        with building(fold_folder(problem.folder, made.trial_id, number)) as temporary:
            valid = generator.normal(size=len(fold.valid))
            write_predictions(temporary, valid=valid, test=generator.normal(size=len(problem.splits.test)))
        folds.append(FoldResult(trial_id=made.trial_id, fold=number, status="ok", score=score, scores={}))
    return TrialResult(candidate=made, folds=tuple(folds), asked=len(folds), status="ok")
