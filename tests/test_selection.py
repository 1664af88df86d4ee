import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from predictions_fixture import CASES, classified, drawn, valued

from bench import selection
from bench.metric import METRICS, metrics_for
from bench.scoring import area_under_roc
from bench.selection import fit_greedy


@given(CASES, st.data())
@settings(deadline=None, max_examples=60)
def test_greedy_is_never_worse_than_its_best_member(case, data):
    predictions, y = drawn(case)
    metric = data.draw(st.sampled_from(metrics_for(case[0])))
    errors = [metric.error(metric.score(y, member)) for member in predictions]
    assume(not np.isnan(errors).any())
    combined = fit_greedy(predictions, y, metric, (), seed=0).combine(predictions)
    assert metric.error(metric.score(y, combined)) <= min(errors) + 1e-8


@given(CASES)
@settings(deadline=None, max_examples=40)
def test_weights_are_shares(case):
    predictions, y = drawn(case)
    metric = METRICS["mae" if case[0] == "regression" else "log_loss"]
    weights = np.array(fit_greedy(predictions, y, metric, (), seed=0).weights)
    assert len(weights) == len(predictions)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    rounds = 1 / weights[weights > 0].min()
    assert rounds <= selection.ROUNDS + 1e-9


def greedy_prefixes(predictions, y, metric):
    """Errors of the selection after each round, by the textbook."""
    chosen, errors = [], []
    for _ in range(selection.ROUNDS):
        candidates = [
            metric.error(metric.score(y, np.mean(predictions[[*chosen, member]], axis=0)))
            for member in range(len(predictions))
        ]
        chosen.append(int(np.argmin(np.round(candidates, 7))))
        errors.append(min(candidates))
    return chosen, errors


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "accuracy", "rmse"])
def test_best_prefix_of_the_selection_is_kept(monkeypatch, name, seed):
    monkeypatch.setattr(selection, "_PATIENCE", selection.ROUNDS)
    metric = METRICS[name]
    predictions, y = valued(5, 60, seed) if name == "rmse" else classified(5, 60, 3, seed)
    chosen, errors = greedy_prefixes(predictions, y, metric)
    best = next(size for size, error in enumerate(errors, start=1) if error <= min(errors) + 1e-9)
    expected = np.bincount(chosen[:best], minlength=5) / best
    np.testing.assert_allclose(fit_greedy(predictions, y, metric, (), seed=0).weights, expected)


def test_selection_that_stops_gaining_is_ended(monkeypatch):
    calls = []

    def count(self, y, prediction, classes=None):
        calls.append(1)
        return 0.5

    monkeypatch.setattr(type(METRICS["accuracy"]), "score", count)
    predictions, y = classified(3, 40, 2, 0)
    assert fit_greedy(predictions, y, METRICS["accuracy"], (), seed=0).weights == (1.0, 0.0, 0.0)
    assert len(calls) == 3 * (1 + selection._PATIENCE)


def test_ties_go_to_the_first_member():
    predictions, y = classified(1, 50, 2, 3)
    weights = fit_greedy(np.repeat(predictions, 4, axis=0), y, METRICS["log_loss"], (), seed=0).weights
    assert weights == (1.0, 0.0, 0.0, 0.0)


def test_differences_of_rounding_decide_no_tie():
    predictions, y = valued(1, 50, 3)
    twins = np.stack([predictions[0] + 1e-14, predictions[0]])
    assert fit_greedy(twins, y, METRICS["rmse"], (), seed=0).weights == (1.0, 0.0)


def test_metric_that_is_never_defined_leaves_the_first_member():
    predictions, y = classified(3, 30, 2, 0)
    weights = fit_greedy(predictions, np.zeros_like(y), METRICS["roc_auc"], (), seed=0).weights
    assert weights == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "brier", "rmse", "r2"])
@pytest.mark.parametrize("classes", [2, 3])
def test_sums_tell_what_scoring_anew_would(name, classes):
    metric = METRICS[name]
    predictions, y = valued(5, 400, 7) if name in ("rmse", "r2") else classified(5, 400, classes, 7)
    course = selection._begin(predictions, y, metric, (), np.arange(5), np.arange(400), 0)
    scored = selection._Scored(predictions, y, metric, ())
    assert type(course) is not type(scored)
    for member in (3, 1, 3, 0):
        course.add(member)
        scored.add(member)
        quick, exact = course.errors(), scored.errors()
        assert list(np.argsort(quick)) == list(np.argsort(exact))
        if name in ("log_loss", "roc_auc"):
            np.testing.assert_allclose(quick, exact, atol=1e-4 if name == "roc_auc" else 1e-6)


@pytest.mark.parametrize("shift", [-12, -3, 0, 3, 12])
@pytest.mark.parametrize("share", [0.005, 0.5, 0.995])
def test_area_from_a_histogram_is_as_good_as_exact(shift, share):
    """However rare a class is, and however near 0 or 1 its probabilities lie."""
    generator = np.random.default_rng(0)
    positive = generator.random(5000) < share
    scores = 1 / (1 + np.exp(-(generator.normal(size=(2, 5000)) + positive + shift)))
    errors = selection._Area(scores, positive).errors()
    exact = [area_under_roc(positive, row) for row in scores]
    np.testing.assert_allclose(1 - errors, exact, atol=1e-4)


def test_scores_that_are_tied_by_cells_are_compared_exactly():
    positive = np.arange(200) % 2 == 0
    scores = 0.5 + np.where(positive, 1e-6, 0.0)[None]
    assert selection._Area(scores, positive).errors() == [0.0]


@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "rmse", "accuracy"])
def test_rows_to_learn_from_are_all_that_counts(name):
    predictions, y = valued(4, 300, 2) if name == "rmse" else classified(4, 300, 2, 2)
    rows = np.arange(0, 300, 2)
    found = fit_greedy(predictions, y, METRICS[name], (), 0, rows=rows)
    assert found == fit_greedy(predictions[:, rows], y[rows], METRICS[name], (), 0)
    spoiled = np.where(np.isin(np.arange(300), rows), y, y[::-1])
    assert found == fit_greedy(predictions, spoiled, METRICS[name], (), 0, rows=rows)


@pytest.mark.parametrize("name", ["log_loss", "rmse", "accuracy"])
def test_large_tables_are_sampled_and_the_same_each_time(monkeypatch, name):
    monkeypatch.setattr(selection, "SCORED_ROWS", 100)
    monkeypatch.setattr(selection, "SUMMED_CELLS", 300)
    predictions, y = valued(3, 400, 0) if name == "rmse" else classified(3, 400, 2, 0)
    metric = METRICS[name]
    first = fit_greedy(predictions, y, metric, (), 1)
    assert first == fit_greedy(predictions, y, metric, (), 1)
    rows = selection.sample(np.arange(400), 100, selection.seed_for(1, "greedy"))
    assert len(set(rows)) == 100
    assert first == fit_greedy(predictions[:, rows], y[rows], metric, (), 1)


def test_without_time_the_best_member_is_taken():
    predictions, y = classified(4, 200, 3, 1)
    metric = METRICS["log_loss"]
    weights = fit_greedy(predictions, y, metric, (), 0, seconds=0.0).weights
    assert int(np.argmax(weights)) == int(np.argmin([metric.score(y, member) for member in predictions]))
    assert sum(weight > 0 for weight in weights) == 1
