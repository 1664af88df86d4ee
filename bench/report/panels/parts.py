"""What several panels share."""

from markupsafe import Markup

from bench.report import read
from bench.report.charts.svg import element, join
from bench.report.files import RunFiles
from bench.report.read import Document


def absent(sentence: str) -> Markup:
    """Say what is not there, and why."""
    return element("p", sentence, class_="absent")


def charts(*drawn: Markup) -> Markup:
    """Lay charts out side by side where there is room."""
    return element("div", *drawn, class_="charts")


def remark(sentence: str) -> Markup:
    """A sentence that helps to read what follows."""
    return element("p", sentence, class_="remark")


def together(*parts: Markup) -> Markup:
    """Several parts under each other."""
    return join(parts)


def family_numbers(run: RunFiles) -> dict[str, int]:
    """A number a family for its colour and marker, in the order of the leaderboard, the same in every chart."""
    names = dict.fromkeys([row.family for row in run.board.rows] + [trial.family for trial in run.trials])
    return {name: number for number, name in enumerate(names)}


def analysed_model(run: RunFiles) -> str:
    """The model whose predictions were analysed."""
    return read.text(run.analysis.get("model")) or "the best model"


def analyses(run: RunFiles) -> list[tuple[str, Document]]:
    """The analyses stored by `bench.explain.analyse`, with the rows they are about."""
    named = (("out-of-fold rows", run.analysis.get("oof")), ("test rows", run.analysis.get("test")))
    return [(name, read.mapping(content)) for name, content in named if content]


NOT_ANALYSED = "No analysis was stored: the run ended before its best model's predictions were looked at."
