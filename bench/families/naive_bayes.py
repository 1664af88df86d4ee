"""Gaussian naive Bayes: each feature a bell curve a class, all independent."""

from typing import Any

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.family import CLASSIFICATION, Family
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Deadline

_ATTRIBUTES = ("theta_", "var_", "class_prior_", "classes_")


def _model() -> Any:
    """scikit-learn's model with its own smoothing."""
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


class NaiveBayesEstimator(ArrayEstimator):
    """Keeps the means and variances of scikit-learn's model."""

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        model = _model().fit(values.astype(np.float64), y)
        return {name: getattr(model, name) for name in _ATTRIBUTES}

    def _raw(self, X: Encoded) -> Array:
        model = _model()
        for name, value in self._arrays.items():
            setattr(model, name, value)
        model.n_features_in_ = X.values.shape[1]
        probabilities: Array = model.predict_proba(X.values.astype(np.float64))
        return probabilities


FAMILY = Family(
    name="naive_bayes",
    summary="Gaussian naive Bayes",
    tasks=CLASSIFICATION,
    recipe="linear",
    build=NaiveBayesEstimator,
    load=NaiveBayesEstimator.load,
    libraries=("scikit-learn",),
    imports=("sklearn.naive_bayes",),
    order=10,
    baseline=True,
)
