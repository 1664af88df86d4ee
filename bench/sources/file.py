"""Tables in files: one file, a folder, or a pattern of names; plain, or packed by gzip, bzip2, xz, Zstandard or zip.

What a file begins with decides how it is read; where its name says otherwise, a note says so. Text formats are read as
text alone; `bench.table.normalise` finds the types, over the whole file.
"""

import glob
import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError, nearest
from bench.sources.arff import read_arff
from bench.sources.base import ReadOptions
from bench.sources.columnar import read_arrow, read_parquet
from bench.sources.delimited import read_delimited
from bench.sources.dialect import DELIMITERS, sniff
from bench.sources.encoding import head_as_text
from bench.sources.excel import read_workbook
from bench.sources.folder import read_folder, read_matching
from bench.sources.json_lines import read_json_lines
from bench.sources.plain import ENDINGS, Plain, Read, read_head, unpacked


@dataclass(frozen=True, kw_only=True, slots=True)
class _Format:
    """A format: what it is called, how its files are named, and how they are read."""

    said: str
    endings: tuple[str, ...]
    read: Callable[[Plain, ReadOptions], Read]


_PARQUET = _Format(said="parquet", endings=(".parquet", ".pq"), read=lambda file, _: read_parquet(file))
_ARROW = _Format(said="Arrow", endings=(".arrow", ".feather", ".ipc"), read=lambda file, _: read_arrow(file))
_WORKBOOK = _Format(said="a workbook (xlsx)", endings=(".xlsx", ".xlsm"), read=lambda file, _: read_workbook(file))
_ARFF = _Format(said="ARFF", endings=(".arff",), read=read_arff)
_JSON = _Format(said="JSON", endings=(".jsonl", ".ndjson", ".json"), read=read_json_lines)
_DELIMITED = _Format(
    said="delimited text", endings=(".csv", ".tsv", ".tab", ".txt", ".data", ".dat"), read=read_delimited
)
_FORMATS = (_PARQUET, _ARROW, _WORKBOOK, _ARFF, _JSON, _DELIMITED)

_BINARY = {b"PAR1": _PARQUET, b"ARROW1": _ARROW, b"\xff\xff\xff\xff": _ARROW, b"PK\x03\x04": _WORKBOOK}
_TEXT = (
    (re.compile(r"(?:\s*(?:%.*)?\n)*\s*@relation\b", re.IGNORECASE), _ARFF),
    (re.compile(r'\s*(?:\{\s*["}]|\[\s*[{\]])'), _JSON),
)
#: What is no table that can be read, by its first bytes: what it is, and what to do.
_OTHERS = {
    b"FEA1": "is in Feather version 1; write it as parquet",
    b"PARE": "is encrypted parquet; write it without encryption",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook (xls), or encrypted; save it as .xlsx or .csv",
    b"SQLite format 3\0": "is a SQLite database; name it as sqlite:///PATH, with --query",
    b"\x89HDF": "is HDF5; write it as parquet",
    b"ORC": "is ORC; write it as parquet",
    b"Obj\x01": "is Avro; write it as parquet",
    b"\x80\x04": "is a Python pickle, which bench never opens; write it as parquet",
    b"\x80\x05": "is a Python pickle, which bench never opens; write it as parquet",
    b"%PDF": "is a PDF document; it must hold a table",
    b"\x93NUMPY": "is a NumPy array; hand it over from Python, or write it as parquet",
}
_WEB_PAGE = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_TAR_MAGIC_AT = 257


def read_file(reference: str | Path, options: ReadOptions | None = None) -> Read:
    """Read a table, and say what was assumed while reading it.

    Args:
        reference: a file, ``book.xlsx#sheet``, ``archive.zip#member``, a folder, or a pattern such as ``data/*.csv``.
        options: what the user knows better.

    Raises:
        RequestError: an option is wrong.
        DataError: there is no such file, or it cannot be read.
    """
    text = os.fspath(reference)
    given = options or ReadOptions()
    if "\0" in text:
        raise DataError(f"a path must be free of NUL, got {text!r}.")
    if is_pattern(text):
        return read_matching(text, lambda path: _read_one(path, None, given))
    path, part = divide(text)
    if part is None and os.path.isdir(path):
        return read_folder(path, _promised, lambda file: _read_one(file, None, given))
    return _read_one(path, part, given)


def is_table_name(name: str) -> bool:
    """Whether a name ends as the files do that can be read, packed or not."""
    return bool(_promised(name))


def is_pattern(text: str) -> bool:
    """Whether a reference stands for all files that it matches, there being none of that very name."""
    return glob.has_magic(text) and not os.path.lexists(divide(text)[0])


def divide(text: str) -> tuple[Path, str | None]:
    """Divide ``book.xlsx#sheet`` or ``archive.zip#member`` at the ``#``, unless a file has that very name."""
    before, sign, part = text.rpartition("#")
    divided = bool(sign) and not os.path.lexists(text) and (os.path.lexists(before) or is_table_name(before))
    return (Path(before), part) if divided else (Path(text), None)


def _promised(name: str) -> str:
    """The format that a name promises, in words; empty where it is none."""
    path = Path(name)
    packing = ENDINGS.get(path.suffix.lower())
    form = _named(path.with_suffix("").suffix if packing else path.suffix)
    return form.said if form else "zip" if packing == "zip" else ""


def _named(ending: str) -> _Format | None:
    return next((form for form in _FORMATS if ending.lower() in form.endings), None)


def _read_one(path: Path, part: str | None, options: ReadOptions) -> Read:
    _check_regular(path)
    with unpacked(path, part, is_table_name) as file:
        form, notes = _recognise(file, options)
        if file.part is not None and form is not _WORKBOOK:
            raise DataError(f"{file.shown} must be a workbook or a zip archive to have a part {file.part!r}.")
        frame, said = form.read(file, options)
    return frame, (*file.notes, *notes, *said)


def _recognise(file: Plain, options: ReadOptions) -> tuple[_Format, tuple[str, ...]]:
    """Tell the format by what a file begins with; say so where its name does not."""
    head = read_head(file.path)
    if not head:
        raise DataError(f"{file.shown} is empty; it must hold a table.")
    text = head_as_text(file.path, options.encoding)
    _check_no_other(file, head, text)
    found = next((form for magic, form in _BINARY.items() if head.startswith(magic)), None)
    found = found or next((form for pattern, form in _TEXT if pattern.match(text)), None)
    named = _named(file.ending)
    found = found or _of_text(file, text, named, options)
    if named is None:
        return found, (f"{file.shown} is read as {found.said}, by what it holds",)
    return found, () if found is named else (f"{file.shown} holds {found.said}, whatever its name says",)


def _check_no_other(file: Plain, head: bytes, text: str) -> None:
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise DataError(f"{file.shown} {what}.")
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        raise DataError(f"{file.shown} is a tar archive; unpack it first.")
    if _WEB_PAGE.match(text):
        raise DataError(f"{file.shown} holds a web page or XML; it must hold a table. Was it downloaded as it should?")


def _of_text(file: Plain, text: str, named: _Format | None, options: ReadOptions) -> _Format:
    """Tell the format of what has no mark of its own."""
    if named is _JSON and text.lstrip().startswith(("{", "[")):
        return _JSON
    lines = (line for line in io.StringIO(text, newline="") if line.strip() and not line.startswith("#"))
    if named is _DELIMITED or options.sep is not None or ("\0" not in text and sniff(lines)[1]):
        return _DELIMITED
    if named in (_JSON, _ARFF):
        return named
    promised = f", although its name promises {named.said}" if named else ""
    raise DataError(
        f"{file.shown} holds no table that bench knows{promised}. It was looked at for "
        f"{', '.join(form.said for form in _FORMATS)} (fields separated by {', '.join(DELIMITERS.values())}; --sep "
        f"states another delimiter), and for packing by {', '.join(ENDINGS.values())}."
    )


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise DataError(f"{str(path)!r} is not there.{_close_names(path)}") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{str(path)!r} is a folder; it must be a file with a table.")
    if not stat.S_ISREG(mode):
        raise DataError(f"{str(path)!r} is not a regular file; it must be a file with a table.")


def _close_names(path: Path) -> str:
    try:
        return nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return f" Its folder {str(path.parent)!r} is not there either."
