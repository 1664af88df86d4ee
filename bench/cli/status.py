"""``bench status``: the jobs of a Ray cluster."""

import time
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.jobs import follow


def status(
    job: Annotated[str | None, typer.Argument(help="Name of one job. [default: all]")] = None,
    address: options.Dashboard = options.DASHBOARD,
    follow_: Annotated[bool, typer.Option("--follow", help="Print a job's log, and exit with its code.")] = False,
) -> None:
    """List the jobs of a cluster, or tell how one is doing."""
    from bench.adapters.ray_jobs import Jobs
    from bench.cli.tools import ago, print_table

    jobs = Jobs(address)
    if follow_:
        if job is None:
            raise typer.BadParameter("--follow needs the name of a job.")
        follow(jobs, job)
    rows = []
    for found in jobs.list() if job is None else [jobs.find(job)]:
        began = found.began or time.time()
        minutes = f"{((found.ended or time.time()) - began) / 60:.1f}"
        code = str(found.exit_code) if found.is_over else ""
        rows.append([found.name, found.status.lower(), code, ago(began), minutes, found.command])
    print_table(["job", "status", "exit code", "began", "minutes", "command"], rows)
    if job is not None and found.message:
        print(found.message)
