"""Datetime columns as days elapsed, parts of the calendar, and places on its circles."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from bench.metric import Array
from bench.recipes.feature import Feature

_PARTS = ("year", "month", "day", "weekday", "hour")
_CIRCLES = ("month", "weekday", "hour", "day of year")
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
    def features(self) -> tuple[Feature, ...]:
        """The columns that `read` gives."""
        return tuple(Feature(self.name, (self.name,)).part(part) for part in ("days", *_PARTS))

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, 6]: days since the epoch, then year, month, day, weekday (Monday is 1) and hour."""
        days = (series.to_physical().cast(pl.Float64).to_numpy() - self.epoch) / _MICROSECONDS_A_DAY
        parts = [getattr(series.dt, part)().cast(pl.Float64).to_numpy() for part in _PARTS]
        return np.stack([days, *parts], axis=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class CyclicColumn:
    """A datetime column on the circles of the year, the week and the day, where December lies beside January."""

    kind: ClassVar[str] = "cyclic"
    name: str

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> "CyclicColumn":
        """Take the column as it is; there is nothing to learn."""
        return cls(name=series.name)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns that `read` gives."""
        whole = Feature(self.name, (self.name,))
        return tuple(whole.part(f"{axis} of {circle}") for circle in _CIRCLES for axis in ("sine", "cosine"))

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, 8]: sine and cosine of month, weekday, hour (with its minutes) and day of the year."""
        date = series.dt
        turns = (
            (date.month() - 1).cast(pl.Float64) / 12,
            (date.weekday() - 1).cast(pl.Float64) / 7,
            (date.hour().cast(pl.Float64) + date.minute() / 60) / 24,
            (date.ordinal_day() - 1).cast(pl.Float64) / 365.25,
        )
        angles = [2 * np.pi * turn.to_numpy() for turn in turns]
        return np.stack([axis(angle) for angle in angles for axis in (np.sin, np.cos)], axis=1)
