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

    What the recipe shows by itself is only counted.
    """

    kind: ClassVar[str] = "missing"
    features: tuple[Feature, ...]
    numbers: Array
    codes: Array
    shown: Array

    @classmethod
    def fit(cls, table: Table, training: Training) -> "tuple[Gaps, Array]":
        """Choose columns whose gaps differ from those of all columns before them."""
        blocks = {"numbers": np.isnan(table.numeric), "categories": table.codes == MISSING}
        patterns: dict[bytes, tuple[str, int]] = {}
        for kind, gaps in blocks.items():
            for index in np.flatnonzero(gaps.any(axis=0)):
                patterns.setdefault(np.packbits(gaps[:, index]).tobytes(), (kind, int(index)))
        chosen = list(patterns.values())[:_COLUMNS]
        numbers, codes = (np.array([at for kind, at in chosen if kind == of], dtype=np.int64) for of in blocks)
        shown = np.array([at for at, (kind, _) in enumerate(chosen) if kind not in training.gaps_shown], dtype=np.int64)
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
