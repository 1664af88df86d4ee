"""``bench submit``: a command as a job of a Ray cluster."""

import sys
from typing import Annotated, Any

import typer

from bench.cli import options
from bench.cli.jobs import follow


def submit(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(help="A command of bench and its options, after --: -- run --dataset adult.")
    ],
    address: options.Dashboard = options.DASHBOARD,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow the job; print its name.")] = False,
) -> None:
    """Hand a run to a cluster as a Ray job, and follow it; exit code: the job's.

    It is carried out on the head node, by the bench that is installed there, over the whole cluster: data and output
    must be where the cluster reaches them. An interrupt leaves the job running.
    """
    from bench.adapters.ray_jobs import Jobs

    jobs = Jobs(address)
    name = jobs.submit(["bench", *command, *_missing(context, command)])
    if detach:
        print(name)
        return
    print(f"job {name} is submitted; --detach would not follow it.", file=sys.stderr)
    follow(jobs, name)


def _missing(context: typer.Context, words: list[str]) -> list[str]:
    """Check a command as it would be checked here; gives what it needs to use the cluster that it will be part of."""
    verb: Any = context.find_root().command
    while commands := getattr(verb, "commands", None):
        if not words or words[0] not in commands:
            raise typer.BadParameter(f"a command of bench must follow --, such as run; got {' '.join(words[:1])!r}.")
        verb, words = commands[words[0]], words[1:]
    asked = verb.make_context(verb.name, list(words), parent=context.find_root()).params
    alone = asked.get("address", "") is not None or asked.get("engine") == "local"
    return [] if alone else ["--address", "auto"]
