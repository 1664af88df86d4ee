"""Distributions small enough for a cell of a table."""

from markupsafe import Markup

from bench.report.charts.svg import EMPTY, element, image, shorten, title
from bench.report.files import ColumnView
from bench.report.numbers import count_text

_WIDTH, _HEIGHT = 120.0, 28.0
_MOST_CHARACTERS = 24


def spark(name: str, view: ColumnView) -> Markup:
    """Bars by bin or level, no higher than a line of text, with the ends of the scale or the commonest level below."""
    most = max(view.counts, default=0)
    if not most:
        return EMPTY
    step = _WIDTH / len(view.counts)
    bars = []
    for place, count in enumerate(view.counts):
        height = max(count / most * _HEIGHT, 1.0) if count else 0.0
        bars.append(f"M{place * step:.1f} {_HEIGHT:g}v{-height:.1f}h{step - 1:.1f}v{height:.1f}z")
    drawn = element("path", title(_told(view)), d="".join(bars), class_="bar")
    drawing = image(_WIDTH, _HEIGHT, f"Distribution of {name}", _told(view), drawn)
    ends = (view.levels[0],) if view.levels else (view.low, view.high)
    scale = (element("bdi", shorten(end, _MOST_CHARACTERS)) for end in ends)
    return element("div", drawing, element("small", *scale), class_="spark")


def _told(view: ColumnView) -> str:
    """The distribution in words."""
    if view.levels:
        pairs = zip(view.levels, view.counts, strict=False)
        return "; ".join(f"{shorten(level, _MOST_CHARACTERS)} {count_text(count)}" for level, count in pairs)
    return f"rows by value from {view.low} to {view.high}: {' '.join(map(str, view.counts))}"
