"""Ways to combine predictions of several models: weighted mean, log-linear pooling, linear stacking.

``predictions`` stacks what the members predict: [n_members, n_rows, n_classes] probabilities, or [n_members, n_rows].
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from bench.metric import Array

_LEAST_PROBABILITY = 1e-6


class Combiner(Protocol):
    """Turns the members' predictions into one."""

    @property
    def weights(self) -> tuple[float, ...]:
        """What each member counts; 0 for one that is left out."""
        ...

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        ...

    def of(self, members: Sequence[int]) -> "Combiner":
        """The same of these members alone; the others must have no weight."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """Trials by their ids, and how what they predict is combined."""

    trials: tuple[str, ...]
    combiner: Combiner

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"trials": list(self.trials), "combiner": self.combiner.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Mix":
        """Read back what `to_dict` gave."""
        return cls(trials=tuple(content["trials"]), combiner=combiner_from_dict(content["combiner"]))


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

    def of(self, members: Sequence[int]) -> "WeightedMean":
        """The same of these members alone; the others must have no weight."""
        return replace(self, weights=tuple(self.weights[member] for member in members))

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
        return softmax(_weighted_sum(self.weights, centred_logs(predictions)) + np.asarray(self.bias))

    def of(self, members: Sequence[int]) -> "LogLinear":
        """The same of these members alone; the others must have no weight."""
        return replace(self, weights=tuple(self.weights[member] for member in members))

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

    def of(self, members: Sequence[int]) -> "Linear":
        """The same of these members alone; the others must have no weight."""
        return replace(self, weights=tuple(self.weights[member] for member in members))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": "linear", "weights": list(self.weights), "bias": self.bias}


@dataclass(frozen=True, kw_only=True, slots=True)
class Adjusted:
    """Another combiner's probabilities, sharpened: log-probabilities times ``sharpness``, plus a bias a class."""

    inner: Combiner
    sharpness: float
    bias: tuple[float, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """What each member counts for the inner combiner."""
        return self.inner.weights

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        return softmax(self.sharpness * centred_logs(self.inner.combine(predictions)) + np.asarray(self.bias))

    def of(self, members: Sequence[int]) -> "Adjusted":
        """The same of these members alone; the others must have no weight."""
        return replace(self, inner=self.inner.of(members))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        inner = self.inner.to_dict()
        return {"kind": "adjusted", "inner": inner, "sharpness": self.sharpness, "bias": list(self.bias)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layered:
    """Boosted trees over what members predict (LightGBM's text in ``trees``), added to what another combiner says.

    ``inputs`` numbers the members that the trees were given, -1 for one that no tree looks at and that was let go;
    ``shares`` tells the part of the trees' gain that is owed to each.
    """

    inner: Combiner
    inputs: tuple[int, ...]
    shares: tuple[float, ...]
    trees: str

    @property
    def weights(self) -> tuple[float, ...]:
        """What each member counts: for the inner combiner, plus its share of the trees' gain."""
        weights = list(self.inner.weights)
        for member, share in zip(self.inputs, self.shares, strict=True):
            if member >= 0:
                weights[member] += share
        return tuple(weights)

    def combine(self, predictions: Array) -> Array:
        """Combine stacked predictions."""
        if predictions.shape[1] == 0:  # a run without test rows; the library refuses to predict none
            return self.inner.combine(predictions)
        idle = np.ones(predictions.shape[1:])
        seen = np.stack([idle if member < 0 else predictions[member] for member in self.inputs])
        raw = _booster(self.trees).predict(layer_inputs(seen), raw_score=True, num_threads=1)
        corrected = margins(self.inner.combine(predictions)[None])[0] + raw
        if predictions.ndim == 2:
            return np.asarray(corrected)
        return softmax(np.column_stack([np.zeros(len(raw)), corrected]) if raw.ndim == 1 else corrected)

    def of(self, members: Sequence[int]) -> "Layered":
        """The same of these members alone; the others must have no weight."""
        place = {member: number for number, member in enumerate(members)}
        inputs = tuple(place.get(member, -1) for member in self.inputs)
        return replace(self, inner=self.inner.of(members), inputs=inputs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "kind": "layered",
            "inner": self.inner.to_dict(),
            "inputs": list(self.inputs),
            "shares": list(self.shares),
            "trees": self.trees,
        }


@functools.lru_cache(maxsize=4)
def _booster(text: str) -> Any:
    """Read trees, once."""
    import lightgbm

    return lightgbm.Booster(model_str=text)


def margins(predictions: Array) -> Array:
    """What trees correct, of stacked predictions: log-odds of two classes, centred log-probabilities of more, values.

    [n_members, n_rows], or [n_members, n_rows, n_classes] with more than two classes.
    """
    if predictions.ndim == 2:
        return predictions
    logs = centred_logs(predictions)
    return np.asarray(logs[..., 1] - logs[..., 0] if logs.shape[2] == 2 else logs)


def layer_inputs(predictions: Array) -> Array:
    """What trees see of stacked predictions: their margins, [n_rows, n_inputs], member after member."""
    return np.moveaxis(margins(predictions), 0, 1).reshape(predictions.shape[1], -1)


def _used(combiner: Combiner) -> list[int]:
    """Numbers of the members that count for something; of the first where none does."""
    return np.flatnonzero(combiner.weights).tolist() or [0]


def combined(combiner: Combiner, predictions: Array, rows: Array) -> Array:
    """Combine some rows of stacked predictions; members that count for nothing are passed over."""
    used = _used(combiner)
    return combiner.of(used).combine(predictions[np.ix_(np.array(used), rows)])


def mix_of(combiner: Combiner, trials: Sequence[str]) -> Mix:
    """What `combined` combines of these trials."""
    used = _used(combiner)
    return Mix(trials=tuple(trials[member] for member in used), combiner=combiner.of(used))


def combiner_from_dict(content: Mapping[str, Any]) -> Combiner:
    """Read back what a combiner's ``to_dict`` gave."""
    if content["kind"] == "layered":
        inner = combiner_from_dict(content["inner"])
        inputs, shares = tuple(content["inputs"]), tuple(content["shares"])
        return Layered(inner=inner, inputs=inputs, shares=shares, trees=content["trees"])
    if content["kind"] == "adjusted":
        inner = combiner_from_dict(content["inner"])
        return Adjusted(inner=inner, sharpness=content["sharpness"], bias=tuple(content["bias"]))
    weights = tuple(content["weights"])
    if content["kind"] == "weighted_mean":
        return WeightedMean(weights=weights)
    if content["kind"] == "log_linear":
        return LogLinear(weights=weights, bias=tuple(content["bias"]))
    return Linear(weights=weights, bias=content["bias"])


def softmax(logits: Array) -> Array:
    """Normalised exponentials along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def centred_logs(predictions: Array) -> Array:
    """Log-probabilities, centred over the classes so that equal ones are 0."""
    logs = np.log(np.clip(predictions, _LEAST_PROBABILITY, 1.0))
    centred: Array = logs - logs.mean(axis=-1, keepdims=True)
    return centred


def sample(rows: Array, most: int, seed: int) -> Array:
    """At most ``most`` of some row numbers, in their order."""
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]
