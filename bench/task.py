"""A task: what is predicted, from what, and how it is judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from bench.assumptions import kind_notes
from bench.cap import Cap, sample_rows
from bench.dataset import Dataset, Schema
from bench.division import read_division, require_column
from bench.errors import DataError, RequestError, nearest
from bench.given_splits import narrowed
from bench.metric import Array, Metric, TaskKind, default_metric, fit_for, get_metric
from bench.sources.base import GivenSplits
from bench.target import Target, check_classes, class_note, columns_shown, find_kind, read_target

MIN_ROWS = 20
_RARE_SHARE = 0.2
_RARE_RATIO = 5
_LARGE_VALUE = 1e30


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Features, target and metric, row by row.

    ``features`` is coerced to ``schema``. ``y`` holds class codes (int64) that index ``classes`` (labels as the data
    spells them: text, numbers, booleans; sorted, in a binary task with the positive class last), or values (float64).
    ``groups`` holds a code a row and ``time`` its moment when asked for: microseconds of dates, numbers as they are;
    ``gap`` is a distance of moments, ``gap_told`` how it was asked for. ``given_test`` holds the rows that came from
    ``--test FILE``; they are the last ones. ``given`` are splits that came with the data, ``given_asked`` whether the
    request named them. ``rows`` numbers the rows in the table as read, -1 for those of the test file. Arrays are
    read-only.
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
    gap: float = 0.0
    gap_told: str = ""
    given: GivenSplits | None = None
    given_asked: bool = False
    given_test: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rows: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows, those of a test set included."""
        return len(self.y)

    @property
    def own_rows(self) -> Array:
        """Where the rows that are not of a given test file stand in the table as read; ascending."""
        return self.rows[self.rows >= 0]

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
    gap: float | None = None,
    splits: str | None = None,
    test: Dataset | None = None,
    cap: Cap | None = None,
) -> Task:
    """Decide what is predicted and how it is judged: flags first, then the dataset's card, then the target's values.

    What a card says of the target holds only while its target is the one predicted. Rows without a target are left
    out, as are those beyond ``cap``; those of ``test`` come last. Every decision that nobody asked for leaves a note
    that says how to overrule it.

    Raises:
        RequestError: a name or a combination of names does not fit the data.
        DataError: the target cannot be learned from these rows.
    """
    name = _target_name(dataset, target)
    card = dataset if name == dataset.target else replace(dataset, task=None, metric=None, positive_class=None)
    division = read_division(dataset, name, group=group, time=time, gap=gap, splits=splits)
    train = _known_rows(dataset, name)
    kind, why, chosen = _judged(card, train, task, metric)
    given = read_target(test, name, like=train) if test is not None else None
    classes, class_notes = _classes(train, kind, positive_class, card.positive_class)
    parts = (train,) if given is None else (train, given)
    labels = pl.Series(classes, dtype=train.values.dtype)
    ys = [_y(part, kind, labels) for part in parts]
    for y in ys:
        chosen.check_target(y)
    schema = _schema(dataset, [name, *division.columns])
    groups, moments = (read(train.table, train.rows) for read in (division.groups, division.moments))
    divided = None if division.given is None else narrowed(division.given, train.rows)
    kept = _kept(kind, ys, groups, moments, divided, cap)
    features, coerced = _features(parts, schema, kept)
    y = np.concatenate([values[rows] for values, rows in zip(ys, kept, strict=True)])
    n_train = len(kept[0])
    chosen.probe(y[:n_train], kind, classes)
    distance, told = division.distance(dataset.frame)

    def with_test(array: Array) -> Array:
        return _read_only(np.concatenate([array[kept[0]], np.full(len(y) - n_train, -1)]))

    return Task(
        kind=kind,
        kind_why=why,
        target=name,
        metric=chosen,
        features=features,
        schema=schema,
        y=_read_only(y),
        classes=classes,
        groups=None if groups is None else with_test(groups),
        time=None if moments is None else with_test(moments),
        gap=distance,
        gap_told=told,
        given=None if divided is None else narrowed(divided, kept[0]),
        given_asked=splits is not None,
        given_test=_read_only(np.arange(n_train, len(y))),
        rows=with_test(train.rows),
        notes=(
            *(note for part in parts for note in part.notes),
            *class_notes,
            *class_note(train, kind),
            *_large_notes(kind, y),
            *kind_notes([c for c in dataset.columns if c.name not in (name, *division.columns)]),
            *division.notes,
            *_cap_notes(ys, kept),
            *coerced,
        ),
    )


def _known_rows(dataset: Dataset, name: str) -> Target:
    """The rows of which the target is known, of which there must be enough."""
    train = read_target(dataset, name)
    if len(train.rows) < MIN_ROWS:
        got = len(train.rows)
        raise DataError(f"at least {MIN_ROWS} rows with a known target are needed, got {got}. Bring more rows.")
    return train


def _judged(card: Dataset, train: Target, task: TaskKind | None, metric: str | None) -> tuple[TaskKind, str, Metric]:
    """The kind of task, why it is that, and the metric: as asked for, as the card says, as the values suggest."""
    wanted = metric or (card.metric if task in (None, card.task) else None)
    chosen = get_metric(wanted) if wanted else None
    kind, why = find_kind(train, task or card.task, chosen)
    if task is None and card.task is not None:
        why = f"{kind}, as the dataset's card says (--task overrules this)."
    chosen = chosen or default_metric(kind)
    fit_for(chosen, kind, card.name)
    check_classes(train, kind)
    return kind, why, chosen


def _read_only(array: Array) -> Array:
    """Lock an array that the task owns."""
    array.setflags(write=False)
    return array


def _target_name(dataset: Dataset, target: str | None) -> str:
    """The column to predict."""
    name = target or dataset.target
    if name is None:
        shown = columns_shown(dataset.frame.columns)
        raise RequestError(f"--target must name the column to predict, as no card does. The columns are: {shown}.")
    require_column(dataset, name, "--target")
    return name


def _kept(
    kind: TaskKind,
    ys: Sequence[Array],
    groups: Array | None,
    time: Array | None,
    divided: GivenSplits | None,
    cap: Cap | None,
) -> list[Array]:
    """Number the rows that are used, of the table and of a test file."""
    train, *given = ys
    if cap is None:
        return [np.arange(len(y)) for y in ys]
    if divided is not None and divided.test is not None and divided.test.any():
        parts = [np.flatnonzero(mask) for mask in (~divided.test, divided.test)]
        limits = (cap.rows, cap.given)
        used = [
            rows[sample_rows(kind, train[rows], None, None, most)] for rows, most in zip(parts, limits, strict=True)
        ]
        first = np.sort(np.concatenate(used))
    else:
        most = cap.rows if given or (divided is not None and len(divided.roles)) else cap.rows + cap.sealed
        first = sample_rows(kind, train, groups, time, most)
    return [first, *(sample_rows(kind, y, None, None, cap.given) for y in given)]


def _features(parts: Sequence[Target], schema: Schema, kept: Sequence[Array]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Features of the rows that are used, one part after the other, and what was changed to make them fit."""
    names, coerced = set(schema.names), []
    for part, chosen in zip(parts, kept, strict=True):
        frame, rows = part.table.select(n for n in part.table.columns if n in names), part.rows[chosen]
        coerced.append(schema.coerce(frame if len(rows) == frame.height else frame[rows]))  # no copy of all rows
    frames, notes = zip(*coerced, strict=True)
    return pl.concat(frames), tuple(dict.fromkeys(note for told in notes for note in told))


def _cap_notes(ys: Sequence[Array], kept: Sequence[Array]) -> tuple[str, ...]:
    """Say how many rows are used, where not all are."""
    return tuple(
        f"{len(rows):,} of {len(y):,} rows of {where} are used, drawn as folds are; --max-rows sets another limit."
        for where, y, rows in zip(("the table", "--test"), ys, kept, strict=False)
        if len(rows) < len(y)
    )


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
        return tuple(train.labels) if kind == "multiclass" else (), ()
    wanted = asked if asked is not None else by_card
    if wanted is None:
        others = " and ".join(repr(label) for label in train.labels)
        return tuple(train.labels), (
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
    alike = part.values.dtype == classes.dtype
    values, known = (part.values, classes) if alike else (part.spelled, classes.cast(pl.String))
    codes = values.replace_strict(known, pl.Series(range(len(classes))), default=None, return_dtype=pl.Int64)
    if codes.null_count():
        unseen = sorted(part.spelled.filter(codes.is_null()).unique())
        raise DataError(
            f"every class of --test must occur in the training rows, but these do not: {', '.join(unseen[:5])}. Leave "
            "their rows out of the test file."
        )
    return codes.to_numpy()


def _large_notes(kind: TaskKind, y: Array) -> tuple[str, ...]:
    """Warn of values whose squares overflow."""
    if kind != "regression" or np.abs(y).max() <= _LARGE_VALUE:
        return ()
    return (
        f"target values reach {np.abs(y).max():.1e}; squared errors of such values overflow or drown all others. Check "
        "these rows, or judge by mae or median_absolute_error.",
    )
