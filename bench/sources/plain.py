"""Files with their wrappings taken off: gzip, bzip2, xz, Zstandard and zip, told by their first bytes.

What is unpacked lies in a temporary file (below ``$TMPDIR``), so that every format is read from a path, and the bytes
of a packed table take up no memory beside the table.
"""

import bz2
import contextlib
import errno
import gzip
import lzma
import mmap
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal, cast

import polars as pl

from bench.errors import DataError, nearest
from bench.processes import goes_along
from bench.sources.marks import Marks, find_marks

#: A table, and sentences on what was assumed while it was read.
Read = tuple[pl.DataFrame, tuple[str, ...]]
Packing = Literal["gzip", "bzip2", "xz", "Zstandard", "zip"]

MOST_BYTES = 8 * 2**30
_MOST_LAYERS = 3
_HEAD_BYTES = 2**16
_CHUNK = 2**24
_MAGIC: dict[bytes, Packing] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
#: How the names of packed files end; what comes before tells the format.
ENDINGS: dict[str, Packing] = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard", ".zip": "zip"}
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_WORKBOOK = "xl/workbook.xml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """A file that is not packed: where its bytes lie, and what it is called.

    ``path`` may be temporary; ``label`` is how the user would name the file, ``name`` what it was called without the
    endings of packings, ``part`` what stood after ``#`` and no packing took, ``notes`` what was assumed so far.
    ``content`` holds its bytes, and ``marks`` which of them occur, where that is known already.
    """

    path: Path
    label: str
    name: str
    part: str | None = None
    notes: tuple[str, ...] = ()
    content: mmap.mmap | None = field(default=None, repr=False)
    marks: Marks | None = None

    @property
    def shown(self) -> str:
        """The label as messages hold it."""
        return repr(self.label)

    @property
    def ending(self) -> str:
        """The end of the name, with its dot, in lower case; empty without one."""
        return Path(self.name).suffix.lower()


def is_hidden(name: str) -> bool:
    """Whether a file in a folder or an archive is no data by custom: ``_SUCCESS``, ``.crc``, ``__MACOSX``."""
    return name.startswith((".", "_"))


def read_head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def mapped(file: Plain) -> mmap.mmap:
    """The bytes of a file, without copying them.

    Raises:
        DataError: there are none.
    """
    if file.content is not None:
        return file.content
    with file.path.open("rb") as stream:
        try:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # nothing cannot be mapped
            raise DataError(f"{file.shown} is empty; it must hold a table.") from None


def looked_through(file: Plain) -> tuple[Plain, mmap.mmap, Marks]:
    """A file with its content and marks, and these.

    Raises:
        DataError: the file is empty.
    """
    content = mapped(file)
    marks = file.marks or find_marks(content)
    return replace(file, content=content, marks=marks), content, marks


def line_at(content: mmap.mmap, at: int) -> bytes:
    """The line of a mapped file that begins at a place, with its end."""
    match = _LINE.match(content, at)
    return bytes(match[0]) if match else b""


@contextlib.contextmanager
def unpacked(path: Path, part: str | None, is_table: Callable[[str], bool]) -> Iterator[Plain]:
    """Hold a file unpacked while the block runs; ``is_table`` judges the names of an archive's members.

    Raises:
        DataError: it is damaged, unpacks to too much, or does not hold one table.
    """
    file = Plain(path=path, label=str(path), name=path.name, part=part)
    with contextlib.ExitStack() as stack:
        for layer in range(_MOST_LAYERS + 1):
            packing, file = _packing(file)
            if packing is None:
                break
            if layer == _MOST_LAYERS:
                raise DataError(f"{file.shown} must be packed at most {_MOST_LAYERS} times over. Unpack it.")
            folder = Path(goes_along(stack.enter_context(TemporaryDirectory(prefix="bench-"))))
            file = _unpack(file, packing, folder / "content", is_table)
        yield file


def _packing(file: Plain) -> tuple[Packing | None, Plain]:
    """Tell how a file is packed; note where its name says otherwise, and take the packing's end off the name."""
    try:
        head = read_head(file.path)
    except OSError as error:
        raise DataError(f"{file.shown} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    found = next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), None)
    if found == "zip" and _is_workbook(file):
        found = None
    named = ENDINGS.get(file.ending)
    notes = file.notes
    if named is not None and found != named:
        notes += (f"{file.shown} is not packed by {named}, whatever its name says",)
    if found is not None and found != named:
        notes += (f"{file.shown} is packed by {found}, which its name does not say",)
    return found, replace(file, name=file.name[: -len(file.ending)] if named else file.name, notes=notes)


def _is_workbook(file: Plain) -> bool:
    with _damage_told(file), zipfile.ZipFile(file.path) as archive:
        return _WORKBOOK in archive.namelist()


def _unpack(file: Plain, packing: Packing, target: Path, is_table: Callable[[str], bool]) -> Plain:
    """Write what a file holds to ``target``."""
    with _damage_told(file):
        if packing == "zip":
            with zipfile.ZipFile(file.path) as archive:
                member = _member(file, archive, is_table)
                with archive.open(member) as stream:
                    _write(file, stream, target)
            name = member.filename.rpartition("/")[2]
            return Plain(path=target, label=f"{file.label}#{member.filename}", name=name, notes=file.notes)
        with _OPENERS[packing](file.path) as stream:
            _write(file, stream, target)
    return replace(file, path=target)


def _member(file: Plain, archive: zipfile.ZipFile, is_table: Callable[[str], bool]) -> zipfile.ZipInfo:
    """Choose the member that was asked for, or the only table."""
    members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    if file.part is not None and file.part not in members:
        raise DataError(
            f"{file.shown} has no member {file.part!r}; it holds {_listed(members)}.{nearest(file.part, members)}"
        )
    seen = [name for name in members if not any(is_hidden(part) for part in name.split("/"))]
    chosen = [file.part] if file.part else [name for name in seen if is_table(name)] or seen
    if len(chosen) != 1:
        example = chosen[0] if chosen else "MEMBER"
        raise DataError(
            f"{file.shown} must hold one table, got {_listed(chosen)}. Name one: {f'{file.label}#{example}'!r}."
        )
    info = members[chosen[0]]
    if info.flag_bits & 1:
        raise DataError(f"{file.shown} is encrypted; it must be readable without a password. Unpack it first.")
    return info


def _listed(names: Iterable[str]) -> str:
    """Join the first names for a message."""
    first = list(names)
    more = f" and {len(first) - 10} more" if len(first) > 10 else ""
    return ", ".join(map(repr, first[:10])) + more or "nothing"


def _write(file: Plain, stream: IO[bytes], target: Path) -> None:
    """Write an unpacked stream, no further than a limit: a small file may hold endless zeros."""
    size = 0
    with target.open("wb") as content:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > MOST_BYTES:
                raise DataError(
                    f"{file.shown} must unpack to at most {MOST_BYTES / 2**30:g} GiB. If it is sound, unpack it first."
                )
            content.write(chunk)


@contextlib.contextmanager
def _damage_told(file: Plain) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            free = shutil.disk_usage(file.path.parent).free
            raise DataError(
                f"{file.shown} cannot be unpacked: no space is left ({free / 2**30:.1f} GiB free beside it). "
                "Set TMPDIR to a folder on a larger disk."
            ) from None
        how = " ".join(str(error).split())
        raise DataError(f"{file.shown} is damaged or cut short ({how}). Get the file again.") from None


def _open_gzip(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb"))


def _open_bzip2(path: Path) -> IO[bytes]:
    return cast(IO[bytes], bz2.open(path, "rb"))


def _open_xz(path: Path) -> IO[bytes]:
    return cast(IO[bytes], lzma.open(path, "rb"))


def _open_zstandard(path: Path) -> IO[bytes]:
    import pyarrow

    stream: IO[bytes] = pyarrow.input_stream(str(path), compression="zstd")
    return stream


_OPENERS: dict[Packing, Callable[[Path], IO[bytes]]] = {
    "gzip": _open_gzip,
    "bzip2": _open_bzip2,
    "xz": _open_xz,
    "Zstandard": _open_zstandard,
}
