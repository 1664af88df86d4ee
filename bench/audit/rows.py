"""Checks of whole rows: duplicates, and rows that the test set shares with the rest."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from bench.audit.finding import Finding
from bench.audit.view import View, plural
from bench.metric import Array

_MANY = 0.05
_MOST = 0.5
_SOME = 0.01


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
            f"{same:,} with the same target and {other:,} with another; copies on both sides of a split flatter "
            "every score, so drop them where they are no separate observations, or keep them together with --group."
        ),
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
            f"set ({share:.1%}); "
            + (
                "the test file is no test of anything unseen, so pass another one."
                if copied
                else "the test score flatters a model that memorises, so drop the copies or use --group."
            )
        ),
        evidence={"rows": shared, "share": share, "repeated_share_of_training": repeated},
    )
