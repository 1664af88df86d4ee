"""Kinds of columns, inferred once over all rows, each with its reason."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

Kind = Literal["numeric", "categorical", "boolean", "datetime", "text", "constant", "id", "unsupported"]
USABLE: frozenset[Kind] = frozenset({"numeric", "categorical", "boolean", "datetime", "text"})

# Below this many rows values that never repeat say little: the name must look like that of an identifier too.
_ROWS_FOR_ID = 50
_PRESENT_IN_ID = 0.95
_WORDS_IN_TEXT = 4.0
_UNIQUE_IN_TEXT = 0.5
_ID_NAME = re.compile(r"^(index|unnamed: 0|row_?(number|num|id))$|(^|[^a-z])(id|uuid|guid)$", re.IGNORECASE)
_ID_NAME_CAMEL = re.compile(r"[a-z]I[Dd]$")


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


def is_unsupported(dtype: pl.DataType) -> bool:
    """Whether no model here can use a column of this type (lists, structures, bytes, objects)."""
    return dtype.is_nested() or dtype in (pl.Binary, pl.Object)


def infer_column(series: pl.Series, *, declared: bool = False) -> Column:
    """Find out what a normalised column is; ``declared`` says that its source called it categorical."""
    if is_unsupported(series.dtype):
        why = f"values of type {series.dtype} cannot be used by a model"
        return _column(series, "unsupported", why, declared=False, n_unique=0)
    n_unique = series.drop_nulls().n_unique()
    kind, why = _kind(series, n_unique, declared)
    return _column(series, kind, why, declared=declared, n_unique=n_unique)


def _column(series: pl.Series, kind: Kind, why: str, *, declared: bool, n_unique: int) -> Column:
    dtype = "Categorical" if declared else str(series.dtype)
    return Column(name=series.name, kind=kind, dtype=dtype, why=why, n_missing=series.null_count(), n_unique=n_unique)


def _kind(series: pl.Series, n_unique: int, declared: bool) -> tuple[Kind, str]:
    if n_unique == 0:
        return "constant", "every value is missing"
    if n_unique == 1 and series.null_count() == 0:
        return "constant", "every value is the same"
    if n_unique == 1 and series.dtype == pl.String:
        return "categorical", "one value, or missing, which may tell something"
    if series.dtype == pl.Boolean:
        return "boolean", "values are true or false"
    if series.dtype == pl.Datetime:
        return "datetime", "values are dates or times"
    if declared:
        return "categorical", f"stored as a category, with {n_unique} levels"
    if series.dtype == pl.String:
        return _kind_of_text(series, n_unique)
    if series.dtype.is_integer() and (why := _why_integer_id(series, n_unique)):
        return "id", why
    return "numeric", "values are whole numbers" if series.dtype.is_integer() else "values are numbers"


def _named_like_id(name: str) -> bool:
    return bool(_ID_NAME.search(name) or _ID_NAME_CAMEL.search(name))


def _why_integer_id(series: pl.Series, n_unique: int) -> str:
    """Say why whole numbers are identifiers; empty when they are not."""
    if n_unique < len(series):
        return ""
    named = _named_like_id(series.name)
    if named:
        return "whole numbers, different in every row, under the name of an identifier"
    counts_up = len(series) >= _ROWS_FOR_ID and bool((series.diff().drop_nulls() == 1).all())
    return "whole numbers that count the rows" if counts_up else ""


def _kind_of_text(series: pl.Series, n_unique: int) -> tuple[Kind, str]:
    present = series.drop_nulls()
    unique = n_unique == len(present) and len(present) >= _PRESENT_IN_ID * len(series)
    if unique and (len(series) >= _ROWS_FOR_ID or _named_like_id(series.name)):
        spaced = present.str.strip_chars().str.contains(r"\s").any()
        if not spaced:
            return "id", "text without spaces, different in every row"
    if n_unique >= _UNIQUE_IN_TEXT * len(present):
        words = float((present.str.strip_chars().str.count_matches(r"\s+") + 1).to_numpy().mean())
        if words >= _WORDS_IN_TEXT:
            return "text", f"{words:.1f} words a value on average, and most values occur once"
    return "categorical", f"text with {n_unique} different values"
