"""Splits: a sealed test set first, then cross-validation folds over the rest; `bench.deal` does the dealing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench import deal
from bench.cap import DEFAULT_TEST_SIZE, default_test_size
from bench.deal import holdout as holdout
from bench.errors import DataError, RequestError, StoreError
from bench.folds import Fold as Fold
from bench.folds import Notes, forward_folds, given_folds, shuffled_folds
from bench.identity import digest, seed_for
from bench.metric import Array
from bench.sources.base import GivenSplits
from bench.task import Task

Strategy = Literal["stratified", "stratified-group", "time", "group-time", "predefined"]

MIN_DEVELOPMENT_ROWS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """A partition of a task's rows: ``test`` (may be empty) and the folds over the others.

    ``gap`` tells the distance kept between learning and scoring, ``origin`` where splits that were given come from;
    both may be empty. ``rows`` numbers the task's rows in the table as read, -1 for those of a test file.
    ``test_groups`` holds the group of each test row, where groups are known.
    """

    strategy: Strategy
    test: Array
    folds: tuple[Fold, ...]
    fingerprint: str
    gap: str = ""
    origin: str = ""
    rows: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    test_groups: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: Notes = ()

    def __post_init__(self) -> None:
        self.test.setflags(write=False)
        self.rows.setflags(write=False)

    @property
    def valid_share(self) -> float:
        """Share of the rows that a fold knows on which it is scored, in the mean of the folds."""
        return float(np.mean([len(fold.valid) / (len(fold.train) + len(fold.valid)) for fold in self.folds]))

    def beside(self, fold: int) -> list[int]:
        """Numbers of the folds that may choose what a fold judges: the others of its repeat.

        Folds of other repeats are scored on its rows, too; they may where it has no other. A lone fold judges itself.
        """
        repeat, others = self.folds[fold].repeat, [n for n in range(len(self.folds)) if n != fold]
        return [n for n in others if self.folds[n].repeat == repeat] or others or [fold]

    def summary(self) -> dict[str, Any]:
        """How many rows there are of each sort, as plain values for JSON."""
        return {
            "strategy": self.strategy,
            "gap": self.gap,
            "origin": self.origin,
            "test_rows": len(self.test),
            "folds": [{"train": len(f.train), "valid": len(f.valid), "repeat": f.repeat} for f in self.folds],
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }


def make_splits(
    task: Task, *, test_size: float | None, folds: int | None, seed: int, repeats: int | None = None
) -> Splits:
    """Seal the test set and deal the other rows to folds; the same task and seed give the same splits.

    What is not asked for follows from the rows alone. A class with fewer rows than folds is learned from in every fold
    and scored in none. With ``task.groups`` no group straddles. With ``task.time`` the latest rows are sealed and each
    fold learns from what came before the rows it is scored on, by ``task.gap`` at least. Splits that came with the data
    are used as they are, unless an option overrules them.

    Raises:
        RequestError: an option is out of its range for these rows, or contradicts what rows are divided by.
        DataError: the rows cannot be divided as asked.
    """
    if test_size is not None and not 0 <= test_size <= 0.9:
        raise RequestError(f"--test-size must be from 0 to 0.9, got {test_size:g}.")
    if folds is not None and folds < 2:
        raise RequestError(f"--folds must be at least 2, got {folds}. Leave --folds out to let the rows decide.")
    if repeats is not None and task.time is not None:
        raise RequestError("--repeats deals folds anew, which time does not allow: leave --repeats or --time out.")
    given, notes = _heeded(task, test_size, folds, repeats)
    if len(task.given_test):
        test, rows = np.sort(task.given_test), _others(task.n_rows, task.given_test)
    elif given is not None:
        test, rows = _given_parts(given)
    else:
        test, rows, told = _seal(task, test_size, seed)
        notes += told
    _check_development(task, rows, folds)
    if given is not None and len(given.roles):
        strategy: Strategy = "predefined"
        made, told = given_folds(task, given), ()
    elif task.time is not None:
        strategy = "time" if task.groups is None else "group-time"
        made, told = forward_folds(task, rows, folds, seed)
    else:
        strategy = "stratified" if task.groups is None else "stratified-group"
        made, told = shuffled_folds(task, rows, folds, repeats, seed)
    return Splits(
        strategy=strategy,
        test=test,
        folds=made,
        fingerprint=_fingerprint(test, made, task.rows),
        gap=task.gap_told,
        origin="" if given is None else given.origin,
        rows=task.rows,
        test_groups=test[:0] if task.groups is None or len(task.given_test) else task.groups[test],
        notes=notes + told,
    )


def _heeded(
    task: Task, test_size: float | None, folds: int | None, repeats: int | None
) -> tuple[GivenSplits | None, Notes]:
    """The splits that came with the data, unless an option contradicts them: it then goes first, or is refused.

    Raises:
        RequestError: they were asked for, too.
    """
    given = task.given
    if given is None or given.test is None:
        return None, ()
    contradicting = [
        flag
        for flag, contradicts in (
            ("--test-size", test_size is not None),
            ("--test", len(task.given_test) > 0 and given.test.any()),
            ("--folds", folds is not None and len(given.roles) > 0),
            ("--repeats", repeats is not None and len(given.roles) > 0),
        )
        if contradicts
    ]
    if not contradicting:
        return given, ()
    if task.given_asked:
        raise RequestError(
            f"--splits: {given.origin} says already what {contradicting[0]} asks for. Leave one of them out."
        )
    return None, (f"the splits of {given.origin} are set aside, as {contradicting[0]} is given.",)


def _others(n_rows: int, rows: Array) -> Array:
    """Row numbers that are not among ``rows``."""
    left = np.ones(n_rows, dtype=bool)
    left[rows] = False
    return np.flatnonzero(left)


def _given_parts(given: GivenSplits) -> tuple[Array, Array]:
    """Row numbers of the test set, and of the rows that the folds are made of."""
    assert given.test is not None
    used = ~given.test if not len(given.roles) else (given.roles > 0).any(axis=0)
    return np.flatnonzero(given.test), np.flatnonzero(used)


def _seal(task: Task, test_size: float | None, seed: int) -> tuple[Array, Array, Notes]:
    """Row numbers of the test set, drawn as the folds will be, and of the rows that folds are to be made of."""
    share = default_test_size(task.n_rows) if test_size is None else test_size
    if share == 0:
        return np.empty(0, dtype=np.int64), np.arange(task.n_rows), ()
    seed = seed_for(seed, "split", "test")
    strata = deal.strata_of(task.kind, task.y)
    classes = None if task.kind == "regression" else strata
    if task.time is not None:
        left, sealed = deal.take_future(strata, classes, task.groups, task.time, task.gap, share, seed)
    elif task.groups is not None:
        sealed = deal.take_groups(strata, task.groups, share, np.random.default_rng(seed))
        if classes is not None:
            sealed = deal.without_lost_classes(sealed, classes, task.groups)
        left = ~sealed
    else:
        sealed = deal.take(strata, share, np.random.default_rng(seed))
        left = ~sealed
    if not sealed.any():
        raise DataError(
            f"a test set of {share:.0%} cannot be set aside: every group or moment of these {task.n_rows} rows is "
            "needed for training. Pass --test FILE, or --test-size 0."
        )
    notes: Notes = ()
    if share < DEFAULT_TEST_SIZE and test_size is None:
        notes = (f"{sealed.sum():,} rows are enough for a test set; --test-size sets another share.",)
    if classes is not None and len(np.unique(classes[sealed])) < 2:
        notes += (
            "the test set holds one class alone, since groups or moments stay whole: metrics that need two tell "
            "nothing of it; --test FILE or --test-size brings another.",
        )
    if unused := task.n_rows - int(sealed.sum() + left.sum()):
        notes += (
            f"{unused} of {task.n_rows} rows are neither sealed nor learned from, as they lie in the gap or their "
            "group is on the other side of the cut; --test-size 0 uses all.",
        )
    return np.flatnonzero(sealed), np.flatnonzero(left), notes


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


def _fingerprint(test: Array, folds: tuple[Fold, ...], rows: Array) -> str:
    """Hash every row number of a partition."""
    arrays = [test, *(array for fold in folds for array in (fold.train, fold.valid)), rows]
    return digest([array.astype("<i8").tobytes() for array in arrays], [fold.repeat for fold in folds])


def save_splits(splits: Splits, path: Path) -> None:
    """Write ``splits.npz``: ``test`` holds row numbers, ``roles`` [n_folds, n_rows] 1 to learn from and 2 to score.

    ``rows`` holds the number in the table as read of each row that these number.
    """
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
            rows=splits.rows,
            test_groups=splits.test_groups,
            strategy=np.array(splits.strategy),
            gap=np.array(splits.gap),
            origin=np.array(splits.origin),
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
        splits = Splits(
            strategy=str(content["strategy"]),  # type: ignore[arg-type]
            test=test,
            folds=folds,
            fingerprint=str(content["fingerprint"]),
            gap=str(content["gap"]),
            origin=str(content["origin"]),
            rows=content["rows"],
            test_groups=content["test_groups"] if "test_groups" in content.files else test[:0],
            notes=tuple(str(note) for note in content["notes"]),
        )
    if _fingerprint(splits.test, splits.folds, splits.rows) != splits.fingerprint:
        raise StoreError(f"{path} must hold the splits it was written with, but its rows have changed. Run again.")
    return splits
