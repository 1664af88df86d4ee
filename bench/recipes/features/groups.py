"""Groups: where a number stands among the rows that share a category, and what those rows are like.

Mean, standard deviation, least and greatest value of the 3 strongest numbers by the 2 strongest categories, and the
rank of the row's own value: at most 30 columns. A category's 1,024 most frequent levels are groups.
"""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from bench.metric import Array
from bench.recipes.categories import OFFSET
from bench.recipes.feature import Feature, made_of
from bench.recipes.features.strength import Training
from bench.recipes.table import Table, side_by_side

_CATEGORIES, _NUMBERS, _MAX_GROUPS = 2, 3, 1024
#: A group with fewer known values is taken for the whole training fold.
_MIN_ROWS = 10
_SUMMARIES = ("mean", "standard deviation", "least", "greatest")
#: A rank is read off so many marks, each at the middle of as large a share of the group.
_MARKS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """``pairs`` numbers category and number of each five made columns.

    ``rows`` [OFFSET + n_levels] says which row of a pair's ``tables`` [n_groups, n_summaries + n_marks] holds for a
    code; row 0 is of the whole training fold.
    """

    kind: ClassVar[str] = "groups"
    features: tuple[Feature, ...]
    pairs: tuple[tuple[int, int], ...]
    rows: tuple[Array, ...]
    tables: tuple[Array, ...]

    @classmethod
    def fit(cls, table: Table, training: Training) -> "tuple[Groups, Array]":
        """Choose the pairs, learn what their groups are like, and say so of the training rows."""
        pairs = tuple(
            product(training.strongest_categories(table, _CATEGORIES), training.strongest_numbers(table, _NUMBERS))
        )
        learned = [
            _learn(
                np.minimum(table.codes[:, category] + OFFSET, OFFSET + _MAX_GROUPS),
                table.numeric[:, number],
                OFFSET + len(training.categories[category].levels),
            )
            for category, number in pairs
        ]
        features = []
        for category, number in pairs:
            by, of = training.categories[category].feature, training.numbers[number]
            features += [made_of(f"{of.name} ({what} by {by.name})", of, by) for what in (*_SUMMARIES, "rank")]
        groups = cls(
            features=tuple(features),
            pairs=pairs,
            rows=tuple(rows for rows, _ in learned),
            tables=tuple(tables for _, tables in learned),
        )
        return groups, groups.read(table)

    def read(self, table: Table) -> Array:
        """Read float64 [n_rows, 5 a pair]; the rank, from 0 to 1, of a missing value is missing."""
        blocks = []
        for (category, number), rows, summaries in zip(self.pairs, self.rows, self.tables, strict=True):
            found = summaries[rows[table.codes[:, category] + OFFSET]]
            values, marks = table.numeric[:, [number]], found[:, len(_SUMMARIES) :]
            below = (marks < values).sum(axis=1) + (marks <= values).sum(axis=1)
            rank = np.where(np.isnan(values[:, 0]), np.nan, below / (2 * _MARKS))
            blocks += [found[:, : len(_SUMMARIES)], rank[:, None]]
        return side_by_side(blocks, len(table.numeric))


def _learn(groups: Array, values: Array, n_slots: int) -> tuple[Array, Array]:
    """Give the row of each slot, and the rows: the whole fold's first, then one for each group that is large enough."""
    known = ~np.isnan(values)
    groups, values = groups[known], values[known]
    counts = np.bincount(groups, minlength=n_slots)[: OFFSET + _MAX_GROUPS]
    large = np.flatnonzero(counts >= _MIN_ROWS)
    rows = np.zeros(n_slots, dtype=np.int64)
    rows[large] = np.arange(1, len(large) + 1)
    order = np.lexsort((values, groups))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])[large]
    spans = [
        np.sort(values),
        *(values[order[start : start + counts[at]]] for at, start in zip(large, starts, strict=True)),
    ]
    return rows, np.stack([_summary(span) for span in spans])


def _summary(values: Array) -> Array:
    """Describe sorted values by their summaries and marks."""
    marks = values[((np.arange(_MARKS) + 0.5) / _MARKS * len(values)).astype(np.int64)]
    with np.errstate(over="ignore"):
        return np.concatenate([[values.mean(), values.std(), values[0], values[-1]], marks])
