"""``bench suite``: a list of datasets as one job."""

import shlex
import sys
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.tools import tell

app = typer.Typer(help="Carry out a suite: a list of datasets as one job.", no_args_is_help=True)

_SWITCHES = ("no_track", "json", "quiet")


@app.callback()
def root() -> None:
    """Carry out a suite: a list of datasets as one job."""


@app.command()
def run(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(help="Name (`bench list suites`), file, or openml:suite/NUMBER.")],
    metric: options.Metric = None,
    preset: options.Preset = None,
    budget: options.BudgetEach = None,
    trials: options.Trials = None,
    fit_limit: options.FitLimit = None,
    families: options.Families = None,
    ensembles: options.Ensembles = None,
    slowdown: options.Slowdown = None,
    refit: options.Refit = None,
    sampler: options.Sampler = None,
    seed: options.Seed = None,
    folds: options.Folds = None,
    repeats: options.Repeats = None,
    test_size: options.TestSize = None,
    max_rows: options.MaxRows = None,
    offline: options.Offline = None,
    cpus: options.Cpus = None,
    gpus: options.Gpus = None,
    memory: options.Memory = None,
    engine: options.Engine = None,
    address: options.Address = None,
    output: options.Output = None,
    config: options.Config = None,
    allow: options.Allow = None,
    no_track: options.NoTrack = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run every dataset of a suite, one after the other; exit code 1 when one came to nothing.

    The budget is each dataset's. The same command again leaves alone what is complete and goes on with the rest; a
    dataset that fails costs the others nothing.
    """
    from bench.cli.interrupts import Interrupts
    from bench.cli.show import print_suite
    from bench.cli.terminal import progress_for
    from bench.secrets import redacted
    from bench.suite_run import execute_suite

    settings, switches = options.gathered(context.params, config, _SWITCHES)
    say = (lambda sentence: None) if switches["quiet"] else tell
    with Interrupts() as interrupts:
        finished = execute_suite(
            suite,
            settings,
            show=lambda title: progress_for(quiet=switches["quiet"], title=title),
            tell=say,
            stop=interrupts.stop,
            command=shlex.join(["bench", *map(redacted, sys.argv[1:])]),
        )
    print_suite(finished, as_json=switches["json"])
    say(f"table: {redacted(finished.place)}/suite.csv")
    raise typer.Exit(interrupts.exit_code or (1 if finished.failed else 0))
