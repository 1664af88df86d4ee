"""Tables from any source, made alike: plain column types, one missing value, unique names, and a fingerprint."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

import numpy as np
import polars as pl
from xxhash import xxh3_128

from bench.errors import DataError
from bench.identity import digest
from bench.kinds import Column, Kind, infer_column, is_unsupported
from bench.readings import EPOCHS, Reading, count_as_moments, find_reading, keep_text, read_as, read_known, read_wanted
from bench.values import to_moments, to_numbers

C = TypeVar("C")
T = TypeVar("T")

_LONGEST_NAME = 200
_TASKS_A_THREAD = 16
_TYPE_NAMES: dict[type[pl.DataType], str] = {
    pl.Int64: "integer",
    pl.Float64: "float",
    pl.Boolean: "boolean",
    pl.String: "string",
    pl.Datetime: "datetime",
}


def check_names(names: list[str]) -> None:
    """Demand that every column has a name of its own.

    Raises:
        DataError: names occur more than once.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name.strip()]
    if twice:
        raise DataError(f"column names must be unique, got {', '.join(map(repr, twice))} more than once. Rename them.")


def name_columns(names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Give columns names that can be worked with, and say which were changed.

    Columns without a name are called ``column_<position>``, counted from 1. Longer names than can be read are cut, and
    end in a hash of the whole; NUL is taken out. These do not depend on where the column stands.
    """
    taken, result, notes = set(names), [], []
    for position, name in enumerate(names, start=1):
        given = _usable(name) if name.replace("\0", "").strip() else f"column_{position}"
        if given != name:
            while given in taken:
                given += "_"
            taken.add(given)
            notes += [f"the name {_shortened(name)} is {given!r} here"] if name.strip() else []
        result.append(given)
    nameless = [given for name, given in zip(names, result, strict=True) if not name.strip()]
    told = [f"columns without a name are called {', '.join(nameless)}"] if nameless else []
    return result, (*told, *notes)


def _usable(name: str) -> str:
    name = name.replace("\0", "")
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}_{digest(name, length=8)}"


def _shortened(name: str) -> str:
    return repr(name) if len(name) <= _LONGEST_NAME else f"{name[:40]!r}... ({len(name)} characters)"


def with_names(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Name the columns that have no name, and say so."""
    names, notes = name_columns(frame.columns)
    return frame.rename(dict(zip(frame.columns, names, strict=True))), notes


@dataclass(frozen=True, kw_only=True, slots=True)
class Normal:
    """A table of few types, how it came to them, and what its columns are.

    Types: Int64, Float64, Boolean, String, Datetime("us") in UTC without a zone, and Null for columns without a value.
    Columns that no model can use keep their type. ``readings`` says how text was read, by column.

    ``fingerprint`` hashes names, types and values, in row order, to 16 hexadecimal digits (XXH3: it tells tables apart,
    and does not guard against who makes two alike on purpose). The bytes hashed are spelled out below, so that the hash
    depends on neither the file format, nor the version of a library, nor the process, nor the machine. Columns that no
    model can use count by name only.
    """

    frame: pl.DataFrame
    columns: tuple[Column, ...]
    readings: Mapping[str, Reading]
    fingerprint: str


def normalise(
    frame: pl.DataFrame, *, asked: Mapping[str, Kind] | None = None, known: Mapping[str, str] | None = None
) -> Normal:
    """Give every column one of few types, with one missing value.

    ``asked`` holds the kinds of columns that were asked for, ``known`` the readings of columns that were found before.
    """
    asked, known = asked or {}, known or {}
    # Text takes longest: begun first, no thread ends long after the others.
    columns = sorted(enumerate(frame.get_columns()), key=lambda pair: pair[1].dtype != pl.String)
    taken = each(lambda pair: (pair[0], _take_in(pair[1], asked, known)), columns)
    done = [one for _, one in sorted(taken, key=itemgetter(0))]
    whole = xxh3_128(f"rows {len(frame)}".encode())
    for one in done:
        whole.update(one.digest)
    return Normal(
        frame=pl.DataFrame([one.series for one in done]),
        columns=tuple(one.column for one in done),
        readings={one.column.name: one.reading for one in done if one.reading is not None},
        fingerprint=whole.hexdigest()[:16],
    )


def each(work: Callable[[C], T], columns: Sequence[C]) -> list[T]:
    """Do the same to every column, on as many threads as polars has, some columns at a time: a task costs 0.05 ms."""
    threads = pl.thread_pool_size()
    size = -(-len(columns) // (_TASKS_A_THREAD * threads)) or 1
    parts = [columns[start : start + size] for start in range(0, len(columns), size)]
    if len(parts) < 2:
        return [work(column) for column in columns]
    with ThreadPoolExecutor(threads) as pool:
        return [done for part in pool.map(lambda part: [work(c) for c in part], parts) for done in part]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Taken:
    """A normalised column, how its text was read, what it is, and its hash."""

    series: pl.Series
    reading: Reading | None
    column: Column
    digest: bytes


def _take_in(given: pl.Series, asked: Mapping[str, Kind], known: Mapping[str, str]) -> _Taken:
    """Do with a column, in one go, all that is done column by column: threads need not wait for each other between."""
    kind = asked.get(given.name)
    series, reading = _normalise_column(given, kind, known.get(given.name))
    read = reading or Reading()
    declared = given.dtype in (pl.Categorical, pl.Enum)
    column = infer_column(series, declared=declared, reading=read.name, why=read.why, asked=kind, levels=read.levels)
    return _Taken(series=series, reading=reading, column=column, digest=_digest(series))


def _normalise_column(series: pl.Series, asked: Kind | None, known: str | None) -> tuple[pl.Series, Reading | None]:
    plain = _plain(series)
    reading = None
    if plain.dtype.is_numeric() and (asked == "datetime" or known in EPOCHS):
        reading = Reading(name=known or count_as_moments(plain))
        plain = read_as(plain, reading.name)
    elif plain.dtype == pl.String:
        if series.dtype in (pl.Categorical, pl.Enum):
            plain, reading = keep_text(plain)
        elif known is not None:
            plain, reading = read_known(plain, known)
        else:
            plain, reading = read_wanted(plain, asked) if asked else find_reading(plain)
    return plain.rechunk(), reading


def _plain(series: pl.Series) -> pl.Series:
    """Bring a typed column to one of the few types that the rest of the program knows."""
    dtype = series.dtype
    if is_unsupported(dtype) or dtype in (pl.Boolean, pl.String, pl.Null):
        return series
    if dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if dtype.is_temporal() and dtype not in (pl.Duration, pl.Time):
        return to_moments(series)
    if dtype == pl.Float64 and not math.isnan(series.sum()):  # a look that is cheap where columns are many
        return series
    if dtype.is_integer():
        whole = series.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == series.null_count() else series.cast(pl.String)
    return to_numbers(series)


def _digest(series: pl.Series) -> bytes:
    """Hash one column."""
    name = series.name.encode()
    kind = _TYPE_NAMES.get(series.dtype.base_type(), "unsupported")
    kind = "null" if series.null_count() == len(series) else kind
    column = xxh3_128(f"{kind} {len(name)} ".encode() + name)
    if kind not in ("unsupported", "null"):
        _hash_values(column, series)
    return column.digest()


def _hash_values(column: xxh3_128, series: pl.Series) -> None:
    gaps = series.null_count() > 0
    present = series.is_not_null().to_numpy() if gaps else np.ones(len(series), dtype=np.bool_)
    column.update(np.packbits(present, bitorder="little").tobytes())
    if series.dtype == pl.String:
        text = series.fill_null("").rechunk().to_arrow()
        _, offsets, content = text.buffers()
        ends = np.frombuffer(offsets, dtype=np.int64)[text.offset : text.offset + len(text) + 1]
        column.update(np.diff(ends).astype("<u4").data)
        column.update(memoryview(content)[ends[0] : ends[-1]])
    elif series.dtype == pl.Boolean:
        column.update(np.packbits(series.fill_null(False).to_numpy(), bitorder="little").tobytes())
    else:
        values = (series.to_physical().fill_null(0) if gaps or series.dtype == pl.Datetime else series).to_numpy()
        little = "<f8" if series.dtype == pl.Float64 else "<i8"
        column.update(np.ascontiguousarray(values, dtype=little).data)
