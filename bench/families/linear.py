"""Linear models: logistic regression, or ridge, lasso and elastic net, as the parameters say."""

from typing import Any

import numpy as np

from bench.families._arrays import ArrayEstimator
from bench.families._estimator import number, row_weights, softmax
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.metric import Array
from bench.needs import matrices
from bench.recipes import Encoded
from bench.resources import Deadline

_STEPS = 10
_STEP_ITERATIONS = 100


class LinearEstimator(ArrayEstimator):
    """Classification takes ``C`` and ``penalty``; regression takes ``alpha``, the penalty a row, and ``l1_ratio``.

    Keeps ``coefficients`` [n_outputs, n_features] and ``intercepts`` [n_outputs]: one output in regression and binary
    tasks, else one a class.
    """

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        if self._settings.kind == "regression":
            return self._regression(values.astype(np.float64), y)
        return self._classification(values, y, deadline)

    def _regression(self, values: Array, y: Array) -> dict[str, Array]:
        """Fit on the standardised target, so that ``alpha`` means the same whatever its unit."""
        from sklearn.linear_model import ElasticNet, Ridge

        alpha, l1_ratio = number(self._settings, "alpha", 1e-4), number(self._settings, "l1_ratio", 0.0)
        # scikit-learn's ridge penalty does not grow with the number of rows; its elastic net's does.
        model = (
            Ridge(alpha=alpha * len(y))
            if l1_ratio == 0.0
            else ElasticNet(alpha=alpha, l1_ratio=l1_ratio, precompute=True, tol=1e-3, random_state=self._settings.seed)
        )
        scale = float(y.std()) or 1.0
        model.fit(values, (y - y.mean()) / scale)
        return {
            "coefficients": np.atleast_2d(model.coef_) * scale,
            "intercepts": np.atleast_1d(model.intercept_) * scale + y.mean(),
        }

    def _classification(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        """Fit in steps of a bounded number of iterations, so that a deadline is seen in between."""
        model = self._logistic_regression()
        weights = row_weights(self._settings, y, training=y)
        for _ in range(_STEPS if model.warm_start else 1):
            if deadline.passed:
                raise DeadlineReached
            model.fit(values, y, sample_weight=weights)
            if model.n_iter_.max() < _STEP_ITERATIONS:
                break
        return {"coefficients": model.coef_.astype(np.float64), "intercepts": model.intercept_.astype(np.float64)}

    def _logistic_regression(self) -> Any:
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

    def _raw(self, X: Encoded) -> Array:
        outputs = X.values.astype(np.float64) @ self._arrays["coefficients"].T + self._arrays["intercepts"]
        if self._settings.kind == "regression":
            return outputs[:, 0]
        if outputs.shape[1] == 1:
            outputs = np.column_stack([np.zeros(len(outputs)), outputs])
        return softmax(outputs)


FAMILY = Family(
    name="linear",
    summary="logistic regression; ridge, lasso and elastic net",
    tasks=ALL_TASKS,
    recipe="linear",
    build=LinearEstimator,
    load=LinearEstimator.load,
    libraries=("scikit-learn",),
    imports=("sklearn.linear_model",),
    order=30,
    baseline=True,
    version=2,
    memory=matrices(6.0),
)
