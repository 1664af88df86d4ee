"""XGBoost: level-wise gradient boosting over histograms, native categories and missing values."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.families._boosting import Stopper, boost, kept, loss_of, max_rounds
from bench.families._estimator import FamilyEstimator, number, row_weights
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.needs import HISTOGRAM_BYTES, histogram, histograms
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_MODEL_FILE = "model.ubj"
_LEARNING_RATE = 0.1
_MAX_BIN = 256  # the library's default


class XgboostEstimator(FamilyEstimator):
    """Early stopping keeps the rounds up to the best one."""

    _booster: Any

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
        import xgboost

        params = self._library_params(allotment, X.values.shape[1])
        train, watch = kept(self._settings, X, allotment, lambda: self._binned(X, y, valid, allotment.cpus))
        booster = xgboost.Booster(params, [train] if watch is None else [train, watch])

        def step(round_number: int) -> float | None:
            booster.update(train, round_number)
            if watch is None:
                return None
            # The library tells its one metric as a line of text: "[0]<tab>valid-logloss:0.3".
            return float(booster.eval_set([(watch, "valid")], round_number).rpartition(":")[2])

        rounds = max_rounds(self._settings, len(y), watching=valid is not None, learning_rate=params["learning_rate"])
        stopper = Stopper(len(y), params["learning_rate"], self._settings.ended_at)
        self.rounds = boost(step, rounds=rounds, stopper=stopper, deadline=deadline)
        self.ended_at = stopper.ended_at
        self._booster = booster[: self.rounds]
        # A model is predicted with where it is loaded, mostly without a GPU: the same arithmetic everywhere.
        self._booster.set_param({"device": "cpu"})

    def _binned(self, X: Encoded, y: Array, valid: tuple[Encoded, Array] | None, threads: int) -> Any:
        """Bin the rows to learn from, and wrap those to watch."""
        import xgboost

        train = xgboost.QuantileDMatrix(
            X.values,
            label=y,
            weight=row_weights(self._settings, y, training=y),
            feature_types=_feature_types(X),
            enable_categorical=True,
            nthread=threads,
        )
        if valid is None:
            return train, None
        return train, _matrix(valid[0], label=valid[1], weight=row_weights(self._settings, valid[1], training=y))

    def _library_params(self, allotment: Allotment, columns: int) -> dict[str, Any]:
        """Settings in the library's words."""
        settings = self._settings
        bins = number(settings, "max_bin", _MAX_BIN)
        multiclass = settings.kind == "multiclass"
        objectives = {
            "logloss": "multi:softprob" if multiclass else "binary:logistic",
            "mae": "reg:absoluteerror",
            "rmse": "reg:squarederror",
        }
        return {
            "objective": objectives[loss_of(settings)],
            **({"num_class": settings.n_classes} if multiclass else {}),
            "tree_method": "hist",
            "device": allotment.device,
            "nthread": allotment.cpus,
            "max_cached_hist_node": max(2, int(HISTOGRAM_BYTES / histogram(columns, bins))),
            "seed": settings.seed,
            "verbosity": 0,
            **self._chosen("n_estimators", learning_rate=_LEARNING_RATE),
        }

    def _raw(self, X: Encoded) -> Array:
        raw: Array = self._booster.predict(_matrix(X)).astype(np.float64)
        return raw

    def _write(self, folder: Path) -> None:
        self._booster.save_model(folder / _MODEL_FILE)

    def _read(self, folder: Path) -> None:
        import xgboost

        self._booster = xgboost.Booster(model_file=folder / _MODEL_FILE)


def _feature_types(X: Encoded) -> list[str]:
    """Tell the library which columns are categories (``c``) and which quantities (``q``)."""
    categorical = set(X.categorical)
    return ["c" if column in categorical else "q" for column in range(X.values.shape[1])]


def _matrix(X: Encoded, label: Array | None = None, weight: Array | None = None) -> Any:
    """Wrap rows that are predicted."""
    import xgboost

    return xgboost.DMatrix(
        X.values, label=label, weight=weight, feature_types=_feature_types(X), enable_categorical=True
    )


FAMILY = Family(
    name="xgboost",
    summary="XGBoost gradient boosting",
    tasks=ALL_TASKS,
    recipe="trees",
    build=XgboostEstimator,
    load=XgboostEstimator.load,
    libraries=("xgboost",),
    imports=("xgboost",),
    cost=1.2,
    cost_grows="outputs",
    order=120,
    behind=0.08,
    watches=True,
    borrows=True,
    version=5,
    uses_gpu=True,
    memory=histograms(6.0),
)
