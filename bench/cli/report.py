"""``bench report``: the report of a run, drawn anew."""

from typing import Annotated

import typer

from bench.cli import options


def report(
    run: options.RunFolder,
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
