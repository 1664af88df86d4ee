"""What the verbs that look after jobs share."""

import shlex
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from bench.cli.interrupts import insisting

if TYPE_CHECKING:
    from bench.adapters.ray_jobs import Jobs


def follow(jobs: "Jobs", name: str) -> NoReturn:
    """Print what a job prints until it is over, and exit with its code; an interrupt leaves it running."""
    try:
        with insisting():
            job = jobs.follow(name, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        there = shlex.join([name, "--address", jobs.shown])
        print(f"\nthe job goes on. To see it: bench status {there} --follow", file=sys.stderr)
        print(f"to end it: bench stop {there}", file=sys.stderr)
        raise typer.Exit(130) from None
    if job.returned is None and job.message:
        print(job.message, file=sys.stderr)
    print(f"job {name}: {job.status.lower()}", file=sys.stderr)
    raise typer.Exit(job.exit_code)
