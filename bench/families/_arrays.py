"""Models that come down to a few arrays: learned in one call, kept in one .npz file."""

import warnings
from pathlib import Path

import numpy as np

from bench.families._estimator import FamilyEstimator
from bench.family import DeadlineReached
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

    def _learn(self, values: Array, y: Array, deadline: Deadline) -> dict[str, Array]:
        """Learn from training rows what predictions need."""
        raise NotImplementedError

    def _write(self, folder: Path) -> None:
        np.savez(folder / _MODEL_FILE, allow_pickle=False, **self._arrays)

    def _read(self, folder: Path) -> None:
        with np.load(folder / _MODEL_FILE, allow_pickle=False) as arrays:
            self._arrays = dict(arrays)
