"""The row cap: of a table that is too large for any search, a fair sample is used. Rows and columns alone decide."""

from dataclasses import dataclass

import numpy as np

from bench import deal
from bench.identity import seed_for
from bench.metric import Array, TaskKind

#: Rows to learn from, at most; fewer of wide tables, so that as many cells are left, but never less than the least.
MOST_ROWS = 1_000_000
MOST_CELLS = 50_000_000
LEAST_ROWS = 1_000
#: A sealed test of so many rows tells scores apart better than anybody needs.
ENOUGH_TEST_ROWS = 100_000
DEFAULT_TEST_SIZE = 0.2
#: How far whole groups and moments may go beyond the cap, in multiples of it.
_SLACK = 1.5
#: Rows that a class keeps in the sample, if it has them.
_ROWS_A_CLASS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """How many rows are used at most: to learn from, to seal as a test, and of a test set that was given."""

    rows: int
    sealed: int
    given: int


def make_cap(columns: int, *, max_rows: int | None, test_size: float | None) -> Cap:
    """Decide for a table of so many features; ``max_rows`` overrules it, ``test_size`` says what share is sealed."""
    rows = max_rows or min(MOST_ROWS, max(LEAST_ROWS, MOST_CELLS // max(columns, 1)))
    share = DEFAULT_TEST_SIZE if test_size is None else test_size
    sealed = round(rows * share / (1 - share))
    return Cap(
        rows=rows, sealed=sealed if test_size is not None else min(sealed, ENOUGH_TEST_ROWS), given=max(1, rows // 4)
    )


def default_test_size(n_rows: int) -> float:
    """The share that is sealed where none was asked for."""
    return min(DEFAULT_TEST_SIZE, ENOUGH_TEST_ROWS / n_rows)


def sample_rows(kind: TaskKind, y: Array, groups: Array | None, time: Array | None, most: int) -> Array:
    """Number about ``most`` rows to use, ascending: the latest, else whole groups, else in proportion to the target.

    Every class keeps some rows. The sample is the same for every seed of a run, so that their results compare.
    """
    if len(y) <= most:
        return np.arange(len(y))
    share, strata = most / len(y), deal.strata_of(kind, y)
    rng = np.random.default_rng(seed_for(0, "cap"))
    used = np.zeros(len(y), dtype=bool)
    if time is not None:
        used = deal.take_latest(time, share)
    elif groups is not None:
        used = deal.take_groups(strata, groups, share, rng)
    if not used.any() or used.sum() > _SLACK * most:  # moments or groups are too large to be taken whole
        pool = used if used.any() else ~used
        used = pool.copy()
        used[pool] = deal.take(strata[pool], most / pool.sum(), rng)
    if kind != "regression":
        for label in np.flatnonzero(np.bincount(y[used], minlength=int(y.max()) + 1) == 0):
            used[np.flatnonzero(y == label)[-_ROWS_A_CLASS:]] = True
    return np.flatnonzero(used)
