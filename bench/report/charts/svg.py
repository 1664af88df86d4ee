"""SVG elements, scales and the frame that most charts stand in."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from bench.identity import digest

COLOURS = 7
EMPTY = Markup("")
Layout = Literal["", "wide", "natural"]
# Drawn around a point with relative commands, so that many points make one short path.
SHAPES = (
    "m-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0",
    "m-3-3h6v6h-6z",
    "m0-4l3.8 6.6h-7.6z",
    "m0-4.4l4.4 4.4l-4.4 4.4l-4.4-4.4z",
    "m0 4l3.8-6.6h-7.6z",
)
# Beyond this many points a tooltip for each would weigh more than the rest of the page.
MOST_TOOLTIPS = 400


def colour(index: int) -> str:
    """The style sheet's class for the n-th series."""
    return f"c{index % COLOURS}"


def shape(index: int) -> str:
    """The marker of the n-th series, so that no two among the first 35 look alike without colour either."""
    return SHAPES[index % len(SHAPES)]


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """Build one element; text is escaped, ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``."""
    pairs = "".join(
        f' {name.strip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{pairs}>{join(children)}</{tag}>")


def join(parts: Iterable[str]) -> Markup:
    """Join parts, escaping those that are not markup yet."""
    return Markup("").join(parts)


def title(text: str) -> Markup:
    """A tooltip."""
    return element("title", text)


def label(x: float, y: float, text: str, class_: str = "tick") -> Markup:
    """Text that starts at a point; with the class ``mid`` or ``end`` it has its middle or its end there."""
    return element("text", text, x=x, y=y, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def dots(points: Iterable[tuple[float, float]], index: int, class_: str = "dots") -> Markup:
    """Many points of one series as one path, without tooltips."""
    return element("path", d="".join(f"M{x:.1f} {y:.1f}{shape(index)}" for x, y in points), class_=class_)


def dot(x: float, y: float, index: int, tooltip: str, class_: str = "dot") -> Markup:
    """One point with its tooltip."""
    return element("path", title(tooltip), d=f"M{x:.1f} {y:.1f}{shape(index)}", class_=class_)


def path(points: Iterable[tuple[float, float]]) -> str:
    """The ``d`` of a line through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def image(width: float, height: float, name: str, description: str, *body: str) -> Markup:
    """An SVG with a name and a description that screen readers tell instead of the drawing."""
    content = join(body)
    key = digest(name, description, content, length=12)
    return element(
        "svg",
        element("title", name, id=f"t{key}"),
        element("desc", description, id=f"d{key}"),
        content,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"t{key}",
        aria_describedby=f"d{key}",
    )


def legend(names: Sequence[tuple[str, int]]) -> Markup:
    """Say which colour and marker belong to which series, given their numbers."""
    items = (
        element(
            "li",
            element(
                "svg",
                element("path", d=f"M6 6{shape(index)}", class_="dots"),
                class_=colour(index),
                viewBox="0 0 12 12",
                width=12,
                height=12,
                aria_hidden="true",
            ),
            element("bdi", name),
        )
        for name, index in names
    )
    return element("ul", *items, class_="legend") if names else EMPTY


def figure(heading: str, drawing: Markup, *, note: str = "", key: Markup = EMPTY, layout: Layout = "") -> Markup:
    """A chart with its heading, a note and its legend.

    One that is wide or ``natural`` scrolls sideways in a narrow window; a natural one keeps its size in a wide one.
    """
    frame = (
        element("div", drawing, class_="scroll", tabindex=0, role="group", aria_label=heading) if layout else drawing
    )
    caption = element("figcaption", element("strong", heading), element("span", note) if note else EMPTY)
    return element("figure", caption, frame, key, class_=f"chart {layout}".strip())


def _character_width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 12.5
    if character in "mwMW@%":
        return 11.8
    if character in "iljtfI.,:;'|! ()[]":
        return 4.8
    return 8.8 if character.isupper() else 7.5


def text_width(text: str) -> float:
    """About how wide a label is in the widest of the usual fonts, in pixels."""
    return sum(map(_character_width, text))


def shorten(text: str, most: int) -> str:
    """Cut a label to ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _nice_step(span: float, ticks: int) -> float:
    rough = span / max(ticks, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999), power * 10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From values to pixels, linear or logarithmic; a scale with no extent puts everything in its middle."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        if high <= low:
            return (self.start + self.stop) / 2
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def inside(self, value: float) -> float:
        """The pixel of a value, moved to the nearer end where it lies outside."""
        return self(min(max(value, self.low), self.high))

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Round values within the scale, with their texts."""
        if self.high <= self.low:
            return [(self.low, f"{self.low:.4g}")]
        if self.log and self.high / self.low >= 10:
            return self._decades(most)
        step = _nice_step(self.high - self.low, most)
        first = math.ceil(self.low / step - 1e-9)
        values = [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]
        return [(value, tick_text(value, step)) for value in values]

    def _decades(self, most: int) -> list[tuple[float, str]]:
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        every = max(1, math.ceil((last - first + 1) / most))
        factors = (1, 2, 5) if last - first < 1 else (1,)
        values = [factor * 10.0**power for power in range(first - 1, last + 1, every) for factor in factors]
        return [(value, f"{value:g}") for value in values if self.low * 0.999 <= value <= self.high * 1.001]


def tick_text(value: float, step: float) -> str:
    """A tick with as many decimals as its step needs; large ones with k, M, G."""
    for limit, unit, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{_step_text(value / unit, step / unit)}{suffix}"
    return f"{value:.2g}" if step < 1e-6 else _step_text(value, step)


def _step_text(value: float, step: float) -> str:
    decimals = next((places for places in range(8) if math.isclose(step, round(step, places), rel_tol=1e-6)), 8)
    return f"{value:.{decimals}f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A frame with two axes. Sizes are in pixels of the drawing."""

    x: Scale
    y: Scale
    width: float
    height: float
    x_name: str
    y_name: str

    def frame(self, x_ticks: int = 5, y_ticks: int = 5) -> Markup:
        """Grid, ticks and the names of the axes, that of y above its axis so that it reads without turning."""
        x, y = self.x, self.y
        parts = []
        for value, text in y.ticks(y_ticks):
            parts += [
                line(x.start, y(value), x.stop, y(value), "grid"),
                label(x.start - 6, y(value) + 4, text, "tick end"),
            ]
        for value, text in x.ticks(x_ticks):
            parts += [
                line(x(value), y.start, x(value), y.start + 4, "axis"),
                label(x(value), y.start + 16, text, "tick mid"),
            ]
        parts += [
            line(x.start, y.start, x.stop, y.start, "axis"),
            label(4, y.stop - 10, self.y_name, "axis-name"),
            label(x.stop, y.start + 33, self.x_name, "axis-name end"),
        ]
        return join(parts)


def plot(
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    names: tuple[str, str],
    size: tuple[float, float] = (360, 280),
    log_x: bool = False,
) -> Plot:
    """Make a frame around the given extents; ``names`` are those of the axes, horizontal one first."""
    width, height = size
    y_scale = Scale(low=y[0], high=y[1], start=height - 40, stop=26)
    left = 12 + max((text_width(text) for _, text in y_scale.ticks()), default=20)
    x_scale = Scale(low=x[0], high=x[1], start=left, stop=width - 12, log=log_x)
    return Plot(x=x_scale, y=y_scale, width=width, height=height, x_name=names[0], y_name=names[1])


def extent(values: Iterable[float], pad: float = 0.05) -> tuple[float, float]:
    """The range of values, widened at both ends; never empty."""
    found = list(values)
    low, high = min(found, default=0.0), max(found, default=1.0)
    margin = (high - low) * pad or abs(high) * 0.05 or 0.5
    return low - margin, high + margin
