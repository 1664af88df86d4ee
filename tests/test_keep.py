"""Which fold models stay on disk, and fitting the others again."""

import dataclasses

import numpy as np
import pytest
from search_fixture import RMSE, fold_result

from bench import keep, resources
from bench.candidate import Candidate
from bench.errors import RunFailedError
from bench.family import discover, space_of
from bench.keep import FITTED_AGAIN, KEPT_A_FAMILY, best_of_families, ensure_models, evict
from bench.metric import get_metric
from bench.resources import Allotment
from bench.store import PREDICTIONS, SUMS, fold_folder, read_json, read_predictions, write_predictions, write_sums
from bench.trial import TrialResult, run_fold

FOLDS = 2


def ended(trial_id, score, *, family="knn", status="ok"):
    candidate = Candidate(trial_id=trial_id, family=family, params={}, origin="tuned", number=0, seed=1)
    folds = tuple(fold_result(candidate, fold, score) for fold in range(FOLDS))
    return TrialResult(candidate=candidate, folds=folds, asked=FOLDS, status=status)


def names(results):
    return [result.candidate.trial_id for result in results]


@pytest.mark.parametrize(("metric", "sign"), [(RMSE, 1), (get_metric("r2"), -1)])
def test_the_best_few_of_each_family_are_kept_best_first(metric, sign):
    results = [ended(f"a{n}", sign * (1.0 + n)) for n in range(KEPT_A_FAMILY + 2)]
    results += [ended("b0", sign * 9.0, family="linear"), ended("broken", sign * 0.1, status="error")]
    assert names(best_of_families(results[::-1], metric, KEPT_A_FAMILY)) == [
        *(f"a{n}" for n in range(KEPT_A_FAMILY)),
        "b0",
    ]


def test_ties_go_to_the_smaller_id():
    results = [ended(name, 1.0) for name in "fbdace"]
    assert names(best_of_families(results, RMSE, KEPT_A_FAMILY)) == list("abcdef"[:KEPT_A_FAMILY])


@pytest.fixture
def problem(make_small):
    return make_small("regression")


def fit(problem, trial_id, **params):
    """Fit a small tree on all folds."""
    defaults = dict(space_of(discover()["decision_tree"]).defaults)
    candidate = Candidate(
        trial_id=trial_id, family="decision_tree", params=defaults | params, origin="tuned", number=0, seed=1
    )
    n_folds = len(problem.splits.folds)
    folds = [run_fold(problem, candidate, fold, allotment=Allotment(), seconds=None) for fold in range(n_folds)]
    assert {result.status for result in folds} == {"ok"}
    return TrialResult(candidate=candidate, folds=tuple(folds), asked=n_folds, status="ok")


def files(problem, result, fold=0):
    return {path.name for path in fold_folder(problem.folder, result.candidate.trial_id, fold).iterdir()}


def test_evicted_models_are_fitted_again_with_the_same_predictions(problem):
    result = fit(problem, "t1")
    whole = files(problem, result)
    before = read_predictions(fold_folder(problem.folder, "t1", 1))
    assert ensure_models(problem, [result]) == ()
    evict(problem, [dataclasses.replace(result, status="pruned")])
    assert all(files(problem, result, fold) == {PREDICTIONS, SUMS} for fold in range(result.asked))
    assert ensure_models(problem, [result, result]) == ("decision_tree",)
    assert files(problem, result) == whole
    again = read_predictions(fold_folder(problem.folder, "t1", 1))
    assert all(np.array_equal(one, other) for one, other in zip(before, again, strict=True))


def test_predictions_that_were_scored_stay_when_a_model_is_fitted_again(problem):
    """On another machine a fit may round otherwise; the board was made from the predictions that are there."""
    result = fit(problem, "t1")
    place = fold_folder(problem.folder, "t1", 1)
    valid, test = read_predictions(place)
    write_predictions(place, valid=valid + 1e-9, test=test)
    write_sums(place)
    evict(problem, [dataclasses.replace(result, status="pruned")])
    assert ensure_models(problem, [result]) == ("decision_tree",)
    np.testing.assert_array_equal(read_predictions(place)[0], valid + 1e-9)
    assert read_json(place.with_name(FITTED_AGAIN))["libraries"]["numpy"] == np.__version__


def test_kept_models_are_not_evicted(problem):
    result = fit(problem, "t1")
    whole = files(problem, result)
    evict(problem, [result])
    assert files(problem, result) == whole


def test_shipped_models_are_not_evicted(problem):
    results = [fit(problem, name) for name in ("t1", "t2")]
    lost = [dataclasses.replace(result, status="pruned") for result in results]
    whole = files(problem, results[1])
    evict(problem, lost, [lost[1]])
    assert files(problem, results[0]) == {PREDICTIONS, SUMS}
    assert files(problem, results[1]) == whole


def test_models_that_are_folders_are_evicted_too_and_what_is_gone_is_passed_over(problem):
    result = dataclasses.replace(fit(problem, "t1"), status="pruned")
    (fold_folder(problem.folder, "t1", 0) / "weights" / "deep").mkdir(parents=True)
    for path in fold_folder(problem.folder, "t1", 1).iterdir():
        path.unlink()
    fold_folder(problem.folder, "t1", 1).rmdir()
    evict(problem, [result])
    assert files(problem, result) == {PREDICTIONS, SUMS}


@pytest.mark.parametrize("left", [set(), {PREDICTIONS}, {PREDICTIONS, SUMS, "half.bin"}, None])
def test_a_model_that_is_not_whole_is_fitted_again(problem, left):
    result = fit(problem, "t1")
    whole = files(problem, result)
    folder = fold_folder(problem.folder, "t1", 0)
    for path in folder.iterdir():
        if left is None or path.name not in left:
            path.unlink()
    if left is None:
        folder.rmdir()
    elif "half.bin" in left:
        (folder / "half.bin").touch()
    assert ensure_models(problem, [result]) == ("decision_tree",)
    assert files(problem, result) == whole


def test_a_fit_that_fails_now_is_told(problem):
    result = fit(problem, "t1")
    evict(problem, [dataclasses.replace(result, status="pruned")])
    broken = dataclasses.replace(result.candidate, params={"max_depth": "deep"})
    with pytest.raises(RunFailedError, match=r"decision_tree could not be fitted again on fold 0: .+\."):
        ensure_models(problem, [dataclasses.replace(result, candidate=broken)])


def test_models_are_fitted_again_on_what_they_were_fitted_on(problem, monkeypatch):
    """A net that was scored on a GPU is another one on a CPU."""
    result = fit(problem, "t1")
    result = dataclasses.replace(
        result, folds=tuple(dataclasses.replace(fold, device="cuda", threads=64) for fold in result.folds)
    )
    evict(problem, [dataclasses.replace(result, status="pruned")])
    given = []

    def noted(*arguments, allotment, **more):
        given.append(allotment)
        return run_fold(*arguments, allotment=allotment, **more)

    monkeypatch.setattr(resources, "available_gpus", lambda: 1)
    monkeypatch.setattr(keep, "run_fold", noted)
    ensure_models(problem, [result])
    assert {(one.device, one.gpu) for one in given} == {("cuda", 1.0)}
    assert all(one.cpus <= 64 for one in given)
