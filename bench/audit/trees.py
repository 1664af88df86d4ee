"""A cross-validated decision tree of depth 3 for each of many columns at once, by histograms.

Rows are counted once by column, fold and quantile bin. Everything after that, choosing thresholds on the other folds
and scoring on the fold left out, works on these counts: no row is looked at again, so 100,000 columns of 500 rows take
seconds. Missing values have a leaf of their own.
"""

from collections.abc import Iterator

import numpy as np

from bench.metric import Array, TaskKind

FOLDS = 3
_DEPTH = 3
_MOST_BINS = 255
_ROWS_PER_BIN = 8
_LEAF_ROWS = 5
_MOST_CLASSES = 32
_CELLS = 4_000_000


def tree_scores(matrix: Array, y: Array, part: Array, kind: TaskKind) -> Array:
    """How well each row of ``matrix`` [n_columns, n_rows] alone predicts ``y``: 0 or a half is nothing, 1 perfect.

    ROC AUC in binary tasks, R² in regression, and in multiclass ones the share of the majority's errors that is
    avoided; means over the folds that ``part`` numbers. ``y`` must vary in every fold's rows and outside of them.
    """
    codes, width = _few_classes(y) if kind == "multiclass" else (y, 1)
    bins = max(2, min(_MOST_BINS, len(y) // _ROWS_PER_BIN))
    scores = np.empty(len(matrix))
    for chunk in _chunks(len(matrix), max(len(y), (bins + 1) * FOLDS * width)):
        codes_of_bins = quantile_bins(matrix[chunk], bins)
        counts, sums = _histograms(codes_of_bins, codes, part, bins + 1, width, kind)
        scores[chunk] = np.mean([_fold_scores(counts, sums, fold, codes, part, kind) for fold in range(FOLDS)], axis=0)
    return scores


def _chunks(columns: int, cells: int) -> Iterator[slice]:
    """Cut columns into pieces of a few million cells."""
    step = max(1, _CELLS // cells)
    for start in range(0, columns, step):
        yield slice(start, min(start + step, columns))


def _few_classes(y: Array) -> tuple[Array, int]:
    """Number the most frequent classes; the others become one."""
    names, member, counts = np.unique(y, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(names))
    return np.minimum(rank[member], _MOST_CLASSES - 1), min(len(names), _MOST_CLASSES)


def quantile_bins(matrix: Array, bins: int) -> Array:
    """Number each value [n_columns, n_rows] by quantile, equal ones alike; the number ``bins`` stands for missing."""
    order = np.argsort(matrix, axis=1)
    ranked = np.take_along_axis(matrix, order, axis=1)
    places = np.arange(matrix.shape[1])
    new = np.ones(matrix.shape, dtype=bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    first = np.maximum.accumulate(np.where(new, places, 0), axis=1)
    known = (~np.isnan(ranked)).sum(axis=1, keepdims=True)
    numbered = np.where(places < known, first * bins // np.maximum(known, 1), bins)
    codes = np.empty(matrix.shape, dtype=np.int64)
    np.put_along_axis(codes, order, numbered, axis=1)
    return codes


def _histograms(codes: Array, y: Array, part: Array, bins: int, width: int, kind: TaskKind) -> tuple[Array, Array]:
    """Rows [fold, column, bin], and sums of ``y`` (or rows of each class) [fold, column, bin, width]."""
    columns = len(codes)
    at = (part * columns + np.arange(columns)[:, None]) * bins + codes
    size = FOLDS * columns * bins
    if kind == "multiclass":
        rows = np.bincount((at * width + y).ravel(), minlength=size * width).astype(np.float64)
        by_class = rows.reshape(FOLDS, columns, bins, width)
        return by_class.sum(axis=-1), by_class
    counts = np.bincount(at.ravel(), minlength=size).astype(np.float64)
    sums = np.bincount(at.ravel(), weights=np.broadcast_to(y, codes.shape).ravel(), minlength=size)
    return counts.reshape(FOLDS, columns, bins), sums.reshape(FOLDS, columns, bins, 1)


def _fold_scores(counts: Array, sums: Array, fold: int, y: Array, part: Array, kind: TaskKind) -> Array:
    """Grow trees on the other folds and score them on this one."""
    others = [number for number in range(FOLDS) if number != fold]
    learned, target = counts[others].sum(axis=0), sums[others].sum(axis=0)
    leaves = _grow(learned[:, :-1], target[:, :-1])
    n, s = _by_leaf(learned, leaves), _by_leaf(target, leaves)
    held_n, held_s = _by_leaf(counts[fold], leaves), _by_leaf(sums[fold], leaves)
    whole = target[0].sum(axis=0) / learned[0].sum()
    value = np.where(n[..., None] > 0, s / np.maximum(n, 1)[..., None], whole)
    if kind == "multiclass":
        chosen = np.take_along_axis(held_s, value.argmax(axis=-1)[..., None], axis=-1)
        rows = held_n[0].sum()
        avoided: Array = 1 - (rows - chosen.sum(axis=(1, 2))) / max(rows - held_s[0].sum(axis=0).max(), 1)
        return avoided
    if kind == "binary":
        return _auc_of_leaves(value[..., 0], held_n, held_s[..., 0])
    held = y[part == fold]
    errors = (
        (held**2).sum() - 2 * (value[..., 0] * held_s[..., 0]).sum(axis=1) + (value[..., 0] ** 2 * held_n).sum(axis=1)
    )
    spread: Array = 1 - errors / max(((held - held.mean()) ** 2).sum(), np.finfo(float).tiny)
    return spread


def _grow(counts: Array, sums: Array) -> Array:
    """Cut the bins of every column in two, three times over: the bins at which leaves begin [columns, 2^depth]."""
    columns, bins = counts.shape
    zero = np.zeros((columns, 1))
    n = np.concatenate([zero, counts.cumsum(axis=1)], axis=1)
    s = np.concatenate([zero[..., None] * sums[:, :1], sums.cumsum(axis=1)], axis=1)
    edges = np.concatenate([np.zeros((columns, 1), dtype=np.int64), np.full((columns, 1), bins)], axis=1)
    for _ in range(_DEPTH):
        cuts = [_best_cut(n, s, edges[:, leaf], edges[:, leaf + 1]) for leaf in range(edges.shape[1] - 1)]
        edges = np.stack(
            [edges[:, 0], *(e for cut, end in zip(cuts, edges.T[1:], strict=True) for e in (cut, end))], axis=1
        )
    return edges[:, :-1]


def _best_cut(n: Array, s: Array, low: Array, high: Array) -> Array:
    """The bin at which to cut [low, high) so that squared errors fall most; ``low`` where nothing is won."""
    rows = np.arange(len(n))
    at = np.arange(n.shape[1])
    n_low, n_high, s_low, s_high = n[rows, low, None], n[rows, high, None], s[rows, low, None], s[rows, high, None]
    left, right = n - n_low, n_high - n
    fits = (at > low[:, None]) & (at < high[:, None]) & (left >= _LEAF_ROWS) & (right >= _LEAF_ROWS)
    gain = ((s - s_low) ** 2).sum(axis=-1) / np.where(fits, left, 1)
    gain += ((s_high - s) ** 2).sum(axis=-1) / np.where(fits, right, 1)
    gain[~fits] = -np.inf
    cut = gain.argmax(axis=1)
    return np.where(fits[rows, cut], cut, low)


def _by_leaf(values: Array, leaves: Array) -> Array:
    """Sum bins [column, bin, ...] over leaves, the leaf of missing values last."""
    total = np.concatenate([np.zeros_like(values[:, :1]), values.cumsum(axis=1)], axis=1)
    edges = np.concatenate([leaves, np.full((len(leaves), 1), values.shape[1] - 1)], axis=1)
    index = edges if values.ndim == 2 else edges[..., None]
    summed = np.diff(np.take_along_axis(total, index, axis=1), axis=1)
    return np.concatenate([summed, values[:, -1:]], axis=1)


def _auc_of_leaves(value: Array, rows: Array, positive: Array) -> Array:
    """Area under the ROC curve where all rows of a leaf share one score."""
    order = np.argsort(value, axis=1)
    value, rows, positive = (np.take_along_axis(each, order, axis=1) for each in (value, rows, positive))
    negative = rows - positive
    below = negative.cumsum(axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), 0.5)
