"""Sending to MLflow what is missing there of a run, from its folder alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.adapters.mlflow import Account, Outcome, record
from bench.adapters.mlflow_client import store_uri
from bench.adapters.mlflow_run import RunWriter
from bench.errors import StoreError, TrackingError
from bench.journal import read_results
from bench.leaderboard import load_leaderboard
from bench.secrets import redacted
from bench.session import parameters
from bench.spec import make_spec, read_config
from bench.split import load_splits
from bench.store import DONE, hold, read_events, read_json


def sync(folder: Path, *, uri: str | None = None) -> Account:
    """Record in MLflow what is missing there of a run: all of it, where it was never recorded.

    Args:
        folder: the run folder, which remembers where it was recorded.
        uri: address of the store; as of a run (see `store_uri`), when None.

    Raises:
        StoreError: it is no folder of a run whose search has begun, or another process works in it.
        TrackingError: the store cannot be reached, or did not take everything; what it took stays there.
    """
    folder = folder.resolve()
    events = list(read_events(folder))
    if not events:
        raise StoreError(f"{folder} must be the folder of a run whose search has begun. `bench list runs` shows some.")
    uri = uri or store_uri(folder)
    with hold(folder, read_json(folder / "identity.json")["identity"]):
        described = read_json(folder / "dataset.json")
        writer = RunWriter(
            folder=folder,
            name=described["name"],
            params=parameters(make_spec(**read_config(folder / "spec.yaml")), described),
            uri=uri,
            begun=events[0]["at"],
        )
        asked = len(load_splits(folder / "splits.npz").folds)
        account = record(writer, read_results(events, asked), _outcome(folder, events))
    if account.lacks:
        sent = f" It took {', '.join(account.sent)}." if account.sent else ""
        raise TrackingError(
            f"MLflow at {redacted(uri)} must take all of the run, and still lacks {', '.join(account.lacks)}: "
            f"{account.why}.{sent} The same command goes on."
        )
    return account


def _outcome(folder: Path, events: Sequence[Mapping[str, Any]]) -> Outcome:
    """How the run ended, and when: without a board it was killed, with none but failures on it, it failed."""
    board = load_leaderboard(folder) if (folder / "leaderboard.json").exists() else None
    if (folder / DONE).exists():
        status = "FINISHED"
    else:
        status = "FAILED" if board is not None and board.best is None else "KILLED"
    return Outcome(status=status, metrics=board.figures if board else {}, at=events[-1]["at"])
