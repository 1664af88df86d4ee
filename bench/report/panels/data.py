"""What is known about the data: the audit's findings, the target and the columns."""

from collections import Counter

from markupsafe import Markup

from bench.report.charts.bars import Bar, bars
from bench.report.files import DataCard, RunFiles
from bench.report.numbers import count_text, plural, share_text
from bench.report.panels.parts import absent, charts, together
from bench.report.template import render

_MOST_COLUMNS = 200
_MOST_CLASSES = 30
_SEVERITIES = ("blocking", "warning", "info")


def audit(run: RunFiles) -> Markup:
    """Findings, the gravest first."""
    if run.audit is None:
        return absent("This folder holds no audit.json: the run ended before the audit, or was made without one.")
    if not run.audit:
        return absent("The audit found nothing to remark on.")
    order = {name: place for place, name in enumerate(_SEVERITIES)}
    found = sorted(run.audit, key=lambda finding: order.get(finding.severity, len(order)))
    counts = Counter(finding.severity for finding in found)
    summary = ", ".join(f"{counts[name]} {name}" for name in _SEVERITIES if counts[name])
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


def columns(run: RunFiles) -> Markup:
    """The target, then every column with its kind and why it was taken for that."""
    data = run.data
    kinds = Counter(column.kind for column in data.columns)
    summary = ", ".join(f"{amount} {kind}" for kind, amount in kinds.most_common())
    table = render(
        "columns",
        data=data,
        columns=data.columns[:_MOST_COLUMNS],
        left_out=len(data.columns) - _MOST_COLUMNS,
        summary=f"{plural(len(data.columns), 'column')}: {summary}." if data.columns else "",
    )
    return together(_target_chart(data), table)
