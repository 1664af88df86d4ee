"""``bench refit``: one model a member in place of a bag of fold models."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.tools import tell


def refit(
    run: options.RunReference,
    model: Annotated[
        str | None, typer.Option(help="One of the predictor's models. [default: the one that predicts]")
    ] = None,
    cpus: options.Cpus = None,
) -> None:
    """Fit a run's model again, once on all its rows, so that predicting asks one model a member instead of one a fold.

    The run's scores stay those of the fold models: no row is left to judge the new ones.
    """
    from bench.cli.interrupts import leaving_when_interrupted
    from bench.mirror import held_folder
    from bench.refit import refit as refitted
    from bench.resources import machine

    with leaving_when_interrupted(), held_folder(run) as folder:
        predictor = refitted(folder, model, tell, cpus=machine(cpus).cpus)
    tell(f"{predictor.default} was fitted on all rows. Its scores on the board are those of its fold models.")
    tell(f"predict: bench predict {predictor.folder} DATA --output predictions.csv")
    print(predictor.folder)
