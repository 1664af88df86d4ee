"""What each column tells of the target on its own: the measure of leaks, and of the overview of columns.

Each column alone predicts rows it was not fitted on, in three folds. A number is read by a tree of depth 3, by the mean
of its quantile bin, and between its neighbours; a category by the mean of its value. The best of these counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from bench import deal
from bench.audit.trees import FOLDS, tree_scores
from bench.metric import Array, TaskKind
from bench.scoring import area_under_roc

_BINS = 512
_ROWS_PER_BIN = 20
_TAILS = (0.01, 0.99)
#: Columns times rows that are read by neighbours, too; of more columns only those with the best trees are.
_CELLS = 3_000_000
_COLUMNS_AT_ONCE = 2_000
MEASURES: Mapping[TaskKind, str] = {
    "binary": "ROC AUC",
    "multiclass": "accuracy above the majority's",
    "regression": "R²",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Associations:
    """How well each column alone predicts the target, and by which measure; no column where the target is constant.

    A measure is 1 for a perfect column; for a useless one 0, and a half for ROC AUC.
    """

    measure: str
    scores: Mapping[str, float] = field(default_factory=dict)


def associations(features: pl.DataFrame, y: Array, kind: TaskKind) -> Associations:
    """Score every column; of a regression target the tails are clipped, lest a few rows decide."""
    if kind == "regression":
        y = clipped(y)
    if y.min() == y.max():
        return Associations(measure=MEASURES[kind])
    part = three_parts(y, kind)
    numbers = [column for column in features.get_columns() if column.dtype != pl.String]
    scores = dict(_tree_scores(numbers, y, part, kind))
    best = sorted(scores, key=lambda name: -scores[name])[: max(1, _CELLS // len(y))]
    close = set(best) | {column.name for column in features.get_columns() if column.dtype == pl.String}
    for column in features.get_columns():
        if column.name in close:
            alone = single_column_score(column, y, kind, part)
            scores[column.name] = max(alone, scores.get(column.name, alone))
    return Associations(measure=MEASURES[kind], scores={name: scores[name] for name in features.columns})


def _tree_scores(columns: list[pl.Series], y: Array, part: Array, kind: TaskKind) -> dict[str, float]:
    """The trees' scores."""
    scores: dict[str, float] = {}
    for block in blocks(len(columns)):
        some = columns[block]
        names = [column.name for column in some]
        scores |= zip(names, tree_scores(to_matrix(some), y, part, kind).tolist(), strict=True)
    return scores


def blocks(n_columns: int) -> Iterator[slice]:
    """So many columns at once as are small beside a table of very many, and no fewer than keep a step busy."""
    return (slice(start, start + _COLUMNS_AT_ONCE) for start in range(0, n_columns, _COLUMNS_AT_ONCE))


def to_matrix(columns: list[pl.Series]) -> Array:
    """Read numbers, booleans and moments as floats [n_columns, n_rows], missing values as NaN."""
    numbers = pl.DataFrame(columns).select(pl.all().to_physical().cast(pl.Float64))
    return np.ascontiguousarray(numbers.to_numpy().T)


def three_parts(y: Array, kind: TaskKind) -> Array:
    """Deal rows to three folds, balanced by target."""
    return deal.deal_rows(deal.strata_of(kind, y, FOLDS), FOLDS, np.random.default_rng(0))


def clipped(y: Array) -> Array:
    """A regression target of safe size without its tails."""
    y = scaled(y)
    low, high = np.quantile(y, _TAILS)
    return np.clip(y, low, high)


def scaled(values: Array) -> Array:
    """Shift and scale to at most 1, for squares that neither overflow nor vanish; constant values become 0."""
    scaled: Array = values / (np.abs(values).max() or 1.0)
    scaled -= scaled.mean()
    scaled /= np.abs(scaled).max() or 1.0
    return scaled


def single_column_score(column: pl.Series, y: Array, kind: TaskKind, part: Array) -> float:
    """How well a column alone predicts the rows of the folds numbered by ``part``: 0 or a half is nothing, 1 perfect.

    ROC AUC in binary tasks; the share of the majority class's errors that is avoided in multiclass ones; R² in
    regression, for which ``y`` should have its tails clipped. A column is read value by value, numbers of many values
    by quantile bin; numbers also by their neighbours, which follows any smooth copy or threshold. The better counts.
    """
    codes = _codes(column)
    predictions = [_cross_fit_classes(codes, y, part) if kind == "multiclass" else _cross_fit(codes, y, part)]
    if column.dtype.is_float():
        predictions.append(_by_neighbours(column.to_numpy(), y, part, kind))
    return max(_score(y, predicted, kind) for predicted in predictions)


def _score(y: Array, predicted: Array, kind: TaskKind) -> float:
    """The measure of `single_column_score`."""
    if kind == "binary":
        return area_under_roc(y == 1, predicted)
    if kind == "regression":
        return float(1 - np.mean((y - predicted) ** 2) / np.var(y))
    return float(1 - np.mean(predicted != y) / (1 - np.bincount(y).max() / len(y)))


def _codes(column: pl.Series) -> Array:
    """Number a column's values, numbers of many values by quantile bin; missing is a value of its own."""
    if not column.dtype.is_float():
        return column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    bins = max(2, min(_BINS, len(column) // _ROWS_PER_BIN))
    values = column.to_numpy()
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= bins:
        return codes
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, bins)))
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values))


def _cross_fit(codes: Array, y: Array, part: Array) -> Array:
    """Mean of ``y`` among the rows with the same code in the other folds; their overall mean for an unseen code."""
    predicted = np.empty(len(y))
    size = int(codes.max()) + 1
    for number in range(FOLDS):
        train, valid = part != number, part == number
        counts = np.bincount(codes[train], minlength=size)
        sums = np.bincount(codes[train], weights=y[train], minlength=size)
        predicted[valid] = np.where(counts > 0, sums / np.maximum(counts, 1), y[train].mean())[codes[valid]]
    return predicted


def _cross_fit_classes(codes: Array, y: Array, part: Array) -> Array:
    """Commonest class among the rows with the same code in the other folds; of all their rows for an unseen code."""
    predicted = np.empty(len(y), dtype=np.int64)
    classes = int(y.max()) + 1
    for number in range(FOLDS):
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
    for number in range(FOLDS):
        train, valid = part != number, part == number
        alike = y[train & missing] if (train & missing).any() else y[train]
        predicted[valid] = np.bincount(alike).argmax() if kind == "multiclass" else alike.mean()
        known, asked = train & ~missing, valid & ~missing
        if not known.any():
            continue
        points, first, at, counts = np.unique(x[known], return_index=True, return_inverse=True, return_counts=True)
        left, right, way = _between(points, x[asked])
        if kind == "multiclass":
            predicted[asked] = y[known][first[np.where(way < 0.5, left, right)]]
        else:
            means = np.bincount(at, weights=y[known]) / counts
            predicted[asked] = means[left] + way * (means[right] - means[left])
    return predicted


def _between(points: Array, x: Array) -> tuple[Array, Array, Array]:
    """Places in ascending ``points`` of the neighbours of each value, and how far it is on the way from left to right.

    Values beyond the ends lie at the end; so do those among neighbours too far or too near for floating point.
    """
    last = len(points) - 1
    left = np.clip(np.searchsorted(points, x, side="right") - 1, 0, last)
    right = np.minimum(left + 1, last)
    with np.errstate(all="ignore"):
        way = (x - points[left]) / (points[right] - points[left])
    return left, right, np.clip(np.nan_to_num(way, nan=0.0), 0.0, 1.0)
