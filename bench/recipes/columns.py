"""What all recipes begin with: any kind of column as numbers or as category codes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import polars as pl

from bench.dataset import Kind, Schema
from bench.metric import Array
from bench.recipes.categories import CategoryColumn
from bench.recipes.dates import CyclicColumn, DateColumn
from bench.recipes.document import Document
from bench.recipes.feature import Feature
from bench.recipes.features import Features
from bench.recipes.numbers import NumberColumn
from bench.recipes.table import Table, side_by_side
from bench.recipes.texts import CharacterColumn, TextColumn


class _Reader(Protocol):
    """Reads one column of a coerced table as one or more columns of numbers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[str]

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> "_Reader": ...

    def read(self, series: pl.Series) -> Array: ...


_OWN: dict[Kind, type[_Reader]] = {
    "numeric": NumberColumn,
    "boolean": NumberColumn,
    "datetime": DateColumn,
    "text": TextColumn,
}
_READERS: dict[str, type[_Reader]] = {
    reader.kind: reader for reader in (NumberColumn, DateColumn, CyclicColumn, TextColumn, CharacterColumn)
}


def _readers_of(kind: Kind, features: Features) -> list[type[_Reader]]:
    """Find what reads a kind of column: its own reader, and another one where that is switched on."""
    more: list[type[_Reader]] = []
    if kind == "datetime" and features.dates == "cyclic":
        more = [CyclicColumn]
    elif kind == "text" and features.text == "characters":
        more = [CharacterColumn]
    return [_OWN[kind], *more]


def _worth_keeping(numeric: Array) -> Array:
    """Find columns that vary, or whose gaps tell what no column before them tells."""
    missing = np.isnan(numeric)
    kept = numeric.min(axis=0, where=~missing, initial=np.inf) < numeric.max(axis=0, where=~missing, initial=-np.inf)
    gaps: set[bytes] = set()
    for index in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        pattern = np.packbits(missing[:, index]).tobytes()
        kept[index] |= pattern not in gaps
        gaps.add(pattern)
    return np.flatnonzero(kept)


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Columns that were found worth keeping; ``kept`` numbers those of the readers' columns that are."""

    readers: tuple[_Reader, ...]
    kept: Array
    categories: tuple[CategoryColumn, ...]

    @classmethod
    def fit(cls, schema: Schema, frame: pl.DataFrame, seed: int, features: Features) -> "tuple[Columns, Table]":
        """Learn from training rows, and read them. Columns that are constant or empty in them are left out."""
        readers = tuple(
            reader.fit(frame[column.name], seed)
            for column in schema.columns
            if column.kind != "categorical"
            for reader in _readers_of(column.kind, features)
        )
        categories = (
            CategoryColumn.fit(frame[c.name], features.rare) for c in schema.columns if c.kind == "categorical"
        )
        everything = _read_numbers(readers, frame)
        columns = cls(
            readers=readers,
            kept=_worth_keeping(everything),
            categories=tuple(c for c in categories if len(c.levels) + (frame[c.name].null_count() > 0) > 1),
        )
        return columns, Table(numeric=everything[:, columns.kept], codes=_read_codes(columns.categories, frame))

    @property
    def features(self) -> tuple[Feature, ...]:
        """The numeric columns by name."""
        every = [feature for reader in self.readers for feature in reader.features]
        return tuple(every[index] for index in self.kept)

    @property
    def names(self) -> list[str]:
        """The columns of the table that are read."""
        readers, categories = (reader.name for reader in self.readers), (column.name for column in self.categories)
        return list(dict.fromkeys((*readers, *categories)))

    def read(self, frame: pl.DataFrame) -> Table:
        """Read any rows."""
        return Table(
            numeric=_read_numbers(self.readers, frame)[:, self.kept], codes=_read_codes(self.categories, frame)
        )

    def to_document(self) -> Document:
        """Plain values and arrays."""
        return {
            "readers": [{"kind": reader.kind, "state": asdict(reader)} for reader in self.readers],
            "kept": self.kept,
            "categories": [asdict(category) for category in self.categories],
        }

    @classmethod
    def from_document(cls, document: Document) -> "Columns":
        """Read back what `to_document` gave."""
        return cls(
            readers=tuple(_READERS[entry["kind"]](**entry["state"]) for entry in document["readers"]),
            kept=document["kept"],
            categories=tuple(CategoryColumn(**state) for state in document["categories"]),
        )


def _read_numbers(readers: Sequence[_Reader], frame: pl.DataFrame) -> Array:
    """Read float64 [n_rows, n_columns]."""
    return side_by_side([reader.read(frame[reader.name]) for reader in readers], frame.height)


def _read_codes(categories: Sequence[CategoryColumn], frame: pl.DataFrame) -> Array:
    """Read int64 [n_rows, n_columns], column by column in memory."""
    codes = np.empty((frame.height, len(categories)), dtype=np.int64, order="F")
    for index, category in enumerate(categories):
        codes[:, index] = category.read(frame[category.name])
    return codes
