"""Support vector machines with a radial kernel: solved by libsvm, kept as plain arrays, calibrated."""

import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.families._calibration import Arrays, fit_calibrated, probabilities
from bench.families._estimator import number, sampled, square_distances
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.metric import Array
from bench.needs import kernel
from bench.recipes import Encoded
from bench.resources import Deadline

#: Rows that are predicted at once.
_CHUNK_ROWS = 1_000
_CACHE_MB = 500
#: The solver cannot be stopped from outside. Its steps are bounded, and of more rows than these a first fit of so many
#: foretells what all would take, which grows with the square of the rows.
_MOST_STEPS = 200_000
_PILOT_ROWS = 1_000


class SvmEstimator(ArrayEstimator):
    """Classes are told apart in pairs. Takes ``C``, ``gamma`` (in inverse mean squared distances of two rows, about)
    and, in regression, ``epsilon`` in standard deviations of the target.

    Keeps ``support`` [n_support, p], sorted by class, ``coefficients`` [n_classes - 1, n_support] as libsvm has them,
    ``intercepts``, one a pair, and ``counts`` [n_classes] of support vectors a class.
    """

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        rows, seed = values.astype(np.float64), self._settings.seed
        regression = self._settings.kind == "regression"
        gamma = number(self._settings, "gamma", 1.0) / (rows.var(axis=0).sum() or 1.0)

        def solve(part: Array, target: Array) -> dict[str, Array]:
            return self._solve(part, target, gamma)

        fit = foreseeing(solve, deadline)
        if deadline.left < np.inf and len(y) > 2 * _PILOT_ROWS:
            pilot = sampled(y, _PILOT_ROWS, seed=seed, classes=not regression)
            fit(rows[pilot], y[pilot])
        if not regression:
            return fit_calibrated(fit, _class_scores, rows, y, seed=seed)
        scale = float(y.std()) or 1.0
        arrays = fit(rows, (y - y.mean()) / scale)
        return arrays | {"centre": np.array(y.mean()), "scale": np.array(scale)}

    def _solve(self, rows: Array, y: Array, gamma: float) -> dict[str, Array]:
        """Have libsvm find support vectors and coefficients."""
        from sklearn.svm import SVC, SVR

        shared: dict[str, Any] = {
            "C": number(self._settings, "C", 1.0),
            "gamma": gamma,
            "cache_size": _CACHE_MB,
            "max_iter": _MOST_STEPS,
        }
        regression = self._settings.kind == "regression"
        model = SVR(epsilon=number(self._settings, "epsilon", 0.1), **shared) if regression else SVC(**shared)
        model.fit(rows, y)
        # Between two classes scikit-learn turns libsvm's signs round; here all pairs point to their first class.
        sign = -1.0 if not regression and len(model.classes_) == 2 else 1.0
        return {
            "support": model.support_vectors_.astype(np.float32),
            "coefficients": sign * model.dual_coef_,
            "intercepts": sign * model.intercept_,
            "counts": model.n_support_.astype(np.int64),
            "gamma": np.array(gamma),
        }

    def _raw(self, X: Encoded) -> Array:
        if self._settings.kind != "regression":
            return probabilities(_class_scores(self._arrays, X.values), self._arrays)
        outputs = _by_chunks(_outputs, self._arrays, X.values)[:, 0] + self._arrays["intercepts"]
        values: Array = outputs * self._arrays["scale"] + self._arrays["centre"]
        return values


def foreseeing(
    fit: Callable[[Array, Array], dict[str, Array]], deadline: Deadline
) -> Callable[[Array, Array], dict[str, Array]]:
    """Refuse a fit that by those before it would not be over in time; its time grows with the square of the rows."""
    seconds_a_square = 0.0

    def timed(rows: Array, y: Array) -> dict[str, Array]:
        nonlocal seconds_a_square
        if deadline.passed or seconds_a_square * len(y) ** 2 > deadline.left:
            raise DeadlineReached
        begun = time.monotonic()
        arrays = fit(rows, y)
        seconds_a_square = (time.monotonic() - begun) / len(y) ** 2
        return arrays

    return timed


def _by_chunks(part: Callable[[Arrays, Array], Array], arrays: Arrays, values: Array) -> Array:
    """Carry out ``part`` on a bounded number of rows at a time."""
    starts = range(0, len(values), _CHUNK_ROWS)
    return np.concatenate([part(arrays, values[start : start + _CHUNK_ROWS]) for start in starts])


def _kernel(arrays: Arrays, values: Array) -> Array:
    """Likeness of rows to support vectors [n_rows, n_support]."""
    squares = square_distances(values.astype(np.float64), arrays["support"].astype(np.float64))
    likeness: Array = np.exp(-arrays["gamma"] * squares)
    return likeness


def _outputs(arrays: Arrays, values: Array) -> Array:
    """Outputs in regression, without the intercept [n_rows, 1]."""
    outputs: Array = _kernel(arrays, values) @ arrays["coefficients"].T
    return outputs


def _class_scores(arrays: Arrays, values: Array) -> Array:
    """Score classes [n_rows, n_classes] by their margins against all others."""
    return _by_chunks(_margins, arrays, values)


def pair_margins(arrays: Arrays, values: Array) -> Array:
    """Margins of the pairs of classes, (0, 1), (0, 2) and so on [n_rows, n_pairs], above 0 for the first of the two."""
    kernel, counts = _kernel(arrays, values), arrays["counts"]
    ends = np.cumsum(counts)
    # What class i's vectors say of its pair with j stands at [i][:, j], with a column left out for i itself.
    said = [
        kernel[:, end - count : end] @ arrays["coefficients"][:, end - count : end].T
        for end, count in zip(ends, counts, strict=True)
    ]
    pairs = combinations(range(len(counts)), 2)
    return np.column_stack([said[i][:, j - 1] + said[j][:, i] for i, j in pairs]) + arrays["intercepts"]


def _margins(arrays: Arrays, values: Array) -> Array:
    """Sum each class's margins, cut off softly at those of support vectors, over the pairs that it is in."""
    scores = np.zeros((len(values), len(arrays["counts"])))
    for pair, margin in zip(
        combinations(range(scores.shape[1]), 2), np.tanh(pair_margins(arrays, values)).T, strict=True
    ):
        scores[:, pair[0]] += margin
        scores[:, pair[1]] -= margin
    return scores


FAMILY = Family(
    name="svm",
    summary="support vector machines with a radial kernel, calibrated",
    tasks=ALL_TASKS,
    recipe="linear",
    build=SvmEstimator,
    load=SvmEstimator.load,
    libraries=("scikit-learn", "scipy"),
    imports=("sklearn.svm", "scipy.optimize"),
    order=127,
    behind=0.45,
    cost=4.0,
    cost_grows="rows",
    max_rows=10_000,
    version=2,
    memory=kernel(1.0),
)
