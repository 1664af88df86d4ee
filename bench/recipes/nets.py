"""Recipe for nets: bounded numbers, indicators of gaps, and category codes with a slot for the unknown."""

from dataclasses import asdict

import numpy as np

from bench.metric import Array
from bench.recipes.base import Encoded
from bench.recipes.columns import Table
from bench.recipes.document import Document
from bench.recipes.fitted import FittedRecipe, assemble
from bench.recipes.scaling import Scaling

_BOUND = 3.0
_LIMIT = 1e6
#: A level with fewer training rows shares slot 0, so that nets learn what to do with a level they have never seen.
_MIN_COUNT = 2


class Nets(FittedRecipe):
    """Numbers as RealMLP takes them, then category codes: 0 for missing, unseen and lone levels, 1.. for the others."""

    name = "nets"
    version = 1

    _scaling: Scaling

    def _fit(self, table: Table, y: Array) -> Encoded:
        self._scaling = Scaling.fit(table.numeric)
        return self._encode(table)

    def _encode(self, table: Table) -> Encoded:
        scaled = self._scaling.scale(self._scaling.fill(table.numeric), _LIMIT)
        # Smooth clipping to (-3, 3): Holzmüller et al., 2024, "Better by Default".
        smooth = scaled / np.sqrt(1 + (scaled / _BOUND) ** 2)
        used = [(index, category.common(_MIN_COUNT)) for index, category in enumerate(self._columns.categories)]
        used = [(index, n_levels) for index, n_levels in used if n_levels]
        codes = table.codes[:, [index for index, _ in used]]
        n_levels = np.array([n for _, n in used], dtype=np.int64)
        return assemble(
            [smooth, self._scaling.indicators(table.numeric)],
            [*self._scaling.names(self._columns.names), *(self._columns.categories[index].name for index, _ in used)],
            np.where((codes >= 0) & (codes < n_levels), codes + 1, 0),
            [n + 1 for _, n in used],
        )

    def _state(self) -> Document:
        return asdict(self._scaling)

    def _restore(self, state: Document) -> None:
        self._scaling = Scaling(**state)


RECIPE = Nets
