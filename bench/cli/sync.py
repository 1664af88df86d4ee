"""``bench sync``: into MLflow what is missing there of a run."""

from typing import Annotated

import typer

from bench.cli.tools import tell


def sync(
    runs: Annotated[
        list[str], typer.Argument(help="Folders of runs, or their addresses: s3://bucket/run.", metavar="RUN...")
    ],
    uri: Annotated[
        str | None,
        typer.Option(help="Address of the store. [default: MLFLOW_TRACKING_URI, or mlflow.db beside the run]"),
    ] = None,
) -> None:
    """Send to MLflow what is missing there of a run, once, from its folder alone.

    For runs whose store was out of reach, and for those made with --no-track. Exit code 1 when it still is.
    """
    from bench.mirror import held_folder
    from bench.secrets import redacted
    from bench.sync import sync as sync_run

    for run in runs:
        with held_folder(run) as folder:
            account = sync_run(folder, uri=uri)
        told = f"sent {', '.join(account.sent)}" if account.sent else "nothing was missing"
        tell(f"{redacted(run)}: {told}")
        print(account.location)
