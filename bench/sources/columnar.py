"""Parquet and Arrow files: typed tables, which polars reads from their path."""

import glob
from collections.abc import Callable
from pathlib import Path

import polars as pl

from bench.errors import DataError
from bench.sources.plain import Plain, Read, read_head

ARROW_FILE = b"ARROW1"


def read_parquet(file: Plain) -> Read:
    """Read one parquet file.

    Raises:
        DataError: it is damaged, or names a column twice.
    """
    return _typed(file, lambda path: pl.read_parquet(path, glob=False, hive_partitioning=False))


def read_arrow(file: Plain) -> Read:
    """Read an Arrow file (Feather version 2) or an Arrow stream; raises as `read_parquet` does."""
    if read_head(file.path).startswith(ARROW_FILE):
        return _typed(file, lambda path: pl.read_ipc(glob.escape(str(path))))
    return _typed(file, pl.read_ipc_stream)


def _typed(file: Plain, read: Callable[[Path], pl.DataFrame]) -> Read:
    try:
        return read(file.path), ()
    except pl.exceptions.DuplicateError as error:
        raise DataError(f"{file.shown} must have column names that are unique: {first_line(error)}") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"{file.shown} is damaged or cut short ({first_line(error)}). Get the file again.") from None


def first_line(error: BaseException) -> str:
    """What an error of a library says first."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
