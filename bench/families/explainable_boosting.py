"""Explainable boosting: a sum of one curve a feature and of surfaces of some pairs, kept as tables."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.families._estimator import softmax
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.metric import Array
from bench.needs import outputs
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline


class ExplainableBoostingEstimator(ArrayEstimator):
    """Keeps, for each term, its features and a table of what each of their bins adds to the outputs.

    Arrays: ``intercept`` [n_outputs]; ``terms`` [n_terms, 2], the features of each, -1 for no second one;
    ``table_<term>`` [bins of the first feature, bins of the second, n_outputs]; ``categorical``, the features that are
    codes; ``bins_<feature>_<1 or 2>``, in terms of one feature and of two: the limits between a number's bins, or the
    bin of each code. The first bin is for missing values, the last, -1, for codes that were not seen.
    """

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says; the rows in ``valid`` are not used."""

        def late(*progress: object) -> bool:
            return deadline.passed

        model = self._model(X, allotment.cpus, late)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing values it warns that its plots lack them
            model.fit(X.values.astype(np.float64), y)
        if deadline.passed:
            raise DeadlineReached
        self._arrays = _tables(model, X.categorical)

    def _model(self, X: Encoded, threads: int, late: Callable[..., bool]) -> Any:
        """Make the unfitted model; each of its bags holds rows of its own out to stop early by."""
        from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

        regression = self._settings.kind == "regression"
        model = ExplainableBoostingRegressor if regression else ExplainableBoostingClassifier
        categorical = set(X.categorical)
        chosen = self._chosen(outer_bags=4)
        if self._settings.kind == "multiclass":
            chosen["interactions"] = 0  # with pairs, a fit takes several times as long for each class
        return model(
            feature_types=["nominal" if f in categorical else "continuous" for f in range(X.values.shape[1])],
            n_jobs=threads,
            random_state=self._settings.seed,
            callback=late,
            **chosen,
        )

    def _raw(self, X: Encoded) -> Array:
        arrays = self._arrays
        outputs = np.tile(arrays["intercept"], (len(X.values), 1))
        bins: dict[tuple[int, int], Array] = {}
        for term, features in enumerate(arrays["terms"]):
            used = features[features >= 0]
            for feature in used:
                if (feature, len(used)) not in bins:
                    bins[feature, len(used)] = self._bins(X.values[:, feature], feature, len(used))
            second = bins[used[1], 2] if len(used) == 2 else 0
            outputs += arrays[f"table_{term}"][bins[used[0], len(used)], second]
        if self._settings.kind == "regression":
            return outputs[:, 0]
        return softmax(np.column_stack([np.zeros(len(outputs)), outputs]) if outputs.shape[1] == 1 else outputs)

    def _bins(self, values: Array, feature: int, level: int) -> Array:
        """Find the bins of a feature's values, in terms of ``level`` features."""
        limits, known = self._arrays[f"bins_{feature}_{level}"], np.isfinite(values)
        bins = np.zeros(len(values), dtype=np.int64)
        if feature not in self._arrays["categorical"]:
            bins[known] = np.searchsorted(limits, values[known].astype(np.float64), side="right") + 1
            return bins
        codes = values[known].astype(np.int64)
        seen = codes < len(limits)
        bins[known] = np.where(seen, limits[np.where(seen, codes, 0)], -1)
        return bins


def _tables(model: Any, categorical: Sequence[int]) -> dict[str, Array]:
    """Take over what a fitted model predicts from."""
    arrays = {
        "intercept": np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64)),
        "terms": np.array([(*features, -1)[:2] for features in model.term_features_], dtype=np.int64).reshape(-1, 2),
        "categorical": np.array(categorical, dtype=np.int64),
    }
    for term, (features, scores) in enumerate(zip(model.term_features_, model.term_scores_, strict=True)):
        bins = scores.shape[: len(features)]
        arrays[f"table_{term}"] = scores.reshape(*(*bins, 1)[:2], -1)
        for feature in features:
            levels = model.bins_[feature]
            limits = levels[min(len(levels), len(features)) - 1]
            arrays[f"bins_{feature}_{len(features)}"] = _lookup(limits) if isinstance(limits, dict) else limits
    return arrays


def _lookup(bins: dict[str, int]) -> Array:
    """Spell out a category's bins, which the library names by the codes' text, as one bin a code."""
    codes = [int(float(text)) for text in bins]
    table = np.full(max(codes, default=-1) + 1, -1, dtype=np.int64)
    table[codes] = list(bins.values())
    return table


FAMILY = Family(
    name="explainable_boosting",
    summary="explainable boosting: one curve a feature, surfaces of pairs",
    tasks=ALL_TASKS,
    recipe="trees",
    build=ExplainableBoostingEstimator,
    load=ExplainableBoostingEstimator.load,
    libraries=("interpret-core",),
    imports=("interpret.glassbox",),
    order=126,
    behind=0.11,
    cost=30.0,
    cost_grows="outputs",
    max_rows=50_000,
    memory=outputs(12.0),
)
