"""Datetime columns as days elapsed and parts of the calendar."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from bench.metric import Array

_PARTS = ("year", "month", "day", "weekday", "hour")
_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DateColumn:
    """A datetime column. ``epoch``, in microseconds, is the earliest training date: float32 is finest around zero."""

    kind: ClassVar[str] = "datetime"
    name: str
    epoch: int

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> "DateColumn":
        """Learn the earliest date."""
        microseconds = series.to_physical().drop_nulls().to_numpy()
        return cls(name=series.name, epoch=int(microseconds.min()) if microseconds.size else 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that `read` gives."""
        return (f"{self.name} (days)", *(f"{self.name} ({part})" for part in _PARTS))

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, 6]: days since the epoch, then year, month, day, weekday (Monday is 1) and hour."""
        days = (series.to_physical().cast(pl.Float64).to_numpy() - self.epoch) / _MICROSECONDS_A_DAY
        parts = [getattr(series.dt, part)().cast(pl.Float64).to_numpy() for part in _PARTS]
        return np.stack([days, *parts], axis=1)
