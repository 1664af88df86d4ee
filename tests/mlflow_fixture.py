"""A run folder beside an MLflow store, trials to record in it, and what was recorded."""

import shutil

import pytest

from bench.adapters.mlflow import MlflowTracker
from bench.adapters.mlflow_client import store_uri
from bench.candidate import Candidate
from bench.trial import FoldResult, TrialResult

#: mlflow and the libraries below it warn of their own affairs when imported and used from a test's own thread.
QUIET = [pytest.mark.filterwarnings(f"ignore:::{name}") for name in ("mlflow", "alembic", "sqlalchemy")]
PARAMS = {"dataset": "adult", "metric": "roc_auc", "budget": 60.0}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """Create a database once; making its tables takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def folder(tmp_path, empty_store, monkeypatch):
    """Make a run folder beside an empty store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "adult-1"
    folder.mkdir(parents=True)
    shutil.copy(empty_store, folder.parent / "mlflow.db")
    return folder


def client_of(folder):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store_uri(folder))


def trial(number=0, *, scores=(0.9, 0.8), status="ok", asked=None, reason="", **params):
    trial_id = f"trial{number}"
    folds = tuple(
        FoldResult(
            trial_id=trial_id,
            fold=fold,
            status="ok",
            score=score,
            scores={"roc_auc": score, "log_loss": 1 - score},
            fit_seconds=2.0,
            predict_seconds=0.5,
            peak_memory_mb=100.0 + fold,
            finished_at=1_000_000.0 + 10 * fold,
        )
        for fold, score in enumerate(scores)
    )
    candidate = Candidate(
        trial_id=trial_id, family="lightgbm", params=params, origin="default", number=number, seed=number
    )
    return TrialResult(candidate=candidate, folds=folds, asked=asked or len(scores), status=status, reason=reason)


def record(folder, trials=(), *, params=PARAMS, status="FINISHED", metrics=None, seconds=30.0):
    tracker = MlflowTracker()
    tracker.start(folder, "adult-1", params)
    for result in trials:
        tracker.trial(result)
    return tracker.finish(folder, status=status, metrics=metrics or {}, seconds=seconds)


def runs_of(folder, experiment="bench/adult/roc_auc"):
    client = client_of(folder)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = {run.data.tags["bench.trial_id"]: run for run in found if "mlflow.parentRunId" in run.data.tags}
    return parents, children
