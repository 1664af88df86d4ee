"""Groups that straddle: columns whose values mark rows that belong together, such as a patient with several visits."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from bench.audit.finding import Finding
from bench.audit.view import SAMPLE_ROWS, View, named
from bench.kinds import USABLE
from bench.metric import Array

_FEWEST_VALUES = 50
_FEWEST_ROWS = 1.5
_MOST_ROWS = 200
_LARGEST_SHARE = 0.05
_REPEATED_SHARE = 0.5
_ALIKE = 0.5
_SAME = 0.8
_NEIGHBOURS = 0.5


def straddling_groups(view: View) -> Iterator[Finding]:
    """Columns with several rows a value that share one label, which neighbouring values do not share.

    Likeness is the chance-corrected agreement of two rows with the same value: of classes a kappa, of numbers the
    intraclass correlation; 0 is no likeness, 1 the same label throughout.
    """
    found: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for column in _candidates(view):
        values, y = _whole_values(view.read(column), view.y)
        member = np.unique(values, return_inverse=True)[1]
        size = np.bincount(member)
        if size.max() > _LARGEST_SHARE * len(y) or size[size > 1].sum() < _REPEATED_SHARE * len(y):
            continue
        likeness = _likeness(member, y, view.is_classification)
        if likeness > _ALIKE and _likeness_of_neighbours(member, y, view.is_classification) < _NEIGHBOURS * likeness:
            found[column], sizes[column] = likeness, len(y) / len(size)
    if not found:
        return
    ranked = sorted(found, key=lambda name: -found[name])
    best = found[ranked[0]]
    yield Finding(
        code="straddling_groups",
        severity="warning" if best > _SAME else "info",
        message=(
            f"rows with the same value of {named(ranked)} have nearly the same target (likeness {best:.2f} of 1, about "
            f"{sizes[ranked[0]]:.3g} rows a value), while neighbouring values do not: they look like rows of one thing."
        ),
        effect="Shuffled splits put rows of one thing on both sides; scores do not hold for new ones.",
        advice=f"Pass --group {ranked[0]!r} where predictions are for things not seen before.",
        columns=tuple(ranked),
        evidence={"likeness": {name: round(found[name], 6) for name in ranked}, "rows_a_value": sizes},
    )


def _candidates(view: View) -> list[str]:
    """Columns that repeat often enough to mark groups, and seldom enough to be no ordinary feature."""
    rows = len(view.dataset.frame)
    names = [
        c.name
        for c in view.dataset.columns
        if (c.kind in USABLE or c.kind == "id")
        and c.n_unique >= _FEWEST_VALUES
        and _FEWEST_ROWS <= (rows - c.n_missing) / c.n_unique <= _MOST_ROWS
        and c.name != view.task.target
    ]
    return [name for name in names if not _kept_together(view, name)]


def _kept_together(view: View, name: str) -> bool:
    """Whether the groups that were asked for keep all rows with a value of this column on one side already."""
    if view.task.groups is None:
        return False
    frame = pl.DataFrame({"value": view.read(name), "group": view.task.groups[view.rows]}).drop_nulls()
    return bool(frame.group_by("value").agg(pl.col("group").n_unique())["group"].max() == 1)


def _whole_values(column: pl.Series, y: Array) -> tuple[Array, Array]:
    """Rank of each row's value, and targets, for whole values drawn until they hold about 50,000 rows."""
    ranks = column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    known = ranks > 0
    if known.sum() > SAMPLE_ROWS:
        drawn = np.random.default_rng(0).random(int(ranks.max()) + 1) < SAMPLE_ROWS / known.sum()
        drawn |= np.roll(drawn, 1)  # with the neighbour of each
        known &= drawn[ranks]
    return ranks[known], y[known]


def _likeness(member: Array, y: Array, classes: bool) -> float:
    """Agreement of two rows of a group beyond that of any two rows."""
    size = np.bincount(member)
    if not classes:
        y = pl.Series(y).rank().to_numpy()  # so that a few huge values do not decide
        mean = np.bincount(member, weights=y) / size
        within = ((y - mean[member]) ** 2).sum() / max(len(y) - len(size), 1)
        return float(1 - within / np.var(y)) if np.ptp(y) > 0 else 0.0
    width = int(y.max()) + 1
    pairs = np.unique(member * width + y, return_counts=True)[1].astype(np.float64)
    agreed = (pairs * (pairs - 1)).sum() / max(float((size * (size - 1.0)).sum()), 1.0)
    chance = float(((np.bincount(y) / len(y)) ** 2).sum())
    return float((agreed - chance) / (1 - chance)) if chance < 1 else 0.0


def _likeness_of_neighbours(member: Array, y: Array, classes: bool) -> float:
    """Agreement of two rows of neighbouring groups: one row of each is drawn, and groups are paired in order."""
    order = np.random.default_rng(0).permutation(len(member))
    first = np.unique(member[order], return_index=True)[1]
    drawn = y[order][first]
    drawn = drawn[: len(drawn) // 2 * 2]
    return _likeness(np.arange(len(drawn)) // 2, drawn, classes)
