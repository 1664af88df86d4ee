"""Linear models: logistic regression, or ridge, lasso and elastic net, as the parameters say."""

from typing import Any

import numpy as np

from bench.families._estimator import number, row_weights
from bench.families._sklearn import SklearnEstimator
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Deadline

_STEPS = 10
_STEP_ITERATIONS = 100


class LinearEstimator(SklearnEstimator):
    """Classification takes ``C`` and ``penalty``; regression takes ``alpha``, the penalty a row, and ``l1_ratio``.

    Targets of a regression are standardised, so that ``alpha`` means the same whatever their unit.
    """

    def _make(self, X: Encoded, y: Array) -> Any:
        return self._regression(len(y)) if self._settings.kind == "regression" else self._classification()

    def _regression(self, n_rows: int) -> Any:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.linear_model import ElasticNet, Ridge
        from sklearn.preprocessing import StandardScaler

        alpha, l1_ratio = number(self._settings, "alpha", 1e-4), number(self._settings, "l1_ratio", 0.0)
        # scikit-learn's ridge penalty does not grow with the number of rows; its elastic net's does.
        model = (
            Ridge(alpha=alpha * n_rows)
            if l1_ratio == 0.0
            else ElasticNet(alpha=alpha, l1_ratio=l1_ratio, precompute=True, tol=1e-3, random_state=self._settings.seed)
        )
        return TransformedTargetRegressor(regressor=model, transformer=StandardScaler())

    def _classification(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        lasso = self._settings.params.get("penalty", "l2") == "l1"
        solver = "lbfgs" if not lasso else "liblinear" if self._settings.kind == "binary" else "saga"
        return LogisticRegression(
            C=number(self._settings, "C", 1.0),
            l1_ratio=1.0 if lasso else 0.0,
            solver=solver,
            max_iter=_STEP_ITERATIONS,
            tol=1e-3 if lasso else 1e-4,
            warm_start=not lasso,
            random_state=self._settings.seed,
        )

    def _fit_model(self, values: Array, y: Array, deadline: Deadline) -> None:
        """Fit in steps of a bounded number of iterations, so that a deadline is seen in between."""
        if self._settings.kind == "regression":
            self._model.fit(values.astype(np.float64), y)
            return
        weights = row_weights(self._settings, y, training=y)
        for _ in range(_STEPS if self._model.warm_start else 1):
            if deadline.passed:
                raise DeadlineReached
            self._model.fit(values, y, sample_weight=weights)
            if self._model.n_iter_.max() < _STEP_ITERATIONS:
                break


FAMILY = Family(
    name="linear",
    summary="logistic regression; ridge, lasso and elastic net",
    tasks=ALL_TASKS,
    recipe="linear",
    build=LinearEstimator,
    load=LinearEstimator.load,
    libraries=("scikit-learn",),
    order=30,
    baseline=True,
)
