"""ARFF, Weka's and OpenML's text format, whose header states the types of the columns.

The format: https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from bench.errors import DataError
from bench.sources.base import ReadOptions
from bench.sources.encoding import read_as_utf8
from bench.sources.plain import Plain, Read, line_at, mapped
from bench.table import check_names, name_columns

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ATTRIBUTE = re.compile(rf"@attribute\s+({_QUOTED}|[^\s{{]+)\s*(.*)", re.IGNORECASE)
_DATE = re.compile(rf"date\b\s*({_QUOTED}|\S+)?\s*$", re.IGNORECASE)
_VALUE = re.compile(rf"\s*({_QUOTED}|[^,\t]*)\s*([,\t]|$)")
_WHOLLY_QUOTED = re.compile(_QUOTED)
_SEPARATOR = re.compile(r"\s*,\s*|\s*\t\s*")
_PAIR = re.compile(rf"\s*(\d+)\s+({_QUOTED}|[^,]*)\s*(?:,|$)")
_ESCAPED = re.compile(r"\\(.)")
_DATA = "@data"
_TOLD_LINES = 3

# What a csv parser does not know: sparse rows, comments, a quote that stands after a blank.
_NOT_CSV = re.compile(rb"(?:^|[\r\n])[ \t]*[{%]|[,\r\n][ \t]+['\"]")
_PADDED = re.compile(rb"[ \t](?=[,\r\n])|(?<=[,\r\n])[ \t]")

_JAVA_TOKEN = re.compile(r"'[^']*'|([A-Za-z])\1*|.")
#: Letters of Java's SimpleDateFormat; how often one is repeated matters for those that are spelled out.
_JAVA_DATES = {
    "yyyy": "%Y",
    "yy": "%y",
    "y": "%Y",
    "MMM": "%b",
    "SSS": "%3f",
    "M": "%m",
    "d": "%d",
    "H": "%H",
    "h": "%I",
    "a": "%p",
    "m": "%M",
    "s": "%S",
    "z": "%z",
    "Z": "%z",
    "X": "%z",
}
_ISO = "yyyy-MM-dd'T'HH:mm:ss"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attribute:
    """A column as it is declared: ``levels`` are of nominal ones, ``layout`` is Java's layout of dates."""

    name: str
    kind: Literal["numeric", "nominal", "string", "date"]
    levels: tuple[str, ...] = ()
    layout: str = ""

    @property
    def unsaid(self) -> str | None:
        """The value of what a sparse row leaves out."""
        return {"numeric": "0", "nominal": self.levels[0] if self.levels else None}.get(self.kind)


def read_arff(file: Plain, options: ReadOptions) -> Read:
    """Read an ARFF file; nominal attributes become categories.

    Raises:
        DataError: the header or a row is not as the format demands, or a value is not as declared.
    """
    return read_as_utf8(file, options.encoding, lambda plain: _read(plain, options))


def _read(file: Plain, options: ReadOptions) -> Read:
    content = mapped(file)
    attributes, start, line = _header(file, content)
    names = [attribute.name for attribute in attributes]
    check_names(names)
    names, renamed = name_columns(names)
    left_out: tuple[str, ...] = ()
    columns = _parse(content, start, len(attributes))
    if columns is None:
        columns, left_out = _parse_line_by_line(file, line, attributes, options)
    if not len(columns[0]):
        raise DataError(f"{file.shown} holds a header and no rows.")
    typed = [
        _typed(file, attribute, series).rename(name)
        for attribute, series, name in zip(attributes, columns, names, strict=True)
    ]
    return pl.DataFrame(typed), (*left_out, *renamed)


def _header(file: Plain, content: Any) -> tuple[list[_Attribute], int, int]:
    """Read the declarations; return them, where the data begins, and the number of that line."""
    at, number = 0, 1
    attributes: list[_Attribute] = []
    while at < len(content):
        raw = line_at(content, at)
        at, number = at + len(raw), number + 1
        line = raw.decode("utf-8-sig").strip()
        if line.lower().startswith(_DATA):
            if not attributes:
                break
            return attributes, at, number
        if line.lower().startswith("@attribute"):
            attributes.append(_attribute(file, line, number - 1))
    raise DataError(f"{file.shown} must declare attributes (@attribute NAME TYPE), and then hold rows after {_DATA}.")


def _attribute(file: Plain, line: str, number: int) -> _Attribute:
    match = _ATTRIBUTE.match(line)
    name, kind = (_bare(match[1]), match[2].strip()) if match else ("", "")
    if kind.startswith("{") and kind.endswith("}"):
        levels = [value for value in _values(kind[1:-1].strip()) if value is not None]
        return _Attribute(name=name, kind="nominal", levels=tuple(dict.fromkeys(levels)))
    if kind.lower() in ("numeric", "real", "integer"):
        return _Attribute(name=name, kind="numeric")
    if kind.lower() == "string":
        return _Attribute(name=name, kind="string")
    if date := _DATE.match(kind):
        return _Attribute(name=name, kind="date", layout=_bare(date[1] or _ISO))
    raise DataError(
        f"{file.shown}, line {number}: an attribute must be numeric, string, date or {{levels}}, got {line[:100]!r}."
    )


def _bare(text: str) -> str:
    """Take the quotes off a value."""
    return _ESCAPED.sub(r"\1", text[1:-1]) if _WHOLLY_QUOTED.fullmatch(text) else text


def _values(line: str) -> list[str | None]:
    """Cut a row into its values; None is a missing one."""
    if "'" not in line and '"' not in line:
        return [None if value == "?" else value for value in _SEPARATOR.split(line)]
    result: list[str | None] = []
    at, match = 0, None
    while match is None or match[2]:
        match = _VALUE.match(line, at)  # which matches anything, if need be up to the line's end
        assert match is not None
        value = match[1].strip()
        result.append(None if value == "?" else _bare(value))
        at = match.end()
    return result


def _parse(content: Any, start: int, width: int) -> list[pl.Series] | None:
    """Parse rows that are plain csv by pyarrow, which is many times faster; None where they are more than that."""
    import pyarrow
    from pyarrow import csv

    quotes = [quote for quote in "'\"" if content.find(quote.encode(), start) >= 0]
    if start == len(content) or len(quotes) > 1 or _NOT_CSV.search(content, start - 1):
        return None
    try:
        table = csv.read_csv(
            pyarrow.py_buffer(memoryview(content)[start:]),
            read_options=csv.ReadOptions(column_names=[str(at) for at in range(width)]),
            parse_options=csv.ParseOptions(
                quote_char=quotes[0] if quotes else False,
                escape_char="\\" if content.find(b"\\", start) >= 0 else False,
            ),
            convert_options=csv.ConvertOptions(
                default_column_type=pyarrow.string(),
                null_values=["?"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    columns = [pl.Series(str(at), pl.from_arrow(column)) for at, column in enumerate(table.columns)]
    if quotes and any(series.str.contains("\n", literal=True).any() for series in columns):
        return None  # a quote that is not closed in its line
    return [_stripped(series) for series in columns] if _PADDED.search(content, start) else columns


def _stripped(series: pl.Series) -> pl.Series:
    bare = series.str.strip_chars()
    return bare.set(bare == "?", None)


def _parse_line_by_line(
    file: Plain, line: int, attributes: list[_Attribute], options: ReadOptions
) -> tuple[list[pl.Series], tuple[str, ...]]:
    """Parse rows of any shape; say which were left out, where that was asked for.

    Raises:
        DataError: a row does not have as many values as there are attributes.
    """
    rows, wrong = [], []
    for number, text in _lines(file, line):
        row = _sparse(text, attributes) if text.startswith("{") else _values(text)
        if row is None or len(row) != len(attributes):
            wrong.append(f"line {number} " + ("cannot be read" if row is None else f"has {len(row)}"))
        else:
            rows.append(row)
    where = ", ".join(wrong[:_TOLD_LINES]) + f" ({len(wrong)} such lines)"
    if wrong and not (options.bad_lines == "skip" and rows):
        raise DataError(
            f"{file.shown} must have {len(attributes)} values in every row, one an attribute; {where}. "
            "Correct them, or leave them out: --bad-lines skip."
        )
    columns = [pl.Series(str(at), [row[at] for row in rows], dtype=pl.String) for at in range(len(attributes))]
    return columns, (f"lines are left out: {where} (--bad-lines error refuses them)",) if wrong else ()


def _lines(file: Plain, first: int) -> Iterator[tuple[int, str]]:
    """The lines that hold rows, with their numbers."""
    with file.path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(itertools.islice(stream, first - 1, None), start=first):
            text = line.strip()
            if text and not text.startswith("%"):
                yield number, text


def _sparse(text: str, attributes: list[_Attribute]) -> list[str | None] | None:
    """Fill a sparse row up; None when it is not one of these attributes."""
    row = [attribute.unsaid for attribute in attributes]
    inner, at = text[1:-1].strip(), 0
    if not text.endswith("}"):
        return None
    while at < len(inner):
        match = _PAIR.match(inner, at)
        if match is None or int(match[1]) >= len(row):
            return None
        value = match[2].strip()
        row[int(match[1])] = None if value == "?" else _bare(value)
        at = match.end()
    return row


def _typed(file: Plain, attribute: _Attribute, text: pl.Series) -> pl.Series:
    """Turn a column of text into what its attribute declares.

    Raises:
        DataError: a value is none of that.
    """
    if attribute.kind == "string":
        return text
    if attribute.kind == "nominal":
        fits = text.is_in(attribute.levels)
        typed = text.set(~fits, None)
    elif attribute.kind == "numeric":
        typed = text.cast(pl.Int64, strict=False)
        if typed.null_count() > text.null_count():
            typed = text.cast(pl.Float64, strict=False)
    else:
        typed = _moments(file, attribute, text)
    if typed.null_count() > text.null_count():
        value = text.filter(typed.is_null() & text.is_not_null())[0]
        declared = attribute.kind if attribute.kind != "nominal" else f"one of {len(attribute.levels)} declared levels"
        raise DataError(f"{file.shown}: values of {attribute.name!r} must be {declared}, got {value!r}.")
    return typed.cast(pl.Enum(attribute.levels)) if attribute.kind == "nominal" else typed


def _moments(file: Plain, attribute: _Attribute, text: pl.Series) -> pl.Series:
    """Read dates by the layout that the attribute declares."""
    try:
        layout = "".join(_directive(match[0]) for match in _JAVA_TOKEN.finditer(attribute.layout))
        return text.str.to_datetime(layout, strict=False, time_unit="us")
    except (KeyError, pl.exceptions.PolarsError):
        raise DataError(
            f"{file.shown}: the dates of {attribute.name!r} must be whole ones in a numeric layout such as {_ISO!r}, "
            f"got the layout {attribute.layout!r}. Declare the attribute as a string."
        ) from None


def _directive(token: str) -> str:
    """Translate a token of Java's layout for polars; a letter that has no translation is a KeyError."""
    if token.startswith("'"):
        return token[1:-1].replace("%", "%%")
    if token.isalpha():
        return _JAVA_DATES[token] if token in _JAVA_DATES else _JAVA_DATES[token[0]]
    return token
