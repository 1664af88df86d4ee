"""The page: a headline, then every panel that has something to show. It asks for nothing from anywhere."""

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from bench.report import read
from bench.report.files import RunFiles
from bench.report.panels import CHECK_PANELS, PANELS, Panel
from bench.report.panels.data import SEVERITIES
from bench.report.template import render, source
from bench.report.verdict import chosen_sentence, comparisons, task_sentence


@dataclass(frozen=True, kw_only=True, slots=True)
class _Section:
    id: str
    title: str
    body: Markup


def _source_hash(text: str) -> str:
    """The expression by which a content security policy admits exactly this style sheet or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def render_html(run: RunFiles) -> str:
    """Draw the page of a run."""
    return _page(
        "page",
        PANELS,
        run,
        task=task_sentence(run),
        best=run.board.best,
        chosen=chosen_sentence(run),
        comparisons=comparisons(run),
        started=read.text(run.environment.get("started_at"))[:16].replace("T", " "),
    )


def render_check(run: RunFiles) -> str:
    """Draw the page of `bench check`."""
    counts = Counter(finding.severity for finding in run.audit or ())
    return _page("check", CHECK_PANELS, run, counts=[(name, counts[name]) for name in SEVERITIES])


def _page(template: str, panels: tuple[Panel, ...], run: RunFiles, **values: object) -> str:
    drawn = ((panel, panel.draw(run)) for panel in panels)
    style, script = source("style.css"), source("report.js")
    return render(
        template,
        run=run,
        sections=[_Section(id=panel.id, title=panel.title, body=body) for panel, body in drawn if body is not None],
        style=Markup(style),
        script=Markup(script),
        style_hash=_source_hash(style),
        script_hash=_source_hash(script),
        **values,
    )
