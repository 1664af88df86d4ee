"""Temperature scaling, and thresholds for metrics of labels."""

import numpy as np
import pytest

from bench import calibration
from bench.calibration import adjusted
from bench.combine import Adjusted, WeightedMean
from bench.metric import METRICS, CustomMetric

PLAIN = WeightedMean(weights=(1.0,))


def overconfident(rows, classes, factor, *, rare=0.0, seed=0):
    """Codes drawn from true probabilities, and one member that tells these with its logits times ``factor``."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows, classes)) - rare * np.arange(classes)
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (true.cumsum(axis=1) > generator.random((rows, 1))).argmax(axis=1)
    told = true**factor
    return (told / told.sum(axis=1, keepdims=True))[None], y


def fit(predictions, y, name, rows=None, repeats=1):
    classes = range(predictions.shape[2]) if predictions.ndim == 3 else ()
    rows = np.arange(len(y)) if rows is None else rows
    rows = np.tile(rows, repeats)
    return adjusted(PLAIN, predictions, y, METRICS[name], classes, rows=rows, repeats=repeats)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_undoes_what_is_too_sure_or_too_timid(classes, factor):
    predictions, y = overconfident(8000, classes, factor)
    found = fit(predictions, y, "log_loss", rows=np.arange(4000))
    assert found.sharpness == pytest.approx(1 / factor, rel=0.1)
    judged, true = predictions[:, 4000:], y[4000:]
    gain = METRICS["log_loss"].score(true, judged[0]) - METRICS["log_loss"].score(true, found.combine(judged))
    assert gain > (0.005 if factor != 1.0 else -0.001)


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "mcc"])
def test_threshold_gains_where_a_class_is_rare(name):
    predictions, y = overconfident(8000, 2, 1.0, rare=2.0)
    found = fit(predictions, y, name, rows=np.arange(4000))
    judged, true, metric = predictions[:, 4000:], y[4000:], METRICS[name]
    assert metric.score(true, found.combine(judged)) > metric.score(true, judged[0]) + 0.02


def test_rare_ones_of_several_classes_are_favoured_where_it_gains():
    predictions, y = overconfident(8000, 4, 1.0, rare=1.0)
    found = fit(predictions, y, "balanced_accuracy", rows=np.arange(4000))
    assert list(found.bias) == sorted(found.bias)
    judged, true, metric = predictions[:, 4000:], y[4000:], METRICS["balanced_accuracy"]
    assert metric.score(true, found.combine(judged)) > metric.score(true, judged[0]) + 0.02


def test_of_many_classes_a_temperature_is_found_on_fewer_rows(monkeypatch):
    predictions, y = overconfident(3000, 4, 2.0)
    monkeypatch.setattr(calibration, "_MOST_PROBABILITIES", 4 * 1000)
    seen = []
    monkeypatch.setattr(calibration, "_sharpness", lambda told, y: seen.append(told.shape) or 1.0)
    fit(predictions, y, "log_loss")
    assert seen == [(1000, 4)]


@pytest.mark.parametrize("percent", [0.3, 100])
def test_resamples_that_a_metric_of_the_users_own_cannot_judge_are_left_out(percent):
    predictions, y = overconfident(4000, 2, 1.0, rare=2.0)
    drawn = np.random.default_rng(0)

    def picky(true, told):
        if drawn.random() < percent / 100:
            raise ValueError("no")
        return METRICS["f1"].function(true, told, 2)

    metric = CustomMetric(
        name="own:picky", tasks=METRICS["f1"].tasks, greater_is_better=True, needs="labels", function=picky, folder="."
    )
    found = adjusted(PLAIN, predictions, y, metric, range(2), rows=np.arange(len(y)))
    assert (found is PLAIN) == (percent == 100)


@pytest.mark.parametrize("seed", range(5))
def test_chance_moves_no_threshold(seed):
    """True probabilities are right by accuracy as they are."""
    predictions, y = overconfident(1000, 2, 1.0, seed=seed)
    assert fit(predictions, y, "accuracy") is PLAIN


@pytest.mark.parametrize(
    ("name", "classes", "rows"),
    [
        ("roc_auc", 2, 8000),
        ("log_loss", 2, 2000),
        ("log_loss", 3, 400),
        ("f1", 2, 300),
        ("precision", 2, 8000),
        ("recall", 2, 8000),
    ],
)
def test_nothing_is_adjusted_where_it_cannot_pay(name, classes, rows):
    predictions, y = overconfident(rows, classes, 3.0, rare=1.0)
    assert fit(predictions, y, name) is PLAIN


def test_values_are_left_alone():
    assert fit(np.zeros((1, 5000)), np.zeros(5000), "rmse") is PLAIN


def test_rows_that_are_not_to_be_learned_from_do_not_count():
    predictions, y = overconfident(8000, 2, 2.0, rare=1.0)
    rows = np.arange(4000)
    spoiled = np.where(np.arange(8000) < 4000, y, 1 - y)
    for name in ("log_loss", "f1"):
        found = fit(predictions, y, name, rows=rows)
        assert isinstance(found, Adjusted)
        assert found == fit(predictions, spoiled, name, rows=rows)


@pytest.mark.parametrize(("name", "classes", "rows"), [("log_loss", 2, 2000), ("log_loss", 3, 400), ("f1", 2, 300)])
def test_rows_that_come_twice_are_no_more_rows(name, classes, rows):
    predictions, y = overconfident(rows, classes, 3.0, rare=1.0)
    assert fit(predictions, y, name, repeats=2) is PLAIN


def test_what_gains_little_is_less_sure_where_rows_come_several_times():
    moved = dict.fromkeys((1, 4), 0)
    for seed in range(20):
        predictions, y = overconfident(800, 2, 1.0, rare=1.0, seed=seed)
        for repeats in moved:
            moved[repeats] += fit(predictions, y, "f1", repeats=repeats) is not PLAIN
    assert moved[4] <= moved[1]
