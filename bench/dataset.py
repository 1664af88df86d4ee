"""A dataset: a typed, fingerprinted, read-only table, from a reference or a card.

``load_dataset`` turns what the user named into a `Dataset`; `Schema` is what later stages, and the shipped predictor,
know about columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

Kind = Literal["numeric", "categorical", "boolean", "datetime", "text", "constant", "id"]
USABLE: frozenset[Kind] = frozenset({"numeric", "categorical", "boolean", "datetime", "text"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: its kind, why it was taken for that, and counts over all rows.

    ``dtype`` is the polars type as read; ``n_unique`` leaves missing values out.
    """

    name: str
    kind: Kind
    dtype: str
    why: str
    n_missing: int
    n_unique: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """Feature columns in order; makes any table look like the one that was learned from."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def coerce(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """Pick the schema's columns, in its order, in one physical type a kind; say what had to be changed.

        Types: numeric Float64 (infinite becomes missing), boolean Boolean, categorical and text String, datetime
        Datetime("us") in UTC without a zone. Extra columns are left out, with a note. Values that cannot be read as
        the column's kind become missing, with a note that counts them.

        Raises:
            DataError: a column is missing (all missing ones named), or no value of a column fits its kind.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Schema":
        """Read back what `to_dict` gave."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A table as it was read, and what is known about it.

    ``frame`` holds the columns with their own types, every spelling of a missing value as null. ``fingerprint`` hashes
    content, column names and types. ``target``, ``positive_class``, ``metric``, ``task``, ``group`` and ``time`` come
    from a card (None without one) and are overruled by flags. ``notes`` are sentences on what was assumed while reading.
    """

    name: str
    source: str
    frame: pl.DataFrame
    columns: tuple[Column, ...]
    fingerprint: str
    target: str | None = None
    task: str | None = None
    positive_class: str | None = None
    metric: str | None = None
    group: str | None = None
    time: str | None = None
    notes: tuple[str, ...] = ()

    def schema(self, leave_out: Sequence[str] = ()) -> Schema:
        """Columns that a model can use, without those named."""
        return Schema(columns=tuple(c for c in self.columns if c.kind in USABLE and c.name not in leave_out))
