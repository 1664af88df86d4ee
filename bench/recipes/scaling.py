"""Scaling of numeric columns: medians for gaps, a robust scale, normal quantiles for skewed ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.metric import Array
from bench.recipes.feature import Feature

_MARKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_BLOCK_CELLS = 2_000_000
_MIN_QUANTILES, _MAX_QUANTILES, _ROWS_A_QUANTILE = 10, 1000, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """Median and spread of each column; ``gaps`` numbers the columns whose missing values deserve an indicator.

    A column that never varies has spread 0.
    """

    center: Array
    spread: Array
    gaps: Array

    @classmethod
    def fit(cls, numeric: Array) -> "Scaling":
        """Learn from training rows: float64 [n_rows, n_columns] with NaN, each column with at least one number.

        The spread is the distance of the quartiles, or half the range where they coincide: the recipe of RealMLP
        (Holzmüller et al., 2024, "Better by Default").
        """
        missing = np.isnan(numeric)
        gappy = missing.any(axis=0)
        marks = np.empty((len(_MARKS), numeric.shape[1]))
        whole = np.flatnonzero(~gappy)
        for some in np.array_split(whole, 1 + numeric.size // _BLOCK_CELLS):
            marks[:, some] = np.quantile(numeric[:, some], _MARKS, axis=0)
        gaps: dict[bytes, int] = {}
        for index in np.flatnonzero(gappy):
            gaps.setdefault(np.packbits(missing[:, index]).tobytes(), int(index))
            marks[:, index] = np.quantile(numeric[~missing[:, index], index], _MARKS)
        least, low, center, high, most = marks
        spread = np.where(high > low, high - low, (most - least) / 2)
        return cls(center=center, spread=spread, gaps=np.array(list(gaps.values()), dtype=np.int64))

    @property
    def varying(self) -> Array:
        """Numbers of the columns that vary."""
        return np.flatnonzero(self.spread > 0)

    def fill(self, numeric: Array) -> Array:
        """Put the median into gaps."""
        return np.where(np.isnan(numeric), self.center, numeric)

    def scale(self, filled: Array, limit: float) -> Array:
        """Center and scale the varying columns, to at most ``limit`` spreads away from the median."""
        kept = self.varying
        with np.errstate(over="ignore"):
            scaled = (filled[:, kept] - self.center[kept]) / self.spread[kept]
        return np.clip(scaled, -limit, limit, out=scaled)

    def indicators(self, numeric: Array) -> Array:
        """Say where values are missing: booleans [n_rows, n_gaps]."""
        return np.isnan(numeric[:, self.gaps])

    def features(self, columns: Sequence[Feature]) -> list[Feature]:
        """Name the varying columns, then the indicators."""
        return [*(columns[at] for at in self.varying), *(columns[at].part("missing") for at in self.gaps)]


def skewness(values: Array) -> float:
    """Third standardised moment of numbers that vary; 0 when there are only two different ones."""
    low, high = values.min(), values.max()
    if np.all((values == low) | (values == high)):
        return 0.0
    deviation = (values - low) / (high - low)
    deviation -= deviation.mean()
    squares = deviation * deviation
    return float((squares * deviation).mean() / squares.mean() ** 1.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class NormalQuantiles:
    """Maps columns to a normal distribution by rank; ``quantiles`` is [n_quantiles, n_columns].

    ``margin`` keeps probabilities off 0 and 1: half a training row.
    """

    quantiles: Array
    margin: float

    @classmethod
    def fit(cls, numeric: Array) -> "NormalQuantiles":
        """Learn from training rows without gaps: a quantile for every ten rows, up to a thousand."""
        n_rows = len(numeric)
        n_quantiles = int(np.clip(n_rows / _ROWS_A_QUANTILE, _MIN_QUANTILES, _MAX_QUANTILES))
        at = np.linspace(0, 1, n_quantiles)
        columns = [np.quantile(values, at) for values in numeric.T]
        quantiles = np.stack(columns, axis=1) if columns else np.empty((n_quantiles, 0))
        return cls(quantiles=np.maximum.accumulate(quantiles, axis=0), margin=0.5 / n_rows)

    def apply(self, numeric: Array) -> Array:
        """Map [n_rows, n_columns] without gaps; a value that many training rows share gets its middle rank."""
        from scipy.special import ndtri

        at = np.linspace(0, 1, len(self.quantiles))
        mapped = np.empty(numeric.shape, order="F")
        for index, marks in enumerate(self.quantiles.T):
            values = np.ascontiguousarray(numeric[:, index])
            upper = np.interp(values, marks, at)
            lower = 1 - np.interp(-values, -marks[::-1], at)
            mapped[:, index] = ndtri(np.clip((lower + upper) / 2, self.margin, 1 - self.margin))
        return mapped
