"""Lines over two axes: curves with a reference line, histograms, scores over time."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.charts.svg import (
    MOST_TOOLTIPS,
    Plot,
    colour,
    dot,
    dots,
    element,
    extent,
    figure,
    image,
    join,
    legend,
    path,
    plot,
    title,
)

Point = tuple[float, float]
# More curves than this are drawn faintly, so that those before them can be followed.
_MOST_COLOURED = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A named line; ``name`` goes to the legend and the tooltip."""

    name: str
    points: Sequence[Point]


def _line(frame: Plot, series: Series, index: int, *, coloured: bool, marked: bool) -> Markup:
    pixels = [(frame.x.inside(x), frame.y.inside(y)) for x, y in series.points]
    drawn = element("path", title(series.name), d=path(pixels), class_="line")
    marks = dots(pixels, index) if marked else Markup("")
    return element("g", drawn, marks, class_=colour(index) if coloured else "faint")


def curves(
    heading: str,
    series: Sequence[Series],
    *,
    names: tuple[str, str],
    reference: Sequence[Point] = (),
    marked: bool = False,
    note: str = "",
) -> Markup:
    """Curves in the unit square (ROC, precision-recall), the first ones coloured, with a reference line."""
    frame = plot((0.0, 1.0), (0.0, 1.0), names=names, size=(400, 340))
    shown = [one for one in series if one.points]
    body = [frame.frame()]
    if reference:
        body.append(element("path", d=path([(frame.x(x), frame.y(y)) for x, y in reference]), class_="reference"))
    lines = [
        _line(frame, one, index, coloured=index < _MOST_COLOURED, marked=marked) for index, one in enumerate(shown)
    ]
    body += reversed(lines)
    description = f"{names[1]} against {names[0]}. " + "; ".join(one.name for one in shown[:12]) + "."
    key = legend([(one.name, index) for index, one in enumerate(shown[:_MOST_COLOURED])])
    return figure(heading, image(frame.width, frame.height, heading, description, *body), note=note, key=key)


def histogram(
    heading: str,
    edges: Sequence[float],
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    names: tuple[str, str],
    note: str = "",
) -> Markup:
    """Counts between edges as stepped outlines, one a series, over each other."""
    highest = max((max(counts, default=0.0) for _, counts in series), default=1.0)
    frame = plot((edges[0], edges[-1]), (0.0, highest or 1.0), names=names, size=(400, 280))
    body = [frame.frame()]
    for index, (name, counts) in enumerate(series):
        steps = [(edges[0], 0.0)]
        for left, right, height in zip(edges, edges[1:], counts, strict=False):
            steps += [(left, height), (right, height)]
        steps.append((steps[-1][0], 0.0))
        pixels = [(frame.x(x), frame.y(y)) for x, y in steps]
        outline = element("path", title(name), d=path(pixels), class_="step")
        body.append(element("g", outline, class_=colour(index) if index < _MOST_COLOURED else "faint"))
    description = f"Histogram of {names[0]} from {edges[0]:.4g} to {edges[-1]:.4g}, highest bar {highest:.4g}."
    key = legend([(name, index) for index, (name, _) in enumerate(series[:_MOST_COLOURED])] if len(series) > 1 else [])
    return figure(heading, image(frame.width, frame.height, heading, description, *body), note=note, key=key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A candidate in time: when it ended, what it scored, and the number of its family's colour."""

    seconds: float
    score: float
    family: str
    index: int
    tooltip: str


def focus(scores: Sequence[float], greater_is_better: bool) -> tuple[float, float]:
    """The range of scores worth drawing: from the best to well below the middle one, never beyond the worst."""
    ordered = sorted(scores, reverse=greater_is_better)
    best, middle, worst = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    reach = 3 * abs(best - middle) or abs(best - worst)
    edge = max(best - reach, worst) if greater_is_better else min(best + reach, worst)
    return extent((best, edge))


def _best_so_far(frame: Plot, attempts: Sequence[Attempt], greater_is_better: bool) -> Markup:
    pick = max if greater_is_better else min
    best, steps = attempts[0].score, [(attempts[0].seconds, attempts[0].score)]
    for attempt in attempts[1:]:
        better = pick(best, attempt.score)
        if better != best:
            steps += [(attempt.seconds, best), (attempt.seconds, better)]
            best = better
    steps.append((frame.x.high, best))
    pixels = [(frame.x(x), frame.y.inside(y)) for x, y in steps]
    return element("path", title("best so far"), d=path(pixels), class_="best-so-far")


def _marks(frame: Plot, attempts: Sequence[Attempt]) -> Markup:
    def place(attempt: Attempt) -> Point:
        return frame.x(attempt.seconds), frame.y.inside(attempt.score)

    def is_outside(attempt: Attempt) -> bool:
        return not frame.y.low <= attempt.score <= frame.y.high

    if len(attempts) <= MOST_TOOLTIPS:
        drawn = [
            dot(*place(one), one.index, one.tooltip, f"dot {colour(one.index)}{' edge' if is_outside(one) else ''}")
            for one in attempts
        ]
        return join(drawn)
    families = sorted({one.index for one in attempts})
    return join(
        dots([place(one) for one in attempts if one.index == index], index, f"dots {colour(index)}")
        for index in families
    )


def progress(attempts: Sequence[Attempt], metric: str, greater_is_better: bool) -> Markup:
    """Every candidate's score when it ended, and the best so far; ``attempts`` are in the order of their ends."""
    low, high = focus([attempt.score for attempt in attempts], greater_is_better)
    last = max(attempt.seconds for attempt in attempts)
    frame = plot((0.0, last * 1.03 or 1.0), (low, high), names=("seconds since the start", metric), size=(860, 340))
    outside = sum(not low <= attempt.score <= high for attempt in attempts)
    body = [
        frame.frame(x_ticks=9, y_ticks=6),
        _best_so_far(frame, attempts, greater_is_better),
        _marks(frame, attempts),
    ]
    best = (max if greater_is_better else min)(attempt.score for attempt in attempts)
    heading = "Cross-validated score of every candidate, and the best so far"
    description = f"{len(attempts)} candidates over {last:.0f} seconds; the best {metric} is {best:.5g}."
    families = dict.fromkeys((attempt.family, attempt.index) for attempt in attempts)
    note = f"{outside} far worse than the others, drawn hollow at the edge." if outside else ""
    return figure(
        heading,
        image(frame.width, frame.height, heading, description, *body),
        note=note,
        key=legend(sorted(families, key=lambda family: family[1])),
        layout="wide",
    )
