"""Target encodings of categorical columns with many levels, beside what the recipe makes of them.

A training row's own target must not show in its encoding: ``folds`` takes the means of the other folds' rows,
``ordered`` those of the rows before it in a random order (Prokhorenkova et al., 2018, "CatBoost"), which also serves
levels of few rows. The mean of all other rows of the level, known as leave-one-out, would tell a row's own target by
what it lacks, so it is not to be had. At most 64 columns, of the strongest columns with at least 11 levels.
"""

from dataclasses import dataclass
from typing import ClassVar

from bench.identity import seed_for
from bench.metric import Array
from bench.recipes.feature import Feature
from bench.recipes.features.counts import MANY_LEVELS
from bench.recipes.features.strength import Training
from bench.recipes.table import Table, side_by_side
from bench.recipes.target_encoding import TargetEncoding

_MADE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetMeans:
    """``columns`` numbers the categorical columns, ``tables`` is theirs (see `TargetEncoding`)."""

    kind: ClassVar[str] = "target"
    features: tuple[Feature, ...]
    columns: tuple[int, ...]
    tables: tuple[Array, ...]

    @classmethod
    def fit(cls, table: Table, training: Training, *, ordered: bool) -> "tuple[TargetMeans, Array]":
        """Choose the columns, learn their means, and encode the training rows without their own target."""
        n_outputs = training.outputs.shape[1]
        columns = tuple(sorted(training.strongest_categories(table, max(1, _MADE // n_outputs), MANY_LEVELS)))
        tables, encoded, features = [], [], []
        for index in columns:
            category, codes = training.categories[index], table.codes[:, index]
            n_levels = len(category.levels)
            if ordered:
                seed = seed_for(training.seed, "ordered", category.name)
                encoding, own = TargetEncoding.fit_ordered(codes, n_levels, training.outputs, seed)
            else:
                encoding, own = TargetEncoding.fit(codes, n_levels, training.outputs, training.folds)
            tables.append(encoding.table)
            encoded.append(own)
            features += category.feature.outputs("target mean", n_outputs)
        means = cls(features=tuple(features), columns=columns, tables=tuple(tables))
        return means, side_by_side(encoded, len(table.codes))

    def read(self, table: Table) -> Array:
        """Read float64 [n_rows, n_outputs a column]."""
        blocks = [
            TargetEncoding(table=means).apply(table.codes[:, index])
            for index, means in zip(self.columns, self.tables, strict=True)
        ]
        return side_by_side(blocks, len(table.codes))
