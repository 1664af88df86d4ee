"""The panels of the page, in order: to add one, write a function from the run to HTML and enter it here.

A function returns None where its panel has no place in this run (residuals of a classification); what should be there
and is not, the panel says itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.files import RunFiles
from bench.report.panels import board, classification, columns, data, models, regression, search, setup


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A section of the page; ``id`` is its anchor."""

    id: str
    title: str
    draw: Callable[[RunFiles], Markup | None]


PANELS: tuple[Panel, ...] = (
    Panel(id="board", title="Leaderboard", draw=board.leaderboard),
    Panel(id="failures", title="Failures", draw=board.failures),
    Panel(id="audit", title="Audit of the data", draw=data.audit),
    Panel(id="progress", title="Scores over time", draw=search.scores_over_time),
    Panel(id="time", title="Where the time went", draw=search.where_the_time_went),
    Panel(id="curves", title="ROC and precision-recall", draw=classification.score_curves),
    Panel(id="confusion", title="Confusion matrix", draw=classification.confusion_matrices),
    Panel(id="calibration", title="Calibration", draw=classification.calibration),
    Panel(id="classes", title="Report per class", draw=classification.per_class),
    Panel(id="residuals", title="Residuals", draw=regression.residuals),
    Panel(id="importance", title="Permutation importance", draw=models.importance),
    Panel(id="ensembles", title="Ensembles", draw=models.ensembles),
    Panel(id="space", title="Search space explored", draw=search.space),
    Panel(id="target", title="Target", draw=data.target),
    Panel(id="columns", title="Columns", draw=columns.overview),
    Panel(id="splits", title="Splits", draw=setup.splits),
    Panel(id="decisions", title="Decisions", draw=setup.decisions),
    Panel(id="settings", title="Settings and environment", draw=setup.settings),
)

#: Those of the page of `bench check`.
CHECK_PANELS: tuple[Panel, ...] = (
    Panel(id="audit", title="Findings", draw=data.audit),
    Panel(id="target", title="Target", draw=data.target),
    Panel(id="columns", title="Columns", draw=columns.overview),
)
