"""An AutoML benchmarking harness for tabular data: from a dataset to a leaderboard that can be trusted.

    import bench

    run = bench.run(dataset="breast_cancer", metric="roc_auc", budget="60s")
    run.leaderboard

Nothing heavy is imported before it is used.
"""

from typing import TYPE_CHECKING, Any

from bench.errors import AuditBlockedError, BenchError, DataError, RequestError, RunFailedError, StoreError

if TYPE_CHECKING:
    from bench.api import check, run, run_suite
    from bench.audit import Audit
    from bench.dataset import Dataset, load_dataset
    from bench.leaderboard import Leaderboard
    from bench.predictor import Predictor, load_predictor
    from bench.result import Run, load_run
    from bench.suite_run import SuiteRun

__all__ = [
    "Audit",
    "AuditBlockedError",
    "BenchError",
    "DataError",
    "Dataset",
    "Leaderboard",
    "Predictor",
    "RequestError",
    "Run",
    "RunFailedError",
    "StoreError",
    "SuiteRun",
    "check",
    "load_dataset",
    "load_predictor",
    "load_run",
    "run",
    "run_suite",
]

_HOMES = {
    "Audit": "bench.audit",
    "Dataset": "bench.dataset",
    "Leaderboard": "bench.leaderboard",
    "Predictor": "bench.predictor",
    "Run": "bench.result",
    "SuiteRun": "bench.suite_run",
    "check": "bench.api",
    "load_dataset": "bench.dataset",
    "load_predictor": "bench.predictor",
    "load_run": "bench.result",
    "run": "bench.api",
    "run_suite": "bench.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
