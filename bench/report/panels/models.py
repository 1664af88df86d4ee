"""What the best model looks at, and what the ensembles are made of."""

from markupsafe import Markup

from bench.report import read
from bench.report.charts.bars import Bar, bars
from bench.report.files import RunFiles
from bench.report.numbers import plural, score_text, signed_text
from bench.report.panels.parts import absent, analysed_model, charts, remark, together

_MOST_COLUMNS = 25
_MOST_MEMBERS = 20


def importance(run: RunFiles) -> Markup:
    """How much worse the best model scores when a column is shuffled."""
    stored = read.mappings(run.analysis.get("importance"))
    found = [
        (read.text(entry.get("column")), mean, read.number(entry.get("std")))
        for entry in stored
        if (mean := read.number(entry.get("mean"))) is not None
    ]
    if not found:
        return absent("No permutation importance was stored: the run ended before it, or left it out.")
    found.sort(key=lambda entry: -entry[1])
    items = [
        Bar(
            name=name,
            value=mean,
            spread=spread,
            text=signed_text(mean, found[0][1]),
        )
        for name, mean, spread in found[:_MOST_COLUMNS]
    ]
    metric = read.text(run.analysis.get("importance_metric")) or run.board.metric
    repeats = max((read.count(entry.get("repeats")) or 0 for entry in stored), default=0)
    times = plural(repeats, "time") if repeats else "at random"
    rest = f" The first {_MOST_COLUMNS} of {len(found)} columns." if len(found) > _MOST_COLUMNS else ""
    if len(found) < len(stored):
        rest += f" There was time for {len(found)} of {len(stored)} columns."
    sentence = (
        f"How much worse {analysed_model(run)} scores by {metric} on rows that it was not fitted on, when one column "
        f"is shuffled {times}. "
        f"Columns that say the same share their importance.{rest}"
    )
    return together(remark(sentence), charts(bars(f"Loss of {metric} without the column", items)))


def ensembles(run: RunFiles) -> Markup | None:
    """The weights of every ensemble's members; None where there is no ensemble."""
    stored = read.mapping(run.analysis.get("ensembles"))
    rows = {row.model: row for row in run.board.rows if row.family == "ensemble"}
    if not stored and not rows:
        return None
    drawn = []
    for name, content in stored.items():
        members = [
            (read.text(entry.get("model")), weight)
            for entry in read.mappings(read.mapping(content).get("members"))
            if (weight := read.number(entry.get("weight"))) is not None
        ]
        members.sort(key=lambda member: -member[1])
        items = [Bar(name=model, value=weight, text=f"{weight:.3f}") for model, weight in members[:_MOST_MEMBERS]]
        row = rows.get(name)
        score = f"{run.board.metric} {score_text(row.cv_mean)}, " if row else ""
        note = f"{score}{plural(len(members), 'member')}"
        if items:
            drawn.append(bars(name, items, note=note))
    if not drawn:
        return absent("The ensembles' weights were not stored.")
    return charts(*drawn)
