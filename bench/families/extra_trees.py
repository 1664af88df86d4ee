"""Extremely randomised trees: deep trees over all rows, cut at random thresholds."""

from typing import Any

from bench.families._forest import ForestEstimator
from bench.family import ALL_TASKS, Family
from bench.needs import forest


class ExtraTreesEstimator(ForestEstimator):
    """scikit-learn's extra trees."""

    def _make(self, max_leaf_nodes: int | None, threads: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        model = ExtraTreesRegressor if self._settings.kind == "regression" else ExtraTreesClassifier
        return model(
            max_leaf_nodes=max_leaf_nodes,
            n_jobs=threads,
            random_state=self._settings.seed,
            **self._chosen("n_estimators"),
        )


FAMILY = Family(
    name="extra_trees",
    summary="extremely randomised trees",
    tasks=ALL_TASKS,
    recipe="trees",
    build=ExtraTreesEstimator,
    load=ExtraTreesEstimator.load,
    libraries=("scikit-learn",),
    imports=("sklearn.ensemble",),
    cost=6.0,
    cost_grows="values",
    order=130,
    behind=0.15,
    memory=forest,
)
