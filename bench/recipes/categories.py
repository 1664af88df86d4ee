"""Categorical columns as codes of levels learned from the training rows."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.metric import Array

#: Codes for a missing value and for a level that the training rows did not have.
MISSING, UNSEEN = -1, -2


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryColumn:
    """A categorical column. Levels are ordered by frequency, then by name, so that the first ones are the common ones.

    ``counts`` follows ``levels``: the number of training rows of each.
    """

    name: str
    levels: tuple[str, ...]
    counts: Array

    @classmethod
    def fit(cls, series: pl.Series) -> "CategoryColumn":
        """Learn the levels."""
        found = series.alias("level").drop_nulls().value_counts(name="count")
        found = found.sort("count", "level", descending=[True, False])
        return cls(
            name=series.name,
            levels=tuple(found["level"].to_list()),
            counts=found["count"].cast(pl.Int64).to_numpy(),
        )

    def common(self, min_count: int) -> int:
        """Count the levels that have at least ``min_count`` training rows; they are the first ones."""
        return int(np.count_nonzero(self.counts >= min_count))

    def read(self, series: pl.Series) -> Array:
        """Read codes, int64 [n_rows]: 0..n_levels-1, `MISSING` or `UNSEEN`."""
        codes = series.cast(pl.Enum(self.levels), strict=False).to_physical().cast(pl.Int64)
        return (
            pl.select(pl.when(series.is_null()).then(MISSING).otherwise(codes.fill_null(UNSEEN)).cast(pl.Int64))
            .to_series()
            .to_numpy()
        )
