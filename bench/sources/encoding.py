"""Encodings of text files: told by a mark, by trying UTF-8, or by the user; other ones are rewritten as UTF-8."""

import codecs
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from encodings.aliases import aliases
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.errors import DataError, RequestError, nearest
from bench.processes import goes_along
from bench.sources.plain import Plain, Read, looked_through, read_head

_CHUNK = 2**22
# UTF-32's little-endian mark begins with that of UTF-16, so it comes first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
_UTF_8 = (None, "utf-8", "ascii")
_DAMAGED = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\0-\x7f]")
#: Bytes that mean nothing in cp1252.
_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"


def read_as_utf8(file: Plain, asked: str | None, read: Callable[[Plain], Read]) -> Read:
    """Read a text file by a reader that knows UTF-8 alone.

    Raises:
        RequestError: the encoding that was asked for does not exist.
        DataError: the text is not in the encoding that was asked for, or that its mark states.
    """
    encoding = _known(asked) if asked else _MARKS.get(_mark(read_head(file.path)))
    note: tuple[str, ...] = ()
    if encoding in _UTF_8:
        file, _, marks = looked_through(file)
        if marks.ascii or _is_utf8(file.path):
            return read(file)
        if encoding is not None:
            raise _not_utf8(file)
        encoding = _guess(file)
        note = (f"read as {encoding}, as it is no UTF-8 (--encoding overrules this)",)
    elif not asked:
        note = (f"read as {encoding}, by its byte order mark",)
    with rewritten(file, str(encoding)) as plain:
        frame, notes = read(plain)
    return frame, note + notes


def head_as_text(path: Path, asked: str | None) -> str:
    """The beginning of a file as text, whatever cannot be read replaced."""
    head = read_head(path)
    encoding = _known(asked) if asked else _MARKS.get(_mark(head), "utf-8")
    return head.decode(encoding, errors="replace").removeprefix("\ufeff")


def _known(name: str) -> str:
    """Python's name of a text encoding."""
    try:
        codec = codecs.lookup(name)
        " ".encode(codec.name)
    except (LookupError, ValueError):
        known = {alias.replace("_", "-") for pair in aliases.items() for alias in pair}
        raise RequestError(
            f"--encoding must be an encoding such as utf-8, cp1252, latin-1 or utf-16, got {name!r}."
            f"{nearest(name, known)}"
        ) from None
    return codec.name


def _mark(head: bytes) -> bytes:
    return next((mark for mark in _MARKS if head.startswith(mark)), b"")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(path):
            if not chunk.isascii() or decoder.getstate()[0]:  # many times slower than that question
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(file: Plain) -> DataError:
    """Name the line of the first byte that cannot be in UTF-8."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    wrong = UnicodeDecodeError("utf-8", b"\0", 0, 1, "")
    try:
        for chunk in _chunks(file.path):
            decoder.decode(chunk)
            line += chunk.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:  # whose object begins with what was kept of the chunk before
        wrong = error
    line += wrong.object.count(b"\n", 0, wrong.start)
    return DataError(
        f"{file.shown} must be UTF-8; line {line} is not (byte 0x{wrong.object[wrong.start]:02x}). "
        "Mend it, or say how to read it, for instance --encoding cp1252."
    )


def _guess(file: Plain) -> str:
    """Choose a Western encoding for a file that is no UTF-8.

    Raises:
        DataError: most of what is not ASCII is sound UTF-8, so that the file is damaged, or mixed from several.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    damaged = beyond = 0
    undefined = False
    for chunk in _chunks(file.path):
        text = decoder.decode(chunk)
        damaged += len(_DAMAGED.findall(text))
        beyond += len(_NOT_ASCII.findall(text))
        undefined |= any(byte in chunk for byte in _UNDEFINED)
    if beyond - damaged > damaged:
        raise _not_utf8(file)
    return "latin-1" if undefined else "cp1252"


@contextlib.contextmanager
def rewritten(file: Plain, encoding: str) -> Iterator[Plain]:
    """Hold a file in UTF-8, without a mark, while the block runs."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with TemporaryDirectory(prefix="bench-") as folder:
        path = Path(goes_along(folder)) / "text"
        with path.open("w", encoding="utf-8", newline="") as target:
            try:
                for chunk in _chunks(file.path):
                    text = decoder.decode(chunk)
                    target.write(text if target.tell() else text.removeprefix("\ufeff"))
                    line += text.count("\n")
                decoder.decode(b"", final=True)
            except UnicodeError as error:
                raise DataError(
                    f"{file.shown} must be {encoding}; line {line} or one after it is not ({error}). "
                    "Correct --encoding, or leave it out to have it found."
                ) from None
        yield replace(file, path=path, content=None, marks=None)
