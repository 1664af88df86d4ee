"""``bench run``: from a dataset to a leaderboard."""

import shlex
import sys

import typer

from bench.cli import options

#: Flags that are no settings of a run, yet may stand in its file.
_SWITCHES = ("no_track", "json", "quiet", "trace")


def run(
    context: typer.Context,
    dataset: options.Dataset = None,
    target: options.Target = None,
    metric: options.Metric = None,
    task: options.Task = None,
    positive_class: options.PositiveClass = None,
    preset: options.Preset = None,
    budget: options.Budget = None,
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
    splits: options.Splits = None,
    test_size: options.TestSize = None,
    test: options.Test = None,
    group: options.Group = None,
    time: options.Time = None,
    gap: options.Gap = None,
    max_rows: options.MaxRows = None,
    kind: options.Kind = None,
    drop: options.Drop = None,
    sep: options.Sep = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    null: options.Null = None,
    bad_lines: options.BadLines = None,
    query: options.Query = None,
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
    trace: options.Trace = False,
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
