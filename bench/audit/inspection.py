"""``bench check`` without its printing: load, make the task, audit; and what is known of data as plain values."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.audit import audit
from bench.audit.finding import Audit
from bench.cap import make_cap
from bench.dataset import Dataset, load_dataset
from bench.spec import RunSpec
from bench.task import Task, make_task


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A dataset, what is predicted from it, and what the audit found; labels of a test file are blotted out."""

    dataset: Dataset
    task: Task
    audit: Audit


def inspect(spec: RunSpec, data: Any = None) -> Inspection:
    """Audit what a request names; ``data`` is a frame that takes the place of ``spec.dataset``.

    Raises:
        BenchError: see `bench.errors`.
    """
    dataset = load_dataset(
        spec.dataset if data is None else data, options=spec.reading, kinds=spec.kinds, drop=spec.drop
    )
    test = load_dataset(spec.test, options=spec.reading, like=dataset) if spec.test else None
    cap = make_cap(dataset.frame.width, max_rows=spec.max_rows, test_size=spec.test_size)
    task = make_task(dataset, test=test, cap=cap, **spec.of_task)
    dataset = dataset.narrowed(task.own_rows)
    task = task.sealed(task.given_test)
    return Inspection(dataset=dataset, task=task, audit=audit(task, dataset, task.given_test))


def describe(dataset: Dataset, task: Task) -> dict[str, Any]:
    """What was read, what is predicted from it, and every column, as plain values for JSON."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "n_rows": task.n_rows,
        "n_features": task.features.width,
        "target": task.target,
        "task": task.kind,
        "task_why": task.kind_why,
        "metric": task.metric.name,
        "greater_is_better": task.metric.greater_is_better,
        "classes": [str(label) for label in task.classes],
        "labels": list(task.classes),
        "columns": [
            {name: getattr(c, name) for name in ("name", "kind", "dtype", "why", "n_missing", "n_unique")}
            for c in dataset.columns
        ],
        "notes": [*dataset.notes, *task.notes],
        **_target_summary(task),
    }


def _target_summary(task: Task) -> dict[str, Any]:
    """Quantiles of the known targets, or how many rows each class has."""
    if task.kind == "regression":
        quantiles = {"min": 0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "max": 1}
        return {"target_summary": {name: float(np.nanquantile(task.y, q)) for name, q in quantiles.items()}}
    counts = np.bincount(task.y[task.y >= 0], minlength=len(task.classes))
    return {"class_counts": {str(label): int(n) for label, n in zip(task.classes, counts, strict=True)}}
