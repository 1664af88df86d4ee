"""A confusion matrix as a grid of shares."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.report.charts.svg import element, figure, image, label, shorten, text_width, title
from bench.report.numbers import count_text, share_text

_MOST_CHARACTERS = 16
# From this share on a cell is dark enough for light text.
_DARK = 0.75


def _cell_size(classes: int) -> float:
    return float(max(20, min(72, 560 // classes)))


def _cell(x: float, y: float, size: float, value: float, whole: float, told: str) -> list[Markup]:
    share = value / whole if whole else 0.0
    parts = [
        element(
            "rect",
            title(told),
            x=x + 0.5,
            y=y + 0.5,
            width=size - 1,
            height=size - 1,
            class_="cell",
            fill_opacity=f"{share:.3f}",
        )
    ]
    text = count_text(value)
    if text_width(text) < size - 3:
        parts.append(label(x + size / 2, y + size / 2 + 4, text, "tick mid on" if share > _DARK else "tick mid name"))
    return parts


def confusion(heading: str, classes: Sequence[str], counts: Sequence[Sequence[float]], *, note: str = "") -> Markup:
    """Counts [true, predicted], each cell as dark as its share of the true class; empty cells are left out."""
    size = _cell_size(len(classes))
    names = [shorten(name, _MOST_CHARACTERS) for name in classes]
    longest = max(text_width(name) for name in names)
    upright = longest <= size
    left, top = longest + 22, 40 if upright else 30 + longest * 0.72
    span = size * len(classes)
    right = 8 if upright else 8 + longest * 0.7
    body = [element("rect", x=left, y=top, width=span, height=span, class_="field")]
    for number, (name, whole) in enumerate(zip(names, classes, strict=True)):
        middle = size * number + size / 2
        turn = None if upright else f"rotate(-45 {left + middle:.1f} {top - 6:.1f})"
        column = element(
            "text",
            title(whole),
            name,
            x=left + middle,
            y=top - 6,
            class_="tick mid" if upright else "tick",
            transform=turn,
        )
        body += [column, element("text", title(whole), name, x=left - 8, y=top + middle + 4, class_="tick end")]
    for row, (name, line_counts) in enumerate(zip(classes, counts, strict=True)):
        whole_row = sum(line_counts)
        for column_number, value in enumerate(line_counts):
            if value:
                share = share_text(value, whole_row)
                told = f"true {name}, predicted {classes[column_number]}: {count_text(value)} ({share} of true {name})"
                body += _cell(left + size * column_number, top + size * row, size, value, whole_row, told)
    body += [label(left, 12, "predicted →", "axis-name"), label(4, top - 6, "true ↓", "axis-name")]
    right_counts = sum(counts[number][number] for number in range(len(classes)))
    total = sum(map(sum, counts))
    description = f"{len(classes)} classes; {count_text(right_counts)} of {count_text(total)} rows on the diagonal."
    drawing = image(left + span + right, top + span + 8, heading, description, *body)
    return figure(heading, drawing, note=note, layout="natural" if len(classes) > 8 else "")
