"""The floor: class frequencies, or the constant that the metric likes best. It looks at no feature."""

from typing import Any

from bench.families._sklearn import SklearnEstimator
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.recipes import Encoded

#: Metrics of absolute errors, which the median minimises where the mean minimises squared ones.
_MEDIAN_METRICS = frozenset({"mae", "mape", "median_ae", "smape"})


class DummyEstimator(SklearnEstimator):
    """Predicts the same for every row."""

    def _make(self, X: Encoded, y: Array) -> Any:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        if self._settings.kind != "regression":
            return DummyClassifier(strategy="prior")
        return DummyRegressor(strategy="median" if self._settings.metric in _MEDIAN_METRICS else "mean")


FAMILY = Family(
    name="dummy",
    summary="class frequencies, or the mean or median of the target",
    tasks=ALL_TASKS,
    recipe="linear",
    build=DummyEstimator,
    load=DummyEstimator.load,
    libraries=("scikit-learn",),
    order=0,
    baseline=True,
)
