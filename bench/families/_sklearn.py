"""Small scikit-learn models: fitted in one call, kept as a skops file."""

import warnings
from pathlib import Path
from typing import Any

from bench.families._estimator import FamilyEstimator
from bench.family import DeadlineReached
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline
from bench.skops_io import dump_sklearn, load_sklearn

_MODEL_FILE = "model.skops"


class SklearnEstimator(FamilyEstimator):
    """Wraps one scikit-learn model; a subclass owes ``_make``, and may fit in steps with ``_fit_model``."""

    _model: Any

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
        self._model = self._make(X, y)
        with warnings.catch_warnings():
            # A solver stopped at its iteration limit still gives a model, to be judged by its score.
            warnings.simplefilter("ignore")
            self._fit_model(X.values, y, deadline)

    def _make(self, X: Encoded, y: Array) -> Any:
        """Make the unfitted model for these training rows."""
        raise NotImplementedError

    def _fit_model(self, values: Array, y: Array, deadline: Deadline) -> None:
        """Fit ``self._model``, in one call unless a subclass knows better."""
        self._model.fit(values, y)

    def _raw(self, X: Encoded) -> Array:
        method = self._model.predict if self._settings.kind == "regression" else self._model.predict_proba
        raw: Array = method(X.values)
        return raw

    def _write(self, folder: Path) -> None:
        dump_sklearn(self._model, folder / _MODEL_FILE)

    def _read(self, folder: Path) -> None:
        self._model = load_sklearn(folder / _MODEL_FILE)
