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
from bench.audit.drift import test_shift, time_drift
from bench.audit.finding import CODES, Audit, Finding, Severity
from bench.audit.groups import straddling_groups
from bench.audit.leakage import id_leakage, missingness_leakage, row_order, target_aggregate, target_leakage
from bench.audit.noise import label_noise
from bench.audit.outliers import outliers, sentinel_values
from bench.audit.overview import Overview, make_overview
from bench.audit.rows import duplicate_rows, near_duplicates, train_test_overlap
from bench.audit.target import class_imbalance, near_constant_target, rare_classes
from bench.audit.view import View, make_view
from bench.dataset import Dataset
from bench.metric import Array
from bench.task import Task

__all__ = ["CHECKS", "CODES", "Audit", "Finding", "Overview", "Severity", "audit", "label_noise"]

#: Every check that needs no model of the target, in the order of the report.
CHECKS: tuple[Callable[[View], Iterator[Finding]], ...] = (
    target_leakage,
    target_aggregate,
    missingness_leakage,
    id_leakage,
    row_order,
    straddling_groups,
    test_shift,
    time_drift,
    train_test_overlap,
    near_duplicates,
    duplicate_rows,
    near_constant_target,
    class_imbalance,
    rare_classes,
    missing_values,
    sentinel_values,
    outliers,
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
    findings = tuple(finding for check in CHECKS for finding in check(view))
    return Audit(findings=findings, overview=make_overview(view))
