"""Linear stackers: a meta-model with one non-negative weight a member, pulled towards given weights.

Few parameters (members plus classes) keep it from fitting noise: log-linear pooling by log loss for classes, ridge for
values. Weights that a selection has found are better to stay near to than the plain mean, which weak members spoil.
"""

from dataclasses import replace

import numpy as np

from bench.combine import Combiner, Linear, LogLinear, centred_logs, sample, softmax
from bench.identity import seed_for
from bench.metric import Array, TaskKind
from bench.resources import Deadline

#: Rows that the stackers are fitted on, at most.
STACK_ROWS = 30_000
#: Rows times members times classes of these: so many are held several times over.
STACK_CELLS = 20_000_000
#: Pull of the weights towards the given ones, and of the biases towards none.
_PENALTY = 1e-2
_BIAS_PENALTY = 1e-3


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
    most = min(STACK_ROWS, STACK_CELLS // (len(used) * int(np.prod(predictions.shape[2:]))))
    rows = sample(np.arange(len(y)) if rows is None else rows, most, seed_for(seed, "stack"))
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
    """Maximum likelihood of log-linear pooling by L-BFGS-B, weights bounded below by 0."""
    from scipy.optimize import minimize

    members, n_rows, n_classes = predictions.shape
    flat = centred_logs(predictions).reshape(members, -1)
    truth = np.zeros((n_rows, n_classes))
    truth[np.arange(n_rows), y] = 1.0

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, bias = parameters[:members], parameters[members:]
        p = softmax((weights @ flat).reshape(n_rows, n_classes) + bias)
        likelihood = -float(np.log(np.maximum(p[np.arange(n_rows), y], 1e-300)).mean())
        gap, residual = weights - near, (p - truth) / n_rows
        to_weights = flat @ residual.ravel() + 2 * _PENALTY * gap
        to_bias = residual.sum(axis=0) + 2 * _BIAS_PENALTY * bias
        penalty = _PENALTY * float(gap @ gap) + _BIAS_PENALTY * float(bias @ bias)
        return likelihood + penalty, np.concatenate([to_weights, to_bias])

    def stop_in_time(parameters: Array) -> None:
        if deadline.passed:
            raise StopIteration

    start = np.concatenate([near, np.zeros(n_classes)])
    bounds = [(0.0, None)] * members + [(None, None)] * n_classes
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=stop_in_time, options={"maxiter": 100}
    ).x
    return LogLinear(weights=tuple(found[:members].tolist()), bias=tuple(found[members:].tolist()))
