"""Folds over development rows: dealt, chained forward in time, or as they came with the data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench import deal
from bench.errors import DataError, RequestError
from bench.identity import seed_for
from bench.metric import Array
from bench.sources.base import GivenSplits
from bench.task import Task

Notes = tuple[str, ...]

DEFAULT_FOLDS = 5
SMALL_FOLDS, SMALL_ROWS = 8, 2_000
LARGE_FOLDS, LARGE_ROWS = 3, 100_000
#: Rows that a fold of a large table is scored on: more would tell scores apart no better, and be missed in training.
SCORED_ROWS = 33_000
#: Below this many development rows, folds are shuffled and dealt again: (rows, repeats), the smallest first.
REPEATS = ((200, 3), (1_000, 2))
#: The same for rows outside the most frequent class, of tables where more fits are still cheap.
RARE_REPEATS = ((30, 3), (60, 2))
MOST_ROWS_TO_REPEAT = 20_000
#: Rows that a fold chained in time must have to learn from.
LEAST_LEARNED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Ascending row numbers to learn from and to be scored on; ``repeat`` says which shuffle the fold belongs to."""

    train: Array
    valid: Array
    repeat: int = 0

    def __post_init__(self) -> None:
        self.train.setflags(write=False)
        self.valid.setflags(write=False)


def given_folds(task: Task, given: GivenSplits) -> tuple[Fold, ...]:
    """Folds as they came with the data, of which each must be able to tell two classes apart."""
    folds = []
    for number, (roles, repeat) in enumerate(zip(given.roles, given.repeats, strict=True)):
        fold = Fold(train=np.flatnonzero(roles == 1), valid=np.flatnonzero(roles == 2), repeat=int(repeat))
        for part, rows in (("learn from", fold.train), ("score", fold.valid)):
            if task.kind == "regression" and not len(rows):
                raise DataError(f"fold {number} of {given.origin} must {part} at least one row, got none.")
            if task.kind != "regression" and len(np.unique(task.y[rows])) < 2:
                raise DataError(
                    f"fold {number} of {given.origin} must {part} rows of two classes at least, got fewer. Bring other "
                    "splits, or have folds dealt."
                )
        folds.append(fold)
    return tuple(folds)


def shuffled_folds(
    task: Task, rows: Array, asked: int | None, repeats: int | None, seed: int
) -> tuple[tuple[Fold, ...], Notes]:
    """K folds over ``rows``, dealt anew for every repeat."""
    count, notes = _fold_count(task, rows, asked)
    if task.groups is not None:
        count = _safe_group_count(task, rows, count, seed)
    if repeats is None:
        repeats, told = _repeat_count(task, rows, count)
        notes += told
    spread = _spread(task, rows, count) if asked is None else count
    folds, told = _repeated(task, rows, count, repeats, seed, spread)
    notes += told
    if spread > count:
        scored = len(folds[0].valid)
        notes += (f"each fold is scored on {scored:,} rows and learns from all others; --folds shares all rows out.",)
    return folds, notes + _unscored_note(task, rows, folds, count)


def _repeated(
    task: Task, rows: Array, count: int, repeats: int, seed: int, spread: int
) -> tuple[tuple[Fold, ...], Notes]:
    """Deal rows as often as is asked for, but for repeats that groups allow only as an earlier one, or unscorable."""
    folds: list[Fold] = []
    dealt: set[frozenset[bytes]] = set()
    for repeat in range(repeats):
        part = _parts(task, rows, count, seed, repeat, spread)
        scored = {number: rows[part == number] for number in range(count) if (part == number).any()}
        parts = frozenset(valid.tobytes() for valid in scored.values())
        if parts not in dealt and (not dealt or _scorable(task, scored.values())):
            folds += [Fold(train=rows[part != k], valid=valid, repeat=len(dealt)) for k, valid in scored.items()]
            dealt.add(parts)
    if len(dealt) == repeats:
        return tuple(folds), ()
    return tuple(folds), (
        f"{len(dealt)} of {repeats} repeats are left: others divide the groups as before, or leave a class alone.",
    )


def _scorable(task: Task, scored: Iterable[Array]) -> bool:
    """Whether each part holds two classes, where there are classes: whole groups are too coarse to promise it."""
    return task.kind == "regression" or all(len(np.unique(task.y[rows])) > 1 for rows in scored)


def _spread(task: Task, rows: Array, count: int) -> int:
    """Over how many parts rows are dealt, of which ``count`` become folds: more of large tables.

    Groups are dealt to folds alone. Two classes at least must reach into every part.
    """
    if task.groups is not None or len(rows) <= LARGE_ROWS:
        return count
    most = len(rows) if task.kind == "regression" else int(np.sort(np.bincount(task.y[rows]))[-2])
    return max(count, min(len(rows) // SCORED_ROWS, most))


def _repeat_count(task: Task, rows: Array, count: int) -> tuple[int, Notes]:
    """How often the folds are dealt: more than once where few rows, or few of the rarer classes, give noisy scores."""
    needed, noisy = 1, ""
    if task.kind != "regression" and len(rows) <= MOST_ROWS_TO_REPEAT:
        rare = len(rows) - int(np.bincount(task.y[rows]).max())
        needed, noisy = _repeats_below(RARE_REPEATS, rare), f"{rare} rows outside the most frequent class"
    if (by_rows := _repeats_below(REPEATS, len(rows))) >= needed:
        needed, noisy = by_rows, f"{len(rows)} rows"
    if needed == 1:
        return 1, ()
    return needed, (
        f"{needed} repeats of {count} folds, since {noisy} alone give noisy scores; --repeats sets how many.",
    )


def _repeats_below(limits: tuple[tuple[int, int], ...], rows: int) -> int:
    """Look up how many repeats so few rows ask for."""
    return next((number for limit, number in limits if rows < limit), 1)


def _unscored_note(task: Task, rows: Array, folds: Sequence[Fold], count: int) -> tuple[str, ...]:
    """Name the classes whose rows are never scored."""
    if task.kind == "regression":
        return ()
    scored = np.unique(np.concatenate([task.y[fold.valid] for fold in folds]))
    lost = np.setdiff1d(np.unique(task.y[rows]), scored)
    if not len(lost):
        return ()
    labels = [repr(task.label(int(code))) for code in lost]
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    unscored = int(np.isin(task.y[rows], lost).sum())
    return (
        f"{unscored} rows stay in training and are never scored, as their class cannot be spread over {count} folds: "
        f"{', '.join(labels[:5])}{more}.",
    )


def _usual_folds(task: Task, rows: Array) -> tuple[int, str]:
    """Number of folds where none was asked for, and why; rows alone decide, never a budget or a machine.

    Of few rows each is dear to learn from; yet no class may be so rare that more folds leave it without a score.
    """
    if len(rows) > LARGE_ROWS:
        return LARGE_FOLDS, f"since {len(rows):,} rows are plenty"
    counts = np.empty(0) if task.kind == "regression" else np.bincount(task.y[rows])
    lost = (counts >= DEFAULT_FOLDS) & (counts < SMALL_FOLDS)
    if len(rows) < SMALL_ROWS and task.groups is None and task.time is None and not lost.any():
        return SMALL_FOLDS, f"since {len(rows):,} rows are few"
    return DEFAULT_FOLDS, f"as is usual for {len(rows):,} rows"


def _fold_count(task: Task, rows: Array, asked: int | None) -> tuple[int, Notes]:
    """How many folds these rows allow, and why where that is not what was asked for.

    Two classes at least must reach into every fold, or nothing can be told apart in it.
    """
    usual, why = _usual_folds(task, rows)
    wanted = asked or usual
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
        return wanted, () if asked else (f"{wanted} folds, {why}; --folds sets another number.",)
    reason = f"{count} {units}" if classes is None else f"{most} {units} of the second most frequent class"
    return most, (f"{most} folds instead of {wanted}, since there are only {reason}.",)


def _parts(task: Task, rows: Array, count: int, seed: int, repeat: int, spread: int = 0) -> Array:
    """Number of the fold in which each row is scored; -1 for rows that are only ever learned from.

    Rows are dealt to ``spread`` parts, if that is more than ``count``.
    """
    spread = max(spread, count)
    rng = np.random.default_rng(seed_for(seed, "split", "folds", count, repeat))
    y = task.y[rows]
    part = np.full(len(rows), -1, dtype=np.int64)
    if task.groups is None:
        usable = np.ones(len(rows), dtype=bool) if task.kind == "regression" else np.bincount(y)[y] >= count
        part[usable] = deal.deal_rows(deal.strata_of(task.kind, y[usable], spread), spread, rng)
        return np.where(part < count, part, -1)
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
        if _scorable(task, [rows[part == number] for number in range(fewer)]):
            return fewer
    return 2


def forward_folds(task: Task, rows: Array, asked: int | None, seed: int) -> tuple[tuple[Fold, ...], Notes]:
    """Forward chaining: blocks of consecutive moments, each scored by what was learned from all before it.

    The first block is only learned from; it reaches at least to where every class has been seen. There are fewer
    blocks than wanted where otherwise one would hold a single class.
    """
    assert task.time is not None
    usual, why = _usual_folds(task, rows)
    wanted = asked or usual
    time = task.time[rows]
    seen = time.min()
    if task.kind != "regression":
        seen = max(time[task.y[rows] == code].min() for code in np.unique(task.y[rows]))
    for count in range(wanted, 0, -1):
        folds = _chained(task, rows, count, seen, seed)
        if folds and all(_sound(task, rows, fold) for fold in folds):
            break
    else:
        raise DataError(
            "rows must be left to score after every class has been seen"
            + (f" and {task.gap_told} have passed" if task.gap else "")
            + ", but the time column has nothing later that can be scored. Lower --test-size"
            + (" or --gap" if task.gap else "")
            + ", or leave rows of the last class out."
        )
    notes: Notes = () if asked else (f"{wanted} folds, {why}; --folds sets another number.",)
    if len(folds) < wanted:
        short = f"{len(folds)} folds instead of {wanted}"
        notes = (f"{short}, since the time column leaves no more places to cut.",)
    return folds, notes + _left_out_note(task, rows, folds)


def _chained(task: Task, rows: Array, count: int, seen: float, seed: int) -> tuple[Fold, ...]:
    """Cut rows into blocks of time; with groups, each block scores a part of those that were there before."""
    assert task.time is not None
    time = task.time[rows]
    block = deal.forward_blocks(time, count, seen=seen, gap=task.gap)
    strata = deal.strata_of(task.kind, task.y[rows], count)
    classes = None if task.kind == "regression" else strata
    groups = None if task.groups is None else task.groups[rows]
    if groups is not None:
        rng = np.random.default_rng(seed_for(seed, "split", "folds", count, 0))
        part = deal.deal_groups(strata, groups, np.full(count, 1 / count), rng)
    folds = []
    for number in range(1, int(block.max()) + 1):
        late = block == number
        early = deal.before(time, time[late].min(), task.gap)
        if groups is not None:
            early, late = deal.part_groups(early, late, groups, part == number - 1, classes)
        folds.append(Fold(train=rows[early], valid=rows[late]))
    return tuple(folds)


def _sound(task: Task, rows: Array, fold: Fold) -> bool:
    """Whether a fold learns from a few rows and every class, and scores two classes at least."""
    if len(fold.train) < LEAST_LEARNED or not len(fold.valid):
        return False
    if task.kind == "regression":
        return True
    classes = len(np.unique(task.y[rows]))
    return len(np.unique(task.y[fold.train])) == classes and len(np.unique(task.y[fold.valid])) > 1


def _left_out_note(task: Task, rows: Array, folds: tuple[Fold, ...]) -> Notes:
    """Say how much is not learned from for the gap's or the groups' sake."""
    assert task.time is not None
    time = task.time[rows]
    earlier = sum(int((time < task.time[fold.valid].min()).sum()) for fold in folds)
    left_out = 1 - sum(len(fold.train) for fold in folds) / earlier
    if left_out <= 0:
        return ()
    why = " or ".join(["they lie in the gap"] * bool(task.gap) + ["their group is scored"] * (task.groups is not None))
    return (f"{left_out:.0%} of the rows before those that are scored are not learned from, as {why}.",)
