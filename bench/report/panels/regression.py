"""Where a regression errs: predictions against truth, residuals, and error over the range of the target."""

from markupsafe import Markup

from bench.report import read
from bench.report.charts.bars import Bar, bars
from bench.report.charts.curves import histogram
from bench.report.charts.points import scatter
from bench.report.files import RunFiles
from bench.report.numbers import MINUS, score_text
from bench.report.panels.parts import NOT_ANALYSED, absent, analysed_model, analyses, charts, remark, together
from bench.report.read import Document

_RESIDUAL = f"true {MINUS} predicted"


def _sample(content: Document) -> list[tuple[float, float]]:
    sample = read.mapping(content.get("sample"))
    pairs = zip(read.numbers(sample.get("true")), read.numbers(sample.get("predicted")), strict=False)
    return [(true, predicted) for true, predicted in pairs if true is not None and predicted is not None]


def _sample_charts(rows: str, content: Document) -> list[Markup]:
    points = _sample(content)
    if not points:
        return []
    low, high = min(map(min, points)), max(map(max, points))
    left, right = min(predicted for _, predicted in points), max(predicted for _, predicted in points)
    return [
        scatter(
            f"Predicted against true, {rows}",
            points,
            names=("true", "predicted"),
            reference=((low, low), (high, high)),
            note=f"{len(points)} rows; on the dashed line all would be right.",
        ),
        scatter(
            f"Residuals, {rows}",
            [(predicted, true - predicted) for true, predicted in points],
            names=("predicted", _RESIDUAL),
            reference=((left, 0.0), (right, 0.0)),
            note="A pattern here is something that the model has not learned.",
        ),
    ]


def _histogram_chart(rows: str, content: Document) -> list[Markup]:
    given, summary = read.mapping(content.get("histogram")), read.mapping(content.get("residuals"))
    edges = [edge for edge in read.numbers(given.get("edges")) if edge is not None]
    counts = [value or 0.0 for value in read.numbers(given.get("counts"))]
    if len(edges) < 2 or len(counts) != len(edges) - 1:
        return []
    mean, deviation = read.number(summary.get("mean")), read.number(summary.get("standard_deviation"))
    note = f"Mean {score_text(mean)}, standard deviation {score_text(deviation)}; the outermost bars hold the tails."
    names = (_RESIDUAL, "rows")
    return [histogram(f"Histogram of residuals, {rows}", edges, [("residuals", counts)], names=names, note=note)]


def _decile_chart(rows: str, content: Document) -> list[Markup]:
    items = []
    for entry in read.mappings(content.get("error_by_target")):
        low, high = read.number(entry.get("low")), read.number(entry.get("high"))
        error = read.number(entry.get("mean_absolute_error"))
        if error is not None:
            items.append(Bar(name=f"{score_text(low)} to {score_text(high)}", value=error, text=score_text(error)))
    note = "Tenths of the rows, from the smallest target to the largest."
    return [bars(f"Mean absolute error by target, {rows}", items, note=note)] if items else []


def residuals(run: RunFiles) -> Markup | None:
    """Every view of the residuals; None for a classification."""
    if run.data.task != "regression":
        return None
    drawn = [
        chart
        for rows, content in analyses(run)
        for draw in (_sample_charts, _histogram_chart, _decile_chart)
        for chart in draw(rows, content)
    ]
    if not drawn:
        return absent(NOT_ANALYSED)
    return together(remark(f"How {analysed_model(run)} errs."), charts(*drawn))
