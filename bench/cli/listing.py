"""``bench list``: what there is: datasets, suites, families, metrics, presets, runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.tools import print_table

app = typer.Typer(help="List datasets, suites, families, metrics, presets or runs.", no_args_is_help=True)


@app.command()
def datasets() -> None:
    """List the cards that ship, and whether their data is here."""
    from bench.dataset import list_cards
    from bench.sources.fetched import is_cached
    from bench.sources.openml import was_downloaded

    def state(kind: str, name: str, source: str) -> str:
        if kind != "openml":
            return "ships with bench"
        return "in the cache" if is_cached(name) or was_downloaded(source) else "downloads when used"

    rows = [
        [
            c.name,
            c.task or "",
            c.target or "",
            "" if c.rows is None else str(c.rows),
            state(c.source_kind, c.name, c.source),
            c.title,
        ]
        for c in list_cards()
    ]
    print_table(["name", "task", "target", "rows", "data", "title"], rows)


@app.command()
def suites(
    name: Annotated[str | None, typer.Argument(help="Suite whose datasets to list; openml:suite/NUMBER, too.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no other machine; use the cache alone.")] = False,
) -> None:
    """List the suites that ship, or the datasets of one."""
    from bench.suites import list_suites, load_suite

    if name is None:
        rows = [[suite.name, str(len(suite.entries)), suite.title, suite.reference] for suite in list_suites()]
        print_table(["name", "datasets", "title", "copied from"], rows)
    else:
        suite = load_suite(name, offline=offline)
        print_table(["dataset", "name"], [[entry, suite.names.get(entry, "")] for entry in suite.entries])


@app.command()
def families() -> None:
    """List the model families with what they fit and search."""
    from bench.family import discover, space_of

    rows = [
        [
            family.name,
            "all" if len(family.tasks) == 3 else ", ".join(sorted(family.tasks)),
            "baseline" if family.baseline else "",
            str(len(space_of(family).parameters)),
            family.summary,
        ]
        for family in discover().values()
    ]
    print_table(["name", "tasks", "", "searched", "summary"], rows)


@app.command()
def metrics() -> None:
    """List the metrics with their direction and the tasks they fit."""
    from bench.metric import METRICS

    rows = [
        [m.name, "higher" if m.greater_is_better else "lower", ", ".join(sorted(m.tasks)), m.needs, m.title]
        for m in METRICS.values()
    ]
    print_table(["name", "better", "tasks", "needs", "title"], rows)


@app.command()
def presets() -> None:
    """List the presets of a run with the options that each stands for; options that are given overrule them."""
    from bench.presets import PRESETS

    print_table(["name", "summary", "options"], [[p.name, p.summary, p.told] for p in PRESETS.values()])


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that holds runs.")] = Path("results"),
) -> None:
    """List the runs below a folder with their best row."""
    from bench.cli.tools import ago
    from bench.result import load_run

    rows = []
    for path in sorted(folder.glob("*/leaderboard.json")):
        board = load_run(path.parent).board
        best = board.best or {"model": "none", "cv_mean": float("nan")}
        state = "complete" if (path.parent / "DONE").exists() else "unfinished"
        score = f"{board.metric} {best['cv_mean']:.5g}"
        rows.append([str(path.parent), ago(path.stat().st_mtime), state, str(len(board)), best["model"], score])
    if rows:
        print_table(["run", "when", "state", "rows", "best", "score"], rows)
    else:
        print(f"there are no runs below {folder}.", file=sys.stderr)
