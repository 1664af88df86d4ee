"""Boards, outcomes and findings as text."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bench.cli.tools import console
from bench.text import printable

if TYPE_CHECKING:
    from bench.audit import Finding
    from bench.dataset import Dataset
    from bench.leaderboard import Leaderboard
    from bench.result import Run
    from bench.task import Task

_MOST_ROWS = 25
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
        print(board.frame.write_csv(), end="")
    else:
        _print_table(board)


def _print_table(board: "Leaderboard") -> None:
    from rich.table import Table

    direction = "higher is better" if board.greater_is_better else "lower is better"
    tested = {"sealed": "test: sealed rows", "given": "test: the given file", "none": "no test set"}[board.test]
    table = Table(title=f"{board.metric} ({direction}); ranked by cross-validation; {tested}", title_justify="left")
    names = ["rank", "model", "cv mean", "cv std", "test [95 % interval]", "folds", "fit s", "predict s", "MB"]
    for name in names if board.test != "none" else [name for name in names if not name.startswith("test")]:
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    ranked = [row for row in board.frame.to_dicts() if row["rank"] is not None]
    for row in ranked[:_MOST_ROWS]:
        cells = [
            str(row["rank"]),
            printable(row["model"]),
            _number(row["cv_mean"]),
            _number(row["cv_std"], 2),
            *([_test(row)] if board.test != "none" else []),
            f"{row['folds_ok']}/{row['folds_asked']}",
            _number(row["fit_seconds"], 3),
            _number(row["predict_seconds"], 3),
            _number(row["peak_memory_mb"], 4),
        ]
        table.add_row(*cells, style="bold" if row["rank"] == 1 else None)
    out = console()
    out.print(table)
    _print_rest(board, len(ranked))


def _print_rest(board: "Leaderboard", ranked: int) -> None:
    """Say what the table leaves out."""
    rest = board.frame.filter(board.frame["rank"].is_null())
    if ranked > _MOST_ROWS:
        print(f"and {ranked - _MOST_ROWS} more, in leaderboard.csv")
    counts = dict(rest["status"].value_counts().iter_rows())
    if counts:
        print("not ranked: " + ", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    for row in rest.filter(rest["status"].is_in(["error", "out_of_memory"])).head(5).to_dicts():
        print(f"  {printable(row['model'])}: {printable(row['reason'])}")


def print_outcome(run: "Run") -> None:
    """Say on stderr what was best, by how much, and what to do with it."""
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
    if baselines.height:
        first = baselines.row(0, named=True)
        lines.append(f"best baseline: {first['model']}, {_number(first['cv_mean'])} cross-validated")
    lines += [
        f"report:  {run.report}",
        f"predict: bench predict {run.folder} DATA --output predictions.csv",
    ]
    print("\n".join(lines), file=sys.stderr)


def print_findings(findings: Iterable["Finding"]) -> None:
    """Print findings on stdout, the gravest first."""
    from rich.text import Text

    order = ("blocking", "warning", "info")
    out = console()
    for finding in sorted(findings, key=lambda f: order.index(f.severity)):
        line = Text(f"{finding.severity:9}", style=_COLOURS[finding.severity])
        out.print(line.append(f"{finding.code:22}", style="bold").append(printable(finding.message), style="default"))


def print_columns(dataset: "Dataset", task: "Task") -> None:
    """Print on stdout what is predicted, and every column with its kind and why it was taken for that."""
    from rich.table import Table

    print(f"{dataset.name}: {dataset.frame.height} rows, {dataset.frame.width} columns")
    for sentence in (task.kind_why, *task.notes):
        print(printable(sentence))
    table = Table("column", "kind", "missing", "distinct", "why")
    for column in dataset.columns:
        cells = [column.name, column.kind, str(column.n_missing), str(column.n_unique), column.why]
        table.add_row(*map(printable, cells))
    console().print(table)
