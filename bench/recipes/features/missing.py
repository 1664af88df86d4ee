"""Gaps: which values of a row are missing, and how many.

At most 50 columns that miss values in rows of their own, and their number in a row when there are several.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.metric import Array
from bench.recipes.categories import MISSING
from bench.recipes.feature import Feature, made_of
from bench.recipes.features.strength import Training
from bench.recipes.table import Table, side_by_side

_COLUMNS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """``numbers`` and ``codes`` number the columns that are looked at; ``shown`` those, among both, that get a column.

    Where the recipe shows the gaps of numbers by itself, only those of categories get one here.
    """

    kind: ClassVar[str] = "missing"
    features: tuple[Feature, ...]
    numbers: Array
    codes: Array
    shown: Array

    @classmethod
    def fit(cls, table: Table, training: Training) -> "tuple[Gaps, Array]":
        """Choose columns whose gaps differ from those of all columns before them."""
        patterns: dict[bytes, tuple[int, int]] = {}
        for place, (gaps, width) in enumerate(
            ((np.isnan(table.numeric), table.numeric.shape[1]), (table.codes == MISSING, table.codes.shape[1]))
        ):
            for index in range(width):
                if gaps[:, index].any():
                    patterns.setdefault(np.packbits(gaps[:, index]).tobytes(), (place, index))
        chosen = list(patterns.values())[:_COLUMNS]
        numbers = np.array([index for place, index in chosen if place == 0], dtype=np.int64)
        codes = np.array([index for place, index in chosen if place == 1], dtype=np.int64)
        shown = np.arange(len(numbers) if training.gaps_shown else 0, len(chosen))
        names = [training.numbers[index] for index in numbers] + [training.categories[index].feature for index in codes]
        features = [names[index].part("missing") for index in shown]
        if len(names) > 1:
            features.append(made_of("(missing values)", *names))
        found = cls(features=tuple(features), numbers=numbers, codes=codes, shown=shown)
        return found, found.read(table)

    def read(self, table: Table) -> Array:
        """Read float64 [n_rows, n_shown], and one column more, of how many are missing, if there are several."""
        gaps = np.hstack([np.isnan(table.numeric[:, self.numbers]), table.codes[:, self.codes] == MISSING])
        blocks = [gaps[:, self.shown].astype(np.float64)]
        if gaps.shape[1] > 1:
            blocks.append(gaps.sum(axis=1, dtype=np.float64)[:, None])
        return side_by_side(blocks, len(gaps))
