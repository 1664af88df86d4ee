"""Ways to combine predictions of several models: weighted mean, log-linear pooling, linear stacking.

``predictions`` stacks what the members predict: [n_members, n_rows, n_classes] probabilities, or [n_members, n_rows].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bench.identity import seed_for
from bench.metric import Array, Metric, TaskKind
from bench.resources import Deadline

#: Rounds of greedy selection, and how many without a better prefix end it.
ROUNDS = 25
_PATIENCE = 8
#: Rows that steer the selection, and that the stackers are fitted on, at most.
GREEDY_ROWS = 10_000
STACK_ROWS = 30_000
_LEAST_PROBABILITY = 1e-6
#: Pull of the stackers' weights towards the plain mean.
_PENALTY = 1e-2


class Combiner(Protocol):
    """Turns the members' predictions into one."""

    @property
    def weights(self) -> tuple[float, ...]:
        """What each member counts; 0 for one that is left out."""
        ...

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ...


def _weighted_sum(weights: Sequence[float], predictions: Array) -> Array:
    """Add up members, one after the other: a matrix product would round a row by where it stands among the others."""
    total = np.zeros(predictions.shape[1:])
    for weight, member in zip(weights, predictions, strict=True):
        total += weight * member
    return total


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedMean:
    """Mean of the members' predictions."""

    weights: tuple[float, ...]

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        return _weighted_sum(self.weights, predictions)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": "weighted_mean", "weights": list(self.weights)}


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLinear:
    """Softmax of a weighted sum of the members' log-probabilities, plus a bias a class."""

    weights: tuple[float, ...]
    bias: tuple[float, ...]

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        return _softmax(_weighted_sum(self.weights, _logs(predictions)) + np.asarray(self.bias))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": "log_linear", "weights": list(self.weights), "bias": list(self.bias)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """Weighted sum of the members' values, plus a constant."""

    weights: tuple[float, ...]
    bias: float

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        return _weighted_sum(self.weights, predictions) + self.bias

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": "linear", "weights": list(self.weights), "bias": self.bias}


def combiner_from_dict(content: Mapping[str, Any]) -> Combiner:
    """Read back what a combiner's ``to_dict`` gave."""
    weights = tuple(content["weights"])
    if content["kind"] == "weighted_mean":
        return WeightedMean(weights=weights)
    if content["kind"] == "log_linear":
        return LogLinear(weights=weights, bias=tuple(content["bias"]))
    return Linear(weights=weights, bias=content["bias"])


def _softmax(logits: Array) -> Array:
    """Normalised exponentials along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _logs(predictions: Array) -> Array:
    """Log-probabilities, centred over the classes so that equal ones are 0."""
    logs = np.log(np.clip(predictions, _LEAST_PROBABILITY, 1.0))
    centred: Array = logs - logs.mean(axis=-1, keepdims=True)
    return centred


def _sample(n_rows: int, most: int, seed: int) -> Array:
    """At most ``most`` row numbers, ascending."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, most, replace=False))


def fit_greedy(
    predictions: Array,
    y: Array,
    metric: Metric,
    classes: Sequence[Any],
    seed: int,
    *,
    seconds: float | None = None,
) -> WeightedMean:
    """Greedy selection with replacement (Caruana et al. 2004); the best prefix of the selection is kept.

    Ties go to the member that comes first, so members should come best first. ``seconds`` ends the selection early,
    after one round at least.
    """
    deadline = Deadline(seconds)
    rows = _sample(len(y), GREEDY_ROWS, seed_for(seed, "greedy"))
    stacked, target = np.ascontiguousarray(predictions[:, rows]), y[rows]
    total = np.zeros(stacked.shape[1:])
    chosen: list[int] = []
    best_error, best_size = np.inf, 0
    while len(chosen) < ROUNDS and len(chosen) - best_size < _PATIENCE and not (chosen and deadline.passed):
        size = len(chosen) + 1
        errors = [metric.error(metric.score(target, (total + member) / size, classes)) for member in stacked]
        pick = int(np.argmin([np.inf if np.isnan(error) else round(error, 9) for error in errors]))
        chosen.append(pick)
        total += stacked[pick]
        if errors[pick] < best_error - 1e-9:
            best_error, best_size = errors[pick], size
    counts = np.bincount(chosen[: max(1, best_size)], minlength=len(predictions))
    return WeightedMean(weights=tuple((counts / counts.sum()).tolist()))


def fit_stacker(predictions: Array, y: Array, kind: TaskKind, seed: int, *, seconds: float | None = None) -> Combiner:
    """Fit a meta-model with one non-negative weight a member, pulled towards the plain mean.

    Few parameters (members plus classes) keep it from fitting noise: log-linear pooling by log loss for classes, ridge
    for values. ``seconds`` ends the former early.
    """
    rows = _sample(len(y), STACK_ROWS, seed_for(seed, "stack"))
    if kind == "regression":
        return _fit_linear(predictions[:, rows], y[rows])
    return _fit_log_linear(predictions[:, rows], y[rows], Deadline(seconds))


def _fit_linear(predictions: Array, y: Array) -> Linear:
    """Non-negative ridge on centred values, pulled towards equal weights."""
    from scipy.optimize import nnls

    members, n_rows = len(predictions), len(y)
    means, scale = predictions.mean(axis=1), float(y.std()) or 1.0
    design = (predictions - means[:, None]).T / scale
    pull = np.sqrt(_PENALTY * n_rows)
    system = np.vstack([design, pull * np.eye(members)])
    wanted = np.concatenate([(y - y.mean()) / scale, np.full(members, pull / members)])
    weights, _ = nnls(system, wanted)
    return Linear(weights=tuple(weights.tolist()), bias=float(y.mean() - weights @ means))


def _fit_log_linear(predictions: Array, y: Array, deadline: Deadline) -> LogLinear:
    """Maximum likelihood of log-linear pooling by L-BFGS-B, weights bounded below by 0."""
    from scipy.optimize import minimize

    members, n_rows, n_classes = predictions.shape
    logs = _logs(predictions)
    flat = logs.reshape(members, -1)
    truth = np.zeros((n_rows, n_classes))
    truth[np.arange(n_rows), y] = 1.0

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, bias = parameters[:members], parameters[members:]
        p = _softmax((weights @ flat).reshape(n_rows, n_classes) + bias)
        likelihood = -float(np.log(np.maximum(p[np.arange(n_rows), y], 1e-300)).mean())
        gap = weights - 1 / members
        residual = (p - truth) / n_rows
        gradient = np.concatenate([flat @ residual.ravel() + 2 * _PENALTY * gap, residual.sum(axis=0) + 2e-3 * bias])
        return likelihood + _PENALTY * float(gap @ gap) + 1e-3 * float(bias @ bias), gradient

    def stop_in_time(parameters: Array) -> None:
        if deadline.passed:
            raise StopIteration

    start = np.concatenate([np.full(members, 1 / members), np.zeros(n_classes)])
    bounds = [(0.0, None)] * members + [(None, None)] * n_classes
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=stop_in_time, options={"maxiter": 100}
    ).x
    return LogLinear(weights=tuple(found[:members].tolist()), bias=tuple(found[members:].tolist()))
