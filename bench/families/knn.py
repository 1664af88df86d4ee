"""Nearest neighbours over scaled features."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.families._estimator import FamilyEstimator
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_MODEL_FILE = "rows.npz"
#: What is remembered is bounded in rows and in cells, since every prediction looks at all of it.
_MAX_ROWS = 50_000
_MAX_CELLS = 4_000_000
#: Beyond these many features a tree prunes little, and comparing with every row is faster.
_TREE_FEATURES = 12


class KnnEstimator(FamilyEstimator):
    """Remembers the training rows, or a seeded sample of them when there are many."""

    _values: Array
    _y: Array
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
        kept = self._sample(y, min(_MAX_ROWS, max(1_000, _MAX_CELLS // max(1, X.values.shape[1]))))
        self._values, self._y = X.values[kept], y[kept]
        self._index()

    def _sample(self, y: Array, limit: int) -> Array:
        """Choose rows to remember; of every class at least one."""
        if len(y) <= limit:
            return np.arange(len(y))
        order = np.random.default_rng(self._settings.seed).permutation(len(y))
        first = np.unique(y[order], return_index=True)[1] if self._settings.kind != "regression" else order[:0]
        rest = np.setdiff1d(np.arange(len(y)), first)[: limit - len(first)]
        return np.sort(order[np.concatenate([first, rest])])

    def _index(self) -> None:
        """Build scikit-learn's model over the remembered rows."""
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        chosen = self._chosen(n_neighbors=20, weights="distance", p=2)
        chosen["n_neighbors"] = min(chosen["n_neighbors"], len(self._y))
        model = KNeighborsRegressor if self._settings.kind == "regression" else KNeighborsClassifier
        algorithm = "kd_tree" if self._values.shape[1] <= _TREE_FEATURES else "brute"
        self._model = model(algorithm=algorithm, **chosen).fit(self._values, self._y)

    def _raw(self, X: Encoded) -> Array:
        method = self._model.predict if self._settings.kind == "regression" else self._model.predict_proba
        raw: Array = method(X.values)
        return raw

    def _write(self, folder: Path) -> None:
        np.savez(folder / _MODEL_FILE, values=self._values, y=self._y)

    def _read(self, folder: Path) -> None:
        with np.load(folder / _MODEL_FILE, allow_pickle=False) as arrays:
            self._values, self._y = arrays["values"], arrays["y"]
        self._index()


FAMILY = Family(
    name="knn",
    summary="nearest neighbours over scaled features",
    tasks=ALL_TASKS,
    recipe="linear",
    build=KnnEstimator,
    load=KnnEstimator.load,
    libraries=("scikit-learn",),
    order=40,
    baseline=True,
)
