"""Nearest neighbours over scaled features."""

from functools import cached_property
from typing import Any

from bench.families._arrays import ArrayEstimator
from bench.families._estimator import sampled
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Deadline

#: What is remembered is bounded in rows and in cells, since every prediction looks at all of it.
_MAX_ROWS = 10_000
_MAX_CELLS = 4_000_000
#: Beyond these many features a tree prunes little, and comparing with every row is faster.
_TREE_FEATURES = 12


class KnnEstimator(ArrayEstimator):
    """Remembers the training rows, or a seeded sample of them when there are many."""

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        limit = min(_MAX_ROWS, max(1_000, _MAX_CELLS // max(1, values.shape[1])))
        kept = sampled(y, limit, seed=self._settings.seed, classes=self._settings.kind != "regression")
        return {"values": values[kept], "y": y[kept]}

    @cached_property
    def _model(self) -> Any:
        """scikit-learn's model over the remembered rows."""
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        values, y = self._arrays["values"], self._arrays["y"]
        chosen = self._chosen(n_neighbors=20, weights="distance", p=2)
        chosen["n_neighbors"] = min(chosen["n_neighbors"], len(y))
        model = KNeighborsRegressor if self._settings.kind == "regression" else KNeighborsClassifier
        algorithm = "kd_tree" if values.shape[1] <= _TREE_FEATURES else "brute"
        return model(algorithm=algorithm, **chosen).fit(values, y)

    def _raw(self, X: Encoded) -> Array:
        method = self._model.predict if self._settings.kind == "regression" else self._model.predict_proba
        raw: Array = method(X.values)
        return raw


FAMILY = Family(
    name="knn",
    summary="nearest neighbours over scaled features",
    tasks=ALL_TASKS,
    recipe="linear",
    build=KnnEstimator,
    load=KnnEstimator.load,
    libraries=("scikit-learn",),
    imports=("sklearn.neighbors",),
    order=40,
    baseline=True,
    max_rows=200_000,
    version=2,
)
