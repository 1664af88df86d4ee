"""Shift between two sets of rows: test file against training rows, late rows against early ones.

A classifier is asked to tell the two apart (adversarial validation). What it reaches on rows it has not seen says how
far they differ, and the columns that it uses say in what.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.audit.association import associations, three_parts
from bench.audit.finding import Finding
from bench.audit.trees import FOLDS
from bench.audit.view import View, named
from bench.metric import Array
from bench.scoring import area_under_roc

ROWS = 20_000
_FEWEST_ROWS = 50
_MOST_COLUMNS = 100
_ROUNDS = 60
_MOST_LEVELS = 200
_DIFFER, _DIFFER_MUCH = 0.6, 0.8
_ALONE = 0.95
_MOVED = 0.1
_MOVED_DEVIATIONS = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """How well rows of two sets are told apart: ROC AUC, and single columns' ROC AUC, those used most first.

    ``clock`` names the columns that tell the sets apart almost alone and were therefore set aside first.
    """

    auc: float
    columns: dict[str, float]
    clock: tuple[str, ...] = ()


def test_shift(view: View) -> Iterator[Finding]:
    """A given test file whose rows are unlike those to learn from."""
    if not len(view.task.given_test) or min(len(view.y), len(view.test_features)) < _FEWEST_ROWS:
        return
    learned, asked = _drawn(len(view.y)), _drawn(len(view.test_features))
    features = pl.concat([view.features[learned], view.test_features[asked]])
    second = np.arange(len(features)) >= len(learned)
    shift = tell_apart(features, second)
    if shift.auc < _threshold(second):
        return
    yield Finding(
        code="test_shift",
        severity="warning" if shift.auc > _DIFFER_MUCH else "info",
        message=(
            f"rows of the test file can be told from the rows to learn from with a ROC AUC of {shift.auc:.3f} (0.5 "
            f"would be alike), most of all by {_told(shift)} (on {len(second):,} rows)."
        ),
        effect="Cross-validation, which orders the board, speaks of other rows than the test does.",
        advice=(
            "If the test file is what predictions are for, trust it and bring training rows like it; a column that "
            "only counts or dates the rows is better dropped."
        ),
        columns=tuple(shift.columns),
        evidence={"roc_auc": round(shift.auc, 6), "columns": shift.columns, "rows": len(second)},
    )


def time_drift(view: View) -> Iterator[Finding]:
    """Late rows that are unlike early ones, in their features or in their target."""
    found = _moments(view)
    if found is None:
        return
    name, moments = found
    known = np.flatnonzero(~np.isnan(moments))
    known = known[_drawn(len(known))]
    late = moments[known] > np.median(moments[known])
    if min(late.sum(), (~late).sum()) < _FEWEST_ROWS:
        return
    leave_out = [c for c in view.features.columns if view.features[c].dtype == pl.Datetime]
    shift = tell_apart(view.features.drop(leave_out)[known], late, set_aside=_ALONE)
    moved, how = _target_move(view, view.y[known], late)
    given = view.task.time is not None
    if shift.auc < _threshold(late) and not moved:
        return
    clock = f" without {named(shift.clock)} (left aside: all but a clock)" if shift.clock else ""
    yield Finding(
        code="time_drift",
        severity="info" if given or (shift.auc < _DIFFER_MUCH and not moved) else "warning",
        message=(
            f"by {name!r} late rows can be told from early ones with a ROC AUC of {shift.auc:.3f} (0.5 would be alike)"
            f"{clock}{', most of all by ' + _told(shift) if shift.columns else ''}; {how} (on {len(late):,} rows)."
        ),
        effect=(
            "The splits go forward in time, so scores account for it."
            if given
            else "Shuffled splits let models learn from the future; scores on rows to come will be lower."
        ),
        advice=(
            "Fit again when newer rows come in."
            if given
            else f"Pass --time {name!r} if predictions are for later rows than those learned from."
        ),
        columns=tuple(shift.columns),
        evidence={"roc_auc": round(shift.auc, 6), "columns": shift.columns, "clock": list(shift.clock), "target": how},
    )


def _moments(view: View) -> tuple[str, Array] | None:
    """What orders the development rows in time: what was asked for, or else the datetime column with most moments."""
    if view.task.time is not None:
        return "time", view.task.time[view.rows].astype(np.float64)
    dates = [c for c in view.task.schema.columns if c.kind == "datetime"]
    if not dates:
        return None
    name = max(dates, key=lambda column: column.n_unique - column.n_missing).name
    return name, view.features[name].to_physical().cast(pl.Float64).to_numpy()


def _target_move(view: View, y: Array, late: Array) -> tuple[bool, str]:
    """Whether the target moves with time, and a clause that says by how much."""
    if view.is_classification:
        width = len(view.task.classes)
        early_share, late_share = (np.bincount(y[rows], minlength=width) / rows.sum() for rows in (~late, late))
        most = int(np.argmax(np.abs(late_share - early_share)))
        far = float(np.abs(late_share - early_share).sum() / 2)
        label = view.task.label(most)
        return far > _MOVED, f"class {label!r} goes from {early_share[most]:.1%} to {late_share[most]:.1%} of the rows"
    ranks = pl.Series(y).rank().to_numpy() / len(y)
    far = float(abs(ranks[late].mean() - ranks[~late].mean()) / (ranks.std() or 1.0))
    return (
        far > _MOVED_DEVIATIONS,
        f"the target's median goes from {np.median(y[~late]):.4g} to {np.median(y[late]):.4g}",
    )


def _told(shift: Shift) -> str:
    """The columns most used, with what each reaches alone."""
    return ", ".join(f"{name!r} ({auc:.2f} alone)" for name, auc in list(shift.columns.items())[:3])


def _threshold(second: Array) -> float:
    """A ROC AUC that chance does not reach: four standard errors above a half, and worth talking about."""
    smaller = min(second.sum(), (~second).sum())
    return max(_DIFFER, 0.5 + 4 / float(np.sqrt(12 * smaller)))


def _drawn(rows: int) -> Array:
    """At most half of the rows that one look may cost, ascending."""
    if rows <= ROWS // 2:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, ROWS // 2, replace=False))


def tell_apart(features: pl.DataFrame, second: Array, *, set_aside: float = 2.0) -> Shift:
    """Cross-validate a classifier of ``second`` on the hundred columns that tell most alone.

    Columns that reach ``set_aside`` alone are left out and named.
    """
    second = second.astype(np.int64)
    if not features.width:
        return Shift(auc=0.5, columns={})
    alone = associations(features, second, "binary").scores
    ranked = sorted(alone, key=lambda name: -alone[name])
    clock = tuple(name for name in ranked if alone[name] >= set_aside)
    used = [name for name in ranked if name not in clock][:_MOST_COLUMNS]
    if not used:
        return Shift(auc=0.5, columns={}, clock=clock)
    auc, gains = _cross_validate(features.select(used), second)
    order = [used[place] for place in np.argsort(-gains, kind="stable") if gains[place] > 0]
    return Shift(auc=auc, columns={name: round(alone[name], 4) for name in order[:5]}, clock=clock)


def _cross_validate(features: pl.DataFrame, second: Array) -> tuple[float, Array]:
    """Mean ROC AUC over three folds, and what each column gained."""
    import lightgbm

    matrix, levels = _encoded(features)
    part = three_parts(second, "binary")
    settings = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.1,
        "feature_fraction": 0.8,
        # So few rows want no more: on a busy machine two threads that wait for each other took seven times as long.
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    scores, gains = [], np.zeros(features.width)
    for fold in range(FOLDS):
        data = lightgbm.Dataset(matrix[part != fold], second[part != fold], categorical_feature=levels)
        model = lightgbm.train(settings, data, num_boost_round=_ROUNDS)
        scores.append(area_under_roc(second[part == fold] == 1, model.predict(matrix[part == fold])))
        gains += model.feature_importance("gain")
    return float(np.mean(scores)), gains


def _encoded(features: pl.DataFrame) -> tuple[Array, list[int]]:
    """Numbers for LightGBM, and the places of categories; of many levels the number is their rank by frequency."""
    columns, levels = [], []
    for place, column in enumerate(features.get_columns()):
        if column.dtype == pl.String:
            counts = column.drop_nulls().value_counts(sort=True, name="n")
            if len(counts) <= _MOST_LEVELS:
                levels.append(place)
            column = column.replace_strict(counts[column.name], pl.int_range(len(counts), eager=True), default=None)
        columns.append(column.to_physical().cast(pl.Float64).to_numpy())
    return np.stack(columns, axis=1), levels
