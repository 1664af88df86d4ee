"""Crosses: two categorical columns as one, whose levels are the pairs that occur together.

Of the 10 pairs of the 5 strongest columns, at most 6 that tell more than both of their columns do.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.metric import Array
from bench.recipes.categories import MISSING, OFFSET, CategoryColumn, merged
from bench.recipes.features.strength import Training
from bench.recipes.table import Table

_COLUMNS, _CROSSES = 5, 6
#: Pairs with fewer training rows share a level.
_MIN_ROWS = 5
_SHIFT = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Crosses:
    """``pairs`` numbers the columns of each cross; ``keys`` holds its pairs of codes, sorted, ``codes`` theirs."""

    pairs: tuple[tuple[int, int], ...] = ()
    keys: tuple[Array, ...] = ()
    codes: tuple[Array, ...] = ()
    categories: tuple[CategoryColumn, ...] = ()

    @classmethod
    def fit(cls, table: Table, training: Training) -> "Crosses":
        """Choose the crosses and learn their levels."""
        columns = training.strongest_categories(table, _COLUMNS)
        alone = {index: training.strength_of_codes(table.codes[:, index]) for index in columns}
        gains: dict[tuple[int, int], float] = {}
        for pair in combinations(sorted(columns), 2):
            met = np.unique(_keys(table, pair), return_inverse=True)[1]
            gains[pair] = training.strength_of_codes(met) - max(alone[index] for index in pair)
        chosen = sorted((pair for pair in gains if gains[pair] > 0), key=lambda pair: (-gains[pair], pair))[:_CROSSES]
        learned = [_learn(table, pair, training) for pair in chosen]
        return cls(
            pairs=tuple(chosen),
            keys=tuple(keys for keys, _, _ in learned),
            codes=tuple(codes for _, codes, _ in learned),
            categories=tuple(category for _, _, category in learned),
        )

    def read(self, table: Table) -> Array:
        """Read codes, int64 [n_rows, n_crosses]; what is missing in one column is as good a partner as a level."""
        read = np.empty((len(table.codes), len(self.pairs)), dtype=np.int64, order="F")
        for index, (pair, keys, codes) in enumerate(zip(self.pairs, self.keys, self.codes, strict=True)):
            found = _keys(table, pair)
            at = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
            read[:, index] = np.where(keys[at] == found, codes[at], self.categories[index].other)
        return read


def _keys(table: Table, pair: tuple[int, int]) -> Array:
    """Write two codes as one number."""
    first, second = pair
    keys: Array = ((table.codes[:, first] + OFFSET) << _SHIFT) + table.codes[:, second] + OFFSET
    return keys


def _learn(table: Table, pair: tuple[int, int], training: Training) -> tuple[Array, Array, CategoryColumn]:
    """Give the pairs of codes that are levels, sorted, the code of each, and the column."""
    first, second = (training.categories[index] for index in pair)
    keys, counts = np.unique(_keys(table, pair), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    levels = [
        f"{_level(first, int(key >> _SHIFT))} & {_level(second, int(key & (2**_SHIFT - 1)))}" for key in keys[order]
    ]
    columns = (*first.feature.columns, *second.feature.columns)
    category = merged(f"{first.name} & {second.name}", levels, counts[order], _MIN_ROWS, columns)
    codes = np.full(len(keys), category.other, dtype=np.int64)
    kept = [code for code in range(len(category.levels)) if code != category.other]
    codes[order[: len(kept)]] = kept
    return keys, codes, category


def _level(category: CategoryColumn, slot: int) -> str:
    """Spell one partner of a pair."""
    code = slot - OFFSET
    return category.levels[code] if code >= 0 else "(missing)" if code == MISSING else "(unseen)"
