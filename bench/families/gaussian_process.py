"""Gaussian processes: exact regression, and classification as calibrated regression on the classes' indicators."""

import math
from functools import partial

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.families._calibration import Arrays, calibration, probabilities
from bench.families._estimator import sampled, square_distances
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.metric import Array
from bench.needs import kernel
from bench.recipes import Encoded
from bench.resources import Deadline

#: The likelihood that chooses the kernel's settings is that of so many rows at most; predictions come from all.
_TUNING_ROWS = 700
_ITERATIONS = 60
#: Rows that are predicted at once.
_CHUNK_ROWS = 1_000
#: Standard deviations of the priors: of the settings' logarithms, and of each feature's length scale beside the others.
_SPREAD, _SPREAD_BESIDE = 3.0, 0.5
#: Variances of the kernel's parts that the search begins with, in those of a standardised target.
_SMOOTH, _STRAIGHT, _NOISE = 1.0, 0.1, 0.1
_LEAST_NOISE = 1e-4
_SHAPES = ("rbf", "matern32", "matern52")


class GaussianProcessEstimator(ArrayEstimator):
    """One kernel for all outputs: a smooth part over all features, a straight one, and noise.

    ``shape`` names the smooth part (``rbf``, ``matern32``, ``matern52``); with ``relevance`` it has a length scale a
    feature. All are chosen by the marginal likelihood (Rasmussen and Williams 2006, chapter 5) and weak priors.
    """

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        rows, regression = values.astype(np.float64), self._settings.kind == "regression"
        targets = y[:, None].astype(np.float64) if regression else np.eye(self._settings.n_classes)[y]
        centre, scale = targets.mean(axis=0), targets.std() or 1.0
        targets = (targets - centre) / scale
        tuned = sampled(y, _TUNING_ROWS, seed=self._settings.seed, classes=not regression)
        parameters = self._tune(rows[tuned], targets[tuned], deadline)
        if deadline.passed:
            raise DeadlineReached
        smooth, straight, noise, lengths = _unpack(parameters, rows.shape[1])
        arrays = {
            "rows": values,
            "lengths": lengths,
            "variances": np.array([smooth, straight / rows.shape[1]]),
            "centre": centre,
        }
        covariance = self._kernel(arrays, rows, rows)
        covariance[np.diag_indices(len(rows))] += noise
        weights, spread = solve(covariance, targets)
        arrays["weights"] = weights * scale
        if regression:
            return arrays
        left_out = targets - weights / spread[:, None]
        return arrays | calibration(left_out * scale + centre, y)

    def _tune(self, rows: Array, targets: Array, deadline: Deadline) -> Array:
        """Find the logarithms of the kernel's settings with the largest likelihood."""
        from scipy.optimize import minimize

        n_features = rows.shape[1]
        typical = 0.5 * math.log(rows.var(axis=0).sum() or 1.0)
        start = np.concatenate([np.log([_SMOOTH, _STRAIGHT, _NOISE]), [typical]])
        if self._settings.params.get("relevance", False):
            start = np.concatenate([start, np.zeros(n_features)])
        spreads = np.where(np.arange(len(start)) < 4, _SPREAD, _SPREAD_BESIDE)
        loss = partial(
            negative_likelihood, rows=rows, targets=targets, shape=self._shape, straight=rows @ rows.T / n_features
        )

        def penalised(parameters: Array) -> tuple[float, Array]:
            if deadline.passed:
                raise DeadlineReached
            value, gradient = loss(parameters)
            off = (parameters - start) / spreads
            return value + 0.5 * float(off @ off), gradient + off / spreads

        bounds = [(middle - 8.0, middle + 8.0) for middle in start]
        bounds[2] = (math.log(_LEAST_NOISE), bounds[2][1])
        options = {"maxiter": _ITERATIONS, "ftol": 1e-5}
        found: Array = minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        return found

    @property
    def _shape(self) -> str:
        """The smooth part's shape."""
        return str(self._settings.params.get("shape", _SHAPES[-1]))

    def _kernel(self, arrays: Arrays, left: Array, right: Array) -> Array:
        """Covariances of the noiseless values [n_left, n_right]."""
        smooth, straight = arrays["variances"]
        distances = square_distances(left / arrays["lengths"], right / arrays["lengths"])
        covariances: Array = smooth * _smooth(distances, self._shape)[0] + straight * (left @ right.T)
        return covariances

    def _raw(self, X: Encoded) -> Array:
        known = self._arrays["rows"].astype(np.float64)
        parts = [
            self._kernel(self._arrays, X.values[start : start + _CHUNK_ROWS].astype(np.float64), known)
            @ self._arrays["weights"]
            for start in range(0, len(X.values), _CHUNK_ROWS)
        ]
        values = np.concatenate(parts) + self._arrays["centre"]
        return values[:, 0] if self._settings.kind == "regression" else probabilities(values, self._arrays)


def _unpack(parameters: Array, n_features: int) -> tuple[float, float, float, Array]:
    """Variances of the smooth part, the straight one and the noise, and the length scale of each feature."""
    smooth, straight, noise, typical = np.exp(parameters[:4])
    beside = np.exp(parameters[4:]) if len(parameters) > 4 else np.ones(n_features)
    return smooth, straight, noise, typical * beside


def _smooth(squares: Array, shape: str) -> tuple[Array, Array]:
    """Correlation at squared distances, and its derivative by them."""
    if shape == "rbf":
        correlation = np.exp(-0.5 * squares)
        return correlation, -0.5 * correlation
    nu = 3.0 if shape == "matern32" else 5.0
    scaled = np.sqrt(nu * squares)
    decay = np.exp(-scaled)
    if shape == "matern32":
        return (1.0 + scaled) * decay, -1.5 * decay
    return (1.0 + scaled + scaled**2 / 3.0) * decay, -5.0 / 6.0 * (1.0 + scaled) * decay


def negative_likelihood(
    parameters: Array, *, rows: Array, targets: Array, shape: str, straight: Array
) -> tuple[float, Array]:
    """Negative log marginal likelihood, summed over outputs, and its gradient by the settings' logarithms."""
    n_rows, n_outputs = targets.shape
    smooth_variance, straight_variance, noise, lengths = _unpack(parameters, rows.shape[1])
    scaled = rows / lengths
    correlation, slope = _smooth(square_distances(scaled, scaled), shape)
    covariance = smooth_variance * correlation + straight_variance * straight
    covariance[np.diag_indices(n_rows)] += noise
    root, inverse = _inverse(covariance)
    weights = inverse @ targets
    value = 0.5 * float((targets * weights).sum()) + n_outputs * float(np.log(np.diagonal(root)).sum())
    pull = n_outputs * inverse - weights @ weights.T
    # By the logarithm of a feature's length: the sum of pull * slope * (difference of the scaled feature)^2, halved
    # and doubled; the square is multiplied out.
    steep = smooth_variance * pull * slope
    by_length = -2.0 * ((scaled**2 * steep.sum(axis=1)[:, None]).sum(axis=0) - (scaled * (steep @ scaled)).sum(axis=0))
    by_variance = [
        0.5 * smooth_variance * float((pull * correlation).sum()),
        0.5 * straight_variance * float((pull * straight).sum()),
        0.5 * noise * float(np.trace(pull)),
        float(by_length.sum()),
    ]
    return value, np.concatenate([by_variance, by_length if len(parameters) > 4 else []])


def _inverse(covariance: Array) -> tuple[Array, Array]:
    """Lower Cholesky root and inverse of a covariance."""
    from scipy.linalg import lapack

    root, _ = lapack.dpotrf(covariance, lower=1, clean=1)
    inverse, _ = lapack.dpotri(root, lower=1)
    # dpotri fills one triangle.
    lower = np.tril(inverse, -1)
    return root, lower + lower.T + np.diag(np.diagonal(inverse))


def solve(covariance: Array, targets: Array) -> tuple[Array, Array]:
    """Weights of the rows [n_rows, n_outputs], and the diagonal of the covariance's inverse."""
    inverse = _inverse(covariance)[1]
    return inverse @ targets, np.diagonal(inverse)


FAMILY = Family(
    name="gaussian_process",
    summary="Gaussian processes, their kernels chosen by the marginal likelihood",
    tasks=ALL_TASKS,
    recipe="linear",
    build=GaussianProcessEstimator,
    load=GaussianProcessEstimator.load,
    libraries=("numpy", "scipy"),
    imports=("scipy.linalg", "scipy.optimize"),
    order=128,
    behind=0.35,
    cost=2.5,
    cost_grows="rows squared",
    max_rows=5_000,
    version=2,
    memory=kernel(4.0),
)
