"""A second layer: small boosted trees over the members' predictions, which correct what a linear stacker says.

Where one member is right only in some region, or one class is taken for another, no weights can tell. The trees begin
at the stacker's prediction and take short steps, so that a layer cut short by its time is a smaller correction.
"""

from typing import Any

import numpy as np

from bench.combine import Combiner, Layered, combined, layer_inputs, margins, sample
from bench.identity import seed_for
from bench.metric import Array, TaskKind
from bench.resources import Deadline

#: Rows below which trees fit noise, and rows that they are grown on, at most: fewer of many classes.
LEAST_ROWS = 1_000
_MOST_ROWS = 30_000
_MOST_CELLS = 160_000
#: Trees of all classes together, about; where they are fewer than a hundred rounds, each takes longer steps.
_ROUNDS = 100
_MOST_TREES = 400
_RATE, _HIGHEST_RATE = 0.03, 0.06
_PARAMS = {
    "num_leaves": 8,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
#: Of several classes there are many columns, much alike.
_MULTICLASS = {"objective": "multiclass", "feature_fraction": 0.25, "max_bin": 31}


def fit_layer(
    inner: Combiner,
    predictions: Array,
    y: Array,
    kind: TaskKind,
    seed: int,
    *,
    inputs: Array,
    rows: Array,
    seconds: float | None = None,
) -> Layered:
    """Grow trees on what some members predict for some rows.

    Args:
        inner: where the trees begin; fitted on the same rows.
        predictions: what all members predict.
        y: class codes or values.
        kind: the kind of task.
        seed: of the rows and columns that each tree sees.
        inputs: numbers of the members that the trees look at.
        rows: numbers of the rows to learn from.
        seconds: ends the growing early, after one round at least; None for no limit.
    """
    import lightgbm

    deadline = Deadline(seconds)
    outputs = predictions.shape[2] if kind == "multiclass" else 1
    rows = sample(rows, min(_MOST_ROWS, _MOST_CELLS // outputs), seed_for(seed, "layer"))
    rounds = min(_ROUNDS, max(1, _MOST_TREES // outputs))
    begin = margins(combined(inner, predictions, rows)[None])[0]
    seen = layer_inputs(predictions[np.ix_(inputs, rows)])
    rate = min(_HIGHEST_RATE, _RATE * _ROUNDS / rounds)
    params = _PARAMS | _objective(kind, outputs) | {"learning_rate": rate, "seed": seed_for(seed, "trees")}
    data = lightgbm.Dataset(seen, label=y[rows], init_score=begin.ravel(order="F"), params=params)
    booster = lightgbm.Booster(params, data)
    for _ in range(rounds):
        if booster.update() or deadline.passed:
            break
    gains = booster.feature_importance("gain").reshape(len(inputs), -1).sum(axis=1)
    return Layered(
        inner=inner,
        inputs=tuple(inputs.tolist()),
        shares=tuple((gains / (gains.sum() or 1.0)).tolist()),
        trees=booster.model_to_string(),
    )


def _objective(kind: TaskKind, outputs: int) -> dict[str, Any]:
    """What the trees minimise, and how they see columns."""
    if kind == "multiclass":
        return _MULTICLASS | {"num_class": outputs}
    return {"objective": "binary" if kind == "binary" else "l2"}
