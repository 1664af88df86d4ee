"""The leaderboard, and what did not make it there."""

from collections import Counter

from markupsafe import Markup

from bench.report.charts.bars import Interval, intervals
from bench.report.charts.svg import colour, shape
from bench.report.files import Row, RunFiles
from bench.report.numbers import plural
from bench.report.panels.parts import absent, family_numbers, together
from bench.report.template import render
from bench.report.verdict import direction, test_sentence

MOST_ROWS = 150
_MOST_FAILURES = 60
_MOST_INTERVALS = 14


def _metric_names(rows: tuple[Row, ...], board_metric: str) -> tuple[str, ...]:
    """The metrics besides the chosen one, in the order of the file."""
    names = dict.fromkeys(name for row in rows for name in (*row.cv, *row.tests))
    return tuple(name for name in names if name != board_metric)


def _interval_chart(run: RunFiles) -> Markup:
    numbers = family_numbers(run)
    items = [
        Interval(
            name=row.model,
            index=numbers[row.family],
            mean=row.cv_mean,
            deviation=row.cv_std,
            test=row.test,
            test_low=row.test_low,
            test_high=row.test_high,
        )
        for row in run.board.scored[:_MOST_INTERVALS]
        if row.cv_mean is not None
    ]
    note = "Dot and line: cross-validated mean ± one standard deviation over the folds."
    if any(item.test is not None for item in items):
        note += " Diamond and thin line: test score with its 95 % interval."
    return intervals(
        f"The first {len(items)} models" if len(items) > 1 else "The model", items, run.board.metric, note=note
    )


def leaderboard(run: RunFiles) -> Markup:
    """The table of scored models, and the first of them as intervals."""
    rows = run.board.scored
    if not rows:
        return absent("No model has a score: every candidate failed, or the run ended before the first was done.")
    numbers = family_numbers(run)
    table = render(
        "board",
        rows=rows[:MOST_ROWS],
        left_out=len(rows) - MOST_ROWS,
        metric=run.board.metric,
        direction=direction(run),
        greater_is_better=run.board.greater_is_better,
        has_test=any(row.test is not None for row in rows),
        others=_metric_names(rows, run.board.metric),
        test_sentence=test_sentence(run),
        numbers=numbers,
        colour=colour,
        shape=shape,
    )
    return together(table, _interval_chart(run))


def failures(run: RunFiles) -> Markup | None:
    """Candidates without a score, with their reasons; None where there are none."""
    rows = run.board.unscored
    if not rows:
        return None
    counts = Counter(row.status for row in rows)
    summary = ", ".join(f"{amount} {status.replace('_', ' ')}" for status, amount in counts.most_common())
    return render(
        "failures",
        rows=rows[:_MOST_FAILURES],
        left_out=len(rows) - _MOST_FAILURES,
        summary=f"{plural(len(rows), 'candidate')} without a score: {summary}.",
    )
