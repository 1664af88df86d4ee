"""``bench leaderboard``: a run's board, by any metric; nothing is fitted again."""

from typing import Annotated

import typer

from bench.cli import options


def leaderboard(
    run: options.RunFolder,
    metric: Annotated[str | None, typer.Option(help="Order by another metric, or module:function.")] = None,
    json: options.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Print a run's leaderboard."""
    from bench.cli.show import print_board
    from bench.errors import RequestError
    from bench.result import load_run

    if json and csv:
        raise RequestError("--json and --csv exclude each other. Choose one.")
    finished = load_run(run)
    board = finished.board if metric is None else finished.leaderboard_by(metric)
    print_board(board, as_json=json, as_csv=csv)
