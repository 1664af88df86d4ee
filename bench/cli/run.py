"""``bench run``: from a dataset to a leaderboard."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options

Text = str | None

#: Flags that are no settings of a run, yet may stand in its file.
_SWITCHES = ("no_track", "json", "quiet", "trace")


def run(
    context: typer.Context,
    dataset: Annotated[Text, typer.Option(help="File, address (https, s3, sqlite, ...), built-in or card.")] = None,
    target: Annotated[Text, typer.Option(help="Column to predict. [default: the card's]")] = None,
    metric: Annotated[Text, typer.Option(help="Metric that orders the board, or module:function.")] = None,
    task: Annotated[Text, typer.Option(help="binary, multiclass or regression. [default: inferred]")] = None,
    positive_class: Annotated[Text, typer.Option(help="Label that counts as positive in a binary task.")] = None,
    preset: Annotated[
        Text, typer.Option(help="quick, standard, best, interpretable or fast-inference: `bench list presets`.")
    ] = None,
    budget: Annotated[Text, typer.Option(help="Wall clock of the command: 60s, 10m, 2h. [default: 5m]")] = None,
    trials: Annotated[int | None, typer.Option(help="Stop after so many candidates instead; reproducible.")] = None,
    families: Annotated[Text, typer.Option(help="Families to use (a,b), or to leave out (-c).")] = None,
    ensembles: Annotated[
        bool | None, typer.Option("--ensembles/--no-ensembles", help="Combine models. [default: yes]")
    ] = None,
    slowdown: Annotated[
        float | None,
        typer.Option(help="Times the best single model's predict time that an ensemble may take."),
    ] = None,
    refit: Annotated[
        bool | None,
        typer.Option("--refit", help="At the end, fit what predicts by default on all rows: `bench refit`."),
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validation folds. [default: from the rows]")] = None,
    test_size: Annotated[
        float | None,
        typer.Option(
            help="Share of rows sealed as test set; 0 learns from all. [default: 0.2, of 100,000 rows at most]"
        ),
    ] = None,
    test: Annotated[Text, typer.Option(help="File that is the test set.")] = None,
    group: Annotated[Text, typer.Option(help="Column whose groups are never split.")] = None,
    time: Annotated[Text, typer.Option(help="Column that orders rows: learn from the past, score the future.")] = None,
    gap: Annotated[float | None, typer.Option(help="With --time: distance kept between learning and scoring.")] = None,
    repeats: Annotated[int | None, typer.Option(help="How often the folds are dealt. [default: from the rows]")] = None,
    splits: Annotated[Text, typer.Option(help="Column, or file, that holds the folds to use.")] = None,
    max_rows: Annotated[int | None, typer.Option(help="Rows to use at most. [default: from the size]")] = None,
    kind: options.Kind = None,
    drop: options.Drop = None,
    sep: options.Sep = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    null: options.Null = None,
    bad_lines: options.BadLines = None,
    query: options.Query = None,
    offline: options.Offline = None,
    sampler: Annotated[Text, typer.Option(help="tpe, random or grid. [default: tpe]")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness. [default: 0]")] = None,
    cpus: Annotated[int | None, typer.Option(help="CPUs to use. [default: all]")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs to use. [default: all]")] = None,
    memory: Annotated[Text, typer.Option(help="Memory to use: 4GiB, 4GB. [default: all]")] = None,
    engine: Annotated[Text, typer.Option(help="ray, tune or local. [default: ray]")] = None,
    address: options.Address = None,
    output: Annotated[Text, typer.Option(help="Folder of the run. [default: one below results/]")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with these options as keys; flags win.")] = None,
    allow: Annotated[list[str] | None, typer.Option(help="Audit finding that may not block; repeatable.")] = None,
    no_track: Annotated[bool, typer.Option("--no-track", help="Do not record the run in MLflow.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the board as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Write trace.json, for chrome://tracing or Perfetto.")] = False,
) -> None:
    """Run baselines, trees and nets on a dataset; search, ensemble, and print the leaderboard.

    The same command again goes on where it was left: with what is left of the budget, or further with a larger one.
    """
    from bench.cli.interrupts import Interrupts
    from bench.cli.show import print_board, print_outcome
    from bench.cli.terminal import progress_for
    from bench.processes import process_seconds
    from bench.secrets import redacted
    from bench.session import Clock
    from bench.spec import make_spec
    from bench.start import execute
    from bench.trace import write_trace

    settings, switches = options.gathered(context.params, config, _SWITCHES)
    spec = make_spec(**settings)
    with Interrupts() as interrupts, progress_for(quiet=switches["quiet"]) as progress:
        finished = execute(
            spec,
            progress=progress,
            stop=interrupts.stop,
            clock=Clock(before=process_seconds()),
            command=shlex.join(["bench", *map(redacted, sys.argv[1:])]),
        )
    print_board(finished.board, as_json=switches["json"])
    if not switches["quiet"]:
        print_outcome(finished, spec.output)
    if switches["trace"]:
        print(write_trace(finished.folder).to_text(), file=sys.stderr)
    raise typer.Exit(interrupts.exit_code)
