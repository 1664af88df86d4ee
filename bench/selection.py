"""Greedy selection of an ensemble's members, with replacement; the best prefix is kept (Caruana et al. 2004).

A round asks what the selection would score with each member added once more. Where the metric allows it, that is told
from sums that grow with the selection: a Gram matrix of residuals for squared errors, the true class's probabilities
for the log loss, histograms of scores for the area under the ROC curve. Other metrics are scored on a sample of rows.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from bench.combine import WeightedMean, sample
from bench.identity import seed_for
from bench.metric import Array, Metric
from bench.resources import Deadline
from bench.scoring import area_under_roc

#: Rounds of selection, and how many without a better prefix end it.
ROUNDS = 40
_PATIENCE = 10
#: Rows that steer by a metric that has to be computed anew for every member.
SCORED_ROWS = 10_000
#: Rows times classes times members that steer by sums.
SUMMED_CELLS = 20_000_000
#: Errors that differ by less than this part of themselves are equal: sums are rounded.
_ALIKE = 1e-7
_EPSILON = float(np.finfo(np.float64).eps)
#: Rows that are worked on at once, so that they stay in the cache.
_BLOCK = 2048
#: Cells of a histogram of scores, and how far ties within cells may lead an area astray.
_CELLS = 1 << 14
_AREA_SLACK = 1e-4


class _Course(Protocol):
    """A selection under way."""

    def errors(self) -> Array:
        """Errors [n_members] of the selection with each member added, up to an increasing function."""
        ...

    def add(self, member: int) -> None:
        """Add a member to the selection."""
        ...


class _Scored:
    """Any metric, scored anew."""

    def __init__(self, predictions: Array, y: Array, metric: Metric, classes: Sequence[Any]) -> None:
        self._predictions, self._y, self._metric, self._classes = predictions, y, metric, classes
        self._total, self._size = np.zeros(predictions.shape[1:]), 0

    def errors(self) -> Array:
        size = self._size + 1
        mixtures = ((self._total + member) / size for member in self._predictions)
        scores = (self._metric.score_or_nan(self._y, mixture, self._classes) for mixture in mixtures)
        return np.array([self._metric.error(score) for score in scores])

    def add(self, member: int) -> None:
        self._total += self._predictions[member]
        self._size += 1


class _Squared:
    """Mean squared errors: a quadratic form of the counts in the Gram matrix of the residuals."""

    def __init__(self, residuals: Array) -> None:
        self._gram = residuals @ residuals.T / residuals.shape[1]
        self._counts = np.zeros(len(residuals))

    def errors(self) -> Array:
        sums = self._gram @ self._counts
        now = self._counts @ sums
        errors: Array = (now + 2 * sums + self._gram.diagonal()) / (self._counts.sum() + 1) ** 2
        return errors

    def add(self, member: int) -> None:
        self._counts[member] += 1


class _TrueClass:
    """The log loss needs the true class's probabilities alone: [n_members, n_rows]."""

    def __init__(self, given: Array) -> None:
        self._given = given
        self._total, self._size = np.zeros(given.shape[1], dtype=np.float32), 0

    def errors(self) -> Array:
        size, logs = self._size + 1, np.zeros(len(self._given))
        for start in range(0, self._given.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            mixtures = np.maximum(self._given[:, block] + self._total[block], np.float32(size * _EPSILON))
            logs += np.log(mixtures, out=mixtures).sum(axis=1, dtype=np.float64)
        errors: Array = np.log(size) - logs / self._given.shape[1]
        return errors

    def add(self, member: int) -> None:
        self._total += self._given[member]
        self._size += 1


class _Area:
    """The area under the ROC curve of one class's scores [n_members, n_rows], from histograms.

    Within a cell rows count as tied. Where that could move an area by more than `_AREA_SLACK`, it is computed exactly.
    """

    def __init__(self, scores: Array, positive: Array) -> None:
        # Near 0, floats and the cells of a square root are narrow: that is where most scores should be.
        low = scores.mean() <= 0.5
        order = np.argsort(positive != low, kind="stable")
        self._first = np.arange(len(order)) < np.count_nonzero(positive == low)
        self._scores = (scores if low else 1 - scores)[:, order].astype(np.float32)
        self._total, self._size = np.zeros(len(order), dtype=np.float32), 0

    def errors(self) -> Array:
        mixtures = ((self._total + member) / np.float32(self._size + 1) for member in self._scores)
        return np.array([1 - self._area(mixture) for mixture in mixtures])

    def _area(self, mixture: Array) -> float:
        cells = (np.sqrt(np.clip(mixture, 0, 1)) * np.float32(_CELLS - 1)).astype(np.int64)
        count = np.count_nonzero(self._first)
        members, others = (np.bincount(part, minlength=_CELLS) for part in (cells[:count], cells[count:]))
        pairs, tied = count * (len(cells) - count), int(members @ others) / 2
        if tied > _AREA_SLACK * pairs:
            return area_under_roc(self._first, mixture)
        return (int(members @ (np.cumsum(others) - others)) + tied) / pairs

    def add(self, member: int) -> None:
        self._total += self._scores[member]
        self._size += 1


class _Areas:
    """The mean area over classes that have both members and others."""

    def __init__(self, predictions: Array, y: Array) -> None:
        codes = [1] if predictions.shape[2] == 2 else range(predictions.shape[2])
        self._areas = [_Area(predictions[:, :, k], y == k) for k in codes if 0 < (y == k).sum() < len(y)]

    def errors(self) -> Array:
        errors: Array = np.mean([area.errors() for area in self._areas], axis=0)
        return errors

    def add(self, member: int) -> None:
        for area in self._areas:
            area.add(member)


def _begin(
    predictions: Array, y: Array, metric: Metric, classes: Sequence[Any], members: Array, rows: Array, seed: int
) -> _Course:
    """Begin a selection among ``members`` in the quickest way that the metric allows."""
    width = int(np.prod(predictions.shape[2:]))
    if metric.name == "log_loss":
        rows = sample(rows, SUMMED_CELLS // len(members), seed)
        return _TrueClass(predictions[members[:, None], rows, y[rows]].astype(np.float32))
    summed = sample(rows, SUMMED_CELLS // (len(members) * width), seed)
    if metric.name in ("rmse", "r2"):
        return _Squared(predictions[np.ix_(members, summed)] - y[summed])
    if metric.name == "brier":
        told = predictions[np.ix_(members, summed)] - np.eye(width)[y[summed]]
        return _Squared(told.reshape(len(members), -1))
    if metric.name == "roc_auc" and len(np.unique(y[summed])) > 1:
        return _Areas(predictions[np.ix_(members, summed)], y[summed])
    rows = sample(rows, SCORED_ROWS, seed)
    return _Scored(predictions[np.ix_(members, rows)], y[rows], metric, classes)


def fit_greedy(
    predictions: Array,
    y: Array,
    metric: Metric,
    classes: Sequence[Any],
    seed: int,
    *,
    members: Array | None = None,
    rows: Array | None = None,
    seconds: float | None = None,
) -> WeightedMean:
    """Select members; their weights are the shares of the selection that they make up.

    ``members`` numbers those to select from, None for all; ties go to the one that comes first, so they should come
    best first. ``rows`` numbers those to learn from, None for all. ``seconds`` ends the selection early, after one
    round at least.
    """
    deadline = Deadline(seconds)
    rows = np.arange(len(y)) if rows is None else rows
    members = np.arange(len(predictions)) if members is None else members
    course = _begin(predictions, y, metric, classes, members, rows, seed_for(seed, "greedy"))
    chosen: list[int] = []
    best_error, best_size = np.inf, 1
    while len(chosen) < ROUNDS and len(chosen) - best_size < _PATIENCE and not (chosen and deadline.passed):
        errors = course.errors()
        least = np.fmin.reduce(errors)
        pick = int(np.argmax(errors <= least + _ALIKE * abs(least)))
        chosen.append(pick)
        course.add(pick)
        if errors[pick] < best_error - _ALIKE * abs(errors[pick]):
            best_error, best_size = errors[pick], len(chosen)
    counts = np.bincount(members[chosen[:best_size]], minlength=len(predictions))
    return WeightedMean(weights=tuple((counts / counts.sum()).tolist()))
