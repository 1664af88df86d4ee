"""What every source gives, and what it may be told."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.cards import Card

BadLines = Literal["error", "skip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOptions:
    """How a table is read where the user knows better than the source; None leaves it to the source.

    ``sep``, ``encoding`` and ``decimal`` are of delimited text, as is ``bad_lines``: whether lines with too many or too
    few fields are an error or left out. ``null`` lists further spellings of a missing value, ``query`` is of databases,
    and ``offline`` forbids to ask any other machine for what is not in the cache.
    ``typed`` lets a source of text read columns as numbers that `bench.readings` would read as the same numbers.
    """

    sep: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    null: tuple[str, ...] = ()
    bad_lines: BadLines = "error"
    query: str | None = None
    offline: bool = False
    typed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenSplits:
    """Folds that come with the data: ``roles`` int8 [n_folds, n_rows] is 1 to learn from, 2 to score, 0 for neither.

    ``repeats`` [n_folds] says which repeat a fold belongs to, ``origin`` where the folds come from. ``test`` [n_rows]
    masks the rows of a sealed test; a source that has none leaves it out, and what a lone fold scores is then sealed.
    """

    roles: npt.NDArray[np.int8]
    repeats: npt.NDArray[np.int64]
    origin: str
    test: npt.NDArray[np.bool_] | None = None

    @property
    def content(self) -> list[bytes]:
        """All that decides which row is what, for hashing."""
        return [array.tobytes() for array in (self.roles, self.repeats, self.test) if array is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """A table as it was read: ``notes`` say what was assumed, ``card`` and ``splits`` what the source knows of it.

    ``source`` is how the reference is shown and recorded: without passwords. ``name`` is what the table is called where
    the source knows better than the end of ``source``.
    """

    frame: pl.DataFrame
    source: str
    name: str | None = None
    notes: tuple[str, ...] = ()
    card: Card | None = None
    splits: GivenSplits | None = None
