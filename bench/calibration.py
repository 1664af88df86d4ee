"""What is done to an ensemble's probabilities: temperature scaling, and thresholds for metrics of labels.

Both have one parameter, so that they fit little noise; whoever judges them has to do so on other rows.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.combine import Adjusted, Combiner, centred_logs, combined, sample
from bench.identity import seed_for
from bench.metric import Array, Metric

#: Metrics that judge probabilities as such and not by their order.
_PROPER = ("log_loss", "brier")
#: Rows below which a temperature (of two classes, of more) or a threshold fits noise.
_TEMPERATURE_ROWS = (3_000, 500)
_THRESHOLD_ROWS = 500
#: Rows that they are fitted on, at most; of a temperature, probabilities, too. A threshold takes hundreds of scores.
_MOST_TEMPERATURE_ROWS, _MOST_PROBABILITIES = 50_000, 1_000_000
_MOST_THRESHOLD_ROWS = 10_000
#: Metrics of labels that a constant label makes best.
_ONE_SIDED = ("precision", "recall")
_RESAMPLES = 10
_EPSILON = 1e-12
#: Thresholds for two classes; how much rarer classes are favoured, as powers of their shares, for more.
_THRESHOLDS = np.linspace(0.04, 0.96, 23)
_POWERS = np.linspace(-0.5, 1.5, 21)


def adjusted(
    combiner: Combiner,
    predictions: Array,
    y: Array,
    metric: Metric,
    classes: Sequence[Any],
    *,
    rows: Array,
    repeats: float = 1.0,
) -> Combiner:
    """Adjust a combiner to the metric where the ``rows`` to learn from suffice; else it is returned as it is.

    ``repeats`` says how often each row comes in ``rows``, in the mean.
    """
    distinct = len(rows) / repeats
    temperature = metric.name in _PROPER and distinct >= _TEMPERATURE_ROWS[len(classes) > 2]
    threshold = metric.needs == "labels" and metric.name not in _ONE_SIDED and distinct >= _THRESHOLD_ROWS
    if predictions.ndim < 3 or not (temperature or threshold):
        return combiner
    few = min(_MOST_TEMPERATURE_ROWS, _MOST_PROBABILITIES // len(classes))
    most = few if temperature else _MOST_THRESHOLD_ROWS
    rows = sample(rows, most, seed_for(0, "calibration"))
    told, y = combined(combiner, predictions, rows), y[rows]
    if temperature:
        return Adjusted(inner=combiner, sharpness=_sharpness(told, y), bias=(0.0,) * told.shape[1])
    bias = _bias(told, y, metric, classes, repeats)
    return Adjusted(inner=combiner, sharpness=1.0, bias=bias) if any(bias) else combiner


def _sharpness(probabilities: Array, y: Array) -> float:
    """Inverse of the temperature (Guo et al. 2017) by maximum likelihood, from 1/4 to 4."""
    from scipy.optimize import minimize_scalar

    logs, rows = centred_logs(probabilities), np.arange(len(y))

    def loss(log_sharpness: float) -> float:
        scaled = np.exp(log_sharpness) * logs
        highest = scaled.max(axis=1)
        return float(np.mean(highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1)) - scaled[rows, y]))

    limit = np.log(4)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))


def _bias(probabilities: Array, y: Array, metric: Metric, classes: Sequence[Any], repeats: float) -> tuple[float, ...]:
    """What to add to the log-probabilities so that the most probable class is the one to tell.

    Of several resamples' best thresholds the median is taken, and only where it gains more than two standard errors
    over none: the best one of all rows would be the one that chance favours most. Rows that come several times tell no
    more than once.
    """
    n_rows, n_classes = probabilities.shape
    if n_classes == 2:
        tried = np.column_stack([np.zeros(len(_THRESHOLDS)), np.log(1 / _THRESHOLDS - 1)])
        neutral = len(_THRESHOLDS) // 2
    else:
        shares = (np.bincount(y, minlength=n_classes) + 1) / (len(y) + n_classes)
        tried, neutral = np.outer(-_POWERS, np.log(shares)), int(np.argmin(np.abs(_POWERS)))
    logs = np.log(np.clip(probabilities, _EPSILON, None))
    drawn = np.random.default_rng(seed_for(0, "threshold")).integers(n_rows, size=(_RESAMPLES, n_rows))
    told = np.eye(n_classes)
    errors = np.empty((_RESAMPLES, len(tried)))
    for column, bias in enumerate(tried):
        labels = told[(logs + bias).argmax(axis=1)]
        errors[:, column] = [metric.error(metric.score_or_nan(y[rows], labels[rows], classes)) for rows in drawn]
    none: tuple[float, ...] = (0.0,) * n_classes
    errors = errors[np.isfinite(errors).all(axis=1)]
    if not len(errors):
        return none
    best = int(np.median(errors.argmin(axis=1)))
    gains = errors[:, neutral] - errors[:, best]
    return tuple(tried[best].tolist()) if gains.mean() > 2 * math.sqrt(repeats) * gains.std() else none
