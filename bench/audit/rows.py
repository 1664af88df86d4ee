"""Checks of whole rows: duplicates, and rows that the test set shares, or nearly shares, with the rest.

Rows that are nearly equal are found without comparing all pairs: columns are dealt to blocks, one more than columns may
differ, so that rows which differ in so few columns have a block in which they are equal.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import polars.selectors as cs

from bench.audit.association import blocks, to_matrix
from bench.audit.finding import Finding
from bench.audit.view import SAMPLE_ROWS, View, plural
from bench.metric import Array

_MANY = 0.05
_MOST = 0.5
_SOME = 0.01
_MOST_DIFFERENT = 2
#: Numbers that differ by less than this share of their column's deviation count as equal.
_ROUNDING = 1e-3
#: Bits of what is equal beyond those that tell all pairs of rows apart: rows that agree by chance have fewer.
_SURE_BITS = 10.0
_MOST_ALIKE = 20


def _hashes(frame: pl.DataFrame) -> Array:
    """One 64-bit number a row, equal for equal rows."""
    return frame.hash_rows(seed=0).to_numpy()


def duplicate_rows(view: View) -> Iterator[Finding]:
    """Rows that repeat an earlier one, and repeats that contradict each other."""
    hashes = _hashes(view.features)
    repeated = len(hashes) - len(np.unique(hashes))
    if not repeated:
        return
    known = pl.DataFrame({"row": hashes, "target": view.y}).n_unique()
    same, other = len(hashes) - known, known - (len(hashes) - repeated)
    share = repeated / len(hashes)
    yield Finding(
        code="duplicate_rows",
        severity="warning" if share > _MANY else "info",
        message=(
            f"the features of an earlier row come again in {plural(repeated, 'row')} of {len(hashes):,} ({share:.1%}), "
            f"{same:,} with the same target and {other:,} with another."
        ),
        effect="Copies on both sides of a split flatter every score; those with another target cap them.",
        advice="Drop them where they are no separate observations, or keep them together with --group.",
        evidence={"rows": repeated, "same_target": same, "other_target": other, "share": share},
    )


def train_test_overlap(view: View) -> Iterator[Finding]:
    """Test rows whose features also occur among the rows to learn from."""
    if not len(view.test_features):
        return
    learned, sealed = _hashes(view.features), _hashes(view.test_features)
    shared = int(np.isin(sealed, learned).sum())
    if not shared:
        return
    share = shared / len(sealed)
    repeated = 1 - len(np.unique(learned)) / len(learned)
    copied = len(view.task.given_test) > 0 and share > _MOST and repeated < share / 2
    yield Finding(
        code="train_test_overlap",
        severity="blocking" if copied else "warning" if share > _SOME else "info",
        message=(
            f"features of rows to learn from come again in {plural(shared, 'row')} of the {len(sealed):,} in the test "
            f"set ({share:.1%})."
        ),
        effect=(
            "The test file is no test of anything unseen."
            if copied
            else "The test score flatters a model that memorises."
        ),
        advice="Pass another test file." if copied else "Drop the copies, or keep them together with --group.",
        evidence={"rows": shared, "share": share, "repeated_share_of_training": repeated},
    )


def near_duplicates(view: View) -> Iterator[Finding]:
    """Test rows that equal a row to learn from up to rounding and one or two columns, and not by chance."""
    if view.features.width <= _MOST_DIFFERENT or not len(view.test_features):
        return
    sealed = np.arange(len(view.test_features))
    if len(sealed) > SAMPLE_ROWS:
        sealed = np.sort(np.random.default_rng(0).choice(len(sealed), SAMPLE_ROWS, replace=False))
    tested = view.test_features[sealed]
    learned, asked = _rounded(view.sample_features, tested)
    copies = np.isin(_hashes(tested), _hashes(view.features))  # which `train_test_overlap` counts
    found = _near(learned, asked, np.flatnonzero(~copies))
    if not found:
        return
    share = len(found) / len(asked)
    given = len(view.task.given_test) > 0  # rows of one table are often alike by nature; those of a test file less so
    examples = [[int(view.rows[view.sample[a]]), int(view.test_rows[sealed[b]])] for b, a in list(found.items())[:5]]
    yield Finding(
        code="near_duplicates",
        severity="warning" if given and share > _SOME else "info",
        message=(
            f"{plural(len(found), 'row')} of {len(asked):,} in the test set ({share:.1%}) equal a row to learn from, "
            f"up to rounding, in all columns or all but one or two{view.sampled}."
        ),
        effect="They are almost the same case again, so the test score flatters a model that memorises.",
        advice="Where they are versions of one thing, keep them together with --group, or drop all but one.",
        evidence={"rows": len(found), "share": share, "examples": examples},
    )


def _rounded(learned: pl.DataFrame, asked: pl.DataFrame) -> tuple[Array, Array]:
    """Number the values of every column alike in both tables [n_rows, n_columns], numbers after rounding."""
    codes = np.empty((len(learned) + len(asked), learned.width), dtype=np.int32)
    for block in blocks(learned.width):
        codes[:, block] = _ranked(pl.concat([table[:, block] for table in (learned, asked)]))
    return codes[: len(learned)], codes[len(learned) :]


def _ranked(frame: pl.DataFrame) -> Array:
    """Number what is in each column alike where it is equal, numbers after rounding; what is missing is 0."""
    floats = {column.name: column for column in frame.select(cs.float()).get_columns()}
    ranks = dict(zip(floats, _ranks_of_floats(to_matrix(list(floats.values()))), strict=True)) if floats else {}
    others = frame.select((~cs.float()).rank("dense").fill_null(0).cast(pl.Int32))
    return np.column_stack([ranks[name] if name in ranks else others[name].to_numpy() for name in frame.columns])


def _ranks_of_floats(matrix: Array) -> Array:
    """Rank every row of a matrix after rounding, equal numbers alike; NaN becomes 0."""
    known = ~np.isnan(matrix)
    counted = known | ~known.any(axis=1, keepdims=True)
    with np.errstate(all="ignore"):  # infinite numbers, and those beyond all bounds, have no deviation
        steps = _ROUNDING * np.std(matrix, axis=1, where=counted, keepdims=True)
        rounded = np.where((steps > 0) & (steps < np.inf), np.round(matrix / steps), matrix)
    order = np.argsort(rounded, axis=1)
    ascending = np.take_along_axis(rounded, order, axis=1)
    rank = np.ones(matrix.shape, dtype=np.int32)
    rank[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    rank = np.cumsum(rank, axis=1, dtype=np.int32)
    rank[np.isnan(ascending)] = 0
    ranks: Array = np.empty_like(rank)
    np.put_along_axis(ranks, order, rank, axis=1)
    return ranks


def _near(learned: Array, asked: Array, left: Array) -> dict[int, int]:
    """For those rows of ``asked`` numbered by ``left`` that have one, a row of ``learned`` that is nearly equal."""
    bits = np.array([-np.log2(((np.bincount(c) / len(c)) ** 2).sum()) for c in learned.T])
    needed = np.log2(len(learned)) + np.log2(len(asked)) + _SURE_BITS
    found: dict[int, int] = {}
    for block in range(_MOST_DIFFERENT + 1):
        columns = slice(block, None, _MOST_DIFFERENT + 1)
        for here, there in _equal_pairs(_keys(learned[:, columns]), _keys(asked[:, columns])[left]):
            equal = learned[here] == asked[left[there]]
            close = (equal.sum(axis=1) >= learned.shape[1] - _MOST_DIFFERENT) & (equal @ bits > needed)
            for a, b in zip(here[close].tolist(), left[there[close]].tolist(), strict=True):
                found.setdefault(b, a)
    return dict(sorted(found.items()))


def _keys(codes: Array) -> Array:
    """One number a row, equal for equal rows, and for others only by a chance of one in 2^62."""
    weights = np.asarray(np.random.default_rng(0).integers(0, 2**64, size=codes.shape[1], dtype=np.uint64))
    parts = [codes[:, block].astype(np.uint64) @ weights[block] for block in blocks(codes.shape[1])]
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint64))


def _equal_pairs(learned: Array, asked: Array) -> Iterator[tuple[Array, Array]]:
    """Places in both of equal keys; a key is compared with at most 20 rows."""
    order = np.argsort(learned, kind="stable")
    start = np.searchsorted(learned[order], asked, side="left")
    stop = np.searchsorted(learned[order], asked, side="right")
    for step in range(int(min(_MOST_ALIKE, (stop - start).max(initial=0)))):
        there = np.flatnonzero(start + step < stop)
        yield order[start[there] + step], there
