"""Splits: a sealed test set first, then cross-validation folds over the rest; `bench.deal` does the dealing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench import deal
from bench.deal import holdout as holdout
from bench.errors import DataError, RequestError, StoreError
from bench.identity import digest, seed_for
from bench.metric import Array
from bench.task import Task

Strategy = Literal["stratified", "group", "time"]

DEFAULT_FOLDS = 5
LARGE_FOLDS, LARGE_ROWS = 3, 100_000
#: Below this many development rows, folds are shuffled and dealt again: (rows, repeats), the smallest first.
REPEATS = ((200, 3), (400, 2))
MIN_DEVELOPMENT_ROWS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Ascending row numbers to learn from and to be scored on; ``repeat`` says which shuffle the fold belongs to."""

    train: Array
    valid: Array
    repeat: int = 0

    def __post_init__(self) -> None:
        self.train.setflags(write=False)
        self.valid.setflags(write=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """A partition of a task's rows: ``test`` (may be empty) and the folds over the others."""

    strategy: Strategy
    test: Array
    folds: tuple[Fold, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.test.setflags(write=False)

    def summary(self) -> dict[str, Any]:
        """How many rows there are of each sort, as plain values for JSON."""
        return {
            "strategy": self.strategy,
            "test_rows": len(self.test),
            "folds": [{"train": len(f.train), "valid": len(f.valid), "repeat": f.repeat} for f in self.folds],
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }


def make_splits(task: Task, *, test_size: float, folds: int | None, seed: int) -> Splits:
    """Seal the test set and deal the other rows to folds; the same task and seed give the same splits.

    The number of folds and repeats follows from the rows alone. A class with fewer rows than folds is learned from in
    every fold and scored in none. With ``task.time`` the latest rows are sealed and each fold learns from what came
    before the rows it is scored on; with ``task.groups`` no group straddles.

    Raises:
        RequestError: ``folds`` or ``test_size`` is out of its range for these rows.
        DataError: the rows cannot be divided as asked.
    """
    if not 0 <= test_size <= 0.9:
        raise RequestError(f"--test-size must be from 0 to 0.9, got {test_size:g}.")
    if folds is not None and folds < 2:
        raise RequestError(f"--folds must be at least 2, got {folds}. Leave --folds out to let the rows decide.")
    test = _sealed_test(task, test_size, seed)
    rows = _others(task.n_rows, test)
    _check_development(task, rows, folds)
    if task.time is not None:
        strategy: Strategy = "time"
        made, notes = _forward_folds(task, rows, folds)
    else:
        strategy = "group" if task.groups is not None else "stratified"
        made, notes = _shuffled_folds(task, rows, folds, seed)
    return Splits(strategy=strategy, test=test, folds=made, fingerprint=_fingerprint(test, made), notes=notes)


def _others(n_rows: int, rows: Array) -> Array:
    """Row numbers that are not among ``rows``."""
    left = np.ones(n_rows, dtype=bool)
    left[rows] = False
    return np.flatnonzero(left)


def _sealed_test(task: Task, test_size: float, seed: int) -> Array:
    """Row numbers of the test set: those that were given, or a share drawn as the folds will be."""
    if len(task.given_test):
        return np.sort(task.given_test)
    if test_size == 0:
        return np.empty(0, dtype=np.int64)
    rng = np.random.default_rng(seed_for(seed, "split", "test"))
    strata = deal.strata_of(task.kind, task.y)
    if task.time is not None:
        sealed = deal.take_latest(task.time, test_size)
    elif task.groups is not None:
        sealed = deal.take_groups(strata, task.groups, test_size, rng)
        if task.kind != "regression":
            sealed = deal.without_lost_classes(sealed, strata, task.groups)
    else:
        sealed = deal.take(strata, test_size, rng)
    if not sealed.any():
        raise DataError(
            f"a test set of {test_size:.0%} cannot be set aside: every group or moment of these {task.n_rows} rows is "
            "needed for training. Pass --test FILE, or --test-size 0."
        )
    return np.flatnonzero(sealed)


def _check_development(task: Task, rows: Array, folds: int | None) -> None:
    """Check that the rows outside the test set can be cross-validated at all."""
    if len(rows) < MIN_DEVELOPMENT_ROWS:
        raise DataError(
            f"at least {MIN_DEVELOPMENT_ROWS} rows must be left to learn from, got {len(rows)} of {task.n_rows} beside "
            "the test set. Lower --test-size, or bring more rows."
        )
    if folds is not None and folds > len(rows):
        raise RequestError(f"--folds must be at most the {len(rows)} rows to be divided, got {folds}.")
    if task.kind == "regression":
        return
    seen = np.bincount(task.y[rows], minlength=len(task.classes))
    if not seen.all():
        label = task.label(int(np.argmin(seen)))
        raise DataError(
            f"every class must occur outside the test set, but {label!r} occurs only in it. Lower --test-size, or "
            "leave rows of that class out."
        )


def _shuffled_folds(task: Task, rows: Array, asked: int | None, seed: int) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
    """K folds over ``rows``, dealt anew for every repeat."""
    count, notes = _fold_count(task, rows, asked)
    if task.groups is not None:
        count = _safe_group_count(task, rows, count, seed)
    repeats = next((number for limit, number in REPEATS if len(rows) < limit), 1)
    folds: list[Fold] = []
    for repeat in range(repeats):
        part = _parts(task, rows, count, seed, repeat)
        folds += [
            Fold(train=rows[part != number], valid=rows[part == number], repeat=repeat)
            for number in range(count)
            if (part == number).any()
        ]
    if repeats > 1:
        notes += (f"{repeats} repeats of {count} folds, since {len(rows)} rows alone give noisy scores.",)
    unscored = np.ones(task.n_rows, dtype=bool)
    unscored[np.concatenate([fold.valid for fold in folds])] = False
    return tuple(folds), notes + _unscored_note(task, rows[unscored[rows]], count)


def _unscored_note(task: Task, rows: Array, count: int) -> tuple[str, ...]:
    """Name the classes whose rows are never scored."""
    if not len(rows):
        return ()
    labels = [repr(task.label(int(code))) for code in np.unique(task.y[rows])]
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return (
        f"{len(rows)} rows stay in training and are never scored, as their class cannot be spread over {count} folds: "
        f"{', '.join(labels[:5])}{more}.",
    )


def _usual_folds(rows: Array) -> int:
    """Number of folds where none was asked for; rows alone decide, never a budget or a machine."""
    return LARGE_FOLDS if len(rows) > LARGE_ROWS else DEFAULT_FOLDS


def _fold_count(task: Task, rows: Array, asked: int | None) -> tuple[int, tuple[str, ...]]:
    """How many folds these rows allow, and a note when that is fewer than asked or usual.

    Two classes at least must reach into every fold, or nothing can be told apart in it.
    """
    wanted = asked or _usual_folds(rows)
    units, count = "rows", len(rows)
    classes = None if task.kind == "regression" else task.y[rows]
    if task.groups is not None:
        units, groups = "groups", task.groups[rows]
        count = len(np.unique(groups))
        if count < 2:
            raise DataError(f"at least 2 groups must be left to cross-validate, got {count}. Choose another --group.")
        if asked is not None and asked > count:
            raise RequestError(f"--folds must be at most the {count} groups to be divided, got {asked}.")
        classes = None if classes is None else np.unique(np.stack([groups, classes]), axis=1)[1]
    most = count if classes is None else int(np.sort(np.bincount(classes))[-2])
    if most < 2:
        raise DataError(
            f"at least two classes must occur in 2 {units} outside the test set, so that one can be learned from and "
            f"one scored; got {most}. Bring more rows of the rarer class, or pass --test-size 0."
        )
    if most >= wanted:
        return wanted, ()
    reason = f"{count} {units}" if classes is None else f"{most} {units} of the second most frequent class"
    return most, (f"{most} folds instead of {wanted}, since there are only {reason}.",)


def _parts(task: Task, rows: Array, count: int, seed: int, repeat: int) -> Array:
    """Number of the fold in which each row is scored; -1 for rows that are only ever learned from."""
    rng = np.random.default_rng(seed_for(seed, "split", "folds", count, repeat))
    y = task.y[rows]
    part = np.full(len(rows), -1, dtype=np.int64)
    if task.groups is None:
        usable = np.ones(len(rows), dtype=bool) if task.kind == "regression" else np.bincount(y)[y] >= count
        part[usable] = deal.deal_rows(deal.strata_of(task.kind, y[usable], count), count, rng)
        return part
    groups = task.groups[rows]
    part = deal.deal_groups(deal.strata_of(task.kind, y, count), groups, np.full(count, 1 / count), rng)
    if task.kind != "regression":
        for number in range(count):
            part[(part == number) & ~deal.without_lost_classes(part == number, y, groups)] = -1
    return part


def _safe_group_count(task: Task, rows: Array, count: int, seed: int) -> int:
    """Lower the number of folds until each of them holds two classes; groups are too coarse to promise it."""
    if task.kind == "regression":
        return count
    for fewer in range(count, 2, -1):
        part = _parts(task, rows, fewer, seed, 0)
        if all(len(np.unique(task.y[rows[part == number]])) > 1 for number in range(fewer)):
            return fewer
    return 2


def _forward_folds(task: Task, rows: Array, asked: int | None) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
    """Forward chaining: blocks of consecutive moments, each scored by what was learned from all before it.

    The first block is only learned from; it reaches at least to where every class has been seen.
    """
    assert task.time is not None
    wanted = asked or _usual_folds(rows)
    time = task.time[rows]
    start = int(time.min())
    if task.kind != "regression":
        seen_at = np.full(len(task.classes), np.iinfo(np.int64).max)
        np.minimum.at(seen_at, task.y[rows], time)
        start = int(seen_at.max())
    if start >= time.max():
        raise DataError(
            "rows must be left to score after every class has been seen, but the time column has nothing later than "
            "the first row of the last class. Lower --test-size, or leave rows of that class out."
        )
    block = deal.forward_blocks(time, start, wanted)
    folds = tuple(Fold(train=rows[block < n], valid=rows[block == n]) for n in range(1, int(block.max()) + 1))
    if len(folds) == wanted:
        return folds, ()
    return folds, (f"{len(folds)} folds instead of {wanted}, since the time column leaves no more places to cut.",)


def _fingerprint(test: Array, folds: tuple[Fold, ...]) -> str:
    """Hash every row number of a partition."""
    arrays = [test, *(array for fold in folds for array in (fold.train, fold.valid))]
    return digest([array.astype("<i8").tobytes() for array in arrays], [fold.repeat for fold in folds])


def save_splits(splits: Splits, path: Path) -> None:
    """Write ``splits.npz``: ``test`` holds row numbers, ``roles`` [n_folds, n_rows] 1 to learn from and 2 to score."""
    arrays = [splits.test, *(array for fold in splits.folds for array in (fold.train, fold.valid))]
    roles = np.zeros((len(splits.folds), 1 + max(int(array.max(initial=-1)) for array in arrays)), dtype=np.int8)
    for role, fold in zip(roles, splits.folds, strict=True):
        role[fold.train] = 1
        role[fold.valid] = 2
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            test=splits.test,
            roles=roles,
            repeats=np.array([fold.repeat for fold in splits.folds]),
            strategy=np.array(splits.strategy),
            fingerprint=np.array(splits.fingerprint),
            notes=np.array(splits.notes, dtype=np.str_),
        )


def load_splits(path: Path) -> Splits:
    """Read back what `save_splits` wrote.

    Raises:
        StoreError: the file does not hold the rows that its fingerprint was taken of.
    """
    with np.load(path, allow_pickle=False) as content:
        test = content["test"]
        folds = tuple(
            Fold(train=np.flatnonzero(role == 1), valid=np.flatnonzero(role == 2), repeat=int(repeat))
            for role, repeat in zip(content["roles"], content["repeats"], strict=True)
        )
        stored = str(content["fingerprint"])
        if _fingerprint(test, folds) != stored:
            raise StoreError(f"{path} must hold the splits it was written with, but its rows have changed. Run again.")
        notes = tuple(str(note) for note in content["notes"])
        strategy: Strategy = str(content["strategy"])  # type: ignore[assignment]
    return Splits(strategy=strategy, test=test, folds=folds, fingerprint=stored, notes=notes)
