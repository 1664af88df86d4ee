"""``bench suite``: a list of datasets as one job."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options

app = typer.Typer(help="Carry out a suite: a list of datasets as one job.", no_args_is_help=True)
Text = str | None

_SWITCHES = ("no_track", "json", "quiet")


@app.callback()
def root() -> None:
    """Carry out a suite: a list of datasets as one job."""


@app.command()
def run(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(help="Name (`bench list suites`), file, or openml:suite/NUMBER.")],
    metric: Annotated[Text, typer.Option(help="Metric that orders the boards. [default: each dataset's own]")] = None,
    preset: Annotated[Text, typer.Option(help="As of `bench run`: `bench list presets`.")] = None,
    budget: Annotated[Text, typer.Option(help="Wall clock of each dataset: 60s, 10m, 2h. [default: 5m]")] = None,
    trials: Annotated[int | None, typer.Option(help="Stop each dataset after so many candidates instead.")] = None,
    families: Annotated[Text, typer.Option(help="Families to use (a,b), or to leave out (-c).")] = None,
    ensembles: Annotated[
        bool | None, typer.Option("--ensembles/--no-ensembles", help="Combine models. [default: yes]")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Cross-validation folds, in place of an OpenML task's, too. [default: from the rows]"),
    ] = None,
    test_size: Annotated[
        float | None, typer.Option(help="Share of rows sealed as test set. [default: as of `bench run`]")
    ] = None,
    max_rows: Annotated[int | None, typer.Option(help="Rows to use at most. [default: from the size]")] = None,
    offline: options.Offline = None,
    sampler: Annotated[Text, typer.Option(help="tpe, random or grid. [default: tpe]")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness. [default: 0]")] = None,
    cpus: Annotated[int | None, typer.Option(help="CPUs to use. [default: all]")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs to use. [default: all]")] = None,
    memory: Annotated[Text, typer.Option(help="Memory to use: 4GiB, 4GB. [default: all]")] = None,
    engine: Annotated[Text, typer.Option(help="ray, tune or local. [default: ray]")] = None,
    address: options.Address = None,
    output: Annotated[Text, typer.Option(help="Folder of the suite. [default: one below results/]")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with these options as keys; flags win.")] = None,
    allow: Annotated[list[str] | None, typer.Option(help="Audit finding that may not block; repeatable.")] = None,
    no_track: Annotated[bool, typer.Option("--no-track", help="Do not record the runs in MLflow.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
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
    from bench.text import printable

    def tell(sentence: str) -> None:
        if not switches["quiet"]:
            print(printable(sentence), file=sys.stderr)

    settings, switches = options.gathered(context.params, config, _SWITCHES)
    with Interrupts() as interrupts:
        finished = execute_suite(
            suite,
            settings,
            show=lambda title: progress_for(quiet=switches["quiet"], title=title),
            tell=tell,
            stop=interrupts.stop,
            command=shlex.join(["bench", *map(redacted, sys.argv[1:])]),
        )
    print_suite(finished, as_json=switches["json"])
    tell(f"table: {finished.folder / 'suite.csv'}")
    raise typer.Exit(interrupts.exit_code or (1 if finished.failed else 0))
