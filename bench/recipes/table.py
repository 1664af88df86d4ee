"""A table as every recipe takes it up: numbers with gaps, and codes of categories."""

from dataclasses import dataclass

import numpy as np

from bench.metric import Array

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows as numbers: ``numeric`` is float64 [n_rows, n_numeric] with NaN, ``codes`` int64 [n_rows, n_categorical].

    Numbers are finite in float32. Codes below zero are `categories.MISSING` and `categories.UNSEEN`.
    """

    numeric: Array
    codes: Array


def side_by_side(blocks: list[Array], n_rows: int) -> Array:
    """Put blocks of numbers [n_rows, ...] side by side, column by column in memory, cut to what float32 can hold."""
    numeric = np.empty((n_rows, sum(block.shape[1] for block in blocks)), order="F")
    if blocks:
        np.concatenate(blocks, axis=1, out=numeric)
    return np.clip(numeric, -_FLOAT32_MAX, _FLOAT32_MAX, out=numeric)
