"""``bench stop``: end a job of a Ray cluster."""

import sys
from typing import Annotated

import typer

from bench.cli import options


def stop(
    job: Annotated[str, typer.Argument(help="Name of the job: `bench status`.")],
    address: options.Dashboard = options.DASHBOARD,
) -> None:
    """End a job as an interrupt would: a run still writes a board of what it has finished."""
    from bench.adapters.ray_jobs import Jobs

    ended = Jobs(address).stop(job)
    print(f"job {job}: {ended.status.lower()}", file=sys.stderr)
