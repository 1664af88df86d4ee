"""Values beside names: bars with spreads, intervals, and what the workers did when."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.charts.svg import (
    Scale,
    colour,
    dots,
    element,
    extent,
    figure,
    image,
    join,
    label,
    legend,
    line,
    shorten,
    text_width,
    title,
)
from bench.report.numbers import count_text, score_text, seconds_text

_ROW = 22
_MOST_CHARACTERS = 26


def _names_width(names: Sequence[str]) -> float:
    return 14 + max((text_width(shorten(name, _MOST_CHARACTERS)) for name in names), default=40)


def _name(y: float, right: float, name: str) -> Markup:
    return element("text", title(name), shorten(name, _MOST_CHARACTERS), x=right - 8, y=y + 4, class_="tick end name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A named value with its spread, and the text that is shown beside it."""

    name: str
    value: float
    spread: float | None = None
    text: str = ""


def bars(heading: str, items: Sequence[Bar], *, note: str = "") -> Markup:
    """Horizontal bars from zero, in the order given; negative values go to the left."""
    width, left, height = 440.0, _names_width([item.name for item in items]), _ROW * len(items) + 8
    ends = [item.value + sign * (item.spread or 0.0) for item in items for sign in (-1, 1)]
    room = max((text_width(item.text) for item in items), default=0) + 8
    low, high = min(0.0, *ends), max(0.0, *ends) or 1.0
    x = Scale(low=low, high=high, start=left, stop=width - room)
    body = [line(x(0), 2, x(0), height - 2, "axis")]
    for index, item in enumerate(items):
        y = _ROW * index + _ROW / 2 + 4
        start, stop = sorted((x(0), x(item.value)))
        bar = element(
            "rect", title(f"{item.name}: {item.text}"), x=start, y=y - 6, width=stop - start, height=12, class_="bar"
        )
        body += [_name(y, left, item.name), bar, label(width - 4, y + 4, item.text, "tick end")]
        if item.spread:
            body.append(line(x(item.value - item.spread), y, x(item.value + item.spread), y, "whisker"))
    listed = "; ".join(f"{item.name} {item.text}" for item in items[:12])
    drawing = image(width, height, heading, f"{len(items)} bars, from the top: {listed}.", *body)
    return figure(heading, drawing, note=note)


@dataclass(frozen=True, kw_only=True, slots=True)
class Division:
    """How one use of the rows divides them; parts are (name, rows) in the order of the legend."""

    name: str
    parts: Sequence[tuple[str, int]]


def divisions(heading: str, items: Sequence[Division], *, note: str = "") -> Markup:
    """Bars of equal scale, each divided in parts of different strength."""
    width, left, height = 440.0, _names_width([item.name for item in items]), _ROW * len(items) + 8
    total = max((sum(rows for _, rows in item.parts) for item in items), default=1) or 1
    x = Scale(low=0.0, high=float(total), start=left, stop=width - 4)
    body = []
    for index, item in enumerate(items):
        y, begun = _ROW * index + _ROW / 2 + 4, 0
        body.append(_name(y, left, item.name))
        for name, rows in item.parts:
            told = title(f"{item.name}: {count_text(rows)} rows {name}")
            start, stop = x(begun), x(begun + rows)
            body.append(
                element(
                    "rect", told, x=start, y=y - 7, width=max(stop - start - 1, 0.0), height=14, class_=f"part {name}"
                )
            )
            begun += rows
    names = dict.fromkeys(name for item in items for name, _ in item.parts)
    described = "; ".join(f"{item.name}: " + ", ".join(f"{rows} {name}" for name, rows in item.parts) for item in items)
    keys = [element("li", element("i", class_=f"part {name}"), name) for name in names]
    drawing = image(width, height, heading, described, *body)
    return figure(heading, drawing, note=note, key=element("ul", *keys, class_="legend"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A model's cross-validated mean and deviation, and its test score with its interval."""

    name: str
    index: int
    mean: float
    deviation: float | None
    test: float | None
    test_low: float | None
    test_high: float | None


def _interval(item: Interval, x: Scale, y: float) -> Markup:
    parts = []
    if item.deviation is not None:
        parts.append(
            line(x.inside(item.mean - item.deviation), y - 4, x.inside(item.mean + item.deviation), y - 4, "spread")
        )
    parts.append(element("circle", cx=x.inside(item.mean), cy=y - 4, r=4.2, class_="dots"))
    if item.test_low is not None and item.test_high is not None:
        parts.append(line(x.inside(item.test_low), y + 5, x.inside(item.test_high), y + 5, "test-spread"))
    if item.test is not None:
        parts.append(dots([(x.inside(item.test), y + 5)], 3, "test-dot"))
    told = f"{item.name}: cross-validated {score_text(item.mean)} ± {score_text(item.deviation, item.mean)}"
    if item.test is not None:
        told += f", test {score_text(item.test)} [{score_text(item.test_low)}, {score_text(item.test_high)}]"
    return element("g", title(told), *parts, class_=colour(item.index))


def intervals(heading: str, items: Sequence[Interval], metric: str, *, note: str = "") -> Markup:
    """Models under each other: a dot with ± one deviation for cross-validation, a diamond with its interval for test.

    ``metric`` names the axis.
    """
    width, row = 760.0, 27
    left, height = _names_width([item.name for item in items]), row * len(items) + 44
    ends = [item.mean for item in items]
    ends += [item.mean + sign * (item.deviation or 0.0) for item in items for sign in (-1, 1)]
    ends += [end for item in items for end in (item.test, item.test_low, item.test_high) if end is not None]
    low, high = extent(ends, 0.03)
    x = Scale(low=low, high=high, start=left, stop=width - 14)
    bottom = height - 36
    body = []
    for value, text in x.ticks(7):
        body += [line(x(value), 4, x(value), bottom, "grid"), label(x(value), bottom + 16, text, "tick mid")]
    body.append(label(width - 14, bottom + 32, metric, "axis-name end"))
    for index, item in enumerate(items):
        y = row * index + row / 2 + 4
        body += [_name(y, left, item.name), _interval(item, x, y)]
    listed = "; ".join(f"{item.name} {score_text(item.mean)}" for item in items)
    drawing = image(width, height, heading, f"{metric} of {len(items)} models, best first: {listed}.", *body)
    return figure(heading, drawing, note=note, layout="wide")


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One fold at work on one worker, in seconds since the start; ``family`` is what its colour stands for."""

    worker: str
    start: float
    stop: float
    family: str
    index: int


def timeline(heading: str, works: Sequence[Work], *, note: str = "", what: str = "folds") -> Markup:
    """A lane a worker, a stroke a fold (or ``what`` the works are), so that idle workers are seen."""
    workers = list(dict.fromkeys(work.worker for work in works))
    width, row = 860.0, 24
    left, height = _names_width(workers), row * len(workers) + 44
    x = Scale(low=0.0, high=max(work.stop for work in works) or 1.0, start=left, stop=width - 14)
    bottom = height - 36
    body = []
    for value, text in x.ticks(9):
        body += [line(x(value), 4, x(value), bottom, "grid"), label(x(value), bottom + 16, text, "tick mid")]
    body.append(label(width - 14, bottom + 32, "seconds since the start", "axis-name end"))
    lanes = {worker: row * number + row / 2 + 4 for number, worker in enumerate(workers)}
    body += [_name(lane, left, worker) for worker, lane in lanes.items()]
    families = sorted({(work.index, work.family) for work in works})
    for index, family in families:
        strokes = "".join(
            f"M{x(work.start):.1f} {lanes[work.worker]:g}H{max(x(work.stop) - 0.6, x(work.start) + 0.6):.1f}"
            for work in works
            if work.index == index
        )
        body.append(element("path", title(family), d=strokes, class_=f"lane {colour(index)}"))
    busy = sum(work.stop - work.start for work in works)
    description = f"{len(works)} {what} on {len(workers)} workers, {seconds_text(busy)} of work in all."
    drawing = image(width, height, heading, description, join(body))
    return figure(heading, drawing, note=note, key=legend([(name, index) for index, name in families]), layout="wide")
