"""The floor: class frequencies, or the constant that the metric likes best. It looks at no feature."""

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Deadline

#: Metrics of absolute errors, which the median minimises where the mean minimises squared ones.
_MEDIAN_METRICS = frozenset({"mae", "mape", "median_absolute_error"})


class DummyEstimator(ArrayEstimator):
    """Predicts the same for every row."""

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        if self._settings.kind != "regression":
            return {"constant": np.bincount(y, minlength=self._settings.n_classes) / len(y)}
        middle = np.median(y) if self._settings.metric in _MEDIAN_METRICS else np.mean(y)
        return {"constant": np.asarray(middle)}

    def _raw(self, X: Encoded) -> Array:
        constant = self._arrays["constant"]
        return np.broadcast_to(constant, (len(X.values), *constant.shape))


FAMILY = Family(
    name="dummy",
    summary="class frequencies, or the mean or median of the target",
    tasks=ALL_TASKS,
    recipe="blank",
    build=DummyEstimator,
    load=DummyEstimator.load,
    libraries=("numpy",),
    order=0,
    baseline=True,
    version=2,
)
