"""Target leakage: a single column that gives the target away.

Each column alone predicts rows it was not fitted on, in three folds. What is looked for is not a good feature but one
that knows the answer, so thresholds are strict, and among few rows only an exact copy of the target blocks: a threshold
on one honest measurement may part two classes of 50 flowers.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from bench import deal
from bench.audit.finding import Finding
from bench.audit.view import View, named
from bench.metric import Array, TaskKind

BLOCKING_SCORE = 0.999
WARNING_SCORE = 0.99
#: With fewer rows, only a column that is the target in another spelling blocks.
SURE_ROWS = 1000
_FOLDS = 3
_BINS = 512
_ROWS_PER_BIN = 20
_TAILS = (0.01, 0.99)
_EXACT = 1 - 1e-9


def target_leakage(view: View) -> Iterator[Finding]:
    """Columns that predict the target almost perfectly on their own."""
    kind = view.task.kind
    exact = view.y[view.sample]
    y = exact
    if kind == "regression":
        exact = _scaled(exact)
        y = np.clip(exact, *np.quantile(exact, _TAILS))
    if y.min() == y.max():
        return
    scores: dict[str, float] = {}
    copies: dict[str, bool] = {}
    for column in view.features[view.sample].get_columns():
        scores[column.name] = score = single_column_score(column, y, kind)
        if score > WARNING_SCORE:
            copies[column.name] = _is_copy(column, exact, kind)
    sure = len(y) >= SURE_ROWS
    blocking = [name for name, copy in copies.items() if copy or (sure and scores[name] > BLOCKING_SCORE)]
    suspect = [name for name in copies if name not in blocking]
    measure = {"binary": "ROC AUC", "multiclass": "accuracy above the majority's", "regression": "R²"}[kind]
    if blocking:
        yield _finding(view, "blocking", {name: scores[name] for name in blocking}, measure)
    if suspect:
        yield _finding(view, "warning", {name: scores[name] for name in suspect}, measure)


def _finding(view: View, severity: str, scores: dict[str, float], measure: str) -> Finding:
    """Name the columns and what they score on their own."""
    ranked = sorted(scores, key=lambda name: -scores[name])
    best = f"{measure} of {scores[ranked[0]]:.4f} on held-out rows{view.sampled}"
    blocks = severity == "blocking"
    return Finding(
        code="target_leakage",
        severity="blocking" if blocks else "warning",
        message=(
            f"target {view.task.target!r} can be told from a single column, {named(ranked)}, with up to {best}; "
            + ("drop it from the data, " if blocks else "drop it, ")
            + "unless it is truly known at the time of prediction."
        ),
        columns=tuple(ranked),
        evidence={"measure": measure, "scores": {name: round(scores[name], 6) for name in ranked}},
    )


def _scaled(values: Array) -> Array:
    """Shift and scale to at most 1, for squares that neither overflow nor vanish; constant values become 0."""
    scaled: Array = values / (np.abs(values).max() or 1.0)
    scaled -= scaled.mean()
    scaled /= np.abs(scaled).max() or 1.0
    return scaled


def single_column_score(column: pl.Series, y: Array, kind: TaskKind) -> float:
    """How well a column alone predicts held-out rows: 0 is no better than a constant, 1 perfect.

    ROC AUC in binary tasks; the share of the majority class's errors that is avoided in multiclass ones; R² in
    regression, for which ``y`` should have its tails clipped. A column is read value by value, numbers of many values
    by quantile bin; numbers also by their neighbours, which follows any smooth copy or threshold. The better counts.
    """
    codes = _codes(column)
    part = deal.deal_rows(deal.strata_of(kind, y, _FOLDS), _FOLDS, np.random.default_rng(0))
    predictions = [_cross_fit_classes(codes, y, part) if kind == "multiclass" else _cross_fit(codes, y, part)]
    if column.dtype.is_float():
        predictions.append(_by_neighbours(column.to_numpy(), y, part, kind))
    return max(_score(y, predicted, kind) for predicted in predictions)


def _score(y: Array, predicted: Array, kind: TaskKind) -> float:
    """The measure of `single_column_score`."""
    if kind == "binary":
        return _auc(y, predicted)
    if kind == "regression":
        return float(1 - np.mean((y - predicted) ** 2) / np.var(y))
    return float(1 - np.mean(predicted != y) / (1 - np.bincount(y).max() / len(y)))


def _codes(column: pl.Series) -> Array:
    """Number a column's values, numbers of many values by quantile bin; missing is a value of its own."""
    bins = max(2, min(_BINS, len(column) // _ROWS_PER_BIN))
    if column.dtype.is_float() and column.n_unique() > bins:
        values = column.to_numpy()
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, bins)))
        return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values))
    return column.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _cross_fit(codes: Array, y: Array, part: Array) -> Array:
    """Mean of ``y`` among the rows with the same code in the other folds; their overall mean for an unseen code."""
    predicted = np.empty(len(y))
    size = int(codes.max()) + 1
    for number in range(_FOLDS):
        train, valid = part != number, part == number
        counts = np.bincount(codes[train], minlength=size)
        sums = np.bincount(codes[train], weights=y[train], minlength=size)
        predicted[valid] = np.where(counts > 0, sums / np.maximum(counts, 1), y[train].mean())[codes[valid]]
    return predicted


def _cross_fit_classes(codes: Array, y: Array, part: Array) -> Array:
    """Commonest class among the rows with the same code in the other folds; of all their rows for an unseen code."""
    predicted = np.empty(len(y), dtype=np.int64)
    classes = int(y.max()) + 1
    for number in range(_FOLDS):
        train, valid = part != number, part == number
        pairs, counts = np.unique(codes[train] * classes + y[train], return_counts=True)
        rising = pairs[np.argsort(counts, kind="stable")]
        commonest = np.full(int(codes.max()) + 1, np.bincount(y[train]).argmax())
        commonest[rising // classes] = rising % classes  # of several writes to one place the last one stays
        predicted[valid] = commonest[codes[valid]]
    return predicted


def _by_neighbours(x: Array, y: Array, part: Array, kind: TaskKind) -> Array:
    """Predict each row from its neighbours in ``x`` in the other folds: between them, or the class of the nearest."""
    predicted = np.empty(len(y), dtype=y.dtype if kind == "multiclass" else np.float64)
    missing = np.isnan(x)
    for number in range(_FOLDS):
        train, valid = part != number, part == number
        alike = y[train & missing] if (train & missing).any() else y[train]
        predicted[valid] = np.bincount(alike).argmax() if kind == "multiclass" else alike.mean()
        known, asked = train & ~missing, valid & ~missing
        if not known.any():
            continue
        points, first, at, counts = np.unique(x[known], return_index=True, return_inverse=True, return_counts=True)
        if kind == "multiclass":
            nearest = np.rint(np.interp(x[asked], points, np.arange(len(points)))).astype(np.int64)
            predicted[asked] = y[known][first[nearest]]
        else:
            predicted[asked] = np.interp(x[asked], points, np.bincount(at, weights=y[known]) / counts)
    return predicted


def _auc(y: Array, score: Array) -> float:
    """Area under the ROC curve from mean ranks (Mann and Whitney 1947)."""
    _, at, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[at]
    positive = int(y.sum())
    return float((ranks[y == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive)))


def _is_copy(column: pl.Series, y: Array, kind: TaskKind) -> bool:
    """Whether a column is the target in another spelling: one value a class, or a straight line of the values."""
    if kind == "regression":
        if not column.dtype.is_float() or column.null_count():
            return False
        return bool(abs(np.corrcoef(_scaled(column.to_numpy()), y)[0, 1]) > _EXACT)
    codes = column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    pairs = np.unique(codes * (int(y.max()) + 1) + y)
    return len(pairs) == len(np.unique(codes)) == len(np.unique(y))
