"""Recipe for models that look at no feature: a column of zeros, so that a baseline waits for no encoding."""

import polars as pl

from bench.dataset import Schema
from bench.metric import Array
from bench.recipes.base import Encoded
from bench.recipes.document import Document
from bench.recipes.feature import Feature
from bench.recipes.fitted import FittedRecipe, assemble
from bench.recipes.table import Table


class Blank(FittedRecipe):
    """Reads no column."""

    name = "blank"
    shows_gaps = frozenset()
    version = 1

    def fit_transform(self, frame: pl.DataFrame, y: Array, rows: Array | None = None) -> Encoded:
        """Count rows."""
        self._schema = Schema(columns=())
        return super().fit_transform(frame, y, rows)

    def _fit(self, table: Table, y: Array) -> Encoded:
        return self._encode(table)

    def _encode(self, table: Table) -> Encoded:
        return assemble([table.numeric], ())

    def _features(self) -> list[Feature]:
        return []

    def _state(self) -> Document:
        return {}

    def _restore(self, state: Document) -> None:
        pass


RECIPE = Blank
