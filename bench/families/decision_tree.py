"""One decision tree, kept small: a rule set that a person can read."""

from typing import Any

from bench.families._forest import ForestEstimator
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.resources import Deadline


class DecisionTreeEstimator(ForestEstimator):
    """A single tree with limits on depth and leaf size."""

    def _make(self, max_leaf_nodes: int | None, threads: int) -> Any:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        model = DecisionTreeRegressor if self._settings.kind == "regression" else DecisionTreeClassifier
        return model(
            max_leaf_nodes=max_leaf_nodes,
            random_state=self._settings.seed,
            **self._chosen(max_depth=8, min_samples_leaf=10),
        )

    def _grow(self, values: Array, y: Array, weights: Array | None, model: Any, deadline: Deadline) -> list[Any]:
        return [model.fit(values, y, sample_weight=weights)]


FAMILY = Family(
    name="decision_tree",
    summary="one small decision tree",
    tasks=ALL_TASKS,
    recipe="trees",
    build=DecisionTreeEstimator,
    load=DecisionTreeEstimator.load,
    libraries=("scikit-learn",),
    imports=("sklearn.tree",),
    order=20,
    baseline=True,
)
