import numpy as np
import pytest
from hypothesis import given, settings
from predictions_fixture import CASES, classified, drawn, valued

from bench import stacking
from bench.metric import METRICS
from bench.selection import fit_greedy
from bench.stacking import fit_stacker


@given(CASES)
@settings(deadline=None, max_examples=40)
def test_combined_probabilities_are_probabilities(case):
    predictions, y = drawn(case)
    stacker = fit_stacker(predictions, y, case[0], seed=0)
    assert min(stacker.weights) >= 0
    combined = stacker.combine(predictions)
    assert combined.shape == predictions.shape[1:]
    assert np.isfinite(combined).all()
    if case[0] != "regression":
        assert (combined >= 0).all()
        np.testing.assert_allclose(combined.sum(axis=1), 1.0)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("fit", ["greedy", "stack"])
def test_noise_among_members_is_outvoted(classes, fit):
    kind = "binary" if classes == 2 else "multiclass"
    predictions, y = classified(4, 3000, classes, 5, noisy=(1, 2))
    learned, judged = (predictions[:, :1500], y[:1500]), (predictions[:, 1500:], y[1500:])
    metric = METRICS["log_loss"]
    found = fit_greedy(*learned, metric, (), 0) if fit == "greedy" else fit_stacker(*learned, kind, 0)
    mean = metric.score(judged[1], judged[0].mean(axis=0))
    assert metric.score(judged[1], found.combine(judged[0])) < mean - 0.02
    assert max(found.weights[1], found.weights[2]) < min(found.weights[0], found.weights[3]) / 3


def test_noise_among_values_is_outvoted():
    predictions, y = valued(4, 3000, 5, noisy=(1, 2))
    stacker = fit_stacker(predictions[:, :1500], y[:1500], "regression", 0)
    judged, true = predictions[:, 1500:], y[1500:]
    metric = METRICS["rmse"]
    assert metric.score(true, stacker.combine(judged)) < 0.8 * metric.score(true, judged.mean(axis=0))
    assert max(stacker.weights[1:3]) < 0.05


def test_stacker_mends_what_all_members_get_wrong():
    predictions, y = valued(3, 2000, 1)
    shifted = fit_stacker(0.5 * predictions + 3, y, "regression", 0)
    assert METRICS["rmse"].score(y, shifted.combine(0.5 * predictions + 3)) < 0.6
    probabilities, codes = classified(3, 4000, 2, 1)
    biased = probabilities * [0.9, 0.1]
    biased /= biased.sum(axis=2, keepdims=True)
    stacker = fit_stacker(biased, codes, "binary", 0)
    metric = METRICS["log_loss"]
    assert metric.score(codes, stacker.combine(biased)) < metric.score(codes, biased.mean(axis=0)) - 0.1


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_penalty_pulls_weights_towards_the_plain_mean(monkeypatch, kind):
    predictions, y = valued(4, 300, 2) if kind == "regression" else classified(4, 300, 2, 2)

    def distance():
        return np.abs(np.array(fit_stacker(predictions, y, kind, 0).weights) - 0.25).max()

    loose = distance()
    monkeypatch.setattr(stacking, "_PENALTY", 1e4)
    assert distance() < 1e-3 < loose


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_constant_target_is_no_crash(kind):
    predictions, y = valued(3, 30, 0) if kind == "regression" else classified(3, 30, 2, 0)
    combined = fit_stacker(predictions, np.zeros_like(y), kind, 0).combine(predictions)
    assert np.isfinite(combined).all()


def test_certain_and_wrong_members_stay_finite():
    y = np.array([0, 1] * 20)
    wrong = np.eye(2)[1 - y]
    stacker = fit_stacker(np.stack([wrong, wrong]), y, "binary", 0)
    assert np.isfinite(stacker.combine(np.stack([wrong, wrong]))).all()
    assert METRICS["log_loss"].score(y, stacker.combine(np.stack([wrong, wrong]))) < 1.0


@pytest.mark.parametrize("limit", [("STACK_ROWS", 100), ("STACK_CELLS", 3 * 2 * 100)])
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_large_tables_are_sampled_and_the_same_each_time(monkeypatch, kind, limit):
    monkeypatch.setattr(stacking, *limit)
    predictions, y = valued(3, 400, 0) if kind == "regression" else classified(3, 400, 2, 0)
    assert fit_stacker(predictions, y, kind, 1) == fit_stacker(predictions, y, kind, 1)
    assert fit_stacker(predictions, y, kind, 1) != fit_stacker(predictions, y, kind, 2)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_rows_to_learn_from_are_all_that_counts(kind):
    predictions, y = valued(4, 300, 2) if kind == "regression" else classified(4, 300, 2, 2)
    rows = np.arange(0, 300, 2)
    found = fit_stacker(predictions, y, kind, 0, rows=rows)
    assert found == fit_stacker(predictions[:, rows], y[rows], kind, 0)


def test_without_time_stacking_stays_near_the_mean():
    predictions, y = classified(4, 200, 3, 1)
    metric = METRICS["log_loss"]
    hasty = fit_stacker(predictions, y, "multiclass", 0, seconds=0.0).combine(predictions)
    whole = fit_stacker(predictions, y, "multiclass", 0).combine(predictions)
    assert metric.score(y, whole) < metric.score(y, hasty) < metric.score(y, predictions.mean(axis=0)) + 0.1
