"""Power transformation of Yeo and Johnson (2000, Biometrika 87:954), with the likeliest power for each column."""

import math
from dataclasses import dataclass

import numpy as np

from bench.metric import Array

_POWERS = (-3.0, 3.0)
_ROWS = 10_000
#: A value further from the median than this many spreads is taken for one that is so far.
_FARTHEST = 1e6
_LIMIT = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class YeoJohnson:
    """One value a column: ``center`` and ``spread`` before, ``powers``, ``mean`` and ``deviation`` after."""

    center: Array
    spread: Array
    powers: Array
    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, numeric: Array) -> "YeoJohnson":
        """Learn from training rows without gaps, each column with two different numbers."""
        low, center, high = np.quantile(numeric, (0.25, 0.5, 0.75), axis=0)
        half_range = (numeric.max(axis=0) - numeric.min(axis=0)) / 2
        spread = np.where(high > low, high - low, half_range)
        scaled = _scaled(numeric, center, spread)
        step = -(-len(numeric) // _ROWS)
        powers = np.array([_likeliest_power(values) for values in scaled[::step].T])
        transformed = _transformed(scaled, powers)
        deviation = transformed.std(axis=0)
        return cls(
            center=center,
            spread=spread,
            powers=powers,
            mean=transformed.mean(axis=0),
            deviation=np.where(deviation > 0, deviation, 1.0),
        )

    def apply(self, numeric: Array) -> Array:
        """Map [n_rows, n_columns] without gaps to columns of mean 0 and variance 1, to at most 10 deviations away."""
        scaled = _scaled(numeric, self.center, self.spread)
        mapped: Array = (_transformed(scaled, self.powers) - self.mean) / self.deviation
        return np.clip(mapped, -_LIMIT, _LIMIT)


def _scaled(numeric: Array, center: Array, spread: Array) -> Array:
    """Center and scale; powers of large numbers would leave nothing of small ones."""
    with np.errstate(over="ignore"):
        return np.clip((numeric - center) / spread, -_FARTHEST, _FARTHEST)


def _transformed(values: Array, powers: Array) -> Array:
    """Stretch values above 0 by the power, those below by 2 less the power: powers [n_columns], or one for all."""
    exponent = np.where(values >= 0, powers, 2 - powers)
    size = np.log1p(np.abs(values))
    straight = np.abs(exponent) < 1e-9
    stretched = np.where(straight, size, np.expm1(exponent * size) / np.where(straight, 1, exponent))
    return np.copysign(stretched, values)


def _likeliest_power(values: Array) -> float:
    """Maximise the likelihood of a normal distribution over the power."""
    from scipy.optimize import minimize_scalar

    stretch = float((np.sign(values) * np.log1p(np.abs(values))).sum())

    def unlikeliness(power: float) -> float:
        variance = max(float(_transformed(values, np.array(power)).var()), float(np.finfo(np.float64).tiny))
        return len(values) / 2 * math.log(variance) - (power - 1) * stretch

    return float(minimize_scalar(unlikeliness, bounds=_POWERS, method="bounded").x)
