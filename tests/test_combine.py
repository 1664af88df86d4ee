import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench import combine
from bench.combine import (
    Linear,
    LogLinear,
    WeightedMean,
    combiner_from_dict,
    fit_greedy,
    fit_stacker,
)
from bench.metric import METRICS, metrics_for


def classified(members, rows, classes, seed, *, noisy=()):
    """Codes, and probabilities of members that know them more or less; those in ``noisy`` know nothing."""
    generator = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), generator.integers(classes, size=rows - classes)])
    stacked = []
    for member in range(members):
        skill = 0.0 if member in noisy else generator.uniform(0.5, 2.0)
        scores = np.exp(generator.normal(size=(rows, classes)) * 1.5 + skill * np.eye(classes)[y])
        stacked.append(scores / scores.sum(axis=1, keepdims=True))
    return np.stack(stacked), y


def valued(members, rows, seed, *, noisy=()):
    """Values, and predictions of members that know them more or less."""
    generator = np.random.default_rng(seed)
    y = generator.gamma(2.0, size=rows) + 1
    spreads = [5.0 if member in noisy else generator.uniform(0.3, 1.0) for member in range(members)]
    return np.stack([y + spread * generator.normal(size=rows) for spread in spreads]), y


CASES = st.tuples(
    st.sampled_from(["binary", "multiclass", "regression"]), st.integers(2, 6), st.integers(20, 80), st.integers(0, 999)
)


def drawn(case):
    kind, members, rows, seed = case
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[kind]
    return valued(members, rows, seed) if kind == "regression" else classified(members, rows, classes, seed)


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
    assert rounds <= combine.ROUNDS + 1e-9


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


def greedy_prefixes(predictions, y, metric):
    """Errors of the selection after each round, by the textbook."""
    chosen, errors = [], []
    for _ in range(combine.ROUNDS):
        candidates = [
            metric.error(metric.score(y, np.mean(predictions[[*chosen, member]], axis=0)))
            for member in range(len(predictions))
        ]
        chosen.append(int(np.argmin(np.round(candidates, 9))))
        errors.append(min(candidates))
    return chosen, errors


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "accuracy", "rmse"])
def test_best_prefix_of_the_selection_is_kept(monkeypatch, name, seed):
    monkeypatch.setattr(combine, "_PATIENCE", combine.ROUNDS)
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
    assert len(calls) == 3 * (1 + combine._PATIENCE)


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
    monkeypatch.setattr(combine, "_PENALTY", 1e4)
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


COMBINERS = [
    WeightedMean(weights=(0.25, 0.0, 0.75)),
    LogLinear(weights=(0.3, 0.0, 0.9), bias=(0.1, -0.2, 0.1)),
    Linear(weights=(0.5, 0.0, 0.4), bias=1.5),
]


@pytest.mark.parametrize("combiner", COMBINERS, ids=lambda combiner: type(combiner).__name__)
def test_combiner_survives_json(combiner):
    again = combiner_from_dict(json.loads(json.dumps(combiner.to_dict())))
    assert again == combiner
    predictions = valued(3, 20, 0)[0] if isinstance(combiner, Linear) else classified(3, 20, 3, 0)[0]
    np.testing.assert_array_equal(again.combine(predictions), combiner.combine(predictions))


@pytest.mark.parametrize("combiner", COMBINERS, ids=lambda combiner: type(combiner).__name__)
def test_row_is_combined_alike_wherever_it_stands(combiner):
    """Else the same row would be predicted otherwise alone than in its table."""
    predictions = valued(3, 203, 0)[0] if isinstance(combiner, Linear) else classified(3, 203, 3, 0)[0]
    whole = combiner.combine(predictions)
    for start, stop in pairwise((0, 1, 2, 9, 26, 203)):
        np.testing.assert_array_equal(combiner.combine(predictions[:, start:stop]), whole[start:stop])


def test_member_without_weight_changes_nothing():
    combiner = COMBINERS[1]
    predictions, _ = classified(3, 20, 3, 0)
    idle = predictions.copy()
    idle[1] = 0.0
    np.testing.assert_array_equal(combiner.combine(idle), combiner.combine(predictions))


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_large_tables_are_sampled_and_the_same_each_time(monkeypatch, kind):
    monkeypatch.setattr(combine, "STACK_ROWS", 100)
    monkeypatch.setattr(combine, "GREEDY_ROWS", 100)
    predictions, y = valued(3, 400, 0) if kind == "regression" else classified(3, 400, 2, 0)
    metric = METRICS["rmse" if kind == "regression" else "log_loss"]
    assert fit_stacker(predictions, y, kind, 1) == fit_stacker(predictions, y, kind, 1)
    assert fit_stacker(predictions, y, kind, 1) != fit_stacker(predictions, y, kind, 2)
    rows = combine._sample(400, 100, combine.seed_for(1, "greedy"))
    assert fit_greedy(predictions, y, metric, (), 1) == fit_greedy(predictions[:, rows], y[rows], metric, (), 1)
    assert len(set(rows)) == 100


def test_without_time_greedy_takes_the_best_member_and_stacking_stays_near_the_mean():
    predictions, y = classified(4, 200, 3, 1)
    metric = METRICS["log_loss"]
    errors = [metric.score(y, member) for member in predictions]
    weights = fit_greedy(predictions, y, metric, (), 0, seconds=0.0).weights
    assert int(np.argmax(weights)) == int(np.argmin(errors))
    assert sum(weight > 0 for weight in weights) == 1
    hasty = fit_stacker(predictions, y, "multiclass", 0, seconds=0.0).combine(predictions)
    whole = fit_stacker(predictions, y, "multiclass", 0).combine(predictions)
    assert metric.score(y, whole) < metric.score(y, hasty) < metric.score(y, predictions.mean(axis=0)) + 0.1
