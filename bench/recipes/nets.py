"""Recipe for nets: bounded numbers, indicators of gaps, and category codes with a slot for the unknown."""

from dataclasses import asdict

import numpy as np

from bench.metric import Array
from bench.recipes.base import Encoded
from bench.recipes.categories import CategoryColumn
from bench.recipes.document import Document
from bench.recipes.feature import Feature
from bench.recipes.fitted import FittedRecipe, assemble
from bench.recipes.scaling import Scaling
from bench.recipes.shaping import Shaping
from bench.recipes.table import Table

_BOUND = 3.0
_LIMIT = 1e6
#: A level with fewer training rows shares slot 0, so that nets learn what to do with a level they have never seen.
_MIN_COUNT = 2


class Nets(FittedRecipe):
    """Numbers as RealMLP takes them, then category codes: 0 for missing, unseen and lone levels, 1.. for the others."""

    name = "nets"
    shows_gaps = frozenset({"numbers"})
    version = 4

    _scaling: Scaling
    _shaping: Shaping

    def _fit(self, table: Table, y: Array) -> Encoded:
        self._scaling = Scaling.fit(table.numeric)
        self._shaping = Shaping.fit(table.numeric, self._scaling, self._switches.numbers)
        return self._encode(table)

    def _encode(self, table: Table) -> Encoded:
        filled = self._scaling.fill(table.numeric)
        scaled = self._shaping.apply(filled, self._scaling.scale(filled, _LIMIT), self._scaling)
        # Smooth clipping to (-3, 3): Holzmüller et al., 2024, "Better by Default".
        smooth = scaled / np.sqrt(1 + (scaled / _BOUND) ** 2)
        used = self._used()
        codes = table.codes[:, list(used)]
        n_levels = np.array([category.common(_MIN_COUNT) for category in used.values()], dtype=np.int64)
        return assemble(
            [smooth, self._scaling.indicators(table.numeric)],
            self._features(),
            np.where((codes >= 0) & (codes < n_levels), codes + 1, 0),
            (n_levels + 1).tolist(),
        )

    def _used(self) -> dict[int, CategoryColumn]:
        """The categorical columns that have a level with a slot of its own."""
        return {index: column for index, column in enumerate(self._categories) if column.common(_MIN_COUNT)}

    def _features(self) -> list[Feature]:
        return [*self._scaling.features(self._numbers), *(column.feature for column in self._used().values())]

    def _state(self) -> Document:
        return {"scaling": asdict(self._scaling), "shaping": self._shaping.to_document()}

    def _restore(self, state: Document) -> None:
        self._scaling = Scaling(**state["scaling"])
        self._shaping = Shaping.from_document(state["shaping"])


RECIPE = Nets
