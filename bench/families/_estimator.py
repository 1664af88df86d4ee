"""What every estimator here shares: its settings on disk, and predictions in the shape that the contract wants."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.errors import BenchError
from bench.family import Settings
from bench.metric import Array, TaskKind
from bench.recipes import Encoded

_SETTINGS_FILE = "settings.json"


def library_files(name: str, pattern: str) -> list[Path]:
    """Files in the folder ``lib`` of an installed library, which is not imported for that."""
    found = find_spec(name)
    folders = (found and found.submodule_search_locations) or ()
    return [path for folder in folders for path in Path(folder, "lib").glob(pattern)]


def _read_settings(folder: Path) -> Settings:
    """Read the settings that an estimator was built from."""
    return Settings(**json.loads((folder / _SETTINGS_FILE).read_text()))


def as_output(raw: Array, kind: TaskKind) -> Array:
    """Give raw predictions the shape of the contract.

    ``raw`` is [n_rows] in regression, [n_rows, n_classes] in classification, or, for a binary task, the positive
    class's probability [n_rows].
    """
    values: Array = np.asarray(raw, dtype=np.float64)
    if kind == "regression":
        return values.reshape(-1)
    if values.ndim == 1:
        values = np.column_stack([1.0 - values, values])
    values = np.clip(values, 0.0, 1.0)
    normalised: Array = values / values.sum(axis=1, keepdims=True)
    return normalised


def softmax(logits: Array) -> Array:
    """Turn logits [n_rows, n_classes] into probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def number(settings: Settings, name: str, fallback: float) -> float:
    """Read a parameter that has to be a number.

    Raises:
        BenchError: it is not one.
    """
    value = settings.params.get(name, fallback)
    if not isinstance(value, (int, float)):
        raise BenchError(f"Parameter {name!r} must be a number, got {value!r}. Correct the search space.")
    return value


def sampled(y: Array, limit: int, *, seed: int, classes: bool) -> Array:
    """Choose rows, ascending, ``limit`` at most; when ``y`` holds ``classes``, of every class at least one."""
    if len(y) <= limit:
        return np.arange(len(y))
    order = np.random.default_rng(seed).permutation(len(y))
    first = np.unique(y[order], return_index=True)[1] if classes else order[:0]
    rest = np.setdiff1d(np.arange(len(y)), first)[: limit - len(first)]
    return np.sort(order[np.concatenate([first, rest])])


def square_distances(left: Array, right: Array) -> Array:
    """Squared distances between rows [n_left, n_right]."""
    squares: Array = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2.0 * (left @ right.T)
    return np.maximum(squares, 0.0, out=squares)


def row_weights(settings: Settings, y: Array, *, training: Array) -> Array | None:
    """Weights for rows of codes ``y`` that make classes count alike in the ``training`` codes; None when not asked."""
    if settings.params.get("class_weight") != "balanced" or settings.kind == "regression":
        return None
    counts = np.bincount(training, minlength=settings.n_classes)
    weights: Array = (len(training) / (settings.n_classes * np.maximum(counts, 1)))[y]
    return weights


class FamilyEstimator:
    """Base of the estimators here: a subclass owes ``fit``, ``_raw``, ``_write`` and ``_read``."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; nothing heavy happens before ``fit``."""
        self._settings = settings

    def _chosen(self, *leave_out: str, **fallbacks: Any) -> dict[str, Any]:
        """Parameters over ``fallbacks``, without those that the library does not know."""
        return {
            name: value
            for name, value in {**fallbacks, **self._settings.params}.items()
            if name not in (*leave_out, "class_weight")
        }

    def predict(self, X: Encoded) -> Array:
        """Predict as the contract says."""
        return as_output(self._raw(X), self._settings.kind)

    def save(self, folder: Path) -> None:
        """Write settings and model into an existing folder."""
        settings = self._settings
        content: Mapping[str, Any] = {
            "params": dict(settings.params),
            "kind": settings.kind,
            "n_classes": settings.n_classes,
            "metric": settings.metric,
            "seed": settings.seed,
            "rounds": settings.rounds,
        }
        (folder / _SETTINGS_FILE).write_text(json.dumps(content, indent=1, sort_keys=True))
        self._write(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what ``save`` wrote."""
        estimator = cls(_read_settings(folder))
        estimator._read(folder)
        return estimator

    def _raw(self, X: Encoded) -> Array:
        """Predict in a shape that `as_output` takes."""
        raise NotImplementedError

    def _write(self, folder: Path) -> None:
        """Write the fitted model."""
        raise NotImplementedError

    def _read(self, folder: Path) -> None:
        """Read the fitted model."""
        raise NotImplementedError
