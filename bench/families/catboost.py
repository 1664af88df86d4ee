"""CatBoost: gradient boosting over symmetric trees, ordered statistics of categories."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.families._boosting import Stopper, kept, loss_of, max_rounds
from bench.families._estimator import FamilyEstimator, row_weights
from bench.family import ALL_TASKS, DeadlineReached, Family
from bench.gpu import part_of_free
from bench.metric import Array
from bench.needs import outputs
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_MODEL_FILE = "model.cbm"
_LEARNING_RATE = 0.08
#: On few rows the library's time goes into scanning bins, and fewer of them lose nothing.
_SMALL = 2_000
_SMALL_BINS = 64
_BINS = 254
#: The library's own share of a GPU's memory, where it has the GPU to itself.
_GPU_PART = 0.95


class _Watcher:
    """Stops the library's training at the deadline, or once the watched loss gets no better."""

    def __init__(self, stopper: Stopper, loss: str, deadline: Deadline) -> None:
        self._stopper = stopper
        self._loss = loss
        self._deadline = deadline
        self.late_after: int | None = None

    def after_iteration(self, info: Any) -> bool:
        """Tell the library whether to go on; it calls this after each round."""
        if self._deadline.passed:
            self.late_after = info.iteration
        watched = info.metrics.get("validation")
        stops = watched is not None and self._stopper.stops(info.iteration - 1, watched[self._loss][-1])
        return not (self.late_after or stops)


class CatboostEstimator(FamilyEstimator):
    """Early stopping keeps the rounds up to the best one."""

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
        """Fit as the contract says; on a GPU, where the library takes no callbacks, no deadline is seen in between."""
        import catboost

        if deadline.passed:
            raise DeadlineReached
        params = self._library_params(len(y), watching=valid is not None, allotment=allotment)
        stopper = Stopper(len(y), params["learning_rate"], self._settings.ended_at)
        watcher = _Watcher(stopper, params["loss_function"], deadline)
        on_gpu = allotment.device == "cuda"
        if on_gpu and valid is not None:
            params |= {"od_type": "Iter", "od_wait": stopper.patience}
        train, watched = kept(self._settings, X, allotment, lambda: self._pools(X, y, valid))
        self._model = catboost.CatBoost(params)
        self._model.fit(
            train,
            eval_set=watched,
            use_best_model=valid is not None,
            callbacks=None if on_gpu else [watcher],
        )
        if watcher.late_after:
            stopper.end(watcher.late_after)
        self.ended_at = stopper.ended_at
        self.rounds = int(self._model.tree_count_)

    def _pools(self, X: Encoded, y: Array, valid: tuple[Encoded, Array] | None) -> Any:
        """Wrap the rows to learn from, and those to watch."""
        train = _pool(X, y, row_weights(self._settings, y, training=y))
        return train, None if valid is None else _pool(*valid, row_weights(self._settings, valid[1], training=y))

    def _library_params(self, n_rows: int, *, watching: bool, allotment: Allotment) -> dict[str, Any]:
        """Settings in the library's words."""
        logloss = "MultiClass" if self._settings.kind == "multiclass" else "Logloss"
        losses = {"logloss": logloss, "mae": "MAE", "rmse": "RMSE"}
        params = {
            "loss_function": losses[loss_of(self._settings)],
            "thread_count": allotment.cpus,
            "random_seed": self._settings.seed,
            "allow_writing_files": False,
            "logging_level": "Silent",
            "allow_const_label": True,
            "boosting_type": "Plain",
            "max_bin": _SMALL_BINS if n_rows < _SMALL else _BINS,
            **self._chosen("n_estimators", learning_rate=_LEARNING_RATE),
        }
        if "subsample" in params:
            params["bootstrap_type"] = "Bernoulli"
        if allotment.device == "cuda":
            params.pop("colsample_bylevel", None)
            params |= {"task_type": "GPU", "gpu_ram_part": _GPU_PART * min(1.0, part_of_free(allotment.gpu or 1.0))}
        params["iterations"] = max_rounds(
            self._settings, n_rows, watching=watching, learning_rate=params["learning_rate"]
        )
        return params

    def _raw(self, X: Encoded) -> Array:
        kind = "RawFormulaVal" if self._settings.kind == "regression" else "Probability"
        raw: Array = self._model.predict(_pool(X), prediction_type=kind)
        return raw

    def _write(self, folder: Path) -> None:
        self._model.save_model(str(folder / _MODEL_FILE), format="cbm")

    def _read(self, folder: Path) -> None:
        import catboost

        self._model = catboost.CatBoost().load_model(str(folder / _MODEL_FILE), format="cbm")


def _pool(X: Encoded, y: Array | None = None, weight: Array | None = None) -> Any:
    """Wrap rows; categories become whole numbers, a missing one the category -1."""
    import catboost
    import pandas

    frame = pandas.DataFrame(X.values)
    for column in X.categorical:
        codes = np.nan_to_num(X.values[:, column], nan=-1.0).astype(np.int32)
        frame[column] = codes
    return catboost.Pool(frame, label=y, weight=weight, cat_features=list(X.categorical))


FAMILY = Family(
    name="catboost",
    summary="CatBoost gradient boosting",
    tasks=ALL_TASKS,
    recipe="trees",
    build=CatboostEstimator,
    load=CatboostEstimator.load,
    libraries=("catboost",),
    imports=("catboost", "pandas"),
    cost=12.0,
    cost_grows="outputs",
    order=110,
    behind=0.01,
    watches=True,
    borrows=True,
    version=4,
    uses_gpu=True,
    fills_gpu=True,
    memory=outputs(12.0),
)
