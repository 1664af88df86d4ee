"""What the best classifier gets right and wrong, and whether its probabilities can be believed."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.report import read
from bench.report.charts.curves import Series, curves, histogram
from bench.report.charts.matrix import confusion
from bench.report.files import RunFiles
from bench.report.panels.parts import NOT_ANALYSED, absent, analysed_model, analyses, charts, remark, together
from bench.report.read import Document
from bench.report.template import render

_MEASURES = ("precision", "recall", "f1", "support")
_MOST_OUTLINES = 3
_DIAGONAL = ((0.0, 0.0), (1.0, 1.0))


def _points(x: object, y: object) -> list[tuple[float, float]]:
    pairs = zip(read.numbers(x), read.numbers(y), strict=False)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _series(entries: object, x: str, y: str, area: str) -> list[Series]:
    found = []
    for entry in read.mappings(entries):
        size = read.number(entry.get("area"))
        name = read.text(entry.get("class")) + (f" ({area} {size:.3f})" if size is not None else "")
        found.append(Series(name=name, points=_points(entry.get(x), entry.get(y))))
    return found


def _curve_charts(rows: str, content: Document) -> list[Markup]:
    roc = _series(content.get("roc"), "false_positive_rate", "true_positive_rate", "AUC")
    precision = _series(content.get("precision_recall"), "recall", "precision", "AP")
    drawn = []
    if roc:
        names = ("false positive rate", "true positive rate")
        drawn.append(curves(f"ROC, {rows}", roc, names=names, reference=_DIAGONAL))
    if precision:
        shares = [read.number(entry.get("share")) for entry in read.mappings(content.get("precision_recall"))]
        guess = shares[0] if len(shares) == 1 else None
        reference = () if guess is None else ((0.0, guess), (1.0, guess))
        drawn.append(
            curves(f"Precision and recall, {rows}", precision, names=("recall", "precision"), reference=reference)
        )
    return drawn


def score_curves(run: RunFiles) -> Markup | None:
    """ROC and precision-recall curves; None for a regression."""
    if run.data.task == "regression":
        return None
    drawn = [chart for rows, content in analyses(run) for chart in _curve_charts(rows, content)]
    if not drawn:
        return absent(NOT_ANALYSED)
    sentence = (
        f"Curves of {analysed_model(run)}, one a class, of the most frequent; the dashed line is guessing. "
        "AUC is the area under the ROC curve, AP average precision."
    )
    return together(remark(sentence), charts(*drawn))


def confusion_matrices(run: RunFiles) -> Markup | None:
    """True against predicted classes; None for a regression."""
    if run.data.task == "regression":
        return None
    drawn = []
    for rows, content in analyses(run):
        matrix = read.mapping(content.get("confusion"))
        labels = read.texts(matrix.get("labels"))
        counts = [[value or 0.0 for value in read.numbers(line)] for line in read.sequence(matrix.get("counts"))]
        if labels and len(counts) == len(labels) and all(len(line) == len(labels) for line in counts):
            note = read.text(matrix.get("note"))
            drawn.append(confusion(rows[:1].upper() + rows[1:], labels, counts, note=note[:1].upper() + note[1:]))
    if not drawn:
        return absent(NOT_ANALYSED)
    sentence = (
        f"Rows by true class and by the class that {analysed_model(run)} finds likeliest; "
        "darker is a greater share of the true class."
    )
    return together(remark(sentence), charts(*drawn))


def _calibration_charts(rows: str, content: Document) -> list[Markup]:
    stated = read.mapping(content.get("calibration"))
    points = _points(stated.get("stated"), stated.get("observed"))
    drawn = []
    if points:
        error = read.number(stated.get("expected_calibration_error"))
        note = "" if error is None else f"Expected calibration error {error:.4f}."
        series = [Series(name=f"probability of {read.text(stated.get('of'))}", points=points)]
        names = ("stated probability", "observed frequency")
        drawn.append(curves(f"Calibration, {rows}", series, names=names, reference=_DIAGONAL, marked=True, note=note))
    given = read.mapping(content.get("histogram"))
    edges = [edge for edge in read.numbers(given.get("edges")) if edge is not None]
    shares = _shares(read.mappings(given.get("by_class")))
    if len(edges) > 1 and shares:
        names = (f"probability of {read.text(given.get('of'))}", "share of rows")
        drawn.append(histogram(f"Probabilities given, {rows}", edges, shares, names=names))
    return drawn


def _shares(entries: Sequence[Document]) -> list[tuple[str, list[float]]]:
    """Counts as shares of their class, so that a rare one is seen beside a frequent one; many classes become one."""
    named = [
        (f"true {read.text(e.get('class'))}", [value or 0.0 for value in read.numbers(e.get("counts"))])
        for e in entries
    ]
    if len(named) > _MOST_OUTLINES:
        named = [("all classes", [sum(column) for column in zip(*(counts for _, counts in named), strict=False)])]
    return [(name, [value / (sum(counts) or 1.0) for value in counts]) for name, counts in named]


def calibration(run: RunFiles) -> Markup | None:
    """Stated probabilities against observed frequencies; None for a regression."""
    if run.data.task == "regression":
        return None
    drawn = [chart for rows, content in analyses(run) for chart in _calibration_charts(rows, content)]
    if not drawn:
        return absent(NOT_ANALYSED)
    sentence = f"On the dashed line, what {analysed_model(run)} calls 70 % likely happens 70 % of the time."
    return together(remark(sentence), charts(*drawn))


def per_class(run: RunFiles) -> Markup | None:
    """Precision, recall and F1 of every class; None for a regression."""
    if run.data.task == "regression":
        return None
    tables = []
    for rows, content in analyses(run):
        entries = read.mappings(content.get("per_class"))
        if entries:
            values = [
                (read.text(entry.get("class")), {name: read.number(entry.get(name)) for name in _MEASURES})
                for entry in entries
            ]
            tables.append(render("classes", rows=values, measures=_MEASURES, heading=rows[:1].upper() + rows[1:]))
    if not tables:
        return absent(NOT_ANALYSED)
    sentence = f"Of {analysed_model(run)}, with every row given its likeliest class."
    return together(remark(sentence), charts(*tables))
