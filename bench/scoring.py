"""Scores of predictions as plain functions of arrays; which of them is whose metric is said in `bench.metric`.

``y`` holds class codes 0..n_classes-1, some of which may be absent (a validation fold need not hold every class), or
values. Functions of probabilities take [n_rows, n_classes]; with two columns the second is the positive class.
Functions of labels take the predicted codes and the number of classes. A score that these rows do not
define is NaN.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PINBALL_ALPHA = 0.9
_EPSILON = float(np.finfo(np.float64).eps)


def _mean_of_defined(scores: Iterable[float]) -> float:
    """Average what is not NaN; NaN when nothing is left."""
    defined = [score for score in scores if not np.isnan(score)]
    return float(np.mean(defined)) if defined else float("nan")


def area_under_roc(positive: Array, score: Array) -> float:
    """Area under the ROC curve of one class (a boolean mask) against the rest; NaN unless both are present.

    The chance that a member scores above another row, a tie counting half (Mann and Whitney, 1947).
    """
    members, others = score[positive], score[~positive]
    pairs = 2 * len(members) * len(others)
    if pairs == 0:
        return float("nan")
    # The shorter side is looked up in the longer one; sorted queries keep the binary search in cache.
    swapped = len(members) > len(others)
    few, many = np.sort(others if swapped else members), np.sort(members if swapped else others)
    below = int(np.searchsorted(many, few, side="left").sum() + np.searchsorted(many, few, side="right").sum())
    return (pairs - below if swapped else below) / pairs


def roc_auc(y: Array, probabilities: Array) -> float:
    """Area under the ROC curve; of many classes, the mean over those that have both members and others here."""
    if probabilities.shape[1] == 2:
        return area_under_roc(y == 1, probabilities[:, 1])
    return _mean_of_defined(area_under_roc(y == code, column) for code, column in enumerate(probabilities.T))


def roc_auc_ovo(y: Array, probabilities: Array) -> float:
    """Mean over pairs of present classes of how well each is told from the other (Hand and Till, 2001)."""
    counts = np.bincount(y, minlength=probabilities.shape[1])
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return float("nan")
    areas = 0.0
    for code in present:
        own = np.sort(probabilities[y == code, code])
        column = probabilities[:, code]
        below = np.searchsorted(own, column, side="left") + np.searchsorted(own, column, side="right")
        told_apart = np.bincount(y, weights=1 - below / (2 * len(own)), minlength=len(counts))
        areas += np.delete(told_apart[present] / counts[present], np.searchsorted(present, code)).sum()
    return float(areas / (len(present) * (len(present) - 1)))


def threshold_counts(positive: Array, score: Array) -> tuple[Array, Array]:
    """Count the positives, and all rows, at or above each distinct score, from the highest score down."""
    order = np.argsort(-score)
    descending = score[order]
    last_of_tie = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))
    return np.cumsum(positive[order])[last_of_tie], last_of_tie + 1


def area_under_precision_recall(positive: Array, score: Array) -> float:
    """Average precision of one class: the sum of precision times each step in recall; NaN without positives."""
    if not positive.any():
        return float("nan")
    hits, taken = threshold_counts(positive, score)
    return float(np.sum(np.diff(hits, prepend=0) * hits / taken) / hits[-1])


def average_precision(y: Array, probabilities: Array) -> float:
    """Average precision; of many classes, the mean over those present."""
    if probabilities.shape[1] == 2:
        return area_under_precision_recall(y == 1, probabilities[:, 1])
    return _mean_of_defined(
        area_under_precision_recall(y == code, column) for code, column in enumerate(probabilities.T)
    )


def log_loss(y: Array, probabilities: Array) -> float:
    """Mean negative logarithm of the probability given to the true class, which is kept off 0 and 1 by 2.2e-16."""
    given = probabilities[np.arange(len(y)), y]
    return float(-np.log(np.clip(given, _EPSILON, 1 - _EPSILON)).mean())


def brier(y: Array, probabilities: Array) -> float:
    """Mean squared error of the positive class's probability; of many classes, summed over them (range 0 to 2)."""
    if probabilities.shape[1] == 2:
        return float(np.mean((probabilities[:, 1] - y) ** 2))
    given = probabilities[np.arange(len(y)), y]
    return float(np.einsum("ij,ij->", probabilities, probabilities) / len(y) + np.mean(1 - 2 * given))


def _ratio(part: Array, whole: Array) -> Array:
    """Divide, giving 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _tally(y: Array, predicted: Array, n_classes: int) -> tuple[Array, Array, Array]:
    """Count, for each class, its rows, the rows predicted to be it, and the hits; as float64."""
    groups = (y, predicted, y[y == predicted])
    support, guesses, hits = (np.bincount(group, minlength=n_classes).astype(np.float64) for group in groups)
    return support, guesses, hits


def class_report(y: Array, predicted: Array, n_classes: int) -> tuple[Array, Array, Array, Array]:
    """Precision, recall, F1 and number of rows of each class; 0 where a ratio has nothing below the line."""
    support, guesses, hits = _tally(y, predicted, n_classes)
    return _ratio(hits, guesses), _ratio(hits, support), _ratio(2 * hits, support + guesses), support


def _macro(values: Array, y: Array, predicted: Array) -> float:
    """Average over the classes that are present or predicted."""
    present = np.zeros(len(values), dtype=bool)
    present[y] = present[predicted] = True
    return float(values[present].mean())


def accuracy(y: Array, predicted: Array, n_classes: int) -> float:
    """Share of rows that are right."""
    return float(np.mean(y == predicted))


def balanced_accuracy(y: Array, predicted: Array, n_classes: int) -> float:
    """Mean recall over the classes present."""
    support, _, hits = _tally(y, predicted, n_classes)
    return float(_ratio(hits, support)[support > 0].mean())


def precision(y: Array, predicted: Array, n_classes: int) -> float:
    """Precision of the positive class; of many classes, the mean over those present or predicted."""
    values = class_report(y, predicted, n_classes)[0]
    return float(values[1]) if n_classes == 2 else _macro(values, y, predicted)


def recall(y: Array, predicted: Array, n_classes: int) -> float:
    """Recall of the positive class; of many classes, the mean over those present or predicted."""
    values = class_report(y, predicted, n_classes)[1]
    return float(values[1]) if n_classes == 2 else _macro(values, y, predicted)


def f1(y: Array, predicted: Array, n_classes: int) -> float:
    """F1 of the positive class."""
    return float(class_report(y, predicted, n_classes)[2][1])


def f1_macro(y: Array, predicted: Array, n_classes: int) -> float:
    """Mean F1 over the classes present or predicted."""
    return _macro(class_report(y, predicted, n_classes)[2], y, predicted)


def f1_weighted(y: Array, predicted: Array, n_classes: int) -> float:
    """Mean F1 over classes, each weighed by its rows."""
    _, _, values, support = class_report(y, predicted, n_classes)
    return float(values @ support / support.sum())


def mcc(y: Array, predicted: Array, n_classes: int) -> float:
    """Matthews correlation coefficient of any number of classes (Gorodkin, 2004); 0 when either side is constant."""
    support, guesses, hits = _tally(y, predicted, n_classes)
    n = float(len(y))
    spread = (n * n - support @ support) * (n * n - guesses @ guesses)
    return float((hits.sum() * n - support @ guesses) / np.sqrt(spread)) if spread > 0 else 0.0


def quadratic_kappa(y: Array, predicted: Array, n_classes: int) -> float:
    """Cohen's kappa with squared distances between codes as weights; NaN when both sides are one and the same class."""
    y, predicted = y.astype(np.float64), predicted.astype(np.float64)
    by_chance = np.mean(y**2) + np.mean(predicted**2) - 2 * y.mean() * predicted.mean()
    return float(1 - np.mean((y - predicted) ** 2) / by_chance) if by_chance > 0 else float("nan")


def rmse(y: Array, values: Array) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((y - values) ** 2)))


def mae(y: Array, values: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(y - values)))


def median_absolute_error(y: Array, values: Array) -> float:
    """Median absolute error."""
    return float(np.median(np.abs(y - values)))


def mape(y: Array, values: Array) -> float:
    """Mean absolute error relative to the true value, as a fraction: 0.05 is five per cent."""
    return float(np.mean(np.abs(y - values) / np.maximum(np.abs(y), _EPSILON)))


def rmsle(y: Array, values: Array) -> float:
    """Root mean squared error of log(1 + value); a prediction below 0 counts as 0."""
    return rmse(np.log1p(y), np.log1p(np.maximum(values, 0)))


def r2(y: Array, values: Array) -> float:
    """Share of variance explained; NaN when the true values are all the same."""
    spread = np.sum((y - y.mean()) ** 2)
    return float(1 - np.sum((y - values) ** 2) / spread) if np.ptp(y) > 0 else float("nan")


def _average_ranks(values: Array) -> Array:
    """Rank from 1, ties sharing the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def spearman(y: Array, values: Array) -> float:
    """Correlation of ranks; 0 for a constant prediction, NaN when the true values are all the same."""
    if np.ptp(y) == 0:
        return float("nan")
    if np.ptp(values) == 0:
        return 0.0
    true, predicted = (ranks - ranks.mean() for ranks in (_average_ranks(y), _average_ranks(values)))
    return float(true @ predicted / np.sqrt((true @ true) * (predicted @ predicted)))


def pinball(y: Array, values: Array) -> float:
    """Quantile loss at 0.9: a prediction that is too low costs nine times one that is too high."""
    shortfall = y - values
    return float(np.mean(np.maximum(PINBALL_ALPHA * shortfall, (PINBALL_ALPHA - 1) * shortfall)))
