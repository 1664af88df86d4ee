"""Numeric and boolean columns as one column of numbers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from bench.metric import Array
from bench.recipes.feature import Feature

#: The whole numbers up to it are exact in single precision.
_EXACT = 2.0**24


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberColumn:
    """A numeric or boolean column.

    Whole numbers so large that single precision cannot tell one from the next, as of seconds since 1970, are counted
    from ``start``, the least of the training rows.
    """

    kind: ClassVar[str] = "numeric"
    name: str
    start: float = 0.0

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> "NumberColumn":
        """Look where large whole numbers start."""
        values = _values(series)
        known = values[np.isfinite(values)]
        large = len(known) > 0 and np.abs(known).max() > _EXACT and bool((known == np.rint(known)).all())
        return cls(name=series.name, start=float(known.min()) if large else 0.0)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The one column."""
        return (Feature(self.name, (self.name,)),)

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, 1]; missing and infinite values become NaN."""
        values = _values(series)
        return np.where(np.isfinite(values), values - self.start, np.nan)[:, None]


def _values(series: pl.Series) -> Array:
    """Numbers in double precision; NaN for missing ones."""
    values: Array = series.cast(pl.Float64).to_numpy()
    return values
