"""LightGBM: leaf-wise gradient boosting, native categories and missing values."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from bench.families._boosting import Stopper, boost, kept, loss_of, max_rounds
from bench.families._estimator import FamilyEstimator, library_files, row_weights
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.needs import HISTOGRAM_BYTES, histograms
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_MODEL_FILE = "model.txt"
_LEARNING_RATE = 0.05
_WITHOUT_CUDA = b"CUDA Tree Learner was not enabled in this build"
#: Parameters that a search space may have and that bins depend on.
_BINNING = ("max_bin", "min_data_in_bin", "enable_bundle", "linear_tree")


@functools.cache
def built_for_cuda() -> bool:
    """Whether the installed build learns on a GPU; one that does not, like usual wheels, holds the words to say so."""
    libraries = library_files("lightgbm", "*lightgbm.*")
    return bool(libraries) and all(_WITHOUT_CUDA not in path.read_bytes() for path in libraries)


class LightgbmEstimator(FamilyEstimator):
    """Early stopping keeps the rounds up to the best one."""

    _booster: Any
    rounds: int | None = None  # all of them
    _threads = 0  # all that the process may use

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says."""
        import lightgbm

        self._threads = allotment.cpus
        params = self._library_params(allotment)
        data, watched = kept(self._settings, X, allotment, lambda: self._binned(X, y, valid, params), _BINNING)
        booster = lightgbm.Booster(params, data)
        if watched is not None:
            booster.add_valid(watched, "valid")

        def step(round_number: int) -> float | None:
            booster.update()
            return None if valid is None else float(booster.eval_valid()[0][2])

        rounds = max_rounds(self._settings, len(y), watching=valid is not None, learning_rate=params["learning_rate"])
        stopper = Stopper(len(y), params["learning_rate"], self._settings.ended_at)
        self.rounds = boost(step, rounds=rounds, stopper=stopper, deadline=deadline)
        self.ended_at = stopper.ended_at
        self._booster = booster

    def _binned(self, X: Encoded, y: Array, valid: tuple[Encoded, Array] | None, params: dict[str, Any]) -> Any:
        """Bin the rows to learn from, and by the same bins those to watch."""
        import lightgbm

        data = lightgbm.Dataset(
            X.values,
            label=y,
            weight=row_weights(self._settings, y, training=y),
            categorical_feature=list(X.categorical),
            params=params,
        ).construct()
        if valid is None:
            return data, None
        weights = row_weights(self._settings, valid[1], training=y)
        return data, data.create_valid(valid[0].values, label=valid[1], weight=weights, params=params).construct()

    def _library_params(self, allotment: Allotment) -> dict[str, Any]:
        """Settings in the library's words."""
        settings = self._settings
        multiclass = settings.kind == "multiclass"
        objectives = {"logloss": "multiclass" if multiclass else "binary", "mae": "l1", "rmse": "l2"}
        return {
            "objective": objectives[loss_of(settings)],
            "num_class": settings.n_classes if multiclass else 1,
            "num_threads": allotment.cpus,
            "device_type": allotment.device,
            "seed": settings.seed,
            "deterministic": True,
            "force_row_wise": True,
            # Bins serve other candidates as well: they may depend on no seed, and no smallest leaf, of one of them.
            "data_random_seed": 1,
            "feature_pre_filter": False,
            "histogram_pool_size": HISTOGRAM_BYTES / 2**20,
            "verbosity": -1,
            **self._chosen("n_estimators", learning_rate=_LEARNING_RATE, bagging_freq=1),
        }

    def _raw(self, X: Encoded) -> Array:
        raw: Array = np.asarray(self._booster.predict(X.values, num_iteration=self.rounds, num_threads=self._threads))
        return raw

    def _write(self, folder: Path) -> None:
        (folder / _MODEL_FILE).write_text(self._booster.model_to_string(num_iteration=self.rounds))

    def _read(self, folder: Path) -> None:
        import lightgbm

        self._booster = lightgbm.Booster(model_str=(folder / _MODEL_FILE).read_text())


FAMILY = Family(
    name="lightgbm",
    summary="LightGBM gradient boosting",
    tasks=ALL_TASKS,
    recipe="trees",
    build=LightgbmEstimator,
    load=LightgbmEstimator.load,
    libraries=("lightgbm",),
    imports=("lightgbm",),
    cost_grows="outputs",
    order=100,
    behind=0.05,
    watches=True,
    borrows=True,
    uses_gpu=built_for_cuda,
    version=6,
    memory=histograms(6.0),
)
