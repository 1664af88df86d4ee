"""A client of MLflow that prints nothing, asks nobody and gives up soon."""

import logging
import os
import shlex
import warnings
from pathlib import Path
from typing import Any

from bench.secrets import redacted

#: Read by mlflow when it is imported and at every request; what the user has set holds.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}
#: Seconds that a request may take where nobody is kept waiting by it.
_PATIENCE = "20"
#: Name of the threads that record runs.
THREAD = "bench-mlflow"
_TALKATIVE = ("mlflow", "alembic", "sqlalchemy", "urllib3")


def store_uri(folder: Path) -> str:
    """Address of the store for a run folder: ``MLFLOW_TRACKING_URI``, else a SQLite file beside the folder."""
    if given := os.environ.get("MLFLOW_TRACKING_URI"):
        return given
    path = str(folder.resolve().parent / "mlflow.db")
    # An SQLAlchemy address is percent-decoded, and its path ends at a question mark.
    return "sqlite:///" + path.replace("%", "%25").replace("?", "%3F")


def is_remote(uri: str) -> bool:
    """Whether the address is a server's, which has its own place for artifacts and its own pages."""
    return uri.startswith(("http://", "https://", "databricks"))


def how_to_see(uri: str, experiment_id: str, run_id: str) -> str:
    """Say where a run can be looked at: its page, or the command that shows a local store."""
    if is_remote(uri):
        return f"{redacted(uri).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
    return f"mlflow ui --backend-store-uri {shlex.quote(redacted(uri))}"


def connect(uri: str, *, patient: bool = False) -> Any:
    """Import mlflow (seconds) and make a client for ``uri``; what it logs in the thread `THREAD` is not shown."""
    environment = _ENVIRONMENT | ({"MLFLOW_HTTP_REQUEST_TIMEOUT": _PATIENCE} if patient else {})
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    for name in _TALKATIVE:
        warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")
    from mlflow import MlflowClient

    # It warns of every attempt, and its loggers have no handler of their own.
    logging.getLogger("urllib3.connectionpool").addFilter(_is_shown)
    for name in _TALKATIVE:
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(_is_shown)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _is_shown(record: logging.LogRecord) -> bool:
    """Pass over what these libraries log in our thread alone: used elsewhere in the process they are as they were."""
    return record.threadName != THREAD or record.name.partition(".")[0] not in _TALKATIVE
