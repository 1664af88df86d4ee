"""What the three recipes share: reading columns first, encoding second, and the way to disk."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl

from bench.dataset import Schema
from bench.errors import DataError
from bench.metric import Array, TaskKind
from bench.recipes.base import Encoded
from bench.recipes.columns import Columns, Table
from bench.recipes.document import Document, read_document, write_document


def assemble(
    blocks: Sequence[Array], names: Sequence[str], codes: Array | None = None, cardinalities: Sequence[int] = ()
) -> Encoded:
    """Put blocks of numbers [n_rows, ...] side by side, category codes last, as one read-only float32 array.

    Without any column, a column of zeros stands in.
    """
    n_rows = len(blocks[0])
    every = [*blocks] if codes is None else [*blocks, codes]
    width = sum(block.shape[1] for block in every)
    values = np.zeros((n_rows, max(width, 1)), dtype=np.float32)
    end = 0
    for block in every:
        start, end = end, end + block.shape[1]
        values[:, start:end] = block
    values.setflags(write=False)
    return Encoded(
        values=values,
        categorical=tuple(range(width - len(cardinalities), width)),
        cardinalities=tuple(cardinalities),
        names=tuple(names) or ("(no column)",),
    )


class FittedRecipe(ABC):
    """A recipe (see `Recipe`) in two steps: `Columns` reads the table, the subclass encodes what was read."""

    name: ClassVar[str]
    version: int

    _columns: Columns

    def __init__(self, schema: Schema, kind: TaskKind, seed: int) -> None:
        """Prepare to fit columns of ``schema`` to a task of ``kind``; ``seed`` decides what is drawn at random."""
        self._schema = schema
        self._kind = kind
        self._seed = seed

    @abstractmethod
    def _fit(self, table: Table, y: Array) -> Encoded:
        """Fit on training rows, after ``_columns`` was, and encode them."""

    @abstractmethod
    def _encode(self, table: Table) -> Encoded:
        """Encode any rows."""

    @abstractmethod
    def _state(self) -> Document:
        """Give what `_fit` learned, as plain values and arrays."""

    @abstractmethod
    def _restore(self, state: Document) -> None:
        """Take back what `_state` gave, after ``_columns`` was restored."""

    def fit_transform(self, frame: pl.DataFrame, y: Array) -> Encoded:
        """Fit on training rows and encode them."""
        self._columns, table = Columns.fit(self._schema, frame, self._seed)
        return self._fit(table, y)

    def transform(self, frame: pl.DataFrame) -> Encoded:
        """Encode other rows, each by itself."""
        return self._encode(self._columns.read(frame))

    def save(self, folder: Path) -> None:
        """Write ``recipe.json`` and ``recipe.npz`` into an existing folder."""
        document = {
            "recipe": self.name,
            "version": self.version,
            "kind": self._kind,
            "seed": self._seed,
            "columns": self._columns.to_document(),
            "state": self._state(),
        }
        write_document(document, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote.

        Raises:
            DataError: the folder holds no whole recipe, another one, or another version of it.
        """
        document = read_document(folder)
        found = (document.get("recipe"), document.get("version"))
        if found != (cls.name, cls.version):
            raise DataError(
                f"folder {folder.name!r} must hold recipe {cls.name!r} of version {cls.version}, "
                f"got {found[0]!r} of version {found[1]}. Fit it again."
            )
        # A fitted recipe needs no schema: its columns know their kinds.
        recipe = cls(Schema(columns=()), document["kind"], document["seed"])
        recipe._columns = Columns.from_document(document["columns"])
        recipe._restore(document["state"])
        return recipe
