"""How a delimited text is cut into fields: what stands before its header, its delimiter, and how quotes are escaped."""

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.errors import DataError, RequestError
from bench.sources.marks import Marks
from bench.sources.plain import Plain, line_at, looked_through

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_TAB_ENDINGS = (".tsv", ".tab")
_SNIFFED_LINES = 50
_SNIFFED_BYTES = 2**20
_MARK = b"\xef\xbb\xbf"
#: Excel's way of stating the delimiter, in a line before the header.
_STATED = re.compile(rb"sep=([^\w\s\"]|\t)\s*\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A text, and how it is cut into fields.

    Fields lie in ``content[start:end]``, ``start`` being at the beginning of line ``line``, counted from 1. ``header``
    holds names that were found before that; None when the first record holds them.
    ``width`` is the number of names, as far as the first lines tell.
    """

    file: Plain
    content: Any
    start: int
    end: int
    line: int
    delimiter: str
    marks: Marks
    escape: str | None
    header: list[str] | None
    width: int

    @property
    def view(self) -> memoryview:
        """The fields, not copied."""
        return memoryview(self.content)[self.start : self.end]


def open_text(file: Plain, separator: str | None) -> tuple[Text, tuple[str, ...]]:
    """Map a file, find where its header begins, and how it is cut into fields."""
    file, content, marks = looked_through(file)
    if marks.nul:
        raise _nul(file, content)
    start, line, comments, stated = _preamble(content)
    end = len(content)
    while end > start and content[end - 1] in b"\r\n":
        end -= 1
    if start == end:
        raise DataError(f"{file.shown} holds no rows; it must have a header and rows.")
    notes: list[str] = []
    sample = bytes(content[start : min(end, start + _SNIFFED_BYTES)]).decode("utf-8", errors="replace")
    lines = list(itertools.islice(io.StringIO(sample, newline=""), _SNIFFED_LINES))
    delimiter = separator or stated
    if delimiter is None:
        delimiter, notes = _delimiter(file, lines)
    header = _commented_header(comments, lines, delimiter)
    if header is not None:
        comments = comments[:-1]
        notes.append("the names of columns are read from the line with '#' before the first row")
    if comments:
        notes.append(f"{len(comments)} lines that begin with '#' before the header are left out")
    escape = _escape(content, delimiter) if marks.quotes else None
    if escape:
        notes.append("quotes within fields are escaped by backslashes")
    text = Text(
        file=file,
        content=content,
        start=start,
        end=end,
        line=line,
        delimiter=delimiter,
        marks=marks,
        escape=escape,
        header=header,
        width=len(header or _first_record(lines, delimiter)),
    )
    return text, tuple(notes)


def sniff(lines: Iterable[str]) -> tuple[str, bool]:
    """Choose the delimiter that cuts most of some lines into as many fields as the first, and that into most.

    Returns:
        The delimiter, and whether it cuts at all, and more than half of the records alike.
    """
    lines = list(itertools.islice(lines, _SNIFFED_LINES))
    best, best_rank, certain = ",", (0, 1), False
    for delimiter in DELIMITERS:
        widths = _widths(lines, delimiter)
        header = widths[0] if widths else 1
        rank = (sum(width == header for width in widths), header)
        if header > 1 and rank > best_rank:
            best, best_rank, certain = delimiter, rank, rank[0] > len(widths) / 2
    return best, certain


def _widths(lines: list[str], delimiter: str) -> list[int]:
    widths: list[int] = []
    with contextlib.suppress(csv.Error):  # a field beyond the module's limit; the records before it tell enough
        widths.extend(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    return widths


def _first_record(lines: list[str], delimiter: str) -> list[str]:
    with contextlib.suppress(csv.Error):
        return next(csv.reader(lines, delimiter=delimiter), [])
    return []


def read_separator(asked: str | None) -> str | None:
    r"""Read ``--sep``; a tab may be spelled ``\t``, since shells make it hard to type."""
    if asked is None:
        return None
    separator = "\t" if asked == r"\t" else asked
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
        raise RequestError(f"--sep must be one ASCII character that is no quote, such as ';' or '\\t', got {asked!r}.")
    return separator


def _nul(file: Plain, content: Any) -> DataError:
    line = content[: content.find(b"\0")].count(b"\n") + 1
    return DataError(
        f"{file.shown} must be text, got NUL bytes (the first in line {line}). Delete them: tr -d '\\0'; or state "
        "the encoding, where it is UTF-16 without a mark: --encoding utf-16-le."
    )


def _preamble(content: Any) -> tuple[int, int, list[str], str | None]:
    """Pass over what may stand before a header: a mark, blank lines, comments, and Excel's ``sep=;``.

    Returns:
        Where the rest begins, the number of that line, the comments, and the delimiter where one is stated.
    """
    at = len(_MARK) if content[: len(_MARK)] == _MARK else 0
    number, comments, stated = 1, [], None
    while at < len(content):
        line = line_at(content, at)
        if found := _STATED.match(line):
            stated = found[1].decode("ascii", errors="ignore") or None
        elif line.startswith(b"#"):
            comments.append(line.decode("utf-8", errors="replace").strip())
        elif line.strip():
            break
        at, number = at + len(line), number + 1
    return at, number, comments, stated


def _delimiter(file: Plain, lines: list[str]) -> tuple[str, list[str]]:
    """Find the delimiter; a comma, or a tab that a file's name promises, goes without saying."""
    if file.ending in _TAB_ENDINGS and "\t" in lines[0]:
        return "\t", []
    delimiter, cuts = sniff(lines)
    if not cuts and delimiter not in lines[0]:
        return delimiter, ["one column was found (--sep states how fields are separated)"]
    if delimiter == ",":
        return delimiter, []
    return delimiter, [f"fields are separated by a {DELIMITERS[delimiter]} (--sep overrules this)"]


def _commented_header(comments: list[str], lines: list[str], delimiter: str) -> list[str] | None:
    """Take the header from a comment where numbers follow it that have as many fields, as numpy.savetxt writes it."""
    if not comments:
        return None
    names = _first_record([comments[-1].lstrip("# ")], delimiter)
    first = _first_record(lines, delimiter)
    fits = len(names) == len(first) > 1
    return names if fits and any(map(_is_number, first)) and not any(map(_is_number, names)) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _escape(content: Any, delimiter: str) -> str | None:
    r"""Tell whether ``\"`` is a quote within a field: where quotes are doubled, a backslash and a quote end a field."""
    if content.find(b'\\"') < 0:
        return None
    within = re.compile(rb'\\"(?![\r\n"' + re.escape(delimiter.encode()) + rb"]|\Z)")
    return "\\" if within.search(content) else None
