"""``bench report``: the report of a run, drawn anew."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    open_: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write report.html and report.md from a run's files and print where they are."""
    from bench.report import write_report
    from bench.result import load_run

    finished = load_run(run)
    write_report(finished.folder)
    print(finished.report)
    if open_:
        typer.launch(str(finished.report))
