"""Categorical columns as codes of levels learned from the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.metric import Array
from bench.recipes.feature import Feature

#: Codes for a missing value and for a level that the training rows did not have.
MISSING, UNSEEN = -1, -2
#: Tables with a row a code begin with two rows: for `UNSEEN`, then for `MISSING`.
OFFSET = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryColumn:
    """A categorical column. Levels are ordered by frequency, then by name, so that the first ones are the common ones.

    ``counts`` follows ``levels``: the number of training rows of each. ``other`` is the code of a value that is none
    of them, ``columns`` what the column is made of: itself when empty.
    """

    name: str
    levels: tuple[str, ...]
    counts: Array
    other: int = UNSEEN
    columns: tuple[str, ...] = ()

    @classmethod
    def fit(cls, series: pl.Series, min_count: int = 0) -> "CategoryColumn":
        """Learn the levels; those with fewer than ``min_count`` training rows become one, and the unseen go there."""
        found = series.alias("level").drop_nulls().value_counts(name="count")
        found = found.sort("count", "level", descending=[True, False])
        return merged(series.name, found["level"].to_list(), found["count"].cast(pl.Int64).to_numpy(), min_count)

    @property
    def feature(self) -> Feature:
        """The column by name, with what it is made of."""
        return Feature(self.name, self.columns or (self.name,))

    def common(self, min_count: int) -> int:
        """Count the levels that have at least ``min_count`` training rows; they are the first ones."""
        return int(np.count_nonzero(self.counts >= min_count))

    def read(self, series: pl.Series) -> Array:
        """Read codes, int64 [n_rows]: 0..n_levels-1, `MISSING` or ``other``."""
        codes = series.cast(pl.Enum(self.levels), strict=False).to_physical().cast(pl.Int64)
        return (
            pl.select(pl.when(series.is_null()).then(MISSING).otherwise(codes.fill_null(self.other)).cast(pl.Int64))
            .to_series()
            .to_numpy()
        )


def merged(
    name: str, levels: Sequence[str], counts: Array, min_count: int, columns: tuple[str, ...] = ()
) -> CategoryColumn:
    """Make a column of sorted levels; two or more with fewer than ``min_count`` rows become one, in its place."""
    kept = int(np.count_nonzero(counts >= min_count))
    if len(levels) - kept < 2:
        return CategoryColumn(name=name, levels=tuple(levels), counts=counts, columns=columns)
    rare, label = int(counts[kept:].sum()), "(rare)"
    while label in levels[:kept]:
        label += "_"
    at = int(np.count_nonzero(counts[:kept] >= rare))
    return CategoryColumn(
        name=name,
        levels=(*levels[:at], label, *levels[at:kept]),
        counts=np.concatenate([counts[:at], [rare], counts[at:kept]]),
        other=at,
        columns=columns,
    )
