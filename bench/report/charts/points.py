"""A cloud of points and the line that they should follow."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.report.charts.svg import element, extent, figure, image, path, plot

Point = tuple[float, float]


def scatter(
    heading: str,
    points: Sequence[Point],
    *,
    names: tuple[str, str],
    reference: tuple[Point, Point] | None = None,
    note: str = "",
) -> Markup:
    """A cloud of points, and a line that they would follow if all were well."""
    ends = [*points, *(reference or ())]
    frame = plot(extent([x for x, _ in ends]), extent([y for _, y in ends]), names=names, size=(400, 340))
    strokes = "".join(f"M{frame.x(x):.1f} {frame.y(y):.1f}h0" for x, y in points)
    body = [frame.frame(), element("path", d=strokes, class_="cloud c0")]
    if reference:
        body.append(element("path", d=path([(frame.x(x), frame.y(y)) for x, y in reference]), class_="reference"))
    description = f"{len(points)} points: {names[1]} against {names[0]}."
    return figure(heading, image(frame.width, frame.height, heading, description, *body), note=note)
