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

#: Rows below which trees fit noise, and rows that they are grown on, at most.
LEAST_ROWS = 1_000
_MOST_ROWS = 30_000
_ROUNDS = 100
#: Trees of all classes together, about.
_MOST_TREES = 1_000
_PARAMS = {
    "learning_rate": 0.03,
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
    rows = sample(rows, _MOST_ROWS, seed_for(seed, "layer"))
    begin = margins(combined(inner, predictions, rows)[None])[0]
    seen = layer_inputs(predictions[np.ix_(inputs, rows)])
    params = _PARAMS | _objective(kind, predictions) | {"seed": seed_for(seed, "trees")}
    data = lightgbm.Dataset(seen, label=y[rows], init_score=begin.ravel(order="F"), params=params)
    booster = lightgbm.Booster(params, data)
    for _ in range(min(_ROUNDS, max(1, _MOST_TREES // booster.num_model_per_iteration()))):
        if booster.update() or deadline.passed:
            break
    gains = booster.feature_importance("gain").reshape(len(inputs), -1).sum(axis=1)
    return Layered(
        inner=inner,
        inputs=tuple(inputs.tolist()),
        shares=tuple((gains / (gains.sum() or 1.0)).tolist()),
        trees=booster.model_to_string(),
    )


def _objective(kind: TaskKind, predictions: Array) -> dict[str, Any]:
    """What the trees minimise."""
    if kind == "multiclass":
        return {"objective": "multiclass", "num_class": predictions.shape[2]}
    return {"objective": "binary" if kind == "binary" else "l2"}
