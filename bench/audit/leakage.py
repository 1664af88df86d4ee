"""Target leakage: columns, gaps, identifiers or the order of rows that give the target away.

What is looked for is not a good feature but one that knows the answer, so thresholds are strict, and among few rows
only an exact copy of the target blocks: a threshold on one honest measurement may part two classes of 50 flowers.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from bench.audit.association import MEASURES, associations, clipped, scaled
from bench.audit.finding import Finding, Severity
from bench.audit.view import View, named, plural
from bench.metric import Array, TaskKind

BLOCKING_SCORE = 0.999
WARNING_SCORE = 0.99
#: With fewer rows, only a column that is the target in another spelling blocks.
SURE_ROWS = 1000
_EXACT = 1 - 1e-9
#: From these scores on the order of rows, or an identifier, is said to tell the target, and to tell it well.
_TELLS: dict[TaskKind, tuple[float, float]] = {"binary": (0.7, 0.9), "multiclass": (0.3, 0.7), "regression": (0.3, 0.7)}
#: Missing values, and known ones, that it takes to speak of a pattern.
_PATTERN_ROWS = 20
#: Evidence for a mean of targets, and the share of values that must be met: with twice the evidence, or just that.
_SURE_BITS = 10.0
_SOME_MET, _ALL_MET = 0.2, 0.95
_FEW_VALUES = 50
_STRAY = 0.01
_LARGE_GROUP = 50


def target_leakage(view: View) -> Iterator[Finding]:
    """Columns that predict the target almost perfectly on their own."""
    scores = {name: score for name, score in view.associations.scores.items() if score > WARNING_SCORE}
    exact = scaled(view.sample_y) if view.task.kind == "regression" else view.sample_y
    sure = len(view.sample) >= SURE_ROWS
    blocking = {
        name: score
        for name, score in scores.items()
        if (sure and score > BLOCKING_SCORE) or _is_copy(view.sample_features[name], exact, view.task.kind)
    }
    suspect = {name: score for name, score in scores.items() if name not in blocking}
    if blocking:
        yield _leak(view, "blocking", blocking)
    if suspect:
        yield _leak(view, "warning", suspect)


def _leak(view: View, severity: Severity, scores: dict[str, float]) -> Finding:
    """Name the columns and what they score on their own."""
    ranked = sorted(scores, key=lambda name: -scores[name])
    measure = view.associations.measure
    return Finding(
        code="target_leakage",
        severity=severity,
        message=(
            f"target {view.task.target!r} can be told from a single column, {named(ranked)}, with up to {measure} of "
            f"{scores[ranked[0]]:.4f} on held-out rows{view.sampled}."
        ),
        effect="If it is only known once the target is, scores are near perfect here and lost in use.",
        advice=f"Leave it out with {_drop(ranked)}, unless it is truly known at the time of prediction.",
        columns=tuple(ranked),
        evidence={"measure": measure, "scores": {name: round(scores[name], 6) for name in ranked}},
    )


def _drop(names: list[str]) -> str:
    """The option that leaves columns out."""
    return " ".join(f"--drop {name!r}" for name in names[:3]) + (" and so on" if len(names) > 3 else "")


def _is_copy(column: pl.Series, y: Array, kind: TaskKind) -> bool:
    """Whether a column is the target in another spelling: one value a class, or a straight line of the values."""
    if kind == "regression":
        if not column.dtype.is_float() or column.null_count():
            return False
        return bool(abs(np.corrcoef(scaled(column.to_numpy()), y)[0, 1]) > _EXACT)
    codes = column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    pairs = np.unique(codes * (int(y.max()) + 1) + y)
    return len(pairs) == len(np.unique(codes)) == len(np.unique(y))


def target_aggregate(view: View) -> Iterator[Finding]:
    """Columns that are the target's mean over groups of rows, the row itself among them.

    Rows with equal values of such a column have just this value as the mean of their targets, to the last digits. A
    group of which rows are sealed is off: while rows are sealed only small groups of a regression target are found, so
    that `bench check`, which seals none, sees more than `bench run`.
    """
    if view.task.kind == "multiclass":
        return
    largest = float(np.abs(view.y).max()) or 1.0  # by which all is divided, lest squares overflow
    y = view.y / largest
    if y.min() == y.max():
        return
    averaged = (y, 1 - y) if view.task.kind == "binary" else (y,)  # either class may have been counted
    sizes = {
        column.name: size
        for column in view.features.get_columns()
        if column.dtype.is_float()
        for target in averaged
        if _like_a_mean(column / largest, target) and (size := _rows_averaged(column / largest, target))
    }
    if not sizes:
        return
    found = sorted(sizes, key=lambda name: sizes[name])
    size = sizes[found[0]]
    yield Finding(
        code="target_aggregate",
        severity="blocking" if size < _LARGE_GROUP and len(y) >= SURE_ROWS else "warning",
        message=(
            f"the mean of target {view.task.target!r} over the rows that share a value is just this value in "
            f"{plural(len(found), 'column')}: {named(found)}; about {size:.3g} rows were averaged at a time, the row "
            "itself among them."
        ),
        effect="Each row's own target is part of its feature, so models learn to read it and scores mean nothing.",
        advice=f"Make such features inside folds, or leave them out with {_drop(found)}.",
        columns=tuple(found),
        evidence={"rows_averaged": {name: round(sizes[name], 2) for name in found}},
    )


def _like_a_mean(column: pl.Series, y: Array) -> bool:
    """Whether a column could be a mean of the target at all: within its range and about its mean."""
    low, high, mean = column.min(), column.max(), column.mean()
    if low is None or low == high:
        return False
    return bool(low >= y.min() and high <= y.max() and abs(mean - y.mean()) < y.std() / 10)


def _rows_averaged(column: pl.Series, y: Array) -> float:
    """About how many rows each value is the mean of; 0 where the values are no such means, or could be so by chance.

    That a mean of n targets, which stand ``step`` apart, is a certain number has a chance of about
    step / (deviation sqrt(2 pi n)); values that are met add up as bits of evidence.
    """
    rows = pl.DataFrame({"value": column, "y": y}).drop_nulls().group_by("value")
    groups = rows.agg(pl.len().alias("n"), pl.col("y").mean(), (pl.col("y").max() - pl.col("y").min()).alias("range"))
    tiny = 1e-9 * float(np.ptp(y))
    mixed = groups.filter((pl.col("n") > 1) & (pl.col("range") > tiny))
    met = mixed.filter((pl.col("y") - pl.col("value")).abs() < tiny)
    step = max(float(np.diff(np.unique(y)).min()), tiny)
    bits = np.log2(np.maximum(np.sqrt(2 * np.pi * met["n"].to_numpy()) * y.std() / step, 1.0)).sum()
    share = len(met) / max(len(mixed), 1)
    if bits < _SURE_BITS or share < (_SOME_MET if bits > 2 * _SURE_BITS else _ALL_MET):
        return 0.0
    return min(float(met["n"].mean()), _denominator((met["value"].to_numpy() - y.min()) / step))  # type: ignore[arg-type]


def _denominator(values: Array) -> float:
    """The least number of which all values are fractions; infinite where it is large."""
    for number in range(1, _LARGE_GROUP):
        multiples = values * number
        if np.quantile(np.abs(multiples - np.rint(multiples)), 0.9) < 1e-6:  # a group left over may be smaller
            return float(number)
    return float("inf")


def missingness_leakage(view: View) -> Iterator[Finding]:
    """Columns whose gaps, whatever stands in the other rows, tell the target almost perfectly."""
    scores: dict[str, float] = {}
    y = view.sample_y
    for column in view.sample_features.get_columns():
        gaps = column.null_count()
        if _PATTERN_ROWS <= gaps <= len(y) - _PATTERN_ROWS:
            score = _gap_score(column.is_null().to_numpy(), y, view.task.kind)
            if score > WARNING_SCORE:
                scores[column.name] = score
    if not scores:
        return
    ranked = sorted(scores, key=lambda name: -scores[name])
    certain = scores[ranked[0]] > BLOCKING_SCORE and len(y) >= SURE_ROWS
    yield Finding(
        code="missingness_leakage",
        severity="blocking" if certain else "warning",
        message=(
            f"whether a value is missing tells target {view.task.target!r} with a ROC AUC of up to "
            f"{scores[ranked[0]]:.4f} in {plural(len(ranked), 'column')}: {named(ranked)}{view.sampled}."
        ),
        effect="If the gap follows from the outcome, every model reads it there, and scores are lost in use.",
        advice=f"Find out when these values are written down; leave them out with {_drop(ranked)} if that is later.",
        columns=tuple(ranked),
        evidence={"measure": "ROC AUC", "scores": {name: round(scores[name], 6) for name in ranked}},
    )


def _gap_score(gaps: Array, y: Array, kind: TaskKind) -> float:
    """ROC AUC of gaps and target: of one class against the others, or of values below and above a threshold."""
    if kind == "regression":
        ranks = pl.Series(y).rank().to_numpy()
        missing, known = int(gaps.sum()), int((~gaps).sum())
        area = float(ranks[gaps].sum() - missing * (missing + 1) / 2) / (missing * known)
        values, y = np.unique(y, return_inverse=True)
        return max(area, 1 - area, _gap_score(gaps, y, "multiclass") if len(values) <= _FEW_VALUES else 0.0)
    inside = np.bincount(y, weights=gaps)
    rows = np.bincount(y)
    kept = (rows >= _PATTERN_ROWS) & (len(y) - rows >= _PATTERN_ROWS)
    if not kept.any():
        return 0.0
    share, other = inside[kept] / rows[kept], (gaps.sum() - inside[kept]) / (len(y) - rows[kept])
    return float(np.max(0.5 + np.abs(share - other) / 2))


def id_leakage(view: View) -> Iterator[Finding]:
    """Identifiers, which no model gets to see, that tell the target by order, digits or first sign."""
    names = [c.name for c in view.dataset.columns if c.kind == "id" and c.name != view.task.target]
    readings: list[pl.Series] = []
    for name in names:
        column = view.read(name).gather(view.sample)
        if not column.is_sorted():  # else it says no more than the order of rows, which has a check of its own
            readings += _readings(column)
    if not readings:
        return
    found = associations(pl.DataFrame(readings), view.sample_y, view.task.kind)
    tells, well = _TELLS[view.task.kind]
    scores: dict[str, float] = {}
    for reading, score in found.scores.items():
        name = reading.rpartition(" ")[0]
        if score > tells:
            scores[name] = max(score, scores.get(name, score))
    if not scores:
        return
    best = max(scores.values())
    yield Finding(
        code="id_leakage",
        severity="warning" if best > well else "info",
        message=(
            f"the target can be told from {plural(len(scores), 'identifier')}, {named(list(scores))}, with up to "
            f"{found.measure} of {best:.4f} on held-out rows{view.sampled}."
        ),
        effect="It is left out, so no score rests on it; but what gave it may have left its mark elsewhere, too.",
        advice="Find out how they are given: where they rise with time, pass --time; where parts are shared, --group.",
        columns=tuple(scores),
        evidence={"measure": found.measure, "scores": {name: round(score, 6) for name, score in scores.items()}},
    )


def _readings(column: pl.Series) -> list[pl.Series]:
    """An identifier as numbers: its order, and of text the digits in it."""
    order = column.rank("dense").cast(pl.Float64).rename(f"{column.name} order")
    if column.dtype != pl.String:
        return [order]
    digits = column.str.extract(r"(\d{1,15})").cast(pl.Float64, strict=False).rename(f"{column.name} digits")
    start = column.str.slice(0, 1).rename(f"{column.name} start")
    return [order, start] if digits.null_count() == len(digits) else [order, digits, start]


def row_order(view: View) -> Iterator[Finding]:
    """The place in the file tells the target: files sorted by it, joined of pieces, or written down in time."""
    if view.task.time is not None:  # which orders the splits already
        return
    y = view.sample_y
    place = pl.DataFrame({"place": view.task.rows[view.rows][view.sample].astype(np.float64)})
    score = associations(place, y, view.task.kind).scores.get("place", 0.0)
    tells, well = _TELLS[view.task.kind]
    if score <= tells:
        return
    ordered = _is_sorted(y)
    yield Finding(
        code="row_order",
        severity="warning" if score > well else "info",
        message=(
            f"the place of a row in the file tells target {view.task.target!r} with {MEASURES[view.task.kind]} of "
            f"{score:.4f} on held-out rows{view.sampled}"
            + (", as the file is sorted by it." if ordered else ", so rows beside each other are alike.")
        ),
        effect=(
            "No model sees the place, so nothing is lost if the file was only sorted; any column that counts along "
            "with the rows would be a leak."
            if ordered
            else "Shuffled folds put neighbours on both sides; where rows follow in time or come in groups, that "
            "flatters every score."
        ),
        advice="Where rows follow in time, pass --time COLUMN; where they come in groups, --group COLUMN.",
        evidence={"measure": MEASURES[view.task.kind], "score": round(score, 6), "sorted": ordered},
    )


def _is_sorted(y: Array) -> bool:
    """Whether rows stand in the order of the target, up to a few."""
    steps = np.diff(clipped(y) if y.dtype.kind == "f" else y)
    rising, falling = int((steps > 0).sum()), int((steps < 0).sum())
    if min(rising, falling) <= _STRAY * max(rising, falling):
        return True
    return y.dtype.kind != "f" and rising + falling <= 2 * (len(np.unique(y)) - 1)
