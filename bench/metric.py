"""Metrics: one entry each, in its own unit, with its direction and what it needs.

A prediction is, for classification, an array of probabilities [n_rows, n_classes] whose columns follow the task's
classes, and for regression an array of values [n_rows]. Class labels arrive as codes 0..n_classes-1; in a binary task
code 1 is the positive class. A metric of labels predicts the most probable class, the first of them on a tie.
"""

import functools
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from bench import scoring
from bench.errors import RequestError, nearest
from bench.scoring import Array as Array
from bench.user_code import import_function

TaskKind = Literal["binary", "multiclass", "regression"]
_LOGGER = logging.getLogger("bench.metric")

Needs = Literal["labels", "probabilities", "values"]
Target = Literal["any", "never negative", "never zero"]

_BINARY: frozenset[TaskKind] = frozenset({"binary"})
_MULTICLASS: frozenset[TaskKind] = frozenset({"multiclass"})
_CLASSES: frozenset[TaskKind] = _BINARY | _MULTICLASS
_VALUES: frozenset[TaskKind] = frozenset({"regression"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A way to score predictions.

    ``function`` gets, as ``needs`` says: labels (class codes, predicted codes, number of classes), probabilities
    (class codes, [n_rows, n_classes]) or values (true, predicted). ``best`` is the score of a perfect prediction,
    infinite when nobody knows. ``target`` says which target values the metric can judge.
    """

    name: str
    tasks: frozenset[TaskKind]
    greater_is_better: bool
    needs: Needs
    function: Callable[..., float]
    title: str = ""
    best: float = math.inf
    target: Target = "any"

    def __reduce__(self) -> tuple[Callable[[str], "Metric"], tuple[str]]:
        """Travel between processes by name: there is one object a metric in each."""
        return get_metric, (self.name,)

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way an optimiser goes."""
        return "maximize" if self.greater_is_better else "minimize"

    def score(self, y: Array, prediction: Array, classes: Sequence[Any] | None = None) -> float:
        """Score a prediction in the metric's own unit.

        NaN when the score is not defined: on no rows, for a prediction that is not finite, or where the rows lack
        what the metric compares (ROC AUC on one class). Only metrics of the user's own read ``classes``.
        """
        if len(y) == 0 or not np.isfinite(prediction).all():
            return float("nan")
        with np.errstate(all="ignore"):
            score = self._call(y, prediction, classes)
        return score if math.isfinite(score) else float("nan")

    def score_or_nan(self, y: Array, prediction: Array, classes: Sequence[Any] | None = None) -> float:
        """The same once fits are scored: what a function of the user's raises on some rows must not cost the run."""
        return self.score(y, prediction, classes)

    def _call(self, y: Array, prediction: Array, classes: Sequence[Any] | None) -> float:
        """Give the function what it needs."""
        if self.needs == "labels":
            return self.function(y, np.argmax(prediction, axis=1), prediction.shape[1])
        return self.function(y, prediction)

    def better(self, a: float, b: float) -> bool:
        """Whether score ``a`` beats score ``b``; a tie does not, NaN beats nothing and loses to every number."""
        if math.isnan(a) or math.isnan(b):
            return math.isnan(b) and not math.isnan(a)
        return a > b if self.greater_is_better else a < b

    def error(self, score: float) -> float:
        """Turn a score into what optimisers minimise: its distance to ``best``, or where that is unknown ±score."""
        signed = -score if self.greater_is_better else score
        if math.isinf(self.best):
            return signed
        return signed + self.best if self.greater_is_better else signed - self.best

    def check_target(self, y: Array) -> None:
        """Make sure that the metric can judge these target values (NaN is passed over).

        Raises:
            RequestError: a value is out of the metric's range.
        """
        wrong = {"any": np.zeros(len(y), dtype=bool), "never negative": y < 0, "never zero": y == 0}[self.target]
        if wrong.any():
            others = [m.name for m in metrics_for("regression") if m.target == "any"]
            raise RequestError(
                f"metric {self.name!r} needs a target that is {self.target}; got {wrong.sum()} such values, the first "
                f"{y[wrong][0]}. Choose one of: {', '.join(others)}."
            )

    def probe(self, y: Array, kind: TaskKind, classes: Sequence[Any] = ()) -> None:
        """Score a constant prediction (the mean, or the class shares), to learn of a broken metric before any fit.

        Raises:
            RequestError: the metric raised, or did not give a finite number.
        """
        if kind == "regression":
            prediction = np.full(len(y), y.mean())
        else:
            shares = np.bincount(y, minlength=len(classes)) / len(y)
            prediction = np.tile(shares, (len(y), 1))
        try:
            score = self.score(y, prediction, classes)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:
            raise RequestError(
                f"metric {self.name!r} must score any prediction, but raised {type(error).__name__}: {error} on a "
                f"constant prediction of {len(y)} rows. Mend the function."
            ) from error
        if math.isnan(score):
            cure = "Mend the function" if isinstance(self, CustomMetric) else "Bring the target to a smaller scale"
            usable = [metric for metric in metrics_for(kind) if math.isfinite(metric.score(y, prediction))]
            raise RequestError(
                f"metric {self.name!r} must return a finite number, got nan or infinity on a constant prediction of "
                f"{len(y)} rows. {cure}, or choose one of: {_names(usable)}."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomMetric(Metric):
    """A metric of the user's own: ``function(y_true, y_pred)`` gets labels as the data spells them, or values.

    ``folder`` is where the module was found, so that another process finds it too.
    """

    folder: str

    def __reduce__(self) -> tuple[Callable[..., Metric], tuple[str, ...]]:  # type: ignore[override]
        """Travel between processes as the place to import the function from."""
        return _load_custom, (self.name, self.folder)

    def score_or_nan(self, y: Array, prediction: Array, classes: Sequence[Any] | None = None) -> float:
        """The score; NaN, and what was raised is told once, where the function raises."""
        try:
            return self.score(y, prediction, classes)
        except (Exception, SystemExit) as error:
            _tell_once(f"metric {self.name!r} raised {type(error).__name__} on some rows, which have no score.")
            return float("nan")

    def _call(self, y: Array, prediction: Array, classes: Sequence[Any] | None) -> float:
        """Give the function labels where the metrics of this package get codes."""
        if prediction.ndim == 1:
            score = self.function(y, prediction)
        else:
            labels = np.asarray(range(prediction.shape[1]) if classes is None else classes)
            probable = prediction if self.needs == "probabilities" else labels[np.argmax(prediction, axis=1)]
            score = self.function(labels[y], probable)
        if not isinstance(score, Real):
            raise RequestError(f"metric {self.name!r} must return a number, got {type(score).__name__}: {score!r:.60}.")
        return float(score)


def _entry(
    name: str,
    title: str,
    needs: Needs,
    *,
    tasks: frozenset[TaskKind] = _CLASSES,
    best: float = 1.0,
    target: Target = "any",
) -> Metric:
    """One entry of the table; the function is the one of that name in `bench.scoring`. Losses are best at 0."""
    return Metric(
        name=name,
        title=title,
        needs=needs,
        tasks=tasks,
        best=best,
        target=target,
        function=getattr(scoring, name),
        greater_is_better=best > 0,
    )


#: Every metric of the package by name, in the order in which they are listed to people.
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _entry("roc_auc", "ROC AUC", "probabilities"),
            _entry("roc_auc_ovo", "ROC AUC, one versus one", "probabilities", tasks=_MULTICLASS),
            _entry("average_precision", "average precision", "probabilities"),
            _entry("log_loss", "log loss", "probabilities", best=0.0),
            _entry("brier", "Brier score", "probabilities", best=0.0),
            _entry("accuracy", "accuracy", "labels"),
            _entry("balanced_accuracy", "balanced accuracy", "labels"),
            _entry("f1", "F1", "labels", tasks=_BINARY),
            _entry("f1_macro", "F1, macro", "labels"),
            _entry("f1_weighted", "F1, weighted", "labels"),
            _entry("precision", "precision", "labels"),
            _entry("recall", "recall", "labels"),
            _entry("mcc", "Matthews correlation", "labels"),
            _entry("quadratic_kappa", "quadratic weighted kappa", "labels"),
            _entry("rmse", "RMSE", "values", tasks=_VALUES, best=0.0),
            _entry("mae", "MAE", "values", tasks=_VALUES, best=0.0),
            _entry("r2", "R²", "values", tasks=_VALUES),
            _entry("median_absolute_error", "median absolute error", "values", tasks=_VALUES, best=0.0),
            _entry("mape", "MAPE", "values", tasks=_VALUES, best=0.0, target="never zero"),
            _entry("rmsle", "RMSLE", "values", tasks=_VALUES, best=0.0, target="never negative"),
            _entry("spearman", "Spearman correlation", "values", tasks=_VALUES),
            _entry("pinball", "pinball loss at 0.9", "values", tasks=_VALUES, best=0.0),
        )
    }
)

_ALIASES = {
    "acc": "accuracy",
    "ap": "average_precision",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "brier_score": "brier",
    "f1_score": "f1",
    "logloss": "log_loss",
    "matthews_corrcoef": "mcc",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "qwk": "quadratic_kappa",
    "r2_score": "r2",
    "roc_auc_ovr": "roc_auc",
    "root_mean_squared_error": "rmse",
}
_DEFAULTS: Mapping[TaskKind, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


def _names(metrics: Sequence[Metric]) -> str:
    """Join the names of metrics, in the order of the table."""
    return ", ".join(metric.name for metric in metrics)


def metrics_for(kind: TaskKind) -> tuple[Metric, ...]:
    """Metrics that judge a kind of task, in the order of the table."""
    return tuple(metric for metric in METRICS.values() if kind in metric.tasks)


def default_metric(kind: TaskKind) -> Metric:
    """The metric of a task whose user asked for none."""
    return METRICS[_DEFAULTS[kind]]


def get_metric(name: str) -> Metric:
    """Find a metric by name, alias or, as ``module:function``, in the user's own code (see `CustomMetric`).

    The module is looked for in the working directory first. Attributes of the function tell about it:
    ``greater_is_better`` (True when left out) and ``needs`` (``labels``, ``probabilities`` or ``values``; when left
    out, labels in classification and values in regression).

    Raises:
        RequestError: no metric is called that, or the function cannot be imported.
    """
    if ":" in name:
        return _load_custom(name, os.getcwd())
    plain = name.strip().lower().replace("-", "_")
    if (metric := METRICS.get(_ALIASES.get(plain, plain))) is not None:
        return metric
    raise RequestError(
        f"no metric is called {name!r}.{nearest(plain, [*METRICS, *_ALIASES])} Choose one of: "
        f"{_names(tuple(METRICS.values()))}; or pass your own as module:function."
    )


def fit_for(metric: Metric, kind: TaskKind, dataset_name: str) -> None:
    """Make sure that a metric can judge a kind of task.

    Raises:
        RequestError: it cannot; the message names those that can.
    """
    if kind in metric.tasks:
        return
    if kind == "regression":
        needs = f"class {metric.needs}"
    else:
        needs = "a numeric target" if metric.tasks == _VALUES else f"a {' or '.join(sorted(metric.tasks))} task"
    raise RequestError(
        f"metric {metric.name!r} needs {needs}; task {dataset_name!r} is {kind}. "
        f"Choose one of: {_names(metrics_for(kind))}."
    )


@functools.cache
def _tell_once(sentence: str) -> None:
    """Warn of something, the first time."""
    _LOGGER.warning("%s", sentence)


def _load_custom(name: str, folder: str) -> Metric:
    """Build the metric around the user's function."""
    function = import_function(name, folder, "metric")
    needs = getattr(function, "needs", None)
    if needs not in (None, "labels", "probabilities", "values"):
        raise RequestError(f"metric {name!r} must have needs = labels, probabilities or values, got {needs!r}.")
    return CustomMetric(
        name=name,
        tasks=_CLASSES | _VALUES if needs is None else _VALUES if needs == "values" else _CLASSES,
        greater_is_better=bool(getattr(function, "greater_is_better", True)),
        needs=needs or "labels",
        function=function,
        title=name,
        folder=folder,
    )
