"""Models that come down to a few arrays: learned in one call, kept in one .npz file.

In regression what `ArrayEstimator.fit` learns does not leave the target's range by much: for an odd row some models
would predict a value beyond all reason, which alone decides the mean squared error of a fold.
"""

import warnings
from pathlib import Path

import numpy as np

from bench.families._estimator import FamilyEstimator
from bench.family import DeadlineReached, target_range
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_MODEL_FILE = "model.npz"


class ArrayEstimator(FamilyEstimator):
    """A subclass owes ``_learn``, which gives the arrays, and ``_raw``, which predicts from ``self._arrays``."""

    _arrays: dict[str, Array]

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
        if deadline.passed:
            raise DeadlineReached
        with warnings.catch_warnings():
            # A solver stopped at its iteration limit still gives a model, to be judged by its score.
            warnings.simplefilter("ignore")
            self._arrays = self._learn(X.values, y, deadline)
        if self._settings.kind == "regression":
            self._arrays["range"] = np.array(target_range(y))

    def predict(self, X: Encoded) -> Array:
        """Predict as the contract says."""
        predicted = super().predict(X)
        return predicted.clip(*self._arrays["range"]) if "range" in self._arrays else predicted

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        """Learn from training rows what predictions need."""
        raise NotImplementedError

    def _write(self, folder: Path) -> None:
        np.savez(folder / _MODEL_FILE, allow_pickle=False, **self._arrays)

    def _read(self, folder: Path) -> None:
        with np.load(folder / _MODEL_FILE, allow_pickle=False) as arrays:
            self._arrays = dict(arrays)
