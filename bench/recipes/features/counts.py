"""Counts: how common a value of a categorical column is, as the logarithm of its training rows.

For the 32 columns of the most levels, each of at least 11. One training row counts as none: a value that was never
seen must not look like nothing that a model has learned from, and a row's own value is one that nobody else has seen.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.metric import Array
from bench.recipes.categories import OFFSET
from bench.recipes.feature import Feature
from bench.recipes.features.strength import Training
from bench.recipes.table import Table, side_by_side

#: From so many levels on, a categorical column is one of high cardinality.
MANY_LEVELS = 11
_COLUMNS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """``columns`` numbers the categorical columns, ``tables`` [OFFSET + n_levels] holds what a code counts."""

    kind: ClassVar[str] = "counts"
    features: tuple[Feature, ...]
    columns: tuple[int, ...]
    tables: tuple[Array, ...]

    @classmethod
    def fit(cls, table: Table, training: Training) -> "tuple[Counts, Array]":
        """Choose the columns, and count."""
        sizes = [len(category.levels) for category in training.categories]
        wide = sorted((index for index, size in enumerate(sizes) if size >= MANY_LEVELS), key=lambda at: -sizes[at])
        columns = tuple(sorted(wide[:_COLUMNS]))
        counts = cls(
            features=tuple(training.categories[index].feature.part("log count") for index in columns),
            columns=columns,
            tables=tuple(
                np.log(np.maximum(np.bincount(table.codes[:, index] + OFFSET, minlength=OFFSET + sizes[index]), 1))
                for index in columns
            ),
        )
        return counts, counts.read(table)

    def read(self, table: Table) -> Array:
        """Read float64 [n_rows, n_columns]."""
        blocks = [
            counts[table.codes[:, [index]] + OFFSET] for index, counts in zip(self.columns, self.tables, strict=True)
        ]
        return side_by_side(blocks, len(table.codes))
