"""The audit: what is wrong with the data, found before any model is built.

A check is a function of a `View` that yields findings whose code is its name; to add one, write it, list it in
``CHECKS`` and describe it in ``CODES``. Only development rows are looked at, and of the sealed test rows the features.
"""

from collections.abc import Callable, Iterator

from bench.audit.columns import (
    constant_columns,
    duplicate_columns,
    high_cardinality,
    id_columns,
    infinite_values,
    missing_values,
    mixed_types,
)
from bench.audit.finding import CODES, Audit, Finding, Severity
from bench.audit.leakage import target_leakage
from bench.audit.noise import label_noise
from bench.audit.rows import duplicate_rows, train_test_overlap
from bench.audit.target import class_imbalance, near_constant_target, rare_classes
from bench.audit.view import View, make_view
from bench.dataset import Dataset
from bench.metric import Array
from bench.task import Task

__all__ = ["CHECKS", "CODES", "Audit", "Finding", "Severity", "audit", "label_noise"]

#: Every check that needs no model, in the order of the report.
CHECKS: tuple[Callable[[View], Iterator[Finding]], ...] = (
    target_leakage,
    train_test_overlap,
    duplicate_rows,
    near_constant_target,
    class_imbalance,
    rare_classes,
    missing_values,
    infinite_values,
    mixed_types,
    id_columns,
    constant_columns,
    duplicate_columns,
    high_cardinality,
)


def audit(task: Task, dataset: Dataset, test_rows: Array) -> Audit:
    """Look over a task whose test labels are blotted out already; heavy checks see at most 50,000 rows."""
    view = make_view(task, dataset, test_rows)
    return Audit(findings=tuple(finding for check in CHECKS for finding in check(view)))
