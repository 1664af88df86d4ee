"""``bench reproduce``: a row of the board fitted again, and compared with what the run has stored."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.tools import tell


def reproduce(
    run: options.RunFolder,
    model: Annotated[str | None, typer.Option(help="Row of the board. [default: the one that predicts]")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Largest difference of a probability, or in standard deviations of the target. [default: 1e-5]"
        ),
    ] = None,
) -> None:
    """Fit a row of a run's board again from its record, and say whether it predicts the same.

    Tells what has changed since, of versions, CPU, threads and device. The run's folder is left as it is.

    Exit code 0: the same bit for bit, or within the tolerance; 1: different.
    """
    from bench.cli.interrupts import leaving_when_interrupted
    from bench.errors import RequestError
    from bench.reproduce import TOLERANCE
    from bench.reproduce import reproduce as reproduced

    if tolerance is not None and not tolerance >= 0:
        raise RequestError(f"--tolerance must not be negative, got {tolerance:g}.")

    with leaving_when_interrupted():
        outcome = reproduced(run, model, tell, tolerance=TOLERANCE if tolerance is None else tolerance)
    print(outcome.to_text())
    raise typer.Exit(int(outcome.verdict == "different"))
