"""Auditing small tables as `bench check` and `bench run` do."""

from typing import Any

import numpy as np
import polars as pl

from bench.audit import Audit, Finding, audit
from bench.dataset import load_dataset
from bench.split import make_splits
from bench.task import make_task


def look(columns: dict[str, Any], *, test_size: float = 0.0, test: dict[str, Any] | None = None, **asked: Any) -> Audit:
    """Audit a table with a column ``y``, to which one honest feature of noise is added."""
    n = len(columns["y"])
    noise = np.random.default_rng(1).normal(size=n)
    dataset = load_dataset(pl.DataFrame({"noise": noise, **columns}, strict=False))
    given = None
    if test is not None:
        given = load_dataset(pl.DataFrame({"noise": np.random.default_rng(2).normal(size=len(test["y"])), **test}))
    task = make_task(dataset, target="y", test=given, **asked)
    rows = make_splits(task, test_size=test_size, folds=None, seed=0).test
    return audit(task.sealed(rows), dataset, rows)


def found(report: Audit, code: str) -> Finding | None:
    """The finding with a code, of which there is at most one."""
    hits = [finding for finding in report.findings if finding.code == code]
    assert len(hits) < 2
    return hits[0] if hits else None


def need(report: Audit, code: str) -> Finding:
    """The finding with a code, said in whole sentences."""
    finding = found(report, code)
    assert finding is not None
    assert all(text.endswith(".") for text in (finding.message, finding.effect, finding.advice))
    return finding


def coin(n: int = 400) -> list[int]:
    """Two classes in turn."""
    return [i % 2 for i in range(n)]
