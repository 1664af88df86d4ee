"""What the data looks like: each feature's distribution, what it tells of the target, what sets classes apart."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from bench.audit.view import View
from bench.metric import Array

MOST_COLUMNS = 1_000
MOST_CLASSES = 100
_BINS = 20
_WHOLE_BINS = 32
_LEVELS = 6
_TAILS = (0.005, 0.995)
_TRAITS = 200
_DEVIATIONS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnView:
    """A feature: what it tells of the target alone (None where the target is constant), and its distribution.

    ``counts`` are rows by bin from ``low`` to ``high`` (numbers as text, or dates), or by the most frequent ``levels``,
    the last one being all others where it is called so.
    """

    name: str
    association: float | None
    counts: tuple[int, ...] = ()
    low: str = ""
    high: str = ""
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassView:
    """A class: its rows to learn from, their share, and in what they differ most from all rows."""

    label: str
    rows: int
    share: float
    trait: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Up to a thousand features, those that tell most of the target first; up to a hundred classes in their order.

    ``measure`` is that of associations; ``rows`` is how many were looked at.
    """

    measure: str = ""
    rows: int = 0
    columns: tuple[ColumnView, ...] = ()
    classes: tuple[ClassView, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        content = asdict(self)
        return content | {
            name: [{key: list(v) if isinstance(v, tuple) else v for key, v in entry.items()} for entry in content[name]]
            for name in ("columns", "classes")
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Overview":
        """Read back what `to_dict` gave; nothing gives an empty one."""
        if not content:
            return cls()
        lists = ("counts", "levels")
        columns: list[dict[str, Any]] = [
            {key: tuple(value) if key in lists else value for key, value in entry.items()}
            for entry in content["columns"]
        ]
        return cls(
            measure=content["measure"],
            rows=content["rows"],
            columns=tuple(ColumnView(**entry) for entry in columns),
            classes=tuple(ClassView(**entry) for entry in content["classes"]),
        )


def make_overview(view: View) -> Overview:
    """Look at every feature, on the sampled rows, and at the classes."""
    scores = view.associations.scores
    names = sorted(view.features.columns, key=lambda name: -scores.get(name, 0.0))[:MOST_COLUMNS]
    shown = view.sample_features.select(names)
    kinds = {column.name: column.kind for column in view.task.schema.columns}
    columns = (_column(series, kinds[series.name], scores.get(series.name)) for series in shown.get_columns())
    return Overview(
        measure=view.associations.measure,
        rows=len(view.sample),
        columns=tuple(columns),
        classes=tuple(_classes(view, shown)) if view.is_classification else (),
    )


def _column(series: pl.Series, kind: str, association: float | None) -> ColumnView:
    """Count a column's values by bin or by level."""
    score = None if association is None else round(float(association), 6)
    known = series.drop_nulls()
    if kind == "text" or known.is_empty():
        return ColumnView(name=series.name, association=score)
    if kind in ("numeric", "datetime"):
        values = known.to_physical().cast(pl.Float64).to_numpy()
        low, high, bins = _scale(values)
        counts = np.bincount(_bin_of(values, low, high, bins), minlength=bins).tolist()
        ends = [f"{end:.4g}" if kind == "numeric" else _date(end) for end in (low, high)]
        return ColumnView(name=series.name, association=score, counts=tuple(counts), low=ends[0], high=ends[1])
    frequent = (
        known.cast(pl.String).value_counts(sort=True, name="n").sort(["n", series.name], descending=[True, False])
    )
    levels, counts = [str(level)[:60] for level in frequent[series.name][:_LEVELS]], frequent["n"][:_LEVELS].to_list()
    if len(frequent) > _LEVELS:
        levels.append("all others")
        counts.append(len(known) - sum(counts))
    return ColumnView(name=series.name, association=score, counts=tuple(counts), levels=tuple(levels))


def _scale(values: Array) -> tuple[float, float, int]:
    """From where to where a distribution is drawn, in how many bins: without its tails, or a bin a whole number."""
    least, most = float(values.min()), float(values.max())
    if most - least < _WHOLE_BINS and (values == np.rint(values)).all():
        return least, most, int(most - least) + 1
    low, high = np.quantile(values, _TAILS)
    return (float(low), float(high), _BINS) if high > low else (least, most, _BINS)


def _bin_of(values: Array, low: float, high: float, bins: int) -> Array:
    """Number values by bins of equal width; those outside count at the ends."""
    width = high / bins - low / bins  # which does not overflow where the difference would
    if not width > 0:
        return np.zeros(len(values), dtype=np.int64)
    return ((np.clip(values, low, high) / width) - low / width).astype(np.int64).clip(0, bins - 1)


def _date(microseconds: float) -> str:
    return str(pl.Series([int(microseconds)]).cast(pl.Datetime("us")).dt.date()[0])


def _classes(view: View, features: pl.DataFrame) -> Iterator[ClassView]:
    """Each class with the trait, among those of the features that tell most, in which it differs most."""
    counts, y = view.counts, view.sample_y
    rows = np.bincount(y, minlength=len(counts))
    furthest, traits = np.full(len(counts), _DEVIATIONS), [""] * len(counts)
    for name, level, values in _traits(features):
        with np.errstate(over="ignore", invalid="ignore"):  # such columns are passed over
            mean, spread = float(values.mean()), float(values.std())
        if not 0 < spread < float("inf"):
            continue
        means = np.bincount(y, weights=values, minlength=len(counts)) / np.maximum(rows, 1)
        deviations = np.abs(means - mean) / spread
        for code in np.flatnonzero((rows > 0) & (deviations > furthest)).tolist():
            furthest[code], traits[code] = deviations[code], _trait(name, level, float(means[code]), mean)
    for code in range(min(len(counts), MOST_CLASSES)):
        share = float(counts[code] / counts.sum())
        yield ClassView(label=str(view.task.label(code)), rows=int(counts[code]), share=share, trait=traits[code])


def _traits(features: pl.DataFrame) -> Iterator[tuple[str, str | None, Array]]:
    """Numbers as they are, their mean for missing ones; of categories, whether they are one of the usual levels."""
    for column in features.get_columns()[:_TRAITS]:
        if column.dtype == pl.String:
            frequent = column.drop_nulls().value_counts(sort=True, name="n")[column.name][:_LEVELS]
            for level in frequent.to_list():
                yield column.name, level, (column == level).fill_null(False).to_numpy().astype(np.float64)
        elif column.dtype != pl.Datetime and column.null_count() < len(column):
            values = column.cast(pl.Float64)
            yield column.name, None, values.fill_null(values.mean()).to_numpy()


def _trait(name: str, level: str | None, mean: float, whole: float) -> str:
    if level is None:
        return f"{name!r} averages {mean:.4g}, against {whole:.4g} in all rows"
    return f"{name!r} is {level!r:.40} in {mean:.0%}, against {whole:.0%} of all rows"
