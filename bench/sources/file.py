"""Tables in files: csv, tsv, parquet, Arrow and JSON lines, plain or compressed by gzip or Zstandard.

Text formats are read as text alone; `bench.table.normalise` finds the types, over the whole file.
"""

import gzip
import io
import json
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import polars as pl

from bench.errors import DataError, nearest
from bench.sources.delimited import read_delimited

MOST_BYTES = 8 * 2**30
_CHUNK = 2**24
_PARQUET, _ARROW, _FEATHER_1 = b"PAR1", b"ARROW1", b"FEA1"
Read = tuple[pl.DataFrame, tuple[str, ...]]


def read_file(path: Path) -> Read:
    """Read a table, and say what was assumed while reading it.

    Raises:
        DataError: the file is not there, cannot be read, or is not what its name says.
    """
    _check_regular(path)
    reader = _reader(path)
    content = _content(path)
    if not content:
        raise DataError(f"{str(path)!r} is empty; it must hold a table.")
    _check_magic(path, content)
    return reader(path, content)


def is_table_name(name: str) -> bool:
    """Whether a name ends as the files do that can be read."""
    return _format(Path(name)) in _READERS


def _format(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _OPENERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _reader(path: Path) -> Callable[[Path, bytes], Read]:
    reader = _READERS.get(_format(path))
    if reader is None:
        ends = ", ".join(_READERS)
        raise DataError(f"{str(path)!r} must end in one of {ends}, each also with .gz or .zst after it. Rename it.")
    return reader


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise DataError(f"{str(path)!r} is not there.{_close_names(path)}") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{str(path)!r} is a folder; it must be a file with a table.")
    if not stat.S_ISREG(mode):
        raise DataError(f"{str(path)!r} is not a regular file; it must be a file with a table.")


def _close_names(path: Path) -> str:
    try:
        return nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return f" Its folder {str(path.parent)!r} is not there either."


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_gzip(path: Path) -> IO[bytes]:
    return io.BufferedReader(gzip.open(path, "rb"))


def _open_zstandard(path: Path) -> IO[bytes]:
    import pyarrow

    stream: IO[bytes] = pyarrow.input_stream(str(path), compression="zstd")
    return stream


_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {".gz": _open_gzip, ".zst": _open_zstandard}


def _content(path: Path) -> bytes:
    """Read and decompress a file, no further than a limit: a small file may hold endless zeros."""
    opener = _OPENERS.get(path.suffix.lower(), _open_plain)
    content = io.BytesIO()
    try:
        with opener(path) as stream:
            while chunk := stream.read(_CHUNK):
                content.write(chunk)
                if content.tell() > MOST_BYTES:
                    raise DataError(f"{str(path)!r} must hold at most {MOST_BYTES / 2**30:g} GiB decompressed.")
    except PermissionError:
        raise DataError(f"{str(path)!r} cannot be read: permission denied.") from None
    except (EOFError, zlib.error, OSError) as error:
        how = " ".join(str(error).split())
        raise DataError(f"{str(path)!r} is damaged or cut short ({how}). Get the file again.") from None
    return content.getvalue()


def _check_magic(path: Path, content: bytes) -> None:
    """Demand that a file is what its name says, where its first bytes tell."""
    named = _format(path)
    if content.startswith(_FEATHER_1):
        raise DataError(f"{str(path)!r} is in Feather version 1; write it as parquet.")
    is_parquet, is_arrow = content.startswith(_PARQUET), content.startswith(_ARROW)
    if is_parquet and named != ".parquet":
        raise DataError(f"{str(path)!r} holds parquet; rename it to end in .parquet.")
    if is_arrow and named not in (".feather", ".arrow", ".ipc"):
        raise DataError(f"{str(path)!r} holds Arrow; rename it to end in .arrow.")
    if named == ".parquet" and not is_parquet:
        raise DataError(f"{str(path)!r} is no parquet file: it must begin with PAR1. Is the name's end right?")


def _typed(read: Callable[[io.BytesIO], pl.DataFrame]) -> Callable[[Path, bytes], Read]:
    def reader(path: Path, content: bytes) -> Read:
        try:
            return read(io.BytesIO(content)), ()
        except pl.exceptions.DuplicateError as error:
            raise DataError(f"{str(path)!r} must have column names that are unique: {_line(error)}") from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise DataError(f"{str(path)!r} is damaged or cut short ({_line(error)}). Get the file again.") from None

    return reader


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _read_arrow(content: io.BytesIO) -> pl.DataFrame:
    is_file = content.getvalue().startswith(_ARROW)
    return pl.read_ipc(content) if is_file else pl.read_ipc_stream(content)


def _read_json_lines(path: Path, content: bytes) -> Read:
    try:
        return pl.read_ndjson(content, infer_schema_length=None), ()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip() and not _is_json_object(line):
                raise DataError(f"{str(path)!r} must hold one JSON object a line; line {number} is none.") from None
        raise DataError(f"{str(path)!r} cannot be read as JSON lines: {_line(error)}") from None


def _is_json_object(line: bytes) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(line, parse_constant=refuse), dict)
    except ValueError:
        return False


def _read_comma(path: Path, content: bytes) -> Read:
    return read_delimited(path, content, None)


def _read_tab(path: Path, content: bytes) -> Read:
    return read_delimited(path, content, "\t")


_READERS: dict[str, Callable[[Path, bytes], Read]] = {
    ".csv": _read_comma,
    ".tsv": _read_tab,
    ".parquet": _typed(pl.read_parquet),
    ".feather": _typed(_read_arrow),
    ".arrow": _typed(_read_arrow),
    ".ipc": _typed(_read_arrow),
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
