"""Linear stackers: a meta-model with one non-negative weight a member, pulled towards the plain mean.

Few parameters (members plus classes) keep it from fitting noise: log-linear pooling by log loss for classes, ridge for
values.
"""

from dataclasses import replace

import numpy as np

from bench.combine import Combiner, Linear, LogLinear, centred_logs, sample, softmax
from bench.identity import seed_for
from bench.metric import Array, TaskKind
from bench.resources import Deadline

#: Rows that the stackers are fitted on, at most.
STACK_ROWS = 30_000
#: Pull of the weights towards the plain mean.
_PENALTY = 1e-2
_BIAS_PENALTY = 1e-3
_MOST_STEPS = 30
_GAIN = 1e-8


def fit_stacker(
    predictions: Array,
    y: Array,
    kind: TaskKind,
    seed: int,
    *,
    near: Array | None = None,
    rows: Array | None = None,
    seconds: float | None = None,
) -> Combiner:
    """Fit the stacker of a kind of task.

    ``near`` holds the weights that these are pulled towards, None for equal ones; a member that has none there is left
    out. ``rows`` numbers those to learn from, None for all. ``seconds`` ends log-linear pooling early.
    """
    near = np.full(len(predictions), 1 / len(predictions)) if near is None else near
    used = np.flatnonzero(near)
    rows = sample(np.arange(len(y)) if rows is None else rows, STACK_ROWS, seed_for(seed, "stack"))
    if kind == "regression":
        found: LogLinear | Linear = _fit_linear(predictions[np.ix_(used, rows)], y[rows], near[used])
    else:
        found = _fit_log_linear(predictions[np.ix_(used, rows)], y[rows], near[used], Deadline(seconds))
    weights = np.zeros(len(near))
    weights[used] = found.weights
    return replace(found, weights=tuple(weights.tolist()))


def _fit_linear(predictions: Array, y: Array, near: Array) -> Linear:
    """Non-negative ridge on centred values."""
    from scipy.optimize import nnls

    members, n_rows = len(predictions), len(y)
    means, scale = predictions.mean(axis=1), float(y.std()) or 1.0
    design = (predictions - means[:, None]).T / scale
    pull = np.sqrt(_PENALTY * n_rows)
    system = np.vstack([design, pull * np.eye(members)])
    wanted = np.concatenate([(y - y.mean()) / scale, pull * near])
    weights, _ = nnls(system, wanted)
    return Linear(weights=tuple(weights.tolist()), bias=float(y.mean() - weights @ means))


def _fit_log_linear(predictions: Array, y: Array, near: Array, deadline: Deadline) -> LogLinear:
    """Maximum likelihood of log-linear pooling by Newton's method, weights bounded below by 0."""
    pooled = _Pooled(centred_logs(predictions), y, near)
    weights, bias = near, np.zeros(predictions.shape[2])
    loss = pooled.loss(weights, bias)
    for _ in range(_MOST_STEPS):
        if deadline.passed:
            break
        to_weights, to_bias = pooled.step(weights, bias)
        taken = 1.0
        while (after := pooled.loss(weights + taken * to_weights, bias + taken * to_bias)) > loss and taken > 1e-3:
            taken /= 2
        if not after < loss:
            break
        weights, bias, gained, loss = weights + taken * to_weights, bias + taken * to_bias, loss - after, after
        if gained < _GAIN:
            break
    return LogLinear(weights=tuple(np.maximum(weights, 0.0).tolist()), bias=tuple(bias.tolist()))


class _Pooled:
    """The penalised log loss of log-linear pooling over fixed rows."""

    def __init__(self, logs: Array, y: Array, near: Array) -> None:
        """Take centred log-probabilities [n_members, n_rows, n_classes], true codes, and weights to stay near to."""
        self._logs, self._y, self._near = logs, y, near
        self._flat = logs.reshape(len(logs), -1)
        self._rows = np.arange(len(y))

    def _probabilities(self, weights: Array, bias: Array) -> Array:
        return softmax((weights @ self._flat).reshape(self._logs.shape[1:]) + bias)

    def loss(self, weights: Array, bias: Array) -> float:
        """Log loss plus penalties."""
        given = self._probabilities(weights, bias)[self._rows, self._y]
        gap = weights - self._near
        penalty = _PENALTY * float(gap @ gap) + _BIAS_PENALTY * float(bias @ bias)
        return float(-np.log(np.maximum(given, 1e-300)).mean()) + penalty

    def step(self, weights: Array, bias: Array) -> tuple[Array, Array]:
        """Where the quadratic approximation around here is least, weights not below 0; relative to here."""
        p, (members, n_rows, n_classes) = self._probabilities(weights, bias), self._logs.shape
        residual = p.copy()
        residual[self._rows, self._y] -= 1
        slope = self._flat @ residual.ravel() / n_rows + 2 * _PENALTY * (weights - self._near)
        bias_slope = residual.mean(axis=0) + 2 * _BIAS_PENALTY * bias
        weighed = self._logs * p
        expected = weighed.sum(axis=2)
        curve = (weighed.reshape(members, -1) @ self._flat.T - expected @ expected.T) / n_rows
        mixed = (weighed.sum(axis=1) - expected @ p) / n_rows
        bias_curve = (np.diag(p.sum(axis=0)) - p.T @ p) / n_rows + 2 * _BIAS_PENALTY * np.eye(n_classes)
        # The bias is free, so that it can be solved for and put in; what is left is least squares with bounds.
        solved = np.linalg.solve(bias_curve, np.column_stack([mixed.T, bias_slope]))
        reduced = curve + 2 * _PENALTY * np.eye(members) - mixed @ solved[:, :-1]
        to_weights = _bounded(reduced, slope - mixed @ solved[:, -1], weights)
        return to_weights, -solved[:, -1] - solved[:, :-1] @ to_weights


def _bounded(curve: Array, slope: Array, start: Array) -> Array:
    """Minimise ``slope @ d + d @ curve @ d / 2`` over ``d`` with ``start + d`` not below 0."""
    from scipy.optimize import nnls

    root = np.linalg.cholesky(curve).T
    end, _ = nnls(root, root @ start - np.linalg.solve(root.T, slope))
    moved: Array = end - start
    return moved
