"""What the three recipes share: reading columns first, encoding second, and the way to disk."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl

from bench.dataset import Schema
from bench.errors import DataError
from bench.identity import seed_for
from bench.metric import Array, TaskKind
from bench.recipes.base import Encoded
from bench.recipes.categories import CategoryColumn
from bench.recipes.columns import Columns
from bench.recipes.document import Document, read_document, write_document
from bench.recipes.feature import Feature
from bench.recipes.features import Features, Made, Training, make_sample, makes_any
from bench.recipes.screening import screened
from bench.recipes.table import Table
from bench.recipes.target_encoding import assign_folds, targets

_NO_FEATURE = Feature("(no column)", ())


def assemble(
    blocks: Sequence[Array], features: Sequence[Feature], codes: Array | None = None, cardinalities: Sequence[int] = ()
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
        names=tuple(feature.name for feature in features) or (_NO_FEATURE.name,),
    )


def _gathered(frame: pl.DataFrame, names: Sequence[str], rows: Array | None) -> pl.DataFrame:
    """Take rows of the columns that are read; one column at least, which tells how many rows there are."""
    some = frame.select(names or frame.columns[:1])
    return some if rows is None else some[rows]


class FittedRecipe(ABC):
    """A recipe (see `Recipe`) in three steps: `Columns` reads the table, `Made` adds to it, the subclass encodes it.

    ``shows_gaps`` says for which of ``numbers`` and ``categories`` the encoding has columns that tell of gaps alone.
    """

    name: ClassVar[str]
    shows_gaps: ClassVar[frozenset[str]]
    version: int

    _columns: Columns
    _made: Made

    def __init__(self, schema: Schema, kind: TaskKind, seed: int, features: Features) -> None:
        """Prepare to fit columns of ``schema`` to a task of ``kind``; ``seed`` decides what is drawn at random."""
        self._schema = schema
        self._kind = kind
        self._seed = seed
        self._switches = features

    @abstractmethod
    def _fit(self, table: Table, y: Array) -> Encoded:
        """Fit on training rows, after ``_columns`` and ``_made`` were, and encode them."""

    @abstractmethod
    def _encode(self, table: Table) -> Encoded:
        """Encode any rows."""

    @abstractmethod
    def _features(self) -> list[Feature]:
        """Name the encoded columns, once fitted."""

    @abstractmethod
    def _state(self) -> Document:
        """Give what `_fit` learned, as plain values and arrays."""

    @abstractmethod
    def _restore(self, state: Document) -> None:
        """Take back what `_state` gave, after ``_columns`` and ``_made`` were restored."""

    @property
    def _numbers(self) -> tuple[Feature, ...]:
        """The table's columns of numbers, made ones last."""
        return (*self._columns.features, *self._made.features)

    @property
    def _categories(self) -> tuple[CategoryColumn, ...]:
        """The table's categorical columns, made ones last."""
        return (*self._columns.categories, *self._made.categories)

    def fit_transform(self, frame: pl.DataFrame, y: Array, rows: Array | None = None) -> Encoded:
        """Fit on training rows and encode them."""
        schema = screened(self._schema, frame, targets(y, self._kind), rows)
        some = _gathered(frame, [column.name for column in schema.columns], rows)
        self._columns, table = Columns.fit(schema, some, self._seed, self._switches)
        self._made = Made()
        if makes_any(self._switches):
            self._made, table = Made.fit(self._switches, table, self._training(y))
        return self._fit(table, y)

    def _training(self, y: Array) -> Training:
        """Bring together what generators learn from."""
        return Training(
            numbers=self._columns.features,
            categories=self._columns.categories,
            outputs=targets(y, self._kind),
            folds=assign_folds(y, seed_for(self._seed, "features", "folds")),
            sample=make_sample(len(y), seed_for(self._seed, "features", "sample")),
            seed=seed_for(self._seed, "features"),
            gaps_shown=self.shows_gaps,
        )

    def transform(self, frame: pl.DataFrame, rows: Array | None = None) -> Encoded:
        """Encode other rows, each by itself."""
        some = _gathered(frame, self._columns.names, rows)
        return self._encode(self._made.read(self._columns.read(some)))

    def get_feature_names_out(self) -> Array:
        """Name the encoded columns, as scikit-learn's transformers do: text [n_features]."""
        return np.array([feature.name for feature in self._features() or [_NO_FEATURE]], dtype=object)

    def sources(self) -> tuple[tuple[str, ...], ...]:
        """Tell, for each encoded column, which columns of the table it is made of."""
        return tuple(feature.columns for feature in self._features() or [_NO_FEATURE])

    def save(self, folder: Path) -> None:
        """Write ``recipe.json`` and ``recipe.npz`` into an existing folder."""
        document = {
            "recipe": self.name,
            "version": self.version,
            "kind": self._kind,
            "seed": self._seed,
            "features": asdict(self._switches),
            "columns": self._columns.to_document(),
            "made": self._made.to_document(),
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
        recipe = cls(Schema(columns=()), document["kind"], document["seed"], Features(**document["features"]))
        recipe._columns = Columns.from_document(document["columns"])
        recipe._made = Made.from_document(document["made"])
        recipe._restore(document["state"])
        return recipe
