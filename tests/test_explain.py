import json
import time
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from bench.explain import analyse, permutation_importance
from bench.resources import Deadline


def classified(n_rows, n_classes, seed=0, sharpness=1.5):
    """Codes and probabilities that lean towards them."""
    generator = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), generator.integers(n_classes, size=n_rows - n_classes)])
    scores = np.exp(generator.normal(size=(n_rows, n_classes)) + sharpness * np.eye(n_classes)[y])
    return y, scores / scores.sum(axis=1, keepdims=True)


def names(n_classes):
    return [f"class {code:03}" for code in range(n_classes)]


@pytest.fixture(scope="module")
def binary():
    y, p = classified(4000, 2)
    return y, p, analyse(y, p, kind="binary", classes=(False, True))


@pytest.fixture(scope="module")
def regression():
    generator = np.random.default_rng(0)
    y = generator.gamma(2, size=3000)
    predicted = y + generator.normal(scale=0.3, size=3000)
    return y, predicted, analyse(y, predicted, kind="regression")


def test_labels_are_spelled_as_python_does(binary):
    assert binary[2]["classes"] == ["False", "True"]
    assert [row["class"] for row in binary[2]["per_class"]] == ["False", "True"]


def test_roc_curve_keeps_its_shape(binary):
    y, p, panels = binary
    (curve,) = panels["roc"]
    x, height = curve["false_positive_rate"], curve["true_positive_rate"]
    assert len(x) == len(height) <= 200
    assert (x[0], height[0], x[-1], height[-1]) == (0, 0, 1, 1)
    assert all(np.diff(x) >= 0)
    assert all(np.diff(height) >= 0)
    assert curve["area"] == pytest.approx(sk.roc_auc_score(y, p[:, 1]))
    assert np.trapezoid(height, x) == pytest.approx(curve["area"], abs=2e-3)


def test_precision_recall_curve_keeps_its_shape(binary):
    y, p, panels = binary
    (curve,) = panels["precision_recall"]
    assert len(curve["recall"]) == len(curve["precision"]) <= 200
    assert curve["recall"][-1] == 1
    assert curve["precision"][-1] == pytest.approx(y.mean(), abs=0.01)
    assert curve["share"] == pytest.approx(y.mean())
    assert curve["area"] == pytest.approx(sk.average_precision_score(y, p[:, 1]))
    assert np.trapezoid(curve["precision"], curve["recall"]) == pytest.approx(curve["area"], abs=0.01)


def test_short_curve_is_whole():
    panels = analyse(
        np.array([0, 1, 0, 1]), np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6], [0.6, 0.4]]), kind="binary", classes="ab"
    )
    assert panels["roc"][0]["false_positive_rate"] == [0, 0, 0.5, 0.5, 1]
    assert panels["roc"][0]["true_positive_rate"] == [0, 0.5, 0.5, 1, 1]
    assert panels["roc"][0]["class"] == "b"


def test_confusion_and_report_agree_with_scikit_learn():
    y, p = classified(900, 5)
    panels = analyse(y, p, kind="multiclass", classes=names(5))
    predicted = p.argmax(axis=1)
    assert panels["confusion"]["counts"] == sk.confusion_matrix(y, predicted).tolist()
    assert panels["confusion"]["note"] == ""
    report = sk.classification_report(y, predicted, target_names=names(5), output_dict=True)
    for row in panels["per_class"]:
        expected = report[row["class"]]
        assert row["precision"] == pytest.approx(expected["precision"])
        assert row["recall"] == pytest.approx(expected["recall"])
        assert row["f1"] == pytest.approx(expected["f1-score"])
        assert row["support"] == expected["support"]


def test_of_many_classes_the_most_confused_are_shown():
    y = np.repeat(np.arange(50), 4)
    predicted = y.copy()
    predicted[y >= 40] = 49 - (y[y >= 40] - 40)
    panels = analyse(y, np.eye(50)[predicted], kind="multiclass", classes=names(50))
    confusion = panels["confusion"]
    assert len(confusion["labels"]) == len(confusion["counts"]) == len(confusion["counts"][0]) == 30
    assert set(names(50)[40:]) <= set(confusion["labels"])
    assert confusion["labels"] == sorted(confusion["labels"])
    assert confusion["note"].startswith("the 30 of 50 classes")
    assert len(panels["roc"]) == len(panels["precision_recall"]) == len(panels["histogram"]["by_class"]) == 10


def test_curves_of_the_most_frequent_classes():
    y = np.concatenate([np.repeat(np.arange(12), 2), np.full(5, 11)])
    panels = analyse(y, np.full((len(y), 12), 1 / 12), kind="multiclass", classes=names(12))
    assert [curve["class"] for curve in panels["roc"]] == [*names(9), "class 011"]


def test_absent_class_has_no_curve():
    y, p = classified(60, 3)
    keep = y != 1
    panels = analyse(y[keep], p[keep], kind="multiclass", classes="abc")
    assert [curve["class"] for curve in panels["roc"]] == ["a", "c"]
    assert panels["per_class"][1]["support"] == 0


def test_calibration_agrees_with_scikit_learn(binary):
    y, p, panels = binary
    observed, stated = calibration_curve(y, p[:, 1], n_bins=10, strategy="quantile")
    calibration = panels["calibration"]
    assert sum(calibration["count"]) == 4000
    assert calibration["observed"] == pytest.approx(observed, abs=5e-3)
    assert calibration["stated"] == pytest.approx(stated, abs=5e-3)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_calibration_error_is_small_only_for_honest_probabilities(n_classes):
    generator = np.random.default_rng(0)
    honest = generator.dirichlet(np.ones(n_classes), size=8000)
    y = (generator.random(8000)[:, None] > honest.cumsum(axis=1)[:, :-1]).sum(axis=1)
    boastful = honest**4 / (honest**4).sum(axis=1, keepdims=True)
    kind = "binary" if n_classes == 2 else "multiclass"
    errors = [
        analyse(y, p, kind=kind, classes=names(n_classes))["calibration"]["expected_calibration_error"]
        for p in (honest, boastful)
    ]
    assert errors[0] < 0.02
    assert errors[1] > 0.1


def test_constant_prediction_has_one_calibration_bin():
    y = np.array([0, 1, 1, 1])
    calibration = analyse(y, np.tile([0.25, 0.75], (4, 1)), kind="binary", classes="ab")["calibration"]
    assert (calibration["stated"], calibration["observed"], calibration["count"]) == ([0.75], [0.75], [4])
    assert calibration["expected_calibration_error"] == 0


def test_probability_histogram_counts_every_row(binary):
    y, p, panels = binary
    histogram = panels["histogram"]
    assert len(histogram["edges"]) == 21
    assert [sum(row["counts"]) for row in histogram["by_class"]] == np.bincount(y).tolist()
    assert histogram["by_class"][1]["counts"] == np.histogram(p[y == 1, 1], bins=20, range=(0, 1))[0].tolist()


def test_regression_panels(regression):
    y, predicted, panels = regression
    residual = y - predicted
    assert panels["residuals"]["mean"] == pytest.approx(residual.mean())
    assert panels["residuals"]["quantiles"]["0.5"] == pytest.approx(np.median(residual))
    assert sum(panels["histogram"]["counts"]) == 3000
    assert len(panels["histogram"]["edges"]) == len(panels["histogram"]["counts"]) + 1
    for panel in ("residuals_by_prediction", "error_by_target"):
        assert [row["count"] for row in panels[panel]] == [300] * 10
        assert all(a["high"] < b["low"] for a, b in zip(panels[panel], panels[panel][1:], strict=False))
    lowest = np.argsort(y)[:300]
    assert panels["error_by_target"][0]["mean_absolute_error"] == pytest.approx(np.abs(residual[lowest]).mean())


@pytest.mark.parametrize("shift", [0.0, 1.0, -1e8])
def test_residuals_that_are_all_but_equal_have_a_histogram(shift):
    y = np.random.default_rng(0).normal(size=200)
    histogram = analyse(y, y - shift, kind="regression")["histogram"]
    assert sum(histogram["counts"]) == 200
    assert histogram["edges"][0] <= shift <= histogram["edges"][-1]
    assert sorted(histogram["edges"]) == histogram["edges"]


def test_sample_of_rows_is_drawn_by_seed(regression):
    y, predicted, panels = regression
    assert len(panels["sample"]["true"]) == 1000
    assert set(zip(panels["sample"]["true"], panels["sample"]["predicted"], strict=True)) <= set(
        zip(y.tolist(), predicted.tolist(), strict=True)
    )
    assert analyse(y, predicted, kind="regression")["sample"] == panels["sample"]
    assert analyse(y, predicted, kind="regression", seed=1)["sample"] != panels["sample"]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n_rows=st.integers(1, 30), n_classes=st.integers(2, 40))
def test_any_classification_is_fit_for_json(data, n_rows, n_classes):
    y = np.array(data.draw(st.lists(st.integers(0, n_classes - 1), min_size=n_rows, max_size=n_rows)))
    weights = np.random.default_rng(n_rows).integers(1, 4, size=(n_rows, n_classes)).astype(float)
    p = weights / weights.sum(axis=1, keepdims=True)
    panels = analyse(y, p, kind="binary" if n_classes == 2 else "multiclass", classes=list(range(n_classes)))
    assert json.loads(json.dumps(panels, allow_nan=False)) == panels


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(-1e9, 1e9)), min_size=1, max_size=30))
def test_any_regression_is_fit_for_json(rows):
    y, predicted = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    panels = analyse(y, predicted, kind="regression")
    assert json.loads(json.dumps(panels, allow_nan=False)) == panels


FRAME = pl.DataFrame(
    {
        "noise": np.random.default_rng(1).normal(size=300),
        "weight": np.random.default_rng(2).normal(size=300),
        "word": ["a", "b", None] * 100,
    }
)


def error(frame):
    """Mean absolute error of a prediction that uses ``weight`` fully and ``word`` a little."""
    used = frame["weight"] + 0.1 * (frame["word"] == "a").fill_null(False).cast(pl.Float64)
    true = FRAME["weight"] + 0.1 * (FRAME["word"] == "a").fill_null(False).cast(pl.Float64)
    return float((used - true).abs().mean())


def importances(score=error, frame=FRAME, *, greater_is_better=False, repeats=4, seed=0, seconds=60.0):
    return permutation_importance(
        score,
        frame,
        greater_is_better=greater_is_better,
        repeats=repeats,
        seed=seed,
        left=partial(getattr, Deadline(seconds), "left"),
    )


def test_columns_that_are_used_matter_in_the_frame_order():
    found = importances()
    assert [row["column"] for row in found] == FRAME.columns
    noise, weight, word = found
    assert (noise["mean"], noise["std"]) == (0, 0)
    assert weight["mean"] > word["mean"] > 0
    assert all(row["repeats"] == 4 for row in found)


def test_positive_means_worse_in_either_direction():
    assert importances() == importances(score=lambda frame: -error(frame), greater_is_better=True)


def test_importances_depend_on_seed_and_column_name_alone():
    assert importances() == importances()
    assert importances() != importances(seed=1)
    turned = {row["column"]: row for row in importances(frame=FRAME.select("word", "noise", "weight"))}
    assert [turned[row["column"]] for row in importances()] == importances()


def test_frame_is_left_as_it_was():
    before = FRAME.clone()
    importances()
    assert FRAME.equals(before)


def test_shuffling_keeps_the_other_columns_and_the_values():
    seen = []
    importances(score=lambda frame: seen.append(frame) or 0.0, repeats=1)
    for name, frame in zip(FRAME.columns, seen[1:], strict=True):
        assert frame.drop(name).equals(FRAME.drop(name))
        assert not frame[name].equals(FRAME[name])
        assert frame[name].sort().equals(FRAME[name].sort())
        assert frame.schema == FRAME.schema


def test_time_is_kept_and_early_columns_come_first():
    def slow(frame):
        time.sleep(0.05)
        return error(frame)

    begun = time.monotonic()
    found = importances(score=slow, repeats=1000, seconds=0.25)
    assert time.monotonic() - begun < 1
    counts = [row["repeats"] for row in found]
    assert counts == sorted(counts, reverse=True)
    assert max(counts) - min(counts) <= 1


def test_without_time_nothing_is_measured():
    assert importances(seconds=0.0) == [
        {"column": name, "mean": None, "std": None, "repeats": 0} for name in FRAME.columns
    ]


def test_undefined_scores_are_left_out():
    found = importances(score=lambda frame: 0.0 if frame.equals(FRAME) else float("nan"))
    assert all(row["mean"] is None and row["repeats"] == 0 for row in found)
