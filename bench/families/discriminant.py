"""Discriminant analysis: each class a normal distribution, with covariances shrunk and shared as the parameters say."""

import numpy as np

from bench.errors import SkipError
from bench.families._arrays import ArrayEstimator
from bench.families._calibration import Arrays, fit_calibrated, probabilities
from bench.families._estimator import number
from bench.family import CLASSIFICATION, DeadlineReached, Family
from bench.metric import Array
from bench.needs import covariances
from bench.recipes import Encoded
from bench.resources import Deadline

#: Rows of float64 that are held beside the training rows.
_CHUNK_ROWS = 20_000
#: The covariance gets at least this share of a sphere, so that it has an inverse.
_LEAST_SHRINKAGE = 1e-4
#: Numbers that covariances may take together.
_MOST_CELLS = 10_000_000


class DiscriminantEstimator(ArrayEstimator):
    """Regularised discriminant analysis (Friedman 1989), calibrated.

    ``pooling`` is the share of the covariance within all classes in that of each class: 1 is linear, 0 quadratic.
    ``shrinkage`` pulls covariances towards a sphere: a share, or ``auto`` for that of Ledoit and Wolf (2004).
    """

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        pooling = number(self._settings, "pooling", 1.0)
        count = self._settings.n_classes if pooling < 1.0 else 1
        if (cells := count * values.shape[1] ** 2) > _MOST_CELLS:
            raise SkipError(f"covariances take at most {_MOST_CELLS:,} numbers, here {cells:,}")

        def fit(rows: Array, codes: Array) -> dict[str, Array]:
            return self._fit(rows, codes, pooling, deadline)

        return fit_calibrated(fit, class_scores, values, y, seed=self._settings.seed)

    def _fit(self, values: Array, y: Array, pooling: float, deadline: Deadline) -> dict[str, Array]:
        """Learn means, covariances and shares of the classes."""
        counts = np.bincount(y)
        means = np.empty((len(counts), values.shape[1]))
        within, scatters, fourths = np.zeros((values.shape[1], values.shape[1])), [], []
        for code in range(len(counts)):
            if deadline.passed:
                raise DeadlineReached
            means[code], scatter, fourth = _moments(values[y == code])
            within += scatter
            fourths.append(fourth)
            if pooling < 1.0:
                scatters.append(scatter)
        pooled = self._shrunk(within, sum(fourths), len(y))
        priors = np.log(counts / len(y))
        if pooling == 1.0:
            return _linear(means, pooled, priors)
        own = [self._shrunk(s, f, n) for s, f, n in zip(scatters, fourths, counts, strict=True)]
        return _quadratic(means, [(1.0 - pooling) * each + pooling * pooled for each in own], priors)

    def _shrunk(self, scatter: Array, fourth: float, n_rows: int) -> Array:
        """Shrink a covariance towards a sphere of the same mean variance.

        ``scatter`` sums the outer products of ``n_rows`` residuals, ``fourth`` the squares of their squared lengths.
        """
        covariance = scatter / n_rows
        variance = float(np.trace(covariance)) / len(covariance) or 1.0
        sphere = variance * np.eye(len(covariance))
        share = self._settings.params.get("shrinkage", "auto")
        if share == "auto":
            distance = float(((covariance - sphere) ** 2).sum())
            noise = (fourth / n_rows - float((covariance**2).sum())) / n_rows
            share = min(1.0, max(0.0, noise / distance)) if distance > 0 else 1.0
        share = max(float(share or 0.0), _LEAST_SHRINKAGE)
        shrunk: Array = (1.0 - share) * covariance + share * sphere
        return shrunk

    def _raw(self, X: Encoded) -> Array:
        return probabilities(class_scores(self._arrays, X.values), self._arrays)


def _moments(values: Array) -> tuple[Array, Array, float]:
    """Mean [p], summed outer products of residuals [p, p] and summed squares of their squared lengths."""
    mean = values.mean(axis=0, dtype=np.float64)
    scatter, fourth = np.zeros((len(mean), len(mean))), 0.0
    for start in range(0, len(values), _CHUNK_ROWS):
        residuals = values[start : start + _CHUNK_ROWS] - mean
        scatter += residuals.T @ residuals
        fourth += float(((residuals**2).sum(axis=1) ** 2).sum())
    return mean, scatter, fourth


def _linear(means: Array, covariance: Array, priors: Array) -> dict[str, Array]:
    """Score classes by a linear function: ``coefficients`` [p, n_classes]."""
    coefficients = np.linalg.solve(covariance, means.T)
    return {"coefficients": coefficients, "constants": priors - 0.5 * (means.T * coefficients).sum(axis=0)}


def _quadratic(means: Array, covariances: list[Array], priors: Array) -> dict[str, Array]:
    """Score classes by distance: ``whitening`` [n_classes, p, p] makes each class's distribution a unit sphere."""
    roots = [np.linalg.cholesky(covariance) for covariance in covariances]
    constants = priors - np.array([np.log(np.diagonal(root)).sum() for root in roots])
    return {"means": means, "whitening": np.stack([np.linalg.inv(root).T for root in roots]), "constants": constants}


def class_scores(arrays: Arrays, values: Array) -> Array:
    """Log-likelihood of each class, plus its share's logarithm, up to a constant a row."""
    scores = np.empty((len(values), len(arrays["constants"])))
    for start in range(0, len(values), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        rows = values[chunk].astype(np.float64)
        if "coefficients" in arrays:
            scores[chunk] = rows @ arrays["coefficients"]
            continue
        for code, (mean, whitening) in enumerate(zip(arrays["means"], arrays["whitening"], strict=True)):
            scores[chunk, code] = -0.5 * (((rows - mean) @ whitening) ** 2).sum(axis=1)
    return scores + arrays["constants"]


FAMILY = Family(
    name="discriminant",
    summary="linear and quadratic discriminant analysis with shrinkage",
    tasks=CLASSIFICATION,
    recipe="linear",
    build=DiscriminantEstimator,
    load=DiscriminantEstimator.load,
    libraries=("numpy", "scipy"),
    imports=("scipy.optimize",),
    order=60,
    behind=0.3,
    cost=0.3,
    memory=covariances,
)
