"""Boards, outcomes and findings as text."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.cli.tools import console
from bench.secrets import redacted
from bench.text import printable

if TYPE_CHECKING:
    from bench.audit import Finding
    from bench.audit.inspection import Inspection
    from bench.leaderboard import Leaderboard
    from bench.result import Run
    from bench.suite_run import SuiteRun

#: Rows that are shown of the board, and of a family, at most: a cheap one may have a hundred, all much alike.
_MOST_ROWS, _OF_A_FAMILY = 25, 3
_MOST_COLUMNS = 100
_BARS = " ▁▂▃▄▅▆▇█"
_COLOURS = {"info": "blue", "warning": "yellow", "blocking": "red"}


def _number(value: float | None, digits: int = 5) -> str:
    """A number with so many significant digits; a dash for none."""
    return "-" if value is None else f"{value:.{digits}g}"


def _test(row: dict[str, Any]) -> str:
    """A test score with its interval."""
    if row["test"] is None:
        return "-"
    interval = "" if row["test_low"] is None else f" [{_number(row['test_low'])}, {_number(row['test_high'])}]"
    return _number(row["test"]) + interval


def print_board(board: "Leaderboard", *, as_json: bool = False, as_csv: bool = False) -> None:
    """Print a board on stdout: a table, or whole as JSON or CSV."""
    if as_json:
        print(json.dumps(board.to_dict(), ensure_ascii=False))
    elif as_csv:
        print(board.to_csv(), end="")
    else:
        _print_table(board)


def _print_table(board: "Leaderboard") -> None:
    from rich.table import Table

    direction = "higher is better" if board.greater_is_better else "lower is better"
    tested = {"sealed": "test: sealed rows", "given": "test: the given file", "none": "no test set"}[board.test]
    table = Table(title=f"{board.metric} ({direction}); ranked by cross-validation; {tested}", title_justify="left")
    names = ["rank", "model", "cv mean", "cv std", "test [95 % interval]", "folds", "fit s", "s/1k rows", "MB"]
    for name in names if board.test != "none" else [name for name in names if not name.startswith("test")]:
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    ranked = [row for row in board.frame.to_dicts() if row["rank"] is not None]
    shown = _shown(ranked)
    for row in shown:
        cells = [
            str(row["rank"]),
            printable(row["model"]),
            _number(row["cv_mean"]),
            _number(row["cv_std"], 2),
            *([_test(row)] if board.test != "none" else []),
            f"{row['folds_ok']}/{row['folds_asked']}",
            _number(row["fit_seconds"], 3),
            _number(row.get("predict_seconds_per_1000"), 3),
            _number(row["peak_memory_mb"], 4),
        ]
        table.add_row(*cells, style="bold" if row["rank"] == 1 else None)
    out = console()
    out.print(table)
    _print_rest(board, len(ranked) - len(shown))


def _shown(ranked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of every family and every ensemble, and as there is room the next few of each, the best first."""
    places: dict[str, list[int]] = {}
    for row in ranked:
        places.setdefault(row["model"] if row["origin"] == "ensemble" else row["family"], []).append(row["rank"])
    best = [ranks[0] for ranks in places.values()]
    next_ones = sorted(rank for ranks in places.values() for rank in ranks[1:_OF_A_FAMILY])
    wanted = {*best, *next_ones[: max(0, _MOST_ROWS - len(best))]}
    return [row for row in ranked if row["rank"] in wanted]


def _print_rest(board: "Leaderboard", left_out: int) -> None:
    """Say what the table leaves out."""
    rest = board.frame.filter(board.frame["rank"].is_null())
    if left_out:
        print(f"and {left_out} more, in leaderboard.csv")
    counts = dict(rest["status"].value_counts().iter_rows())
    if counts:
        print("not ranked: " + ", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    for row in rest.filter(rest["status"].is_in(["error", "out_of_memory"])).head(5).to_dicts():
        print(f"  {printable(row['model'])}: {printable(row['reason'])}")


def print_outcome(run: "Run", output: str | None = None) -> None:
    """Say on stderr what was best, by how much, and what to do with it; ``output`` is where it was asked to lie."""
    board = run.board
    best = board.best
    if best is None:
        return
    baselines = board.frame.filter((board.frame["origin"] == "baseline") & board.frame["rank"].is_not_null())
    lines = [f"best: {best['model']}, {board.metric} {_number(best['cv_mean'])} cross-validated"]
    if board.test == "none":
        lines[0] += " (no test set: every row was learned from)"
    else:
        lines[0] += f", {_test(best)} on the test"
    if run.default_model != best["model"]:
        lines.append(
            f"predicts by default: {run.default_model}, a fairer choice than the first of many: decisions.json"
        )
    if baselines.height:
        first = baselines.row(0, named=True)
        lines.append(f"best baseline: {first['model']}, {_number(first['cv_mean'])} cross-validated")
    place = redacted(output) if output and "://" in output else str(run.folder)
    lines += [
        f"report:  {run.report}",
        f"predict: bench predict {place} DATA --output predictions.csv",
    ]
    print("\n".join(lines), file=sys.stderr)


def print_suite(run: "SuiteRun", *, as_json: bool = False) -> None:
    """Print on stdout what became of each dataset of a suite: a table, or JSON."""
    if as_json:
        print(json.dumps(run.to_dict(), ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(title=f"{printable(run.suite.title)}: the best model of each dataset", title_justify="left")
    for name in ("dataset", "task", "metric", "best model", "cv mean", "test [95 % interval]", "seconds", "outcome"):
        numeric = name in ("cv mean", "test [95 % interval]", "seconds")
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    rows = run.summary.to_dicts()
    for row in rows:
        named = [printable(row[name] or "-") for name in ("dataset", "task", "metric", "model")]
        table.add_row(*named, _number(row["cv_mean"]), _test(row), f"{row['seconds']:.0f}", row["outcome"])
    console().print(table)
    for row in rows:
        if row["reason"]:
            print(f"{printable(row['dataset'])} {row['outcome']}: {printable(row['reason'])}")


def print_inspection(found: "Inspection") -> None:
    """Print on stdout what was looked at, the findings, the target, and every column."""
    dataset, task, audit = found.dataset, found.task, found.audit
    print(f"{printable(dataset.name)}: {dataset.frame.height} rows, {dataset.frame.width} columns")
    print(printable(task.kind_why))
    print_findings(audit.findings)
    _print_target(found)
    _print_columns(found)


def print_findings(findings: Iterable["Finding"]) -> None:
    """Print findings on stdout, the gravest first: what was found, what it does to scores, what to do."""
    from rich.table import Table
    from rich.text import Text

    order = ("blocking", "warning", "info")
    ranked = sorted(findings, key=lambda f: order.index(f.severity))
    counts = [f"{count} {name}" for name in order if (count := sum(f.severity == name for f in ranked))]
    out = console()
    out.print()
    out.print(
        Text(f"Findings: {', '.join(counts)}" if counts else "The audit found nothing to remark on.", style="bold")
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in ranked:
        colour = _COLOURS[finding.severity]
        grid.add_row(Text(finding.severity, style=f"bold {colour}"), Text(finding.code, style="bold"))
        for head, text in (("", finding.message), ("effect", finding.effect), ("do", finding.advice)):
            if text:
                grid.add_row(Text(f"  {head}", style="dim"), Text(printable(text)))
        grid.add_row("", "")
    out.print(grid)


def _print_target(found: "Inspection") -> None:
    """Classes with their rows and what sets them apart, or the quantiles of the values."""
    from rich.table import Table
    from rich.text import Text

    out, target = console(), printable(found.task.target)
    if found.task.kind == "regression":
        from bench.audit.inspection import describe

        quantiles = describe(found.dataset, found.task)["target_summary"]
        told = ", ".join(f"{name} {value:.5g}" for name, value in quantiles.items())
        out.print(Text(f"Target {target}: ", style="bold").append(told, style="not bold"))
        return
    classes = found.audit.overview.classes
    table = Table(title=Text(f"Target {target}", style="bold"), title_justify="left")
    table.add_column("class", overflow="fold")
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("stands out, as", overflow="fold")
    for each in classes[:_MOST_ROWS]:
        label, trait = Text(printable(each.label)), Text(printable(each.trait))
        table.add_row(label, f"{each.rows:,}", f"{each.share:.2%}", trait)
    out.print(table)
    _say_more(len(found.task.classes) - _MOST_ROWS, "class", "classes")


def _print_columns(found: "Inspection") -> None:
    """Every column with its kind and why it was taken for that; of very many, those that tell most of the target."""
    from rich.table import Table
    from rich.text import Text

    out, overview = console(), found.audit.overview
    views = {view.name: view for view in overview.columns}
    columns = list(found.dataset.columns)
    if len(columns) > _MOST_COLUMNS:
        columns.sort(key=lambda c: -(views[c.name].association or 0.0) if c.name in views else 1.0)
    measure = f"; alone: {overview.measure} of the column by itself on held-out rows" if overview.measure else ""
    table = Table(title=Text(f"Columns{measure}", style="bold"), title_justify="left")
    for name in ("column", "kind", "missing", "distinct", "distribution", "alone", "why this kind"):
        number = name in ("missing", "distinct", "alone")
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for column in columns[:_MOST_COLUMNS]:
        view = views.get(column.name)
        drawn = _spark(view.counts) if view is not None and out.encoding.startswith("utf") else ""
        alone = "" if view is None or view.association is None else f"{view.association:.3f}"
        role = "target" if column.name == found.task.target else column.kind
        cells = [column.name, role, f"{column.n_missing:,}", f"{column.n_unique:,}", drawn, alone, column.why]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    out.print(table)
    _say_more(len(columns) - _MOST_COLUMNS, "column", "columns")


def _spark(counts: tuple[int, ...]) -> str:
    """Counts as a row of bars."""
    most = max(counts, default=0)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts) if most else ""


def _say_more(count: int, one: str, many: str) -> None:
    """Say how many rows a table leaves out."""
    if count > 0:
        print(f"and {count:,} more {one if count == 1 else many}; --json tells more of them")
