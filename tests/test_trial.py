import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from conftest import table
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from spies import Spy, candidate, family, register, watch
from threadpoolctl import threadpool_limits

from bench import trial
from bench.errors import BenchError, SkipError
from bench.family import DeadlineReached, Settings, discover, space_of
from bench.metric import METRICS
from bench.resources import Allotment
from bench.split import Fold, Splits
from bench.store import fold_folder, read_predictions
from bench.trial import FoldResult, lent_rounds, read_classes, run_fold, spread

SETTINGS = Settings(params={}, kind="regression", n_classes=0, metric="rmse", seed=0)
KINDS = ("binary", "multiclass", "regression")
ONE = Allotment()


def fit(problem, name="spy", fold=0, *, seconds=None, allotment=ONE, **params):
    return run_fold(problem, candidate(name, **params), fold, allotment=allotment, seconds=seconds)


def defaults(name):
    return dict(space_of(discover()[name]).defaults)


def stored(problem, name="spy", fold=0):
    return read_predictions(fold_folder(problem.folder, candidate(name).trial_id, fold))


def splits_of(train, valid, test=()):
    folds = (Fold(train=np.array(train), valid=np.array(valid)),)
    return Splits(strategy="stratified", test=np.array(test, dtype=np.int64), folds=folds, fingerprint="by hand")


class OutOfMemoryError(RuntimeError):
    """What torch calls it."""


class Failing(Spy):
    """Raises in its fit."""

    error: BaseException

    def fit(self, X, y, **rest):
        raise self.error


def failing(monkeypatch, error):
    register(monkeypatch, family(type("Failing", (Failing,), {"error": error})))


@pytest.mark.parametrize(
    ("error", "seconds", "status", "reason"),
    [
        (ValueError("x must be y"), None, "error", "ValueError: x must be y"),
        (BenchError("Parameter 'a' must be a number."), None, "error", "Parameter 'a' must be a number."),
        (ValueError("first line\n  second line"), None, "error", "ValueError: first line second line"),
        (ValueError("z" * 5000), None, "error", "ValueError: " + "z" * 200),
        (pl.exceptions.PanicException("index out of bounds"), None, "error", "PanicException: index out of bounds"),
        (MemoryError(), None, "out_of_memory", "no memory was left for the fit"),
        (OutOfMemoryError("CUDA"), None, "out_of_memory", "OutOfMemoryError: CUDA"),
        (RuntimeError("std::bad_alloc"), None, "out_of_memory", "RuntimeError: std::bad_alloc"),
        (RuntimeError("CUDA error: out of memory"), None, "out_of_memory", "RuntimeError: CUDA error: out of memory"),
        (DeadlineReached(), 2.0, "timeout", "not fitted within 2.0 s"),
        (DeadlineReached(), None, "timeout", "not fitted within its time"),
        (SkipError("needs CUDA"), None, "skipped", "needs CUDA"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value)[:20],
)
def test_item_47_failure_becomes_a_status(monkeypatch, make_small, error, seconds, status, reason):
    problem = make_small()
    failing(monkeypatch, error)
    result = fit(problem, seconds=seconds)
    assert (result.status, result.reason) == (status, reason)
    assert (result.trial_id, result.fold, result.score, dict(result.scores)) == ("spy-7", 0, None, {})
    assert not fold_folder(problem.folder, "spy-7", 0).exists()


def test_error_leaves_its_traceback_in_a_file(monkeypatch, make_small):
    problem = make_small()
    failing(monkeypatch, ValueError("x must be y"))
    fit(problem, fold=2)
    text = (problem.folder / "trials" / "spy-7" / "fold-2.traceback.txt").read_text()
    assert "raise self.error" in text
    assert text.endswith("ValueError: x must be y\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=["interrupt", "exit"])
def test_the_end_of_the_process_is_no_outcome_of_a_fit(monkeypatch, make_small, error):
    failing(monkeypatch, error)
    with pytest.raises(type(error)):
        fit(make_small())


def test_family_whose_library_is_missing_is_skipped(monkeypatch, make_small):
    register(monkeypatch, family(Spy, imports=("nowhere_to_be_found",)))
    result = fit(make_small())
    assert (result.status, result.reason) == (
        "skipped",
        "needs nowhere_to_be_found, which is not installed: pip install nowhere_to_be_found",
    )


def test_family_that_is_gone_is_an_error(make_small):
    assert fit(make_small(), "no_such_family").reason == "KeyError: 'no_such_family'"


class Unsaved(Spy):
    """Cannot be stored."""

    def save(self, folder):
        (folder / "half.bin").write_bytes(b"1")
        raise OSError(28, "No space left on device")


def test_model_that_cannot_be_stored_leaves_nothing(monkeypatch, make_small):
    register(monkeypatch, family(Unsaved))
    problem = make_small()
    result = fit(problem)
    assert (result.status, result.reason) == ("error", "OSError: [Errno 28] No space left on device")
    assert [path.name for path in (problem.folder / "trials" / "spy-7").iterdir()] == ["fold-0.traceback.txt"]


def shaped(shape):
    return lambda n: np.full((n, *shape), 0.5)


def all_but_one(value):
    def predict(n):
        prediction = np.full((n, 2), 0.5)
        prediction[n // 2] = value
        return prediction

    return predict


@pytest.mark.parametrize(
    ("kind", "predict", "reason"),
    [
        ("binary", shaped(()), r"must have shape \(\d+, 2\), got \(\d+,\)"),
        ("binary", shaped((3,)), r"must have shape \(\d+, 2\), got \(\d+, 3\)"),
        ("binary", lambda n: np.full((n - 1, 2), 0.5), r"must have shape"),
        ("binary", all_but_one([np.nan, 1.0]), "must be finite, got NaN or infinity"),
        ("binary", all_but_one([np.inf, 0.0]), "must be finite"),
        ("binary", all_but_one([0.6, 0.6]), "each row summing to 1"),
        ("binary", all_but_one([0.0, 0.0]), "each row summing to 1"),
        ("binary", all_but_one([-0.1, 1.1]), "not negative"),
        ("multiclass", shaped((2,)), r"must have shape \(\d+, 3\), got \(\d+, 2\)"),
        ("regression", shaped((1,)), r"must have shape \(\d+,\), got \(\d+, 1\)"),
        ("regression", lambda n: np.full(n, -np.inf), "must be finite"),
        ("regression", lambda n: None, "shape"),
    ],
)
def test_item_48_prediction_that_cannot_be_scored_is_an_error(monkeypatch, make_small, kind, predict, reason):
    class Bad(Spy):
        def predict(self, X):
            return predict(len(X.values))

    register(monkeypatch, family(Bad))
    problem = make_small(kind)
    result = fit(problem)
    assert result.status == "error"
    assert re.search(reason, result.reason), result.reason
    assert not fold_folder(problem.folder, "spy-7", 0).exists()


def test_bad_prediction_of_the_test_rows_alone_is_an_error(monkeypatch, make_small):
    class Bad(Spy):
        def predict(self, X):
            good = super().predict(X)
            return good if len(self.predicted) == 1 else good * np.nan

    register(monkeypatch, family(Bad))
    assert fit(make_small()).reason == "predictions must be finite, got NaN or infinity"


def test_score_that_is_not_defined_is_an_error(monkeypatch, make_small):
    watch(monkeypatch)
    frame = table("binary").sort("y")
    no = int((frame["y"] == "no").sum())
    problem = make_small(frame=frame, splits=splits_of(range(20, 120), range(20)))
    assert no > 20
    result = fit(problem)
    assert (result.status, result.reason) == ("error", "roc_auc is nan on the validation rows of fold 0")


def test_secondary_score_that_is_not_defined_is_kept_as_such(monkeypatch, make_small):
    watch(monkeypatch)
    frame = table("binary").sort("y")
    problem = make_small(frame=frame, splits=splits_of(range(20, 120), range(20)), metric="accuracy")
    result = fit(problem)
    assert result.status == "ok"
    assert np.isnan(result.scores["roc_auc"])
    again = FoldResult.from_dict(json.loads(json.dumps({**result.to_dict(), "scores": {"roc_auc": None, "f1": 0.5}})))
    assert np.isnan(again.scores["roc_auc"])
    assert again.scores["f1"] == 0.5
    assert replace(again, scores=result.scores, spans=result.spans) == result


@pytest.mark.parametrize("kind", KINDS)
def test_family_is_given_training_rows_and_no_other_label(monkeypatch, make_small, kind):
    seen = watch(monkeypatch)
    problem = make_small(kind)
    for fold, rows in enumerate(problem.splits.folds):
        assert fit(problem, fold=fold).status == "ok"
        spy, a = seen[fold], problem.task.features["a"].to_numpy().astype(np.float32)
        np.testing.assert_array_equal(spy.X.values[:, 0], a[rows.train])
        np.testing.assert_array_equal(spy.y, problem.task.y[rows.train])
        np.testing.assert_array_equal(spy.predicted[0].values[:, 0], a[rows.valid])
        np.testing.assert_array_equal(spy.predicted[1].values[:, 0], a[problem.splits.test])
        assert len(spy.predicted) == 2
        assert spy.valid is None
    sealed = problem.task.y[problem.splits.test]
    assert np.isnan(sealed).all() if kind == "regression" else (sealed == -1).all()


@pytest.mark.parametrize("division", ["plain", "group", "time"])
@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_watches_a_slice_of_the_training_rows(monkeypatch, make_small, kind, division):
    seen = watch(monkeypatch, watches=True)
    frame = table(kind).with_columns(unit=pl.int_range(120) % 15, moment=pl.int_range(120))
    asked = {"plain": {}, "group": {"group": "unit"}, "time": {"time": "moment"}}[division]
    frame = frame.drop({"plain": ("unit", "moment"), "group": ("moment",), "time": ("unit",)}[division])
    problem = make_small(kind, frame=frame, **asked)
    a = problem.task.features["a"].to_numpy().astype(np.float32)
    row_of = {value: row for row, value in enumerate(a)}
    for fold, rows in enumerate(problem.splits.folds):
        assert fit(problem, fold=fold).status == "ok"
        spy = seen[fold]
        (watched, labels), learned = spy.valid, spy.X
        fitted_rows = [row_of[value] for value in learned.values[:, 0]]
        watched_rows = [row_of[value] for value in watched.values[:, 0]]
        assert sorted(fitted_rows + watched_rows) == list(rows.train)
        assert watched_rows
        np.testing.assert_array_equal(spy.y, problem.task.y[fitted_rows])
        np.testing.assert_array_equal(labels, problem.task.y[watched_rows])
        if division == "group":
            groups = problem.task.groups
            assert not set(groups[fitted_rows]) & set(groups[watched_rows])
        if division == "time":
            assert problem.task.time[fitted_rows].max() <= problem.task.time[watched_rows].min()


def test_class_without_training_rows_gets_probability_0(monkeypatch, make_small):
    seen = watch(monkeypatch, watches=True)
    frame = table("multiclass").sort("y")
    mid = np.flatnonzero(frame["y"] == "mid")
    others = np.flatnonzero(frame["y"] != "mid")
    valid = np.sort(np.concatenate([mid, others[::5]]))
    train = np.setdiff1d(others, valid)
    problem = make_small("multiclass", frame=frame, splits=splits_of(train, valid), metric="accuracy")
    assert fit(problem).status == "ok"
    spy = seen[0]
    assert (spy.settings.n_classes, spy.settings.kind) == (2, "binary")
    assert sorted(set(spy.y)) == sorted(set(spy.valid[1])) == [0, 1]
    predicted, _ = stored(problem)
    np.testing.assert_array_equal(predicted[:, 1], 0.0)
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0)
    folder = fold_folder(problem.folder, "spy-7", 0)
    assert read_classes(folder).tolist() == [0, 2]


def test_single_training_class_is_no_crash(monkeypatch, make_small):
    watch(monkeypatch)
    frame = table("binary").sort("y")
    problem = make_small(frame=frame, splits=splits_of(range(30), range(30, 120)), metric="accuracy")
    assert fit(problem).status == "ok"
    predicted, _ = stored(problem)
    np.testing.assert_array_equal(predicted, np.tile([1.0, 0.0], (90, 1)))


@given(st.integers(1, 6).flatmap(lambda k: st.tuples(st.just(k), st.sets(st.integers(0, k - 1), min_size=1))))
def test_widening_keeps_every_probability_in_its_class(case):
    n_classes, present = case[0], np.array(sorted(case[1]))
    narrow = np.random.default_rng(0).dirichlet(np.ones(len(present)), size=4)
    wide = spread(narrow, present, n_classes)
    assert wide.shape == (4, n_classes)
    np.testing.assert_array_equal(wide[:, present], narrow)
    np.testing.assert_allclose(wide.sum(axis=1), 1.0)


def test_fit_is_told_its_allotment_and_deadline(monkeypatch, make_small):
    seen = watch(monkeypatch)
    allotment = Allotment(cpus=1, gpu=0.5, device="cuda")
    fit(make_small(), seconds=30.0, allotment=allotment)
    assert replace(seen[0].allotment, checkpoint=None) == allotment
    assert 20.0 < seen[0].deadline.left <= 30.0
    fit(make_small())
    assert seen[1].deadline.left == float("inf")


def test_libraries_are_held_to_the_threads_given(monkeypatch, make_small):
    seen = watch(monkeypatch)
    with threadpool_limits(2):
        fit(make_small())
        assert set(seen[0].threads) == {1}
        fit(make_small(), allotment=Allotment(cpus=2))
        assert set(seen[1].threads) == {2}


_FIRST_FIT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import pytest
from conftest import table
from spies import candidate, watch
from bench.dataset import load_dataset
from bench.problem import make_problem
from bench.resources import Allotment
from bench.split import make_splits
from bench.task import make_task
from bench.trial import run_fold

dataset = load_dataset(table("binary"))
task = make_task(dataset, target="y")
splits = make_splits(task, test_size=0.2, folds=2, seed=0)
problem = make_problem(task.sealed(splits.test), splits, fingerprint="f", seed=0, folder=Path({folder!r}))
assert "sklearn" not in sys.modules
seen = watch(pytest.MonkeyPatch(), imports=("sklearn.neighbors",))
assert run_fold(problem, candidate(), 0, allotment=Allotment(), seconds=None).status == "ok"
print(*seen[0].threads)
"""


def test_first_fit_of_a_process_is_held_to_its_threads_too(tmp_path):
    """Libraries that a family imports bring thread pools of their own."""
    code = _FIRST_FIT.format(tests=os.path.dirname(__file__), folder=str(tmp_path))
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    told = subprocess.run([sys.executable, "-c", code], env=free, capture_output=True, text=True, check=True).stdout
    assert set(told.split()) == {"1"}


def test_clock_measures_fit_and_predict_alone(monkeypatch, make_small):
    class Slow(Spy):
        def __init__(self, settings):
            super().__init__(settings)
            time.sleep(0.2)

        def fit(self, *parts, **rest):
            super().fit(*parts, **rest)
            time.sleep(0.1)

        def predict(self, X):
            time.sleep(0.05)
            return super().predict(X)

    register(monkeypatch, family(Slow))
    result = fit(make_small())
    assert 0.1 <= result.fit_seconds < 0.2
    assert 0.05 <= result.predict_seconds < 0.1
    assert result.busy_seconds > 0.4
    assert 10 < result.peak_memory_mb < 100_000
    assert abs(result.finished_at - time.time()) < 5
    assert str(os.getpid()) in result.worker


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["linear", "decision_tree", "knn"])
def test_same_fit_twice_is_the_same_to_the_last_bit(make_small, name, kind):
    first, second = make_small(kind), make_small(kind)
    results = [fit(problem, name, **defaults(name)) for problem in (first, second)]
    assert results[0].status == "ok", results[0].reason
    np.testing.assert_equal(dict(results[0].scores), dict(results[1].scores))
    for one, other in zip(stored(first, name), stored(second, name), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_is_another_fit(make_small):
    problem = make_small()
    params = defaults("extra_trees")
    predictions = []
    for seed in (1, 2):
        result = fit(problem, "extra_trees", seed=seed, **params)
        assert result.status == "ok", result.reason
        predictions.append(read_predictions(fold_folder(problem.folder, f"extra_trees-{seed}", 0))[0])
    assert not np.array_equal(*predictions)


def test_scores_are_those_of_the_stored_predictions(make_small):
    problem = make_small()
    result = fit(problem, "linear", **defaults("linear"))
    predicted, tested = stored(problem, "linear")
    rows = problem.splits.folds[0].valid
    y = problem.task.y[rows]
    assert predicted.shape == (len(rows), 2)
    assert tested.shape == (len(problem.splits.test), 2)
    assert result.score == result.scores["roc_auc"] == pytest.approx(sk.roc_auc_score(y, predicted[:, 1]), abs=1e-12)
    assert result.scores["log_loss"] == pytest.approx(sk.log_loss(y, predicted), abs=1e-9)
    assert result.scores["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted.argmax(axis=1)), abs=1e-12)
    assert set(result.scores) == {name for name, metric in METRICS.items() if "binary" in metric.tasks}


def test_switches_of_features_are_the_recipe_s_and_not_the_model_s(monkeypatch, make_small):
    seen, problem = watch(monkeypatch), make_small()
    assert fit(problem, depth=3, features_missing=True).status == "ok"
    assert seen[0].settings.params == {"depth": 3}
    assert "b (missing)" in seen[0].X.names
    result = fit(problem, features_dates="lunar")
    assert result.status == "error"
    assert result.reason.startswith("Parameter 'features_dates' must be among ['parts', 'cyclic'], got 'lunar'.")


def with_many_levels(kind):
    """A column that a recipe encodes by the target, were it given the chance."""
    frame = table(kind, rows=300)
    levels = np.random.default_rng(1).integers(90, size=300)
    return frame.with_columns(town=pl.Series([f"town {level}" for level in levels]))


LEARNERS = ["linear", "decision_tree", "knn", "naive_bayes", "lightgbm"]


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in LEARNERS for k in KINDS if k in discover()[n].tasks])
def test_validation_labels_do_not_reach_what_is_predicted_for_them(make_small, name, kind):
    frame = with_many_levels(kind)
    problem = make_small(kind, frame=frame, metric="mae" if kind == "regression" else "accuracy")
    rows = problem.splits.folds[1].valid
    y = problem.task.y.copy()
    y[rows] = np.random.default_rng(0).permutation(y[rows])
    assert not np.array_equal(y[rows], problem.task.y[rows])
    other = make_small(kind, frame=frame, splits=problem.splits, metric=problem.task.metric.name)
    other = replace(other, task=replace(other.task, y=y))
    results = [fit(each, name, fold=1, **defaults(name)) for each in (problem, other)]
    assert [result.status for result in results] == ["ok", "ok"], results[0].reason
    assert results[0].score != results[1].score
    for one, two in zip(stored(problem, name, 1), stored(other, name, 1), strict=True):
        np.testing.assert_array_equal(one, two)


class TestBorrowedRounds:
    """Folds after the first two may take over the rounds that those kept."""

    BOOSTERS = ("lightgbm", "xgboost", "catboost")

    @pytest.mark.parametrize("name", BOOSTERS)
    def test_a_fold_with_lent_rounds_takes_their_mean_and_watches_nothing(self, make_small, name):
        problem = make_small("binary")
        made = candidate(name, **defaults(name))
        first = [run_fold(problem, made, fold, allotment=ONE, seconds=None) for fold in range(2)]
        assert all(result.status == "ok" and result.rounds for result in first)
        lent = lent_rounds(first)
        last = run_fold(problem, made, 2, allotment=ONE, seconds=None, lent=(10, 21))
        assert lent == tuple(result.rounds for result in first)
        assert (last.status, last.rounds) == ("ok", 16)

    def test_they_are_used_by_families_that_borrow_alone(self, make_small):
        problem = make_small("binary")
        for name in ("linear", "random_forest", "mlp"):
            assert not discover()[name].borrows
        with_lent = run_fold(
            problem, candidate("linear", **defaults("linear")), 2, allotment=ONE, seconds=None, lent=(3, 3)
        )
        without = run_fold(problem, candidate("linear", **defaults("linear")), 2, allotment=ONE, seconds=None)
        assert with_lent.score == without.score

    def test_rows_that_are_not_exchangeable_lend_nothing(self, make_small):
        problem = make_small("binary")
        problem = replace(problem, splits=replace(problem.splits, strategy="time"))
        result = run_fold(
            problem, candidate("lightgbm", **defaults("lightgbm")), 2, allotment=ONE, seconds=None, lent=(1, 1)
        )
        assert result.rounds > 1

    @pytest.mark.parametrize("kept", [{0: 5}, {1: 5}, {0: 5, 1: None}, {0: None, 1: 7}, {2: 4, 3: 4}, {}])
    def test_nothing_is_lent_until_both_lenders_are_through(self, kept):
        results = [replace(FoldResult.failed("t", fold, "ok", ""), rounds=rounds) for fold, rounds in kept.items()]
        assert lent_rounds(results) == ()

    @pytest.mark.parametrize("name", BOOSTERS)
    def test_all_training_rows_are_learned_from(self, make_small, name, monkeypatch):
        seen = []
        original = type(discover()[name].build(SETTINGS)).fit

        def fit(self, X, y, **rest):
            seen.append((len(y), rest["valid"] is None))
            return original(self, X, y, **rest)

        monkeypatch.setattr(type(discover()[name].build(SETTINGS)), "fit", fit)
        problem = make_small("regression")
        run_fold(problem, candidate(name, **defaults(name)), 2, allotment=ONE, seconds=None)
        run_fold(problem, candidate(name, **defaults(name)), 2, allotment=ONE, seconds=None, lent=(4, 4))
        rows = len(problem.splits.folds[2].train)
        assert seen[0][0] < rows
        assert seen == [(seen[0][0], False), (rows, True)]


def test_a_candidate_of_fewer_rows_learns_from_a_sample_of_every_class(make_small, monkeypatch):
    watched = watch(monkeypatch)
    problem = make_small("multiclass")
    made = replace(candidate("spy"), rows=20)
    result = run_fold(problem, made, 0, allotment=ONE, seconds=None)
    whole = problem.task.y[problem.splits.folds[0].train]
    (spy,) = watched
    assert result.status == "ok"
    assert 18 <= len(spy.y) == len(spy.X.values) <= 22 < len(whole)
    assert set(spy.y.tolist()) == set(whole.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_lenders_watch_rows_that_no_borrower_is_scored_on(make_small, kind):
    problem = make_small(kind)
    folds = problem.splits.folds
    for fold in range(len(folds)):
        train = folds[fold].train
        labels = trial._compress(problem.task.y[train], kind)[0]
        learned, watched = trial._watched(problem, train, labels, fold)
        assert sorted([*learned, *watched]) == list(range(len(train)))
        assert 0.1 * len(train) <= len(watched) <= 0.25 * len(train)
        if fold < trial.LENDERS:
            assert set(train[watched]) <= set(folds[1 - fold].valid)
            assert not set(train[watched]) & set(folds[2].valid)


def test_rows_of_a_later_time_leave_earlier_folds_something_to_watch(make_small):
    problem = make_small("binary")
    rows = np.sort(np.concatenate([problem.splits.folds[0].train, problem.splits.folds[0].valid]))
    first, second, third = np.array_split(rows, 3)
    folds = (Fold(train=first, valid=second), Fold(train=np.sort([*first, *second]), valid=third))
    problem = replace(problem, splits=replace(problem.splits, strategy="predefined", folds=folds))
    for number, fold in enumerate(folds):
        _, watched = trial._watched(problem, fold.train, problem.task.y[fold.train], number)
        assert len(watched) > 0


def test_folds_of_another_repeat_find_their_own_rounds(make_small):
    problem = make_small("binary")
    folds = tuple(replace(fold, repeat=number // 2) for number, fold in enumerate(problem.splits.folds))
    problem = replace(problem, splits=replace(problem.splits, folds=folds))
    result = run_fold(
        problem, candidate("lightgbm", **defaults("lightgbm")), 2, allotment=ONE, seconds=None, lent=(1, 1)
    )
    assert result.rounds > 1
