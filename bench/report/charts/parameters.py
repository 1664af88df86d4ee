"""The search space as candidates saw it: all parameters side by side, and the score over each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.charts.svg import (
    Scale,
    dots,
    element,
    extent,
    figure,
    image,
    join,
    label,
    line,
    path,
    shorten,
    tick_text,
    title,
)
from bench.report.numbers import score_text, value_text
from bench.report.read import number

# A numeric parameter whose values span more than this factor is drawn on a logarithmic axis.
_LOG_FROM = 30.0
_MOST_LEVELS = 12
# With fewer parameters a drawing as wide as the page would be coarse.
_MANY_AXES = 6
# Distance between parallel axes, and where they begin and end.
_STEP, _TOP, _BOTTOM = 104.0, 40.0, 250.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One candidate of a family: its parameters, its score, and its name."""

    name: str
    params: Mapping[str, object]
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """One parameter over the candidates: a numeric scale from ``low`` to ``high``, or ``levels``."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    levels: tuple[str, ...] = ()

    def value(self, params: Mapping[str, object]) -> float | None:
        """Where a candidate stands on the axis; None where it has no such parameter."""
        found = params.get(self.name)
        if self.name not in params:
            return None
        if self.levels:
            text = value_text(found)
            return float(self.levels.index(text)) if text in self.levels else None
        return number(found)

    def scale(self, start: float, stop: float) -> Scale:
        """The axis in pixels; levels get half a step of room at both ends."""
        if self.levels:
            return Scale(low=-0.5, high=len(self.levels) - 0.5, start=start, stop=stop)
        return Scale(low=self.low, high=self.high, start=start, stop=stop, log=self.log)

    def ticks(self, scale: Scale, most: int) -> list[tuple[float, str]]:
        """Ticks within the axis: all levels, or round numbers."""
        if self.levels:
            return [(float(place), shorten(level, 9)) for place, level in enumerate(self.levels)]
        found = scale.ticks(most)
        return found if found else [(self.low, tick_text(self.low, self.high - self.low))]


def dimensions(tried: Sequence[Tried]) -> tuple[Dimension, ...]:
    """The parameters that were varied, in the order in which they are first named."""
    names = dict.fromkeys(name for one in tried for name in one.params)
    found = (_dimension(name, [one.params[name] for one in tried if name in one.params]) for name in names)
    return tuple(dimension for dimension in found if dimension is not None)


def _dimension(name: str, values: Sequence[object]) -> Dimension | None:
    found = [value for value in map(number, values) if value is not None]
    if len(found) == len(values):
        low, high = min(found), max(found)
        log = low > 0 and high / low > _LOG_FROM
        return Dimension(name=name, low=low, high=high, log=log) if high > low else None
    levels = tuple(dict.fromkeys(value_text(value) for value in values))
    return Dimension(name=name, levels=levels) if 1 < len(levels) <= _MOST_LEVELS else None


def parameter(dimension: Dimension, tried: Sequence[Tried], scores: tuple[float, float], metric: str) -> Markup:
    """The score over one parameter, small; ``scores`` is the range of scores shown."""
    y = Scale(low=scores[0], high=scores[1], start=132, stop=24)
    x = dimension.scale(46, 232)
    body = []
    for tick, text in y.ticks(4):
        body += [line(46, y(tick), 232, y(tick), "grid"), label(42, y(tick) + 4, text, "tick end")]
    body += [line(46, 132, 232, 132, "axis"), label(4, 13, shorten(dimension.name, 30), "axis-name strong")]
    body += [label(x(tick), 147, text, "tick mid") for tick, text in dimension.ticks(x, 4)]
    placed = [(value, one.score) for one in tried if (value := dimension.value(one.params)) is not None]
    body.append(dots([(x(value), y.inside(score)) for value, score in placed], 0, "dots small c0"))
    name = f"{metric} over {dimension.name}"
    description = f"{len(placed)} candidates; {dimension.name} {'on a logarithmic axis' if dimension.log else ''}"
    return image(240, 154, name, description.strip(), *body)


def _ways(all_axes: Sequence[Dimension], places: Sequence[float], tried: Sequence[Tried]) -> Markup:
    """A line a candidate, the best one on top; it passes over the axes of parameters that the candidate lacks."""
    scales = [axis.scale(_BOTTOM, _TOP) for axis in all_axes]
    lines = []
    for place, one in reversed(list(enumerate(tried))):
        values = [*(axis.value(one.params) for axis in all_axes[:-1]), one.score]
        steps = zip(places, scales, values, strict=True)
        pixels = [(x, scale.inside(value)) for x, scale, value in steps if value is not None]
        told = f"{one.name}: {score_text(one.score)} with {value_text(dict(one.params))}"
        lines.append(element("path", title(told), d=path(pixels), class_=_tier(place, len(tried))))
    return join(lines)


def parallel(heading: str, axes: Sequence[Dimension], tried: Sequence[Tried], metric: str, note: str = "") -> Markup:
    """Parallel coordinates: an axis a parameter and one for the score, a line a candidate; ``tried`` is best first."""
    low, high = extent([one.score for one in tried], 0.02)
    all_axes = [*axes, Dimension(name=metric, low=low, high=high)]
    places = [60 + _STEP * place for place in range(len(all_axes))]
    body = [_ways(all_axes, places, tried)]
    for place, (axis, x) in enumerate(zip(all_axes, places, strict=True)):
        scale = axis.scale(_BOTTOM, _TOP)
        name = label(x, 29 if place % 2 else 16, shorten(axis.name, 24), "axis-name mid strong")
        body += [line(x, _TOP, x, _BOTTOM, "axis"), name]
        body += [label(x + 4, scale(value) - 3, text, "tick halo") for value, text in axis.ticks(scale, 4)]
    named = ", ".join(axis.name for axis in axes)
    description = f"{len(tried)} candidates over {named}; best {metric} {score_text(tried[0].score)}."
    drawing = image(_STEP * len(axes) + 150, _BOTTOM + 12, heading, description, *body)
    return figure(heading, drawing, note=note, layout="wide" if len(axes) >= _MANY_AXES else "natural")


def _tier(place: int, total: int) -> str:
    """The best tenth stands out, the better half is seen, the rest is faint."""
    if place == 0:
        return "way best"
    if place < max(2, total / 10):
        return "way good"
    return "way" if place < total / 2 else "way faint"
