"""A task: what is predicted, from what, and how it is judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from bench.assumptions import kind_notes
from bench.dataset import Dataset, Schema
from bench.errors import DataError, RequestError, nearest
from bench.metric import Array, Metric, TaskKind, default_metric, fit_for, get_metric
from bench.target import Target, check_classes, class_note, columns_shown, find_kind, read_target

MIN_ROWS = 20
_RARE_SHARE = 0.2
_RARE_RATIO = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Features, target and metric, row by row.

    ``features`` is coerced to ``schema``. ``y`` holds class codes (int64) that index ``classes`` (labels as the data
    spells them: text, numbers, booleans; sorted, in a binary task with the positive class last), or values (float64).
    ``groups`` and ``time`` hold a code a row when asked for, later moments the higher one. ``given_test`` holds the
    rows that came from ``--test FILE``; they are the last ones. Arrays are read-only.
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

    @property
    def imbalanced(self) -> bool:
        """Whether classes are of unequal size; rows with sealed labels do not count.

        Of two, the rarer one holds less than a fifth of the rows; of several, the commonest five times the rarest.
        """
        if self.kind == "regression":
            return False
        counts = np.bincount(self.y[self.y >= 0], minlength=len(self.classes))
        if self.kind == "binary":
            return bool(counts.min() < _RARE_SHARE * counts.sum())
        return bool(counts.max() >= _RARE_RATIO * counts.min())

    def label(self, code: int) -> Any:
        """How the data spells a class."""
        return self.classes[code]

    def sealed(self, test_rows: Array) -> "Task":
        """Return the task with the labels of ``test_rows`` blotted out: -1, or NaN in regression."""
        y = self.y.copy()
        y[test_rows] = np.nan if self.kind == "regression" else -1
        return replace(self, y=_read_only(y))


def make_task(
    dataset: Dataset,
    *,
    target: str | None = None,
    metric: str | None = None,
    task: TaskKind | None = None,
    positive_class: str | None = None,
    group: str | None = None,
    time: str | None = None,
    test: Dataset | None = None,
) -> Task:
    """Decide what is predicted and how it is judged: flags first, then the dataset's card, then the target's values.

    What a card says of the target holds only while its target is the one predicted. Rows without a target are left
    out; those of ``test`` come last. Every decision that nobody asked for leaves a note that says how to overrule it.

    Raises:
        RequestError: a name or a combination of names does not fit the data.
        DataError: the target cannot be learned from these rows.
    """
    name = _target_name(dataset, target)
    card = dataset if name == dataset.target else replace(dataset, task=None, metric=None, positive_class=None)
    group, time = _division(dataset, name, group, time)
    train = read_target(dataset, name)
    if len(train.rows) < MIN_ROWS:
        got = len(train.rows)
        raise DataError(f"at least {MIN_ROWS} rows with a known target are needed, got {got}. Bring more rows.")
    wanted = metric or (card.metric if task in (None, card.task) else None)
    chosen = get_metric(wanted) if wanted else None
    kind, why = find_kind(train, task or card.task, chosen)
    chosen = chosen or default_metric(kind)
    fit_for(chosen, kind, dataset.name)
    check_classes(train, kind)
    given = read_target(test, name, like=train) if test is not None else None
    classes, class_notes = _classes(train, kind, positive_class, card.positive_class)
    parts = [train] if given is None else [train, given]
    y = np.concatenate([_y(part, kind, pl.Series(classes, dtype=train.values.dtype)) for part in parts])
    chosen.check_target(y)
    chosen.probe(y[: len(train.rows)], kind, classes)
    schema = _schema(dataset, [column for column in (name, group, time) if column])
    coerced = [schema.coerce(part.rows.select(c for c in part.rows.columns if c in schema.names)) for part in parts]
    large = (_large_note(y),) if kind == "regression" and np.abs(y).max() > 1e30 else ()
    return Task(
        kind=kind,
        kind_why=why,
        target=name,
        metric=chosen,
        features=pl.concat([frame for frame, _ in coerced]),
        schema=schema,
        y=_read_only(y),
        classes=classes,
        groups=_codes(parts, group, ordered=False),
        time=_codes(parts, time, ordered=True),
        given_test=_read_only(np.arange(len(train.rows), len(y))),
        notes=(
            *(note for part in parts for note in part.notes),
            *class_notes,
            *class_note(train, kind),
            *large,
            *kind_notes([c for c in dataset.columns if c.name not in (name, group, time)]),
            *_division_notes(group, time),
            *dict.fromkeys(note for _, notes in coerced for note in notes),
        ),
    )


def _read_only(array: Array) -> Array:
    """Lock an array that the task owns."""
    array.setflags(write=False)
    return array


def _require_column(dataset: Dataset, name: str, flag: str) -> None:
    """Check that a column named by a flag or a card exists."""
    names = dataset.frame.columns
    if name in dataset.dropped:
        raise RequestError(f"--drop must leave the column of {flag} in, got {name!r} for both. Leave one of them out.")
    if name not in names:
        shown = columns_shown(names)
        raise RequestError(f"{flag} must name a column, got {name!r}.{nearest(name, names)} The columns are: {shown}.")


def _target_name(dataset: Dataset, target: str | None) -> str:
    """The column to predict."""
    name = target or dataset.target
    if name is None:
        shown = columns_shown(dataset.frame.columns)
        raise RequestError(f"--target must name the column to predict, as no card does. The columns are: {shown}.")
    _require_column(dataset, name, "--target")
    return name


def _division(dataset: Dataset, target: str, group: str | None, time: str | None) -> tuple[str | None, str | None]:
    """Group and time column to divide rows by, of which there is at most one; a flag sets the card's aside."""
    if group is None and time is None:
        group, time = dataset.group, dataset.time
    if group and time:
        raise RequestError(
            f"rows are divided by a group or by time, got group {group!r} and time {time!r}. Choose one with --group "
            "or --time."
        )
    for flag, name in (("--group", group), ("--time", time)):
        if name:
            _require_column(dataset, name, flag)
        if name == target:
            raise RequestError(f"{flag} must name another column than the target, got {name!r} for both.")
    return group, time


def _division_notes(group: str | None, time: str | None) -> tuple[str, ...]:
    """Say that the column rows are divided by is no feature."""
    if group:
        return (f"column {group!r} tells the groups apart that stay together in a split; it is not used as a feature.",)
    if time:
        return (f"column {time!r} orders the rows for splits; it is not used as a feature.",)
    return ()


def _codes(parts: Sequence[Target], name: str | None, *, ordered: bool) -> Array | None:
    """Number the values of the group or time column; -1 in test rows that lack them, which no split ever divides."""
    if name is None:
        return None
    series = parts[0].rows[name]
    if ordered and not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        raise DataError(f"--time must name a column of numbers or dates, but {name!r} holds text: {series[0]!r:.40}.")
    if missing := series.null_count():
        flag = "--time" if ordered else "--group"
        raise DataError(
            f"{flag} column {name!r} must be known in every row, but {missing} rows lack it. Fill these in."
        )
    codes = series.rank("dense").to_numpy().astype(np.int64)
    unknown = np.full(sum(len(part.rows) for part in parts[1:]), -1)
    return _read_only(np.concatenate([codes, unknown]))


def _schema(dataset: Dataset, leave_out: list[str]) -> Schema:
    """The features, of which there must be one."""
    schema = dataset.schema(leave_out)
    if not schema.columns:
        reasons = ", ".join(f"{c.name!r} ({c.kind}: {c.why})" for c in dataset.columns if c.name not in leave_out)
        raise DataError(
            f"at least one usable feature is needed, but all features are constant, identifiers or of no usable type: "
            f"{reasons[:400] or 'there is no other column'}. Bring a column that varies and repeats."
        )
    return schema


def _classes(
    train: Target, kind: TaskKind, asked: str | None, by_card: str | None
) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Labels in order, the positive one of two last, and a note where nobody chose it."""
    if kind != "binary":
        if asked is not None:
            raise RequestError(f"--positive-class is for binary tasks; this one is {kind}. Leave --positive-class out.")
        return train.labels if kind == "multiclass" else (), ()
    wanted = asked if asked is not None else by_card
    if wanted is None:
        others = " and ".join(repr(label) for label in train.labels)
        return train.labels, (
            f"{train.labels[1]!r} is the positive class, as the second of {others}; --positive-class overrules this.",
        )
    hits = [label for label in train.labels if str(label) == wanted]
    hits = hits or [label for label in train.labels if str(label).casefold() == wanted.casefold()]
    if len(hits) != 1:
        spelled = [str(label) for label in train.labels]
        flag = "--positive-class" if asked is not None else "positive_class of the dataset's card"
        raise RequestError(
            f"{flag} must be a class, got {wanted!r}.{nearest(wanted, spelled)} The classes are: {', '.join(spelled)}."
        )
    return tuple(sorted(train.labels, key=lambda label: label == hits[0])), ()


def _y(part: Target, kind: TaskKind, classes: pl.Series) -> Array:
    """Codes or values of the rows.

    Raises:
        DataError: test rows hold labels that no training row has.
    """
    if kind == "regression":
        return part.values.to_numpy().astype(np.float64)
    numbers = pl.Series(range(len(classes)))
    codes = part.spelled.replace_strict(classes.cast(pl.String), numbers, default=None, return_dtype=pl.Int64)
    if codes.null_count():
        unseen = sorted(part.spelled.filter(codes.is_null()).unique())
        raise DataError(
            f"every class of --test must occur in the training rows, but these do not: {', '.join(unseen[:5])}. Leave "
            "their rows out of the test file."
        )
    return codes.to_numpy()


def _large_note(y: Array) -> str:
    """Warn of values whose squares overflow."""
    return (
        f"target values reach {np.abs(y).max():.1e}; squared errors of such values overflow or drown all others. Check "
        "these rows, or judge by mae or median_absolute_error."
    )
