"""Numeric and boolean columns as one column of numbers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from bench.metric import Array
from bench.recipes.feature import Feature


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberColumn:
    """A numeric or boolean column; there is nothing to learn."""

    kind: ClassVar[str] = "numeric"
    name: str

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> "NumberColumn":
        """Take the column as it is."""
        return cls(name=series.name)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The one column."""
        return (Feature(self.name, (self.name,)),)

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, 1]; missing and infinite values become NaN."""
        values = series.cast(pl.Float64).to_numpy()
        return np.where(np.isfinite(values), values, np.nan)[:, None]
