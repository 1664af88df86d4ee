"""Random forest: deep trees over bootstrap samples."""

from typing import Any

from bench.families._forest import ForestEstimator
from bench.family import ALL_TASKS, Family
from bench.needs import forest


class RandomForestEstimator(ForestEstimator):
    """scikit-learn's random forest."""

    def _make(self, max_leaf_nodes: int | None, threads: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        model = RandomForestRegressor if self._settings.kind == "regression" else RandomForestClassifier
        chosen = self._chosen("n_estimators")
        if not chosen.get("bootstrap", True):
            chosen.pop("max_samples", None)
        return model(max_leaf_nodes=max_leaf_nodes, n_jobs=threads, random_state=self._settings.seed, **chosen)


FAMILY = Family(
    name="random_forest",
    summary="random forest",
    tasks=ALL_TASKS,
    recipe="trees",
    build=RandomForestEstimator,
    load=RandomForestEstimator.load,
    libraries=("scikit-learn",),
    imports=("sklearn.ensemble",),
    cost=10.0,
    cost_grows="values",
    order=140,
    behind=0.12,
    memory=forest,
)
