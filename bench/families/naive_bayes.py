"""Naive Bayes: each number a bell curve a class, each indicator a share a class, all independent."""

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.families._calibration import Arrays, fit_calibrated, probabilities
from bench.family import CLASSIFICATION, Family
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Deadline

#: A class counts as if so many rows of all classes were among its own: what is constant in one class, as an indicator
#: often is, would rule the class out otherwise.
_SHARED_ROWS = 5.0
#: Variances are at least this share of the largest there is, and an indicator's shares this far from 0 and 1.
_FLOOR = 1e-6


class NaiveBayesEstimator(ArrayEstimator):
    """Keeps the log-likelihoods' coefficients of squares and values [n_features, n_classes], and their constants.

    Features count as independent and seldom are, so that the likelihoods are far too sure: they are calibrated.
    """

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        return fit_calibrated(_fit, _scores, values, y, seed=self._settings.seed)

    def _raw(self, X: Encoded) -> Array:
        return probabilities(_scores(self._arrays, X.values), self._arrays)


def _fit(values: Array, y: Array) -> dict[str, Array]:
    """Learn means and variances, class by class; an indicator's mean is a share, and says all there is to know."""
    counts = np.bincount(y)
    means, variances = np.empty((2, len(counts), values.shape[1]))
    for code in range(len(counts)):
        rows = values[y == code].astype(np.float64)
        means[code], variances[code] = rows.mean(axis=0), rows.var(axis=0)
    own = counts[:, None]
    variances = (own * variances + _SHARED_ROWS * values.var(axis=0, dtype=np.float64)) / (own + _SHARED_ROWS)
    variances = np.maximum(variances, _FLOOR * (variances.max(initial=0.0) or 1.0))
    shares = (own * means + _SHARED_ROWS * values.mean(axis=0, dtype=np.float64)) / (own + _SHARED_ROWS)
    shares = np.clip(shares, _FLOOR, 1.0 - _FLOOR)
    indicator = ((values == 0) | (values == 1)).all(axis=0)
    curves = -0.5 * (np.log(variances) + means**2 / variances)
    return {
        "squares": np.where(indicator, 0.0, -0.5 / variances).T,
        "values": np.where(indicator, np.log(shares / (1.0 - shares)), means / variances).T,
        "constants": np.log(counts / len(y)) + np.where(indicator, np.log(1.0 - shares), curves).sum(axis=1),
    }


def _scores(arrays: Arrays, values: Array) -> Array:
    """Log-likelihood of each class, plus its share's logarithm, up to a constant a row."""
    rows = values.astype(np.float64)
    scores: Array = rows**2 @ arrays["squares"] + rows @ arrays["values"] + arrays["constants"]
    return scores


FAMILY = Family(
    name="naive_bayes",
    summary="naive Bayes, Gaussian for numbers, calibrated",
    tasks=CLASSIFICATION,
    recipe="linear",
    build=NaiveBayesEstimator,
    load=NaiveBayesEstimator.load,
    libraries=("numpy", "scipy"),
    imports=("scipy.optimize",),
    order=10,
    version=2,
    baseline=True,
)
