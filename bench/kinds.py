"""Kinds of columns, inferred once over all rows, each with its reason."""

import re
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import polars as pl

from bench.values import to_booleans

Kind = Literal["numeric", "categorical", "boolean", "datetime", "text", "constant", "id", "unsupported"]
#: Why a column is of a kind that was asked for.
ASKED = "as asked for"
USABLE: frozenset[Kind] = frozenset({"numeric", "categorical", "boolean", "datetime", "text"})

# Below this many rows values that never repeat say little: the name must look like that of an identifier too.
_ROWS_FOR_ID = 50
_PRESENT_IN_ID = 0.95
# Under the name of an identifier, this share of distinct values is enough: the rest are repeated measurements.
_UNIQUE_IN_ID = 0.5
_WORDS_IN_TEXT = 4.0
_UNIQUE_IN_TEXT = 0.5
_ID_NAME = re.compile(r"^(index|unnamed: 0|row_?(number|num|id))$|(^|[^a-z])(id|uuid|guid|nbr)$", re.IGNORECASE)
_ID_NAME_CAMEL = re.compile(r"[a-z]I[Dd]$")
# Whole numbers under these names are codes, not amounts: the first however many there are, the others when few.
_CODE_NAME = re.compile(r"(^|[^a-z])(id|code|nbr|zip|zip_?code|post_?code|postal(_?code)?)$", re.IGNORECASE)
_CODE_NAME_CAMEL = re.compile(r"[a-z](I[Dd]|Code|Zip)$")
_CLASS_NAME = re.compile(r"(^|[^a-z])(p?class|type|category|cluster|region|district|segment)$", re.IGNORECASE)
_CLASS_NAME_CAMEL = re.compile(r"[a-z](Class|Type|Category|Cluster|Region|District|Segment)$")
_FEW_CODES = 100
_COUNTED_FRACTIONS = 100_000
_MANY_FRACTIONS = 10_000
# Spellings of true and false that go together; any of them may be mixed with 0 and 1.
_BOOLEAN_WORDS = ({"true", "t", "false", "f"}, {"yes", "y", "no", "n"}, {"on", "off"})
_ZERO_ONE = {"0", "1", "0.0", "1.0"}
_MOST_SPELLINGS = 12
# How text is read in a column whose source had typed values.
_READINGS: dict[type[pl.DataType], str] = {
    pl.Int64: "number",
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.Datetime: "moment: iso",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: its kind, why it was taken for that, and counts over all rows.

    ``dtype`` is the polars type as read; ``n_unique`` leaves missing values out, and is what a sample of 100,000 rows
    holds where that is more than 10,000 different fractions. ``reading`` says how text is read in this column of any
    table (see `bench.readings`); empty for text that stays text.
    """

    name: str
    kind: Kind
    dtype: str
    why: str
    n_missing: int
    n_unique: int
    reading: str = ""


def is_unsupported(dtype: pl.DataType) -> bool:
    """Whether no model here can use a column of this type (lists, structures, bytes, objects)."""
    return dtype.is_nested() or dtype in (pl.Binary, pl.Object)


def infer_column(
    series: pl.Series,
    *,
    declared: bool = False,
    reading: str = "",
    why: str = "",
    asked: Kind | None = None,
    levels: pl.Series | None = None,
) -> Column:
    """Find out what a normalised column is.

    ``declared`` says that its source called it categorical, ``reading`` how its text was read, ``why`` what that text
    was like, ``asked`` which kind was asked for. ``levels`` are the different values of text, where they are known.
    """
    reading = reading or ("" if declared else _READINGS.get(series.dtype.base_type(), ""))
    if is_unsupported(series.dtype):
        n_unique, kind, reason = 0, "unsupported", f"values of type {series.dtype} cannot be used by a model"
    else:
        if series.dtype == pl.String and levels is None:
            levels = series.unique().drop_nulls()
        n_unique = _count_distinct(series) if levels is None else len(levels)
        kind, reason = (asked, ASKED) if asked else _kind(series, n_unique, declared, levels)
    return Column(
        name=series.name,
        kind=kind,  # type: ignore[arg-type]
        dtype="Categorical" if declared else str(series.dtype),
        why=why if why and kind in ("numeric", "datetime") and not asked else reason,
        n_missing=series.null_count(),
        n_unique=n_unique,
        reading=reading,
    )


def _count_distinct(series: pl.Series) -> int:
    """Count the distinct values; where fractions differ nearly everywhere, which decides nothing, those of a sample."""
    if series.dtype == pl.Float64 and len(series) > 2 * _COUNTED_FRACTIONS:
        sample = series.gather_every(len(series) // _COUNTED_FRACTIONS).drop_nulls()
        if (found := sample.n_unique()) > _MANY_FRACTIONS:
            return found
    marked = _count_marked(series) if series.dtype == pl.Int64 else 0
    return marked or series.n_unique() - (series.null_count() > 0)


def _count_marked(series: pl.Series) -> int:
    """Count distinct whole numbers by marking each, which is faster than hashing; 0 where they lie far apart."""
    low, high = cast(int | None, series.min()), cast(int | None, series.max())
    if low is None or high is None or high - low > len(series):
        return 0
    marks = np.zeros(high - low + 1, dtype=np.bool_)
    marks[series.drop_nulls().to_numpy() - low] = True
    return int(np.count_nonzero(marks))


def _kind(series: pl.Series, n_unique: int, declared: bool, levels: pl.Series | None) -> tuple[Kind, str]:
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
    if levels is not None:
        return _kind_of_text(series, levels)
    return _kind_of_whole(series, n_unique) if series.dtype.is_integer() else ("numeric", "values are numbers")


def _named_like_id(name: str) -> bool:
    return bool(_ID_NAME.search(name) or _ID_NAME_CAMEL.search(name))


def _kind_of_whole(series: pl.Series, n_unique: int) -> tuple[Kind, str]:
    if why := _why_integer_id(series, n_unique):
        return "id", why
    if n_unique > 2 and 2 * n_unique <= len(series) and _named_like_code(series.name, n_unique):
        return "categorical", f"whole numbers under the name of a code, {n_unique} different"
    return "numeric", "values are whole numbers"


def _named_like_code(name: str, n_unique: int) -> bool:
    if _CODE_NAME.search(name) or _CODE_NAME_CAMEL.search(name):
        return True
    return n_unique <= _FEW_CODES and bool(_CLASS_NAME.search(name) or _CLASS_NAME_CAMEL.search(name))


def _why_integer_id(series: pl.Series, n_unique: int) -> str:
    """Say why whole numbers are identifiers; empty when they are not."""
    named = _named_like_id(series.name)
    if n_unique < len(series):
        mostly = _mostly_unique(series, n_unique)
        return f"whole numbers, {n_unique} different, under the name of an identifier" if named and mostly else ""
    if named:
        return "whole numbers, different in every row, under the name of an identifier"
    counts_up = len(series) >= _ROWS_FOR_ID and bool((series.diff().drop_nulls() == 1).all())
    return "whole numbers that count the rows" if counts_up else ""


def _mostly_unique(series: pl.Series, n_unique: int) -> bool:
    return n_unique > _UNIQUE_IN_ID * len(series) and len(series) >= _ROWS_FOR_ID


def _kind_of_text(series: pl.Series, levels: pl.Series) -> tuple[Kind, str]:
    n_unique = len(levels)
    if n_unique <= _MOST_SPELLINGS and (spelled := _boolean_words(levels)):
        return "boolean", f"values are {spelled}"
    present = series.drop_nulls()
    unique = n_unique == len(present) and len(present) >= _PRESENT_IN_ID * len(series)
    if unique and (len(series) >= _ROWS_FOR_ID or _named_like_id(series.name)):
        spaced = present.str.strip_chars().str.contains(r"\s").any()
        if not spaced:
            return "id", "text without spaces, different in every row"
    if _named_like_id(series.name) and _mostly_unique(series, n_unique):
        return "id", f"text, {n_unique} different values, under the name of an identifier"
    if n_unique >= _UNIQUE_IN_TEXT * len(present):
        words = float((present.str.strip_chars().str.count_matches(r"\s+") + 1).to_numpy().mean())
        if words >= _WORDS_IN_TEXT:
            return "text", f"{words:.1f} words a value on average, and most values occur once"
    return "categorical", f"text with {n_unique} different values"


def _boolean_words(levels: pl.Series) -> str:
    """Say which spellings of true and false fill a text column; empty when it holds anything else, or one side only."""
    spelled = sorted(levels)
    words = {text.strip().casefold() for text in spelled}
    truth = to_booleans(pl.Series(sorted(words), dtype=pl.String))
    known = truth.null_count() == 0 and truth.any() and not truth.all()
    together = any(words <= group | _ZERO_ONE for group in _BOOLEAN_WORDS)
    return ", ".join(map(repr, spelled)) if known and together else ""
