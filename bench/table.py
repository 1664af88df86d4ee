"""Tables from any source, made alike: plain column types, one missing value, unique names, and a fingerprint."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from bench.errors import DataError
from bench.kinds import is_unsupported
from bench.values import AMBIGUOUS, read_text, to_moments, to_numbers, without_missing

# Strings are joined this many rows at a time: polars holds less than 4 GiB in one string.
_ROWS_A_JOIN = 100_000
_TYPE_NAMES: dict[type[pl.DataType], str] = {
    pl.Int64: "integer",
    pl.Float64: "float",
    pl.Boolean: "boolean",
    pl.String: "string",
    pl.Datetime: "datetime",
}


def from_pandas(frame: Any) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Turn a pandas frame into a polars one, with notes; its index is left out, columns of mixed values become text.

    Raises:
        DataError: two columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    check_names(names)
    names, notes = name_columns(names)
    return pl.DataFrame([_from_pandas_column(name, frame.iloc[:, at]) for at, name in enumerate(names)]), notes


def _from_pandas_column(name: str, column: Any) -> pl.Series:
    import pandas

    dtype, missing = column.dtype, column.isna().to_numpy()
    if isinstance(dtype, pandas.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    elif isinstance(dtype, pandas.CategoricalDtype):
        return pl.Series(name, _spell(column, missing), dtype=pl.Categorical)
    elif isinstance(dtype, (pandas.PeriodDtype, pandas.IntervalDtype, pandas.SparseDtype)):
        return pl.Series(name, _spell(column, missing), dtype=pl.String)
    try:
        return pl.Series(name, pl.from_pandas(column.reset_index(drop=True)))
    except (TypeError, ValueError, NotImplementedError, pl.exceptions.PolarsError):
        return pl.Series(name, _spell(column, missing), dtype=pl.String)


def _spell(column: Any, missing: Any) -> list[str | None]:
    return [None if gone else str(value) for value, gone in zip(column, missing, strict=True)]


def check_names(names: list[str]) -> None:
    """Demand that every column has a name of its own.

    Raises:
        DataError: names occur more than once.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name.strip()]
    if twice:
        raise DataError(f"column names must be unique, got {', '.join(map(repr, twice))} more than once. Rename them.")


def name_columns(names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Give columns without a name one that is free: ``column_<position>``, counted from 1."""
    result = list(names)
    for index, name in enumerate(names):
        if not name.strip():
            given = f"column_{index + 1}"
            while given in result:
                given += "_"
            result[index] = given
    new = [after for before, after in zip(names, result, strict=True) if before != after]
    return result, (f"columns without a name are called {', '.join(new)}",) if new else ()


def normalise(frame: pl.DataFrame) -> tuple[pl.DataFrame, frozenset[str], tuple[str, ...]]:
    """Give every column one of few types, with one missing value.

    Types: Int64, Float64, Boolean, String, Datetime("us") in UTC without a zone, and Null for columns without a value.
    Columns that no model can use keep their type.

    Returns:
        The table, the names of the columns that were stored as categories, and sentences on what was assumed.
    """
    names, notes = name_columns(frame.columns)
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    declared = frozenset(c.name for c in frame.get_columns() if c.dtype in (pl.Categorical, pl.Enum))
    spelled: Counter[str] = Counter()
    columns, reread = [], []
    for series in frame.get_columns():
        plain = _plain(series)
        if plain.dtype == pl.String:
            kept = without_missing(plain)
            spelled.update(_spellings(plain, kept))
            plain = kept
            if series.name not in declared:
                text, plain = plain, read_text(plain)
                reread += _lost(text, plain)
        columns.append(plain)
    if spelled:
        counts = ", ".join(f"{text!r} {count} times" for text, count in sorted(spelled.items()))
        notes += (f"read as missing: {counts}",)
    return pl.DataFrame(columns).rechunk(), declared, (*notes, *reread)


def _plain(series: pl.Series) -> pl.Series:
    """Bring a typed column to one of the few types that the rest of the program knows."""
    dtype = series.dtype
    if is_unsupported(dtype) or dtype in (pl.Boolean, pl.String, pl.Null):
        return series
    if dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if dtype.is_temporal() and dtype not in (pl.Duration, pl.Time):
        return to_moments(series)
    if dtype.is_integer():
        whole = series.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == series.null_count() else to_numbers(series)
    return to_numbers(series)


def _spellings(text: pl.Series, kept: pl.Series) -> Counter[str]:
    """Count how the values that ``kept`` lost were spelled, blanks left out."""
    if kept.null_count() == text.null_count():
        return Counter()
    lost = text.filter(kept.is_null() & text.is_not_null()).str.strip_chars()
    return Counter(dict(lost.filter(lost != "").value_counts(name="n").iter_rows()))


def _lost(text: pl.Series, read: pl.Series) -> list[str]:
    """Say which values a column lost when its text was read as something else."""
    lost = _spellings(text, read)
    stated = {spelling: lost.pop(spelling) for spelling in AMBIGUOUS if spelling in lost}
    notes = [f"column {text.name!r}: {count} values {value!r} are read as missing" for value, count in stated.items()]
    if lost:
        example = min(lost)
        notes.append(
            f"column {text.name!r}: {lost.total()} values that are no date or time (such as {example!r}) became missing"
        )
    return notes


def fingerprint(frame: pl.DataFrame) -> str:
    """Hash names, types and values of a normalised table, in row order, to 16 hexadecimal digits.

    The bytes hashed are spelled out here, so that the hash depends on neither the file format, nor the version of a
    library, nor the process, nor the machine. Columns that no model can use count by name only.
    """
    whole = hashlib.sha256(f"rows {len(frame)}".encode())
    for series in frame.get_columns():
        name = series.name.encode()
        kind = _TYPE_NAMES.get(series.dtype.base_type(), "unsupported")
        kind = "null" if series.null_count() == len(series) else kind
        whole.update(f"\n{kind} {len(name)} ".encode() + name)
        if kind not in ("unsupported", "null"):
            _hash_values(whole, series)
    return whole.hexdigest()[:16]


def _hash_values(whole: "hashlib._Hash", series: pl.Series) -> None:
    has_gaps = series.null_count() > 0
    present = series.is_not_null().to_numpy() if has_gaps else np.ones(len(series), dtype=bool)
    whole.update(np.packbits(present, bitorder="little").tobytes())
    if series.dtype == pl.String:
        filled = series.fill_null("")
        whole.update(filled.str.len_bytes().to_numpy().astype("<u4").tobytes())
        for start in range(0, len(filled), _ROWS_A_JOIN):
            whole.update(filled.slice(start, _ROWS_A_JOIN).str.join("").item().encode())
    elif series.dtype == pl.Boolean:
        whole.update(np.packbits(series.fill_null(False).to_numpy(), bitorder="little").tobytes())
    else:
        values = (series.to_physical().fill_null(0) if has_gaps else series.to_physical()).to_numpy()
        little = "<f8" if series.dtype == pl.Float64 else "<i8"
        whole.update(np.ascontiguousarray(values, dtype=little).data)
