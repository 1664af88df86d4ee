"""A task: what is predicted, from what, and how it is judged."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from bench.dataset import Schema
from bench.metric import Array, Metric, TaskKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Features, target and metric, row by row.

    ``features`` is coerced to ``schema``. ``y`` holds class codes (int64) that index ``classes`` (labels as the data
    spells them: text, whole numbers, booleans; sorted, in a binary task with the positive class last), or values
    (float64). ``groups`` and ``time`` hold a code or a sortable number a row when asked for. ``given_test`` holds the
    rows that came from ``--test FILE``.
    """

    kind: TaskKind
    kind_why: str
    target: str
    metric: Metric
    features: pl.DataFrame
    schema: Schema
    y: Array
    classes: tuple[Any, ...] = ()
    groups: Array | None = None
    time: Array | None = None
    given_test: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows, those of a test set included."""
        return len(self.y)

    def sealed(self, test_rows: Array) -> "Task":
        """Return the task with the labels of ``test_rows`` blotted out: -1, or NaN in regression."""
        y = self.y.copy()
        y[test_rows] = np.nan if self.kind == "regression" else -1
        y.setflags(write=False)
        return replace(self, y=y)
