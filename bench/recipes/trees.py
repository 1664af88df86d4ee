"""Recipe for trees: numbers as they are, categories as codes, NaN for what is missing or was never seen."""

import numpy as np

from bench.metric import Array
from bench.recipes.base import Encoded
from bench.recipes.document import Document
from bench.recipes.feature import Feature
from bench.recipes.fitted import FittedRecipe, assemble
from bench.recipes.table import Table

#: Where there are more levels, the rarest share the last code: boosting libraries slow down beyond it.
MAX_LEVELS = 1024


class Trees(FittedRecipe):
    """Numbers with NaN, then category codes with NaN; a code is smaller the more frequent its level is."""

    name = "trees"
    shows_gaps = frozenset()
    version = 4

    def _fit(self, table: Table, y: Array) -> Encoded:
        return self._encode(table)

    def _encode(self, table: Table) -> Encoded:
        codes = np.where(table.codes < 0, np.nan, np.minimum(table.codes, MAX_LEVELS - 1))
        return assemble(
            [table.numeric],
            self._features(),
            codes,
            [min(len(category.levels), MAX_LEVELS) for category in self._categories],
        )

    def _features(self) -> list[Feature]:
        return [*self._numbers, *(category.feature for category in self._categories)]

    def _state(self) -> Document:
        return {}

    def _restore(self, state: Document) -> None:
        pass


RECIPE = Trees
