"""Several files as one table: folders, hive partitions and patterns of names."""

import glob
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from bench.errors import DataError
from bench.sources.plain import Read, is_hidden

_PARTITION = re.compile(r"([^=]+)=(.*)")
#: How Hive spells a missing value in a folder's name.
_NOTHING = "__HIVE_DEFAULT_PARTITION__"
_NAMED_FILES = 3


def read_folder(folder: Path, promised: Callable[[str], str], read: Callable[[Path], Read]) -> Read:
    """Read all tables in a folder and the folders in it, in the order of their names.

    ``promised`` tells the format that a file's name promises, in words; empty where it is none.

    Raises:
        DataError: there are none, they differ in format or columns, or one cannot be read.
    """
    files, links, others = [], 0, 0
    for place, folders, names in os.walk(folder):  # which follows no links to folders, as they may go round
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        links += sum(os.path.islink(os.path.join(place, name)) for name in folders)
        tables = [name for name in names if not is_hidden(name) and promised(name)]
        others += len(names) - len(tables)
        files += [Path(place, name) for name in tables]
    shown = repr(str(folder))
    if not files:
        raise DataError(f"{shown} is a folder without a table in it ({others} other files). Name a file.")
    formats = sorted({promised(path.name) for path in files})
    if len(formats) > 1:
        raise DataError(f"{shown} must hold files of one format, got {', '.join(formats)}. Name some: {folder}/*.csv.")
    frame, notes = _read_all(sorted(files), folder, read)
    left_out = [f"{others} files in {shown} that are no tables are left out"] if others else []
    left_out += [f"{links} links to folders in {shown} are not followed"] if links else []
    return frame, (*left_out, *notes)


def read_matching(pattern: str, read: Callable[[Path], Read]) -> Read:
    """Read all files that a pattern such as ``data/*.csv`` matches, in the order of their names; raises likewise."""
    files = sorted(Path(name) for name in glob.glob(pattern, recursive=True) if not os.path.isdir(name))
    if not files:
        raise DataError(f"{pattern!r} must match at least one file, and matches none.")
    parts = Path(pattern).parts
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return _read_all(files, Path(*parts[:fixed]), read)


def _read_all(files: Sequence[Path], root: Path, read: Callable[[Path], Read]) -> Read:
    tables: list[pl.DataFrame] = []
    notes: list[str] = []
    partitions = [_partitions(path, root) for path in files]
    for path, partition in zip(files, partitions, strict=True):
        if partition.keys() != partitions[0].keys():
            raise DataError(
                f"files must lie in folders that name the same columns: {str(files[0])!r} has "
                f"{_listed(partitions[0])}, {str(path)!r} has {_listed(partition)}."
            )
        frame, said = read(path)
        notes += said
        tables.append(frame.with_columns(pl.lit(v, pl.String).alias(k) for k, v in partition.items() if k not in frame))
        _check_columns(files[0], tables[0], path, tables[-1])
    told = []
    if len(files) > 1:
        more = ", ..." if len(files) > _NAMED_FILES else ""
        told.append(
            f"{len(files)} files are read as one table, by name: {_listed(map(str, files[:_NAMED_FILES]))}{more}"
        )
    if partitions[0]:
        told.append(f"columns {_listed(partitions[0])} come from the names of folders")
    columns = tables[0].columns
    frame, mixed = _concatenated(files, [table.select(columns) for table in tables])
    return frame, (*told, *dict.fromkeys(notes), *mixed)


def _partitions(path: Path, root: Path) -> dict[str, str | None]:
    """The columns that folders between ``root`` and a file stand for, as in ``year=2024/part.parquet``."""
    matches = (_PARTITION.fullmatch(part) for part in path.relative_to(root).parts[:-1])
    pairs = ((unquote(match[1]), unquote(match[2])) for match in matches if match)
    return {name: None if value == _NOTHING else value for name, value in pairs}


def _listed(names: object) -> str:
    return ", ".join(map(repr, names)) or "none"  # type: ignore[call-overload]


def _check_columns(first: Path, expected: pl.DataFrame, path: Path, got: pl.DataFrame) -> None:
    lacks = [name for name in expected.columns if name not in got.columns]
    adds = [name for name in got.columns if name not in expected.columns]
    if lacks or adds:
        how = [f"lacks {_listed(lacks)}"] * bool(lacks) + [f"adds {_listed(adds)}"] * bool(adds)
        raise DataError(
            f"files that are read together must have the same columns; beside {str(first)!r}, {str(path)!r} "
            f"{' and '.join(how)}. Name only files that fit together."
        )


def _concatenated(files: Sequence[Path], tables: list[pl.DataFrame]) -> Read:
    """Put tables below each other; a column that is stored as another type elsewhere gets one that holds both."""
    notes = []
    for name in tables[0].columns:
        dtypes = {table.schema[name]: path for path, table in zip(reversed(files), reversed(tables), strict=True)}
        if len(dtypes) == 1 or all(dtype.is_numeric() or dtype == pl.Null for dtype in dtypes):
            continue
        wanted = pl.Categorical if all(dtype in (pl.Enum, pl.Categorical, pl.Null) for dtype in dtypes) else pl.String
        tables = [table.with_columns(pl.col(name).cast(wanted)) for table in tables]
        if wanted == pl.String:
            stored = ", ".join(f"{dtype} in {str(path)!r}" for dtype, path in dtypes.items())
            notes.append(f"column {name!r} is stored as {stored}, and is read as text")
    return pl.concat(tables, how="vertical_relaxed"), tuple(notes)
