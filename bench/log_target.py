"""Learning the logarithm of a target in place of the target, for values that grow by factors: prices, counts, times.

Any family can: `build` and `load` take the place of the family's own. Where squares are what counts, predictions are
raised by a factor, since the mean of values lies above what the mean of logarithms stands for (Duan's smearing, 1983).
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from bench.family import Estimator, Family, Settings, get_family, target_range
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

#: The parameter of a candidate that switches this on; it is no family's own.
PARAMETER = "target_log"
_FILE = "target.json"
#: A target is fit for it when it has no negative values and its skewness is larger.
_SKEWNESS = 1.0
#: Metrics that want the mean of values rather than their median, as others do that are told by no squares.
_SQUARED = ("rmse", "r2")
#: Training rows that the factor is told from, at most, and how far from 1 it may be.
_ROWS = 10_000
_FACTORS = (0.5, 2.0)


def is_skewed(y: Array) -> bool:
    """Whether a target's values grow by factors: none is negative, and few are much larger than the others."""
    if y.min() < 0 or y.min() == y.max():
        return False
    standardised = (y - y.mean()) / y.std()
    return bool((standardised**3).mean() > _SKEWNESS)


def build(family: Family, settings: Settings) -> Estimator:
    """Make an unfitted estimator, of the target or, where a parameter asks for it, of its logarithm."""
    asked = settings.params.get(PARAMETER, False)
    params = {name: value for name, value in settings.params.items() if name != PARAMETER}
    estimator = family.build(replace(settings, params=params))
    return LogTarget(estimator, family.name, squared=settings.metric in _SQUARED) if asked else estimator


def load(family: Family, folder: Path) -> Estimator:
    """Read back what `build` made and its ``save`` wrote."""
    return LogTarget.load(folder) if (folder / _FILE).exists() else family.load(folder)


@dataclass
class LogTarget:
    """An estimator of ``log(y + shift)``; predicts values in about the range of the training target."""

    inner: Estimator
    family: str
    squared: bool = False
    shift: float = 0.0
    factor: float = 1.0
    least: float = 0.0
    limits: tuple[float, float] = (-np.inf, np.inf)

    @property
    def rounds(self) -> int | None:
        """Rounds that the estimator kept, if it counts them."""
        kept: int | None = getattr(self.inner, "rounds", None)
        return kept

    @property
    def ended_at(self) -> int | None:
        """Rounds after which time ended the fit, if it did."""
        ended: int | None = getattr(self.inner, "ended_at", None)
        return ended

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says."""
        self.limits = target_range(y)
        self.shift = 0.0 if y.min() > 0 else 1.0
        self.least = max(float(y.min()) + self.shift, np.finfo(np.float64).tiny)
        watched = None if valid is None else (valid[0], self._logs(valid[1]))
        own = replace(X, key=X.key and f"{X.key}/{PARAMETER}")  # what is kept under a key holds the target, too
        self.inner.fit(own, self._logs(y), valid=watched, allotment=allotment, deadline=deadline)
        if self.squared:
            rows = np.linspace(0, len(y) - 1, min(_ROWS, len(y))).astype(np.int64)
            shown = np.exp(self.inner.predict(X.rows(rows)))
            self.factor = float(np.clip((y[rows] + self.shift).sum() / shown.sum(), *_FACTORS))

    def _logs(self, y: Array) -> Array:
        """Logarithms; one of a row to watch that is smaller than all that are learned from counts as their least."""
        logs: Array = np.log(np.maximum(y + self.shift, self.least))
        return logs

    def predict(self, X: Encoded) -> Array:
        """Predict values."""
        highest = np.log(np.finfo(np.float64).max) / 2
        values = np.exp(np.minimum(self.inner.predict(X), highest)) * self.factor - self.shift
        within: Array = np.clip(values, *self.limits)
        return within

    def save(self, folder: Path) -> None:
        """Write the estimator, and what turns its predictions into values."""
        self.inner.save(folder)
        content = {"family": self.family, "shift": self.shift, "factor": self.factor, "limits": self.limits}
        (folder / _FILE).write_text(json.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote; predicts the same to the last bit."""
        content = json.loads((folder / _FILE).read_text())
        inner = get_family(content["family"]).load(folder)
        return cls(inner, **content | {"limits": tuple(content["limits"])})
