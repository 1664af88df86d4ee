"""Scores of classes turned into probabilities, by rows that the scores were not fitted on.

One slope and a bias a class, then a softmax: Platt's scaling (1999) for two classes, temperature scaling with biases
for more. The targets are smoothed as Platt's are, so that scores which tell all classes apart get a finite slope.
"""

from collections.abc import Callable, Mapping

import numpy as np

from bench.families._estimator import sampled, softmax
from bench.metric import Array

Arrays = Mapping[str, Array]

_FOLDS = 3
#: Scores of so many rows at most decide the slope and the biases.
_MOST_ROWS = 10_000
_LEAST_SLOPE = 1e-3


def fit_calibrated(
    fit: Callable[[Array, Array], dict[str, Array]],
    score: Callable[[Arrays, Array], Array],
    values: Array,
    y: Array,
    *,
    seed: int,
) -> dict[str, Array]:
    """Fit on all rows, and calibrate on rows held out in turn: the arrays of ``fit``, ``slope`` and ``biases``.

    ``fit`` learns arrays from rows and codes, each of which occurs; ``score`` gives [n_rows, n_classes] by them.
    """
    chosen = sampled(y, _MOST_ROWS, seed=seed, classes=True)
    rows, codes = values[chosen], y[chosen]
    fold = _inner_folds(codes, seed)
    scores = np.empty((len(codes), int(y.max()) + 1))
    for number in range(_FOLDS):
        out = fold == number
        if out.any():
            scores[out] = score(fit(rows[~out], codes[~out]), rows[out])
    held_out = fold >= 0
    return fit(values, y) | calibration(scores[held_out], codes[held_out])


def _inner_folds(y: Array, seed: int) -> Array:
    """Deal rows to folds, class by class; -1, never held out, for the only row of a class."""
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % _FOLDS
    fold[(np.bincount(y) == 1)[y]] = -1
    return fold


def calibration(scores: Array, y: Array) -> dict[str, Array]:
    """Find ``slope`` [] and ``biases`` [n_classes] of the greatest likelihood; scores [n_rows, n_classes]."""
    from scipy.optimize import minimize

    n_rows, n_classes = scores.shape
    if not n_rows:
        return {"slope": np.array(1.0), "biases": np.zeros(n_classes)}
    centred = scores - scores.mean(axis=1, keepdims=True)
    scale = float(centred.std()) or 1.0
    centred /= scale
    truth = np.full((n_rows, n_classes), 1.0 / (n_rows + n_classes))
    truth[np.arange(n_rows), y] += n_rows / (n_rows + n_classes)

    def loss(parameters: Array) -> tuple[float, Array]:
        logits = parameters[0] * centred + parameters[1:]
        logs = logits - logits.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        residual = (np.exp(logs) - truth) / n_rows
        # The pull on the biases, of one row's weight, settles what adding the same to all of them leaves open.
        biases = parameters[1:]
        value = -float((truth * logs).sum()) / n_rows + 0.5 * float(biases @ biases) / n_rows
        return value, np.concatenate([[(residual * centred).sum()], residual.sum(axis=0) + biases / n_rows])

    start = np.concatenate([[1.0], np.zeros(n_classes)])
    bounds = [(_LEAST_SLOPE, None)] + [(None, None)] * n_classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200}).x
    return {"slope": np.array(found[0] / scale), "biases": found[1:]}


def probabilities(scores: Array, arrays: Arrays) -> Array:
    """Turn scores [n_rows, n_classes] into probabilities by what `calibration` found."""
    return softmax(arrays["slope"] * scores + arrays["biases"])
