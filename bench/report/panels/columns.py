"""Every column: what it is, how its values are distributed, and what it tells of the target."""

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.charts.sparks import spark
from bench.report.files import ColumnCard, ColumnView, RunFiles
from bench.report.numbers import plural
from bench.report.template import render

MOST_COLUMNS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    card: ColumnCard
    view: ColumnView | None
    drawing: Markup
    role: str


def overview(run: RunFiles) -> Markup:
    """A row a column in the order of the data; of many, those that tell most of the target."""
    data, views = run.data, run.overview.columns
    kinds = Counter(column.kind for column in data.columns)
    summary = ", ".join(f"{amount} {kind}" for kind, amount in kinds.most_common())
    cards = list(data.columns)
    if len(cards) > MOST_COLUMNS:
        cards.sort(key=lambda card: -((views[card.name].association or 0.0) if card.name in views else -1.0))
    return render(
        "columns",
        data=data,
        measure=run.overview.measure,
        looked_at=run.overview.rows,
        rows=[_row(run, card) for card in cards[:MOST_COLUMNS]],
        left_out=len(cards) - MOST_COLUMNS,
        summary=f"{plural(len(cards), 'column')}: {summary}." if cards else "",
    )


def _row(run: RunFiles, card: ColumnCard) -> _Row:
    view = run.overview.columns.get(card.name)
    drawing = Markup("") if view is None else spark(card.name, view)
    return _Row(card=card, view=view, drawing=drawing, role="target" if card.name == run.data.target else card.kind)
