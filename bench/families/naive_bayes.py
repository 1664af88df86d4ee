"""Gaussian naive Bayes: each feature a bell curve a class, all independent."""

from typing import Any

from bench.families._sklearn import SklearnEstimator
from bench.family import CLASSIFICATION, Family
from bench.metric import Array
from bench.recipes import Encoded


class NaiveBayesEstimator(SklearnEstimator):
    """Gaussian naive Bayes with the library's own smoothing."""

    def _make(self, X: Encoded, y: Array) -> Any:
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB()


FAMILY = Family(
    name="naive_bayes",
    summary="Gaussian naive Bayes",
    tasks=CLASSIFICATION,
    recipe="linear",
    build=NaiveBayesEstimator,
    load=NaiveBayesEstimator.load,
    libraries=("scikit-learn",),
    order=10,
    baseline=True,
)
