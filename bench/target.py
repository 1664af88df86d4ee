"""The target column: which rows know it, what its labels are, and what kind of task it makes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.dataset import Dataset
from bench.errors import DataError, RequestError
from bench.metric import Array, Metric, TaskKind

MAX_LABELS_OF_NUMBERS = 20
MANY_CLASSES = 1000
COLUMNS_SHOWN = 20
_EXACT_FLOAT = 2.0**53
#: Spellings that a tool writes for the same truth.
_TRUTHS = {"1": "true", "1.0": "true", "0": "false", "0.0": "false"}
_OVERRULE = "--task overrules this"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Rows of a dataset with a known target.

    ``table`` holds all rows, ``rows`` the numbers of those with a target. ``values`` is their target in its own type:
    Boolean, String, Float64, or integers, which floats become where all of them are whole. ``labels`` holds its
    distinct values in order.
    """

    name: str
    table: pl.DataFrame
    rows: Array
    values: pl.Series
    labels: pl.Series
    notes: tuple[str, ...]

    @property
    def spelled(self) -> pl.Series:
        """The values as text, by which labels of two files are compared."""
        return self.values.cast(pl.String)

    @property
    def whole(self) -> bool:
        """Whether the target holds whole numbers."""
        return self.values.dtype.is_integer()


def columns_shown(names: Sequence[str]) -> str:
    """Join the first column names for a message."""
    return ", ".join(names[:COLUMNS_SHOWN]) + (", ..." if len(names) > COLUMNS_SHOWN else "")


def read_target(dataset: Dataset, name: str, *, like: Target | None = None) -> Target:
    """Keep the rows of which the target is known and finite.

    ``like`` is the target of the training rows when ``dataset`` is a test file, whose numbers must then be numbers.

    Raises:
        DataError: the column is absent, mostly missing or of a type that cannot be predicted.
    """
    where = "the training data" if like is None else "--test"
    if name not in dataset.frame.columns:
        shown = columns_shown(dataset.frame.columns)
        raise DataError(f"{where} must hold the target column {name!r}. The columns are: {shown}.")
    values = _plain(dataset.frame[name], where)
    finite = values.is_not_null()
    if values.dtype == pl.Float64:
        finite &= values.is_finite().fill_null(False)
    lost = len(values) - int(finite.sum())
    if 2 * lost > len(values) or values.is_empty():
        raise DataError(
            f"the target must be known in at least half of the rows, but {lost} of {len(values)} rows of {where} lack "
            f"{name!r}. Choose another --target, or leave these rows out."
        )
    note = f"{lost} of {len(values)} rows of {where} are left out, as their target is missing or infinite."
    values = _whole_if_possible(values.filter(finite))
    if like is not None and values.dtype == pl.String != like.values.dtype:
        raise DataError(f"target {name!r} of --test must hold numbers as in the training rows, got {values[0]!r:.40}.")
    return Target(
        name=name,
        table=dataset.frame,
        rows=np.flatnonzero(finite.to_numpy()),
        values=values,
        labels=values.unique().sort(),
        notes=(note,) if lost else (),
    )


def _plain(values: pl.Series, where: str) -> pl.Series:
    """Bring a column to Boolean, String, Float64 or its own integer type."""
    if values.dtype == pl.Boolean or values.dtype.is_integer():
        return values
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return values.cast(pl.Float64)
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return values.cast(pl.String)
    raise DataError(
        f"a target must hold numbers, text or booleans, but {values.name!r} of {where} is {values.dtype}. Choose "
        "another --target, or convert it first."
    )


def _whole_if_possible(values: pl.Series) -> pl.Series:
    """Read 0.0 and 1.0 as 0 and 1 where no value has a fractional part."""
    if values.dtype != pl.Float64:
        return values
    if ((values == values.floor()) & (values.abs() < _EXACT_FLOAT)).all():
        return values.cast(pl.Int64)
    return values


def find_kind(target: Target, asked: str | None, metric: Metric | None) -> tuple[TaskKind, str]:
    """Decide the kind of task, and say why in a sentence that names what overrules it.

    Raises:
        RequestError: the target cannot make the kind of task that was asked for.
        DataError: the target holds one value only.
    """
    count = len(target.labels)
    if count < 2:
        raise DataError(
            f"the target must vary, but {target.name!r} holds only {target.labels[0]!r} in all {len(target.values)} "
            "rows. Choose another --target."
        )
    if asked is not None:
        return _asked_kind(target, asked), f"{asked}, as asked for."
    classes: TaskKind = "binary" if count == 2 else "multiclass"
    if not target.values.dtype.is_numeric():
        return classes, f"{classes}, since {target.name!r} holds {count} labels ({_OVERRULE})."
    if not target.whole:
        return "regression", f"regression, since {target.name!r} holds numbers with fractional parts ({_OVERRULE})."
    if metric is not None and metric.tasks == {"regression"}:
        return "regression", f"regression, since metric {metric.name!r} judges numbers ({_OVERRULE})."
    if metric is not None and "regression" not in metric.tasks:
        return classes, f"{classes}, since metric {metric.name!r} judges classes ({_OVERRULE})."
    if count == 2:
        return "binary", f"binary, since {target.name!r} holds 2 whole numbers ({_OVERRULE})."
    counted = target.labels[0] == 0 and target.labels[-1] == count - 1
    if count <= MAX_LABELS_OF_NUMBERS and (counted or 20 * count < len(target.values)):
        return "multiclass", f"multiclass, since {target.name!r} holds only {count} whole numbers ({_OVERRULE})."
    return "regression", f"regression, since {target.name!r} holds {count} whole numbers ({_OVERRULE})."


def _asked_kind(target: Target, asked: str) -> TaskKind:
    """Check that the target can make the kind of task that was asked for."""
    count = len(target.labels)
    if asked == "regression":
        if target.values.dtype == pl.String:
            raise RequestError(
                f"--task regression needs a numeric target, but {target.name!r} holds text such as "
                f"{target.values[0]!r:.40}. Use --task {'binary' if count == 2 else 'multiclass'}."
            )
        return "regression"
    if asked == "binary":
        if count != 2:
            raise RequestError(
                f"--task binary needs a target of 2 classes, but {target.name!r} holds {count}. Use --task multiclass."
            )
        return "binary"
    if asked == "multiclass":
        if count == 2:
            raise RequestError(
                f"--task multiclass needs 3 classes or more, but {target.name!r} holds 2. Use --task binary."
            )
        return "multiclass"
    raise RequestError(f"--task must be one of binary, multiclass, regression, got {asked!r}.")


def check_classes(target: Target, kind: TaskKind) -> None:
    """Refuse classes that hardly ever repeat.

    Raises:
        DataError: more than half of the rows have a label of their own.
    """
    count, rows = len(target.labels), len(target.values)
    if kind == "regression" or 2 * count <= rows:
        return
    cure = "Use --task regression." if target.values.dtype.is_numeric() else "Choose another --target."
    raise DataError(
        f"classes must repeat to be learned, but {target.name!r} holds {count} distinct values in {rows} rows. {cure}"
    )


def class_note(target: Target, kind: TaskKind) -> tuple[str, ...]:
    """Warn of very many classes, and of classes that look like one class spelled in several ways."""
    if kind == "regression":
        return ()
    count = len(target.labels)
    many = f"{target.name!r} holds {count} classes; fits take time and memory in proportion, and most classes are rare."
    return (*((many,) if count > MANY_CLASSES else ()), *_twins(target))


def _twins(target: Target) -> tuple[str, ...]:
    """Say which labels differ only in case or blanks, or are a number and a word for the same truth."""
    if target.values.dtype != pl.String:
        return ()
    alike: dict[str, list[str]] = {}
    for label in target.labels:
        alike.setdefault(_TRUTHS.get(label.strip().casefold(), label.strip().casefold()), []).append(label)
    twins = [spellings for spellings in alike.values() if len(spellings) > 1]
    if not twins:
        return ()
    shown = "; ".join(", ".join(f"{label!r:.40}" for label in spellings) for spellings in twins[:3])
    return (
        f"labels of {target.name!r} look like one class in several spellings, but count as classes of their own: "
        f"{shown}. Mend them in the data where they mean the same.",
    )
