"""Target encoding: a level's mean of the target, drawn to the overall mean, and out-of-fold for training rows."""

from dataclasses import dataclass

import numpy as np

from bench.metric import Array, TaskKind
from bench.recipes.categories import OFFSET

_FOLDS = 5
#: More classes than this are left to the others' columns: the most frequent ones are encoded.
MAX_CLASSES = 10
_MIN_PSEUDOCOUNT, _MAX_PSEUDOCOUNT = 1.0, 1e6
_MIN_SPREAD = 0.05


def targets(y: Array, kind: TaskKind, limit: int = MAX_CLASSES) -> Array:
    """Turn class codes or values into columns [n_rows, n_outputs] of mean 0 and variance 1.

    One column in a binary or regression task, one a class otherwise (the ``limit`` most frequent ones).
    """
    if kind == "regression":
        columns = y[:, None] / max(float(np.abs(y).max()), np.finfo(np.float64).tiny)
    elif kind == "binary":
        columns = (y == 1)[:, None].astype(np.float64)
    else:
        frequent = np.argsort(-np.bincount(y), kind="stable")[:limit]
        columns = (y[:, None] == np.sort(frequent)).astype(np.float64)
    columns = columns - columns.mean(axis=0)
    spread = columns.std(axis=0)
    standardised: Array = columns / np.where(spread > 0, spread, 1)
    return standardised


def assign_folds(y: Array, seed: int) -> Array:
    """Deal rows, sorted by target, into folds so that each fold has the same distribution of it.

    Otherwise the mean of the other folds would tell a fold's own mean.
    """
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(y)), y))
    hands = rng.permuted(np.tile(np.arange(_FOLDS), (len(y) // _FOLDS + 1, 1)), axis=1)
    folds = np.empty(len(y), dtype=np.int64)
    folds[order] = hands.ravel()[: len(y)]
    return folds


def _sums(groups: Array, n_groups: int, weights: Array | None = None) -> Array:
    return np.bincount(groups, weights=weights, minlength=n_groups).astype(np.float64)


def _pseudocount(codes: Array, n_levels: int, target: Array) -> float:
    """Weigh the overall mean in rows: variance within levels over variance between them.

    The estimate is that of the one-way random-effects model by moments (Searle, Casella and McCulloch, 1992,
    Variance Components, chapter 3).
    """
    counts, sums = _sums(codes, n_levels), _sums(codes, n_levels, target)
    present = counts > 0
    n_rows, n_present = len(codes), int(present.sum())
    if not 1 < n_present < n_rows:
        return _MAX_PSEUDOCOUNT
    explained = float((sums[present] ** 2 / counts[present]).sum() - sums.sum() ** 2 / n_rows)
    total = float((target**2).sum() - sums.sum() ** 2 / n_rows)
    within = max(total - explained, 0.0) / (n_rows - n_present)
    typical_count = (n_rows - float((counts**2).sum()) / n_rows) / (n_present - 1)
    between = (explained / (n_present - 1) - within) / typical_count
    ratio = within / between if between > within / _MAX_PSEUDOCOUNT else _MAX_PSEUDOCOUNT
    return float(np.clip(ratio, _MIN_PSEUDOCOUNT, _MAX_PSEUDOCOUNT))


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetEncoding:
    """One categorical column: ``table`` is [OFFSET + n_levels, n_outputs]."""

    table: Array

    @classmethod
    def fit(cls, codes: Array, n_levels: int, outputs: Array, folds: Array) -> "tuple[TargetEncoding, Array]":
        """Learn from training rows, and encode them out-of-fold as [n_rows, n_outputs].

        ``codes`` are those of `CategoryColumn.read`, ``outputs`` those of `targets`, ``folds`` those of `assign_folds`.
        """
        groups, n_groups = codes + OFFSET, n_levels + OFFSET
        table = np.empty((n_groups, outputs.shape[1]))
        encoded = np.empty(outputs.shape)
        for column, target in enumerate(outputs.T):
            table[:, column], encoded[:, column] = _encode(groups, n_groups, target, folds)
        return cls(table=table), encoded

    @classmethod
    def fit_ordered(cls, codes: Array, n_levels: int, outputs: Array, seed: int) -> "tuple[TargetEncoding, Array]":
        """Learn from training rows, and encode each by the rows before it in a random order, as [n_rows, n_outputs]."""
        groups, n_groups = codes + OFFSET, n_levels + OFFSET
        order = np.lexsort((np.random.default_rng(seed).permutation(len(codes)), groups))
        table = np.empty((n_groups, outputs.shape[1]))
        encoded = np.empty(outputs.shape)
        for column, target in enumerate(outputs.T):
            table[:, column], encoded[:, column] = _encode_ordered(groups, n_groups, target, order)
        return cls(table=table), encoded

    def apply(self, codes: Array) -> Array:
        """Encode any rows as [n_rows, n_outputs]; what was never seen gets the overall mean, 0."""
        values: Array = self.table[codes + OFFSET]
        return values


def _encode(groups: Array, n_groups: int, target: Array, folds: Array) -> tuple[Array, Array]:
    """Give one output's table [n_groups], and the training rows' out-of-fold values [n_rows], both in one scale."""
    pseudocount = _pseudocount(groups, n_groups, target)
    cells, shape = groups * _FOLDS + folds, (n_groups, _FOLDS)
    counts = _sums(cells, n_groups * _FOLDS).reshape(shape)
    sums = _sums(cells, n_groups * _FOLDS, target).reshape(shape)
    other_counts = counts.sum(axis=1, keepdims=True) - counts
    other_sums = sums.sum(axis=1, keepdims=True) - sums
    priors = other_sums.sum(axis=0) / np.maximum(other_counts.sum(axis=0), 1)
    out_of_fold = ((other_sums + pseudocount * priors) / (other_counts + pseudocount))[groups, folds]
    table = sums.sum(axis=1) / (counts.sum(axis=1) + pseudocount)
    scale = max(float(out_of_fold.std()), _MIN_SPREAD)
    return table / scale, out_of_fold / scale


def _encode_ordered(groups: Array, n_groups: int, target: Array, order: Array) -> tuple[Array, Array]:
    """Give what `_encode` gives; ``order`` sorts rows by group, and at random in each."""
    pseudocount = _pseudocount(groups, n_groups, target)
    counts, sums = _sums(groups, n_groups), _sums(groups, n_groups, target)
    starts = np.repeat((np.cumsum(counts) - counts).astype(np.int64), counts.astype(np.int64))
    before = np.concatenate([[0.0], np.cumsum(target[order])])
    encoded = np.empty(len(target))
    encoded[order] = (before[:-1] - before[starts]) / (np.arange(len(target)) - starts + pseudocount)
    table = sums / (counts + pseudocount)
    scale = max(float(encoded.std()), _MIN_SPREAD)
    return table / scale, encoded / scale
