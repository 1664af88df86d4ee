"""Every family crossed with every contract check; what is particular to some families follows."""

import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_fixture import CountedDeadline

from bench.errors import BenchError, DataError, SkipError
from bench.families import discriminant, gaussian_process, svm
from bench.families._boosting import Stopper, boost, loss_of, max_rounds
from bench.families._calibration import calibration, fit_calibrated, probabilities
from bench.families._estimator import as_output, row_weights, softmax
from bench.families._forest import Forest
from bench.family import DeadlineReached, Estimator, Settings, discover
from bench.needs import histogram
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline
from bench.samples import make_sample
from bench.testing import yield_checks

BOOSTERS = ("catboost", "lightgbm", "xgboost")
CROSSINGS = [
    pytest.param(check, id=f"{family.name}:{name}")
    for family in discover().values()
    for name, check in yield_checks(family)
]


@pytest.mark.parametrize("check", CROSSINGS)
def test_contract(check: Callable[[], None]) -> None:
    check()


def settings(kind: str = "binary", *, n_classes: int = 2, metric: str = "roc_auc", **params) -> Settings:
    return Settings(params=params, kind=kind, n_classes=n_classes, metric=metric, seed=0)


def fitted(name: str, sample, *, watch: bool = True, cpus: int = 1, metric: str = "log_loss", **params) -> Estimator:
    chosen = settings(sample.kind, n_classes=sample.n_classes, metric=metric, **params)
    estimator = discover()[name].build(chosen)
    valid = sample.valid if watch else None
    estimator.fit(sample.train, sample.y, valid=valid, allotment=Allotment(cpus=cpus), deadline=Deadline(None))
    return estimator


def test_the_best_round_is_kept_and_counted_from_one():
    losses = [5.0, 3.0, 4.0, 4.0, *[9.0] * 100]
    called = []

    def step(number: int) -> float:
        called.append(number)
        return losses[number]

    kept = boost(step, rounds=len(losses), stopper=Stopper(100), deadline=Deadline(None))
    assert kept == 2
    assert len(called) == 2 + 50 + 1


def test_nothing_watched_keeps_all_rounds():
    assert boost(lambda number: None, rounds=7, stopper=Stopper(100), deadline=Deadline(None)) == 7


@pytest.mark.parametrize("name", BOOSTERS)
def test_rounds_that_are_given_are_taken_and_told(name):
    sample = make_sample(discover()[name], "multiclass")
    chosen = replace(settings("multiclass", n_classes=sample.n_classes, metric="log_loss"), rounds=7)
    estimator = discover()[name].build(chosen)
    estimator.fit(sample.train, sample.y, valid=None, allotment=Allotment(), deadline=Deadline(None))
    assert estimator.rounds == 7


def test_a_loss_that_is_not_a_number_never_counts_as_best():
    stopper = Stopper(100)
    assert not stopper.stops(0, math.nan)
    assert not stopper.stops(1, 2.0)
    assert not stopper.stops(2, math.nan)
    assert stopper.best == 1


def test_boosting_past_the_deadline_is_not_whole():
    with pytest.raises(DeadlineReached):
        boost(lambda number: 1.0, rounds=7, stopper=Stopper(100), deadline=Deadline(0.0))


@pytest.mark.parametrize("name", BOOSTERS)
def test_boosters_keep_what_they_have_when_time_is_over_and_come_out_the_same_with_as_many_rounds(name):
    sample = make_sample(discover()[name], "multiclass")

    def fit(deadline, ended_at=None):
        chosen = settings("multiclass", n_classes=sample.n_classes, metric="log_loss", learning_rate=0.1)
        estimator = discover()[name].build(replace(chosen, ended_at=ended_at))
        estimator.fit(sample.train, sample.y, valid=sample.valid, allotment=Allotment(), deadline=deadline)
        return estimator

    ended = fit(CountedDeadline(60))
    assert 58 <= ended.ended_at <= 60
    again = fit(Deadline(None), ended.ended_at)
    assert (again.ended_at, again.rounds) == (None, ended.rounds)
    np.testing.assert_array_equal(again.predict(sample.train), ended.predict(sample.train))
    with pytest.raises(DeadlineReached):
        fit(CountedDeadline(30))


@pytest.mark.parametrize("name", BOOSTERS)
def test_boosters_that_are_given_rounds_take_them_all_or_come_to_nothing(name):
    sample = make_sample(discover()[name], "regression")
    chosen = replace(settings("regression", metric="rmse"), rounds=200)
    with pytest.raises(DeadlineReached):
        discover()[name].build(chosen).fit(
            sample.train, sample.y, valid=None, allotment=Allotment(), deadline=CountedDeadline(150)
        )


@pytest.mark.parametrize(("rows", "patience"), [(20, 50), (1_500, 50), (5_000, 150), (10_000, 300), (31_000, 97)])
def test_the_first_wait_peaks_at_ten_thousand_rows(rows, patience):
    assert Stopper(rows).patience == patience


@given(st.integers(1, 10**8))
def test_patience_is_bounded_whatever_the_rows(rows):
    assert 20 <= Stopper(rows).patience <= 300


def test_a_late_best_round_buys_a_longer_wait():
    stopper = Stopper(100)
    stopper.stops(1_000, 1.0)
    assert not stopper.stops(1_320, 2.0)
    assert stopper.stops(1_321, 2.0)


@pytest.mark.parametrize(
    ("rows", "watching", "rounds"), [(500, True, 400), (500, False, 160), (5_000, True, 10_000), (5_000, False, 160)]
)
def test_small_fits_are_limited_by_their_learning_rate(rows, watching, rounds):
    assert max_rounds(settings(), rows, watching=watching, learning_rate=0.05) == rounds
    assert max_rounds(settings(n_estimators=30), rows, watching=watching, learning_rate=0.05) == 30


@pytest.mark.parametrize(
    ("kind", "metric", "loss"),
    [
        ("binary", "roc_auc", "logloss"),
        ("multiclass", "accuracy", "logloss"),
        ("regression", "rmse", "rmse"),
        ("regression", "r2", "rmse"),
        ("regression", "mae", "mae"),
        ("regression", "mape", "mae"),
    ],
)
def test_what_a_booster_minimises_follows_the_metric(kind, metric, loss):
    assert loss_of(settings(kind, metric=metric)) == loss


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_early_stopping_predicts_with_the_rounds_up_to_the_best(name, kind):
    """Stopping, then fitting anew with just the rounds kept, gives the same model: no round more, none fewer."""
    sample = make_sample(discover()[name], kind, n_rows=150)
    params = {"learning_rate": 0.4, "n_estimators": 300}
    stopped = fitted(name, sample, **params)
    kept = {
        "catboost": lambda: stopped._model.tree_count_,
        "lightgbm": lambda: stopped.rounds,
        "xgboost": lambda: stopped._booster.num_boosted_rounds(),
    }[name]()
    assert 1 <= kept < 50, "the check needs a fit that stops early"
    again = fitted(name, sample, **{**params, "n_estimators": kept})
    np.testing.assert_array_equal(stopped.predict(sample.test), again.predict(sample.test))
    fewer = fitted(name, sample, **{**params, "n_estimators": kept - 1}) if kept > 1 else None
    assert fewer is None or not np.array_equal(fewer.predict(sample.test), again.predict(sample.test))


@pytest.mark.parametrize("name", BOOSTERS)
def test_boosters_fit_without_rows_to_watch(name):
    sample = make_sample(discover()[name], "binary")
    prediction = fitted(name, sample, watch=False, n_estimators=15).predict(sample.test)
    assert np.mean((prediction[:, 1] > 0.5) == sample.test_y) > 0.7


@pytest.mark.parametrize("name", BOOSTERS)
def test_an_absolute_error_is_minimised_for_its_metric(name):
    sample = make_sample(discover()[name], "regression")
    absolute = fitted(name, sample, metric="mae", n_estimators=30).predict(sample.test)
    assert not np.array_equal(absolute, fitted(name, sample, metric="rmse", n_estimators=30).predict(sample.test))


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "random_forest", "extra_trees"])
def test_two_threads_repeat_themselves(name):
    sample = make_sample(discover()[name], "multiclass", n_rows=600)
    first, second = (fitted(name, sample, cpus=2, n_estimators=20).predict(sample.test) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [*BOOSTERS, "decision_tree", "random_forest", "extra_trees", "linear"])
def test_balanced_weights_raise_the_rare_class(name):
    sample = make_sample(discover()[name], "binary", n_rows=400)
    rare = np.where(np.arange(len(sample.y)) % 6 == 0, sample.y, 0)
    sample = replace(sample, y=rare)
    few = {"watch": False} if name in ("decision_tree", "linear") else {"watch": False, "n_estimators": 20}
    plain = fitted(name, sample, **few).predict(sample.test)[:, 1].mean()
    balanced = fitted(name, sample, class_weight="balanced", **few).predict(sample.test)[:, 1].mean()
    assert balanced > plain


def test_balanced_weights_sum_alike_for_every_class():
    y = np.array([0, 0, 0, 1])
    weights = row_weights(settings(class_weight="balanced"), y, training=y)
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2])
    assert row_weights(settings(), y, training=y) is None
    assert row_weights(settings("regression", class_weight="balanced"), y, training=y) is None


def test_probabilities_are_clipped_and_sum_to_one():
    np.testing.assert_allclose(as_output(np.array([0.25, 1.5]), "binary"), [[0.75, 0.25], [0.0, 1.0]])
    np.testing.assert_allclose(as_output(np.array([[2.0, 0.0, 1.0]]), "multiclass"), [[0.5, 0.0, 0.5]])


def test_a_parameter_that_is_no_number_is_told():
    sample = make_sample(discover()["random_forest"], "binary")
    with pytest.raises(BenchError, match="Parameter 'n_estimators' must be a number, got 'many'"):
        fitted("random_forest", sample, n_estimators="many")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("max_leaf_nodes", [None, 9], ids=["depth_first", "best_first"])
def test_compact_forests_predict_what_scikit_learn_does(kind, max_leaf_nodes):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    sample = make_sample(discover()["random_forest"], kind)
    values, rows = sample.train.values.copy(), sample.test.values
    model = RandomForestRegressor if kind == "regression" else RandomForestClassifier
    model = model(12, max_leaf_nodes=max_leaf_nodes, random_state=0).fit(values, sample.y)
    wanted = model.predict(rows).reshape(-1, 1) if kind == "regression" else model.predict_proba(rows)
    compact = Forest.of(list(model.estimators_), rows.shape[1])
    np.testing.assert_array_equal(compact.predict(rows), wanted)
    # Rows that lie right on the thresholds; an infinite one only tells missing values apart.
    thresholds = compact.arrays["threshold"][np.isfinite(compact.arrays["threshold"]) & (compact.arrays["left"] != -1)]
    edges = np.tile(thresholds[:, None], rows.shape[1])
    wanted = model.predict(edges).reshape(-1, 1) if kind == "regression" else model.predict_proba(edges)
    np.testing.assert_array_equal(compact.predict(edges), wanted)


def test_a_damaged_forest_is_refused(tmp_path: Path):
    sample = make_sample(discover()["random_forest"], "binary")
    estimator = fitted("random_forest", sample, n_estimators=3)
    estimator.save(tmp_path)
    with np.load(tmp_path / "forest.npz") as file:
        arrays = dict(file)
    arrays["left"][0] = 10**6
    np.savez(tmp_path / "forest.npz", **arrays)
    with pytest.raises(DataError, match="indices must lie inside its arrays"):
        discover()["random_forest"].load(tmp_path)


def test_chunks_do_not_change_a_forest(monkeypatch: pytest.MonkeyPatch):
    sample = make_sample(discover()["extra_trees"], "binary")
    whole = fitted("extra_trees", sample, n_estimators=7).predict(sample.test)
    monkeypatch.setattr("bench.families._forest._CHUNK_CELLS", 1)
    np.testing.assert_array_equal(fitted("extra_trees", sample, n_estimators=7).predict(sample.test), whole)


@pytest.mark.parametrize(("metric", "value"), [("rmse", 4.0), ("r2", 4.0), ("mae", 2.0)])
def test_the_dummy_predicts_what_its_metric_likes_best(metric, value):
    y = np.array([0.0, 2.0, 10.0])
    X = Encoded(values=np.zeros((3, 1), dtype=np.float32))
    estimator = discover()["dummy"].build(settings("regression", metric=metric))
    estimator.fit(X, y, valid=None, allotment=Allotment(), deadline=Deadline(None))
    np.testing.assert_allclose(estimator.predict(X), value)


def test_neighbours_are_sampled_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bench.families.knn._MAX_ROWS", 50)
    sample = make_sample(discover()["knn"], "multiclass")
    y = np.where(sample.y == 3, 0, sample.y)
    y[17] = 3
    sample = replace(sample, y=y)
    estimator = fitted("knn", sample)
    assert len(estimator._arrays["y"]) == 50
    assert set(estimator._arrays["y"]) == {0, 1, 2, 3}
    assert estimator.predict(sample.test).shape[1] == 4


@pytest.mark.parametrize("params", [{"penalty": "l1", "C": 0.02}, {"penalty": "l2", "C": 0.02}])
def test_a_lasso_drops_features_and_a_ridge_does_not(params):
    sample = make_sample(discover()["linear"], "binary", n_rows=300)
    weights = fitted("linear", sample, **params)._arrays["coefficients"]
    assert (np.sum(weights == 0.0) > 0) == (params["penalty"] == "l1")


def test_regression_penalties_do_not_depend_on_the_unit():
    sample = make_sample(discover()["linear"], "regression")
    scaled = replace(sample, y=sample.y * 1e6)
    for params in ({"l1_ratio": 0.0, "alpha": 0.1}, {"l1_ratio": 0.9, "alpha": 0.1}):
        small, large = (fitted("linear", each, **params).predict(sample.test) for each in (sample, scaled))
        np.testing.assert_allclose(large, small * 1e6, rtol=1e-6)


@pytest.mark.parametrize("name", ["linear", "svm", "gaussian_process", "mlp", "realmlp"])
def test_odd_rows_are_not_predicted_far_beyond_the_target(name, tmp_path):
    sample = make_sample(discover()[name], "regression", n_rows=100)
    estimator = fitted(name, sample)
    odd = sample.test.values.copy()
    odd[::2, 0] *= 1e4
    predicted = estimator.predict(replace(sample.test, values=odd))
    low, high = sample.y.min(), sample.y.max()
    assert predicted.min() >= low - 0.05 * (high - low)
    assert predicted.max() <= high + 0.05 * (high - low)
    estimator.save(tmp_path)
    again = discover()[name].load(tmp_path).predict(replace(sample.test, values=odd))
    np.testing.assert_array_equal(again, predicted)


# --- calibration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 5])
def test_calibration_finds_the_slope_and_biases_that_scores_came_by(n_classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, n_classes)) + np.linspace(0.0, 1.0, n_classes)
    y = (softmax(logits).cumsum(axis=1) < rng.random((len(logits), 1))).sum(axis=1)
    arrays = calibration(20.0 * (logits - np.linspace(0.0, 1.0, n_classes)), y)
    assert arrays["slope"] == pytest.approx(0.05, rel=0.05)
    np.testing.assert_allclose(np.diff(arrays["biases"]), 1 / (n_classes - 1), atol=0.1)


def test_scores_that_tell_all_classes_apart_do_not_make_sure():
    y = np.arange(40) % 2
    highest = probabilities(np.eye(2)[y], calibration(np.eye(2)[y], y)).max()
    assert 0.9 < highest < 1.0


def test_scores_that_tell_nothing_give_the_classes_shares():
    y = np.repeat([0, 1], [900, 100])
    scores = np.random.default_rng(0).normal(size=(1000, 2))
    np.testing.assert_allclose(probabilities(scores, calibration(scores, y)).mean(axis=0), [0.9, 0.1], atol=0.02)


def test_rows_are_calibrated_on_by_models_that_never_saw_them():
    """A model that remembers its rows and knows nothing else is worth no more than the classes' shares."""
    y = np.arange(60) % 2
    values = np.arange(60.0)[:, None]

    def fit(rows, codes):
        return {"known": rows[:, 0], "codes": codes}

    def score(arrays, rows):
        known = np.isin(rows[:, 0], arrays["known"])
        right = np.eye(2)[rows[:, 0].astype(int) % 2]
        return np.where(known[:, None], right, 1.0 - right)

    arrays = fit_calibrated(fit, score, values, y, seed=0)
    assert arrays["slope"] < 0.01
    assert len(arrays["known"]) == 60


def test_the_only_row_of_a_class_is_always_learned_from():
    y = np.array([0, 0, 0, 1, 1, 1, 2])
    seen = []

    def fit(rows, codes):
        seen.append(set(codes))
        return {}

    fit_calibrated(fit, lambda arrays, rows: np.zeros((len(rows), 3)), np.zeros((7, 1)), y, seed=0)
    assert all(2 in codes for codes in seen)


# --- small tables ----------------------------------------------------------------------------------------------------


def test_naive_bayes_is_less_sure_than_its_likelihoods():
    """Features that repeat one another count as many times over; calibrated, they do not."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=600)
    copies = np.repeat(rng.normal(size=(600, 1)) + y[:, None], 30, axis=1).astype(np.float32)
    estimator = discover()["naive_bayes"].build(settings())
    estimator.fit(Encoded(values=copies[:400]), y[:400], valid=None, allotment=Allotment(), deadline=Deadline(None))
    p = estimator.predict(Encoded(values=copies[400:]))
    log_loss = -np.log(p[np.arange(200), y[400:]]).mean()
    assert log_loss < 0.65, "the raw likelihoods' log loss is above 3 here"


@pytest.mark.parametrize(
    ("pooling", "name"), [(1.0, "LinearDiscriminantAnalysis"), (0.0, "QuadraticDiscriminantAnalysis")]
)
def test_discriminants_order_rows_as_scikit_learn_does(pooling, name):
    from sklearn import discriminant_analysis

    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    values = (rng.normal(size=(600, 4)) * (1.0 + y[:, None]) + y[:, None]).astype(np.float32)
    ours = discover()["discriminant"].build(settings("multiclass", n_classes=3, pooling=pooling, shrinkage=0.0001))
    ours.fit(Encoded(values=values), y, valid=None, allotment=Allotment(), deadline=Deadline(None))
    theirs = getattr(discriminant_analysis, name)(store_covariance=True).fit(values, y)
    scores = discriminant.class_scores(ours._arrays, values)
    assert np.mean(scores.argmax(axis=1) == theirs.predict(values)) > 0.99


@pytest.mark.parametrize(("most", "pooling", "skips"), [(40, 1.0, False), (40, 0.0, True), (10, 1.0, True)])
def test_discriminants_of_too_many_columns_are_skipped(most, pooling, skips, monkeypatch):
    """Four columns: one matrix of 16 numbers, or three of them."""
    monkeypatch.setattr(discriminant, "_MOST_CELLS", most)
    rng = np.random.default_rng(0)
    X, y = Encoded(values=rng.normal(size=(60, 4)).astype(np.float32)), np.arange(60) % 3
    estimator = discover()["discriminant"].build(settings("multiclass", n_classes=3, pooling=pooling))
    with pytest.raises(SkipError, match="covariances take at most") if skips else contextlib.nullcontext():
        estimator.fit(X, y, valid=None, allotment=Allotment(), deadline=Deadline(None))


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_histograms_that_are_not_kept_change_nothing_to_speak_of(name, monkeypatch):
    rng = np.random.default_rng(0)
    X = Encoded(values=rng.normal(size=(400, 30)).astype(np.float32))
    y = (X.values[:, :3].sum(axis=1) > 0).astype(np.int64)

    def predicted():
        estimator = discover()[name].build(settings("binary", n_estimators=20))
        estimator.fit(X, y, valid=None, allotment=Allotment(), deadline=Deadline(None))
        return estimator.predict(X)

    kept = predicted()
    family = sys.modules[f"bench.families.{name}"]
    monkeypatch.setattr(family, "HISTOGRAM_BYTES", 3 * histogram(30, 256))
    np.testing.assert_allclose(predicted(), kept, atol=1e-5)


def test_the_share_of_the_sphere_is_that_of_ledoit_and_wolf():
    from sklearn.covariance import ledoit_wolf

    from bench.families.discriminant import _moments

    values = np.random.default_rng(0).normal(size=(60, 20)) * np.linspace(1, 3, 20)
    estimator = discover()["discriminant"].build(settings(shrinkage="auto"))
    _, scatter, fourth = _moments(values)
    np.testing.assert_allclose(estimator._shrunk(scatter, fourth, 60), ledoit_wolf(values)[0], rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_margins_are_those_of_libsvm(n_classes):
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=200)
    rows = (rng.normal(size=(200, 3)) + y[:, None]).astype(np.float32).astype(np.float64)
    estimator = discover()["svm"].build(
        settings("binary" if n_classes == 2 else "multiclass", n_classes=n_classes, C=2.0)
    )
    arrays = estimator._solve(rows, y, 0.3)
    wanted = SVC(C=2.0, gamma=0.3, decision_function_shape="ovo").fit(rows, y).decision_function(rows)
    got = svm.pair_margins(arrays, rows)
    np.testing.assert_allclose(got, wanted if n_classes > 2 else -wanted[:, None], atol=1e-6)


def test_support_vector_regression_does_not_depend_on_the_unit():
    sample = make_sample(discover()["svm"], "regression")
    small, large = (fitted("svm", replace(sample, y=sample.y * f)).predict(sample.test) for f in (1.0, 1e6))
    np.testing.assert_allclose(large, small * 1e6, rtol=1e-6)


def test_a_fit_that_cannot_be_over_in_time_is_not_begun():
    calls = []

    def fit(rows, y):
        calls.append(len(y))
        time.sleep(0.02)
        return {}

    timed = svm.foreseeing(fit, Deadline(0.5))
    timed(np.zeros((10, 1)), np.zeros(10))
    with pytest.raises(DeadlineReached):
        timed(np.zeros((100, 1)), np.zeros(100))
    assert calls == [10]


@pytest.mark.parametrize("relevance", [False, True])
@pytest.mark.parametrize("shape", ["rbf", "matern32", "matern52"])
def test_the_likelihoods_gradient_is_its_slope(shape, relevance):
    from scipy.optimize import approx_fprime

    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    at = np.concatenate([[0.1, -1.0, -1.5, 0.4], 0.2 * rng.normal(size=3 * relevance)])
    fixed = {"rows": rows, "targets": targets, "shape": shape, "straight": rows @ rows.T / 3}
    slope = approx_fprime(at, lambda x: gaussian_process.negative_likelihood(x, **fixed)[0], 1e-7)
    np.testing.assert_allclose(gaussian_process.negative_likelihood(at, **fixed)[1], slope, rtol=1e-4, atol=1e-4)


def test_the_likelihood_and_predictions_are_those_of_scikit_learn():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3))
    targets = np.sin(rows[:, :1])
    at = np.array([0.2, -1.0, -2.0, 0.3])
    smooth, straight, noise, length = np.exp(at)
    kernel = ConstantKernel(smooth) * Matern(length, nu=2.5)
    kernel += ConstantKernel(straight / 3) * DotProduct(0.0, "fixed") + WhiteKernel(noise)
    theirs = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0).fit(rows, targets[:, 0])
    fixed = {"rows": rows, "targets": targets, "shape": "matern52", "straight": rows @ rows.T / 3}
    wanted = -theirs.log_marginal_likelihood_value_ - 20 * math.log(2 * math.pi)
    assert gaussian_process.negative_likelihood(at, **fixed)[0] == pytest.approx(wanted)


def test_what_is_left_out_is_predicted_without_it():
    """Weights over the inverse's diagonal give what a process without the row predicts for it."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 2))
    covariance = np.exp(-0.5 * gaussian_process.square_distances(rows, rows)) + 0.1 * np.eye(12)
    targets = rng.normal(size=(12, 1))
    weights, spread = gaussian_process.solve(covariance, targets)
    others = np.arange(12) != 5
    wanted = covariance[5, others] @ np.linalg.solve(covariance[np.ix_(others, others)], targets[others, 0])
    assert targets[5, 0] - weights[5, 0] / spread[5] == pytest.approx(wanted)


def test_a_process_that_is_cut_short_is_not_whole(monkeypatch: pytest.MonkeyPatch):
    sample = make_sample(discover()["gaussian_process"], "regression", n_rows=100)
    moments = iter([False, False, True])
    monkeypatch.setattr(Deadline, "passed", property(lambda self: next(moments, True)))
    with pytest.raises(DeadlineReached):
        fitted("gaussian_process", sample)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_curves_predict_what_interpret_does(kind, monkeypatch: pytest.MonkeyPatch):
    sample = make_sample(discover()["explainable_boosting"], kind, n_rows=300)
    made = []
    estimator = discover()["explainable_boosting"].build(settings(kind, n_classes=sample.n_classes, interactions=2))
    make = estimator._model
    monkeypatch.setattr(estimator, "_model", lambda *rest: made.append(make(*rest)) or made[0])
    rest = {"valid": sample.valid, "allotment": Allotment(), "deadline": Deadline(None)}
    estimator.fit(sample.train, sample.y, **rest)
    rows = sample.test.values.astype(np.float64)
    wanted = made[0].predict(rows) if kind == "regression" else made[0].predict_proba(rows)
    np.testing.assert_allclose(estimator.predict(sample.test), wanted, rtol=1e-9, atol=1e-12)
