"""What a prediction is like, beyond its score: curves and tables for reports, and which columns matter.

Everything returned is fit for JSON: text, finite numbers, None, lists and dictionaries.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from bench.identity import seed_for
from bench.metric import Array, TaskKind
from bench.scoring import area_under_precision_recall, area_under_roc, class_report, threshold_counts

_CURVE_POINTS = 200
_CURVE_CLASSES = 10
_CONFUSION_CLASSES = 30
_SAMPLE_ROWS = 1000
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def analyse(
    y: Array, prediction: Array, *, kind: TaskKind, classes: Sequence[Any] = (), seed: int = 0
) -> dict[str, Any]:
    """Describe a prediction (see `bench.metric` for the arrays; all finite, at least one row).

    Classification: ``roc`` and ``precision_recall`` (one curve a class, of at most the 10 most frequent; in a binary
    task the positive class alone), ``confusion``, ``calibration``, ``per_class``, ``histogram``. Regression:
    ``residuals`` (true - predicted), ``sample`` (drawn by ``seed``), ``residuals_by_prediction``, ``error_by_target``,
    ``histogram``. Bins of deciles that ties make equal are one bin.
    """
    head = {"kind": kind, "n_rows": len(y)}
    if kind == "regression":
        return head | _analyse_values(y, prediction, seed)
    return head | _analyse_classes(y, prediction, [str(label) for label in classes])


def _analyse_classes(y: Array, probabilities: Array, labels: list[str]) -> dict[str, Any]:
    """Every panel of a classification."""
    predicted = np.argmax(probabilities, axis=1)
    support = np.bincount(y, minlength=len(labels))
    binary = len(labels) == 2
    frequent = [1] if binary else sorted(np.argsort(-support, kind="stable")[:_CURVE_CLASSES].tolist())
    shown = [code for code in frequent if 0 < support[code] < len(y)]
    return {
        "classes": labels,
        "roc": [_roc_curve(y == code, probabilities[:, code], labels[code]) for code in shown],
        "precision_recall": [
            _precision_recall_curve(y == code, probabilities[:, code], labels[code]) for code in shown
        ],
        "confusion": _confusion(y, predicted, labels),
        "calibration": _calibration(y, probabilities, predicted, labels),
        "per_class": _per_class(y, predicted, labels),
        "histogram": _probability_histogram(y, probabilities, labels, [0, 1] if binary else frequent),
    }


def _thin(x: Array, y: Array) -> tuple[list[float], list[float]]:
    """Keep at most 200 points of a curve, evenly along its length, both ends included."""
    if len(x) > _CURVE_POINTS:
        travelled = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
        stops = np.searchsorted(travelled, np.linspace(0, travelled[-1], _CURVE_POINTS))
        keep = np.unique(np.append(np.minimum(stops, len(x) - 1)[:-1], len(x) - 1))
        x, y = x[keep], y[keep]
    return x.tolist(), y.tolist()


def _roc_curve(positive: Array, score: Array, label: str) -> dict[str, Any]:
    """ROC curve of one class, from (0, 0) to (1, 1)."""
    hits, taken = threshold_counts(positive, score)
    false_positive_rate, true_positive_rate = _thin(
        np.append(0, taken - hits) / np.count_nonzero(~positive), np.append(0, hits) / hits[-1]
    )
    return {
        "class": label,
        "false_positive_rate": false_positive_rate,
        "true_positive_rate": true_positive_rate,
        "area": area_under_roc(positive, score),
    }


def _precision_recall_curve(positive: Array, score: Array, label: str) -> dict[str, Any]:
    """Precision over rising recall of one class; ``share`` is the precision of guessing, ``area`` average precision."""
    hits, taken = threshold_counts(positive, score)
    recall, precision = _thin(hits / hits[-1], hits / taken)
    return {
        "class": label,
        "recall": recall,
        "precision": precision,
        "area": area_under_precision_recall(positive, score),
        "share": float(positive.mean()),
    }


def _confusion(y: Array, predicted: Array, labels: list[str]) -> dict[str, Any]:
    """Counts of true (rows) against predicted (columns) classes; of very many, those with the most errors."""
    n_classes = len(labels)
    kept, note = np.arange(n_classes), ""
    if n_classes > _CONFUSION_CLASSES:
        wrong = y != predicted
        errors = np.bincount(y[wrong], minlength=n_classes) + np.bincount(predicted[wrong], minlength=n_classes)
        order = np.lexsort((-np.bincount(y, minlength=n_classes), -errors))
        kept = np.sort(order[:_CONFUSION_CLASSES])
        note = f"the {len(kept)} of {n_classes} classes with the most errors; rows of or taken for others are left out"
    position = np.full(n_classes, -1)
    position[kept] = np.arange(len(kept))
    true, guess = position[y], position[predicted]
    cells = (true * len(kept) + guess)[(true >= 0) & (guess >= 0)]
    counts = np.bincount(cells, minlength=len(kept) ** 2).reshape(len(kept), len(kept))
    return {"labels": [labels[code] for code in kept], "counts": counts.tolist(), "note": note}


def _bins_of(values: Array, n_bins: int) -> list[Array]:
    """Row numbers of each quantile bin, from the lowest values up; equal values share a bin, and no bin is empty."""
    last_of_bin = -(-np.arange(1, n_bins) * len(values) // n_bins) - 1
    edges = np.unique(np.sort(values)[last_of_bin])
    bins = np.searchsorted(edges, values, side="left")
    order = np.argsort(bins, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(bins, minlength=len(edges) + 1))[:-1])
    return [rows for rows in groups if len(rows)]


def _calibration(y: Array, probabilities: Array, predicted: Array, labels: list[str]) -> dict[str, Any]:
    """Stated against observed frequency in 10 quantile bins (Naeini et al., 2015, for the expected error).

    Binary: probability of the positive class; multiclass: that of the predicted class (Guo et al., 2017).
    """
    if len(labels) == 2:
        stated, happened, of = probabilities[:, 1], y == 1, f"class {labels[1]}"
    else:
        stated, happened, of = probabilities.max(axis=1), y == predicted, "the predicted class"
    bins = _bins_of(stated, 10)
    count = np.array([len(rows) for rows in bins])
    means = np.array([stated[rows].mean() for rows in bins])
    observed = np.array([happened[rows].mean() for rows in bins])
    return {
        "of": of,
        "stated": means.tolist(),
        "observed": observed.tolist(),
        "count": count.tolist(),
        "expected_calibration_error": float(np.abs(means - observed) @ count / len(y)),
    }


def _per_class(y: Array, predicted: Array, labels: list[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of rows of every class."""
    report = zip(labels, *(values.tolist() for values in class_report(y, predicted, len(labels))), strict=True)
    return [
        {"class": label, "precision": precision, "recall": recall, "f1": f1, "support": int(support)}
        for label, precision, recall, f1, support in report
    ]


def _probability_histogram(y: Array, probabilities: Array, labels: list[str], shown: list[int]) -> dict[str, Any]:
    """How often each probability was given, one row of 20 counts a true class.

    Binary: the probability of the positive class; multiclass: of the true class.
    """
    binary = len(labels) == 2
    edges = np.linspace(0, 1, 21)
    counts = []
    for code in shown:
        given = probabilities[y == code, 1 if binary else code]
        counts.append({"class": labels[code], "counts": np.histogram(np.clip(given, 0, 1), edges)[0].tolist()})
    return {"of": f"class {labels[1]}" if binary else "the true class", "edges": edges.tolist(), "by_class": counts}


def _analyse_values(y: Array, predicted: Array, seed: int) -> dict[str, Any]:
    """Every panel of a regression."""
    residual = y - predicted
    n_shown = min(len(y), _SAMPLE_ROWS)
    shown = np.sort(np.random.default_rng(seed).choice(len(y), size=n_shown, replace=False))
    return {
        "residuals": {
            "mean": float(residual.mean()),
            "standard_deviation": float(residual.std()),
            "minimum": float(residual.min()),
            "maximum": float(residual.max()),
            "quantiles": _quantiles(residual),
        },
        "sample": {"true": y[shown].tolist(), "predicted": predicted[shown].tolist()},
        "residuals_by_prediction": [
            _span(predicted[rows]) | {"quantiles": _quantiles(residual[rows])} for rows in _bins_of(predicted, 10)
        ],
        "error_by_target": [
            _span(y[rows])
            | {"mean_error": float(residual[rows].mean()), "mean_absolute_error": float(np.abs(residual[rows]).mean())}
            for rows in _bins_of(y, 10)
        ],
        "histogram": _residual_histogram(residual),
    }


def _quantiles(values: Array) -> dict[str, float]:
    """Five quantiles, by their level."""
    return dict(zip(map(str, _QUANTILES), np.quantile(values, _QUANTILES).tolist(), strict=True))


def _span(values: Array) -> dict[str, Any]:
    """What a bin covers."""
    return {"low": float(values.min()), "high": float(values.max()), "count": len(values)}


def _residual_histogram(residual: Array) -> dict[str, Any]:
    """Counts in 40 bins over the middle 99 per cent; what lies beyond is counted in the outer bins."""
    low, high = np.quantile(residual, [0.005, 0.995])
    # Residuals that differ by rounding alone would make bins too narrow for floating point.
    half = max((high - low) / 2, 1e-6 * abs(low)) or 0.5
    edges = (low + high) / 2 + np.linspace(-half, half, 41)
    counts = np.histogram(np.clip(residual, edges[0], edges[-1]), edges)[0]
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def permutation_importance(
    score: Callable[[pl.DataFrame], float],
    frame: pl.DataFrame,
    *,
    greater_is_better: bool,
    repeats: int,
    seed: int,
    left: Callable[[], float],
) -> list[dict[str, Any]]:
    """Measure how much worse the score gets when one raw column is shuffled (Breiman, 2001).

    Gives, in the frame's order, ``{"column", "mean", "std", "repeats"}`` a column: a positive mean says the column
    matters, in the metric's own unit. Every column is shuffled once before any is a second time; no call is begun that
    would outlast the seconds ``left`` if it took as long as the one before, so late columns may have 0 repeats and mean
    None. A shuffle depends on ``seed``, the column's name and the repeat alone. Scores of NaN are left out.
    """
    begun = time.monotonic()
    baseline = score(frame) if left() > 0 else math.nan
    took = time.monotonic() - begun
    drops: dict[str, list[float]] = {name: [] for name in frame.columns}
    for repeat, name in ((repeat, name) for repeat in range(repeats) for name in frame.columns):
        if took > left():
            break
        begun = time.monotonic()
        order = np.random.default_rng(seed_for(seed, "permutation", name, repeat)).permutation(frame.height)
        shuffled = score(frame.with_columns(frame.get_column(name).gather(order)))
        drop = baseline - shuffled if greater_is_better else shuffled - baseline
        if math.isfinite(drop):
            drops[name].append(drop)
        took = time.monotonic() - begun
    return [
        {
            "column": name,
            "mean": float(np.mean(found)) if found else None,
            "std": float(np.std(found)) if found else None,
            "repeats": len(found),
        }
        for name, found in drops.items()
    ]
