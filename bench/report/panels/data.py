"""What is known about the data: the audit's findings and the target."""

from collections import Counter

from markupsafe import Markup

from bench.report.charts.bars import Bar, bars
from bench.report.files import DataCard, RunFiles
from bench.report.numbers import count_text, plural, share_text
from bench.report.panels.parts import absent, charts, together
from bench.report.template import render

_MOST_CLASSES = 30
SEVERITIES = ("blocking", "warning", "info")


def audit(run: RunFiles) -> Markup:
    """Findings, the gravest first."""
    if run.audit is None:
        return absent("This folder holds no audit.json: the run ended before the audit, or was made without one.")
    if not run.audit:
        return absent("The audit found nothing to remark on.")
    order = {name: place for place, name in enumerate(SEVERITIES)}
    found = sorted(run.audit, key=lambda finding: order.get(finding.severity, len(order)))
    counts = Counter(finding.severity for finding in found)
    summary = ", ".join(f"{counts[name]} {name}" for name in SEVERITIES if counts[name])
    return render("audit", findings=found, summary=f"{plural(len(found), 'finding')}: {summary}.")


def _target_chart(data: DataCard) -> Markup:
    counts = {name: amount for name, amount in data.class_counts.items() if amount is not None}
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    items = [
        Bar(name=name, value=amount, text=f"{count_text(amount)} · {share_text(amount, total)}")
        for name, amount in ordered[:_MOST_CLASSES]
    ]
    note = f"the {_MOST_CLASSES} largest of {len(ordered)}" if len(ordered) > _MOST_CLASSES else ""
    return charts(bars(f"Rows by class of {data.target}", items, note=note)) if items else Markup("")


def target(run: RunFiles) -> Markup:
    """Quantiles, or classes with what sets each apart."""
    classes = run.overview.classes[:_MOST_CLASSES]
    shown = render("target", data=run.data, classes=classes, left_out=len(run.overview.classes) - len(classes))
    return together(shown, _target_chart(run.data))
