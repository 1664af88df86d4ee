"""Delimited text (csv, tsv), read strictly: a line with more or fewer fields than the header is an error.

pyarrow parses it, since polars fills short lines up and renames columns that share a name, without a word. In large
texts without quotes, where counts of delimiters and lines show that nothing was filled up, polars does: it is faster.
What pyarrow does not tell (lines of faults, a quote that is never closed) is looked for by Python's csv module, once
something is wrong.
"""

import csv
import itertools
import math
import re
import sys
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.errors import DataError, RequestError
from bench.sources.base import ReadOptions
from bench.sources.dialect import Text, open_text, read_separator
from bench.sources.encoding import read_as_utf8
from bench.sources.marks import each_block
from bench.sources.plain import Plain, Read, line_at
from bench.table import check_names, each, name_columns
from bench.values import AMBIGUOUS, MISSING

# Small blocks stay in the processor's cache; a row must fit into one.
_BLOCK_BYTES, _LARGE_BLOCK_BYTES = 2**22, 2**26
_LARGE_BYTES = 2**21
_HEAD_BYTES = 2**18
# Of lines that are long, so many are looked at, or else such a part of them all.
_HEAD_LINES, _HEADS = 256, 64
_TOLD_LINES = 3
_SAMPLED = 100
_DECIMAL_COMMA = r"^\s*[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?([eE][+-]?\d+)?\s*$"
_NO_THOUSANDS = r",(\d{1,2}|\d{4,})([eE]|\s*$)"
_END = "end of the file"


def read_delimited(file: Plain, options: ReadOptions) -> Read:
    """Read delimited text with a header, every column as text.

    Raises:
        RequestError: an option is wrong.
        DataError: the text is not in its encoding, has no rows, names a column twice, or a line has too many or too few
            fields.
    """
    if options.decimal not in (None, ".", ","):
        raise RequestError(f"--decimal must be '.' or ',', got {options.decimal!r}.")
    separator = read_separator(options.sep)
    return read_as_utf8(file, options.encoding, lambda plain: _read(plain, options, separator))


def _read(file: Plain, options: ReadOptions, separator: str | None) -> Read:
    text, notes = open_text(file, separator)
    names, columns, skipped = _parse(text, options)
    check_names(names)
    if not len(columns[0]):
        raise DataError(f"{file.shown} holds a header and no rows.")
    names, renamed = name_columns(names)
    columns = [column.alias(name) for name, column in zip(names, columns, strict=True)]
    columns, decimal = _without_decimal_commas(columns, text, options)
    return pl.DataFrame(columns), (*notes, *skipped, *decimal, *renamed)


def _parse(text: Text, options: ReadOptions) -> tuple[list[str], list[pl.Series], tuple[str, ...]]:
    """Parse all fields; return the names, which may repeat, the columns, and what was left out."""
    import pyarrow

    try:
        if options.typed and not options.null and not text.marks.quotes and (frame := _plainly_read(text)) is not None:
            return frame.columns, frame.get_columns(), ()
        table, wrong = _cut(text, text.view, text.marks.quotes)
        names = list(table.column_names)
    except pyarrow.ArrowInvalid as error:
        raise _explain(text, str(error)) from None
    if text.marks.quotes and ((wrong and options.bad_lines == "skip") or not _ends_closed(text, table)):
        _read_through(text)
    skipped = _told(text, len(names), wrong, len(table), options) if wrong else ()
    return names, each(_series, table.columns), skipped


def _series(column: Any) -> pl.Series:
    return pl.Series(pl.from_arrow(column))


def _plainly_read(text: Text) -> pl.DataFrame | None:
    """Read a large text without quotes by polars, columns of numbers and of truth as such; None unless that is safe.

    Empty fields are null. The numbers are what `bench.readings` makes of the text: what is no finite number, no number
    at all, or may be a name such as ``007``, is left to the readings.
    """
    # polars differs in carriage returns, too, and in a last line with a delimiter too many and no line end.
    ended = text.end < len(text.content) and not text.marks.returns
    if not ended or text.line > 1 or text.header or len(text.view) < _LARGE_BYTES or (head := _head(text)) is None:
        return None
    for typed in (False,) if _any_odd_start(text) else (True, False):
        frame = _cast(text, head, typed)
        if frame is not None:
            return frame if _is_filled(frame, text) else None
    return None


def _is_filled(frame: pl.DataFrame, text: Text) -> bool:
    """Whether no line, none having too many fields, has too few: what these lack is null in the last column."""
    if not frame.to_series(-1).null_count():
        return True
    delimiters = sum(each_block(text.view, lambda block: np.count_nonzero(block == ord(text.delimiter))))
    return delimiters == (frame.height + 1) * (frame.width - 1) > 0


def _cast(text: Text, head: pl.DataFrame, typed: bool) -> pl.DataFrame | None:
    """Read a text with the types that its head has; None where a value is none of its type, or a line is too long.

    Unless ``typed``, fractions alone are not text.
    """
    try:
        with text.file.path.open("rb") as stream:
            frame = pl.read_csv(stream, schema=_types(head, typed), separator=text.delimiter, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    # A sum is no number where a value is none.
    return frame if all(math.isfinite(c.sum()) for c in frame.get_columns() if c.dtype == pl.Float64) else None


def _head(text: Text) -> pl.DataFrame | None:
    """The first lines of a text, every column as text; None where something is wrong."""
    import pyarrow

    line = len(line_at(text.content, text.start))
    size = max(_HEAD_BYTES, min(_HEAD_LINES * line, len(text.view) // _HEADS))
    end = text.content.rfind(b"\n", text.start, text.start + size)
    try:
        head, wrong = _cut(text, text.view[: max(0, end - text.start)], quoted=False)
    except pyarrow.ArrowInvalid:  # for one, no row is as short as that
        return None
    odd = wrong or len(set(head.column_names)) < head.num_columns
    return None if odd else cast(pl.DataFrame, pl.from_arrow(head))


def _any_odd_start(text: Text) -> bool:
    """Whether a field begins with a blank, or with a zero and another digit: whole numbers may be names there."""
    delimiter, blank, zero = ord(text.delimiter), ord(" "), ord("0")
    both = 0xFF ^ blank ^ zero  # blanks and zeros differ in this bit alone

    def any_in(block: npt.NDArray[np.uint8]) -> bool:
        second = block[1:-1]
        starts = np.flatnonzero((block[: len(second)] == delimiter) & (second & both == blank))
        digits = block[starts + 2] - zero < 10  # smaller bytes wrap around
        return bool((digits | (second[starts] == blank)).any())

    return any(each_block(text.view, any_in, beyond=2))


def _cut(text: Text, view: Any, quoted: bool) -> tuple[Any, int]:
    """Parse a part of a text; return a pyarrow table and the number of faulty rows."""
    import pyarrow

    try:
        return _cut_in_blocks(text, view, quoted, _BLOCK_BYTES)
    except pyarrow.ArrowInvalid as error:
        if "straddling" not in str(error):  # pyarrow's word for a row that does not fit into a block
            raise
    return _cut_in_blocks(text, view, quoted, _LARGE_BLOCK_BYTES)


def _cut_in_blocks(text: Text, view: Any, quoted: bool, size: int) -> tuple[Any, int]:
    import pyarrow
    from pyarrow import csv as arrow_csv

    bad = itertools.count()

    def refuse(_: Any) -> str:
        next(bad)  # in one step, as several threads call this
        return "skip"

    table = arrow_csv.read_csv(
        pyarrow.py_buffer(view),
        read_options=arrow_csv.ReadOptions(block_size=size, column_names=text.header),
        parse_options=arrow_csv.ParseOptions(
            delimiter=text.delimiter,
            escape_char=text.escape or False,
            newlines_in_values=quoted,
            ignore_empty_lines=text.width != 1,  # in a single column, a blank line is a missing value
            invalid_row_handler=refuse,
        ),
        convert_options=arrow_csv.ConvertOptions(default_column_type=pyarrow.string(), strings_can_be_null=False),
    )
    return table, next(bad)


def _types(head: pl.DataFrame, typed: bool) -> dict[str, pl.DataType]:
    """Types of columns by their first values: text, unless all of them are numbers, or truth. All columns at once."""
    values = pl.all()
    tests = {
        "filled": values != "",
        "numbers": (values != "") & values.cast(pl.Float64, strict=False).is_not_null(),
        "fractions": values.str.contains(r"^-?\d+\.\d"),
        "whole": (values != "") & values.cast(pl.Int64, strict=False).is_not_null(),
        "truth": values.is_in(["true", "false"]),
    }
    counts = (head.select(test.sum()).row(0) for test in tests.values())

    def type_of(first: bool, filled: int, numbers: int, fractions: int, whole: int, truth: int) -> pl.DataType:
        if numbers == filled and fractions:
            return pl.Float64()
        if not typed or first or not filled:  # how lines begin was not looked at
            return pl.String()
        return pl.Int64() if whole == filled else pl.Boolean() if truth == filled else pl.String()

    return {name: type_of(not at, *c) for at, (name, *c) in enumerate(zip(head.columns, *counts, strict=True))}


def _explain(text: Text, error: str) -> DataError:
    """Say what is wrong with a text that pyarrow does not read."""
    _read_through(text)
    if len(bytes(text.view[:_HEAD_BYTES]).splitlines()) <= 1:
        return DataError(f"{text.file.shown} holds a header and no rows.")
    return DataError(f"{text.file.shown} cannot be read as delimited text: {error.splitlines()[0]}")


def _records(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Give the records of a text, each with the number of the line where it begins.

    Raises:
        DataError: a quote is never closed, so that the last record goes on to the end of the file.
    """
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with text.file.path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            lines = itertools.chain(itertools.islice(stream, text.line - 1, None), ["\n", _END])
            reader = csv.reader(lines, delimiter=text.delimiter, escapechar=text.escape)
            begins = last = text.line
            for row in reader:
                if row == [_END]:
                    return
                if row:
                    yield begins, row
                last, begins = begins, text.line + reader.line_num
    finally:
        csv.field_size_limit(limit)
    raise DataError(
        f"{text.file.shown} has a quote that is never closed, in the row that begins in line {last}. "
        "Close it, or write a quote within a field twice; where the end is missing, get the file again."
    )


def _ends_closed(text: Text, table: Any) -> bool:
    """Whether the last field ends where the file does, as far as can be told without reading all of it again.

    pyarrow takes a quote that is never closed for one that ends with the file.
    """
    if not len(table):
        return False
    last = table.column(table.num_columns - 1)[-1].as_py()
    if not isinstance(last, str):
        return False
    spellings = ['"' + last.replace('"', '""') + '"'] + ([] if re.search(r'["\r\n]', last) else [last])
    ends = tuple((before + spelling).encode() for spelling in spellings for before in (text.delimiter, "\n", "\r"))
    longest = max(map(len, ends))
    return bytes(text.content[max(text.start, text.end - longest) : text.end]).endswith(ends)


def _read_through(text: Text) -> None:
    """Read all records by Python's parser, for the error that it may raise."""
    for _ in _records(text):
        pass


def _told(text: Text, width: int, wrong: int, right: int, options: ReadOptions) -> tuple[str, ...]:
    """Say which lines have another number of fields than the header.

    Raises:
        DataError: such lines are not to be left out, or no other lines are there.
    """
    found: list[tuple[int, int]] = []
    last = 0
    for last, row in _records(text):
        if len(found) == _TOLD_LINES:
            break
        if len(row) != width:
            found.append((last, len(row)))
    where = ", ".join(f"line {line} has {count}" for line, count in found) + f" ({wrong} such lines)"
    if options.bad_lines == "skip" and right:
        return (
            f"{wrong} lines that do not have the header's {width} fields are left out: {where} "
            "(--bad-lines error refuses them)",
        )
    hint = "Correct them, quote fields that hold the delimiter, or leave them out: --bad-lines skip."
    if not right:
        hint = "No line has as many: does the header lack a name, or does --sep state another delimiter?"
    elif found == [(last, found[0][1])] and found[0][1] < width and text.end == len(text.content):
        hint = "The file ends within a line: it may be cut short. " + hint
    raise DataError(f"{text.file.shown} must have {width} fields in every line, as its header has; {where}. {hint}")


def _without_decimal_commas(
    columns: list[pl.Series], text: Text, options: ReadOptions
) -> tuple[list[pl.Series], tuple[str, ...]]:
    """Turn ``3,14`` and ``1.234,5`` into ``3.14`` and ``1234.5`` in columns that hold nothing else.

    Between semicolons a comma is taken for a decimal one; elsewhere it must not look as in ``1,234``.
    """
    if options.decimal == "." or (text.delimiter == "," and not text.marks.quotes):
        return columns, ()
    habit = options.decimal == "," or text.delimiter == ";"
    spelled = [*MISSING, *AMBIGUOUS, *options.null]
    result, changed = [], []
    for series in columns:
        if series.dtype == pl.String and _holds_decimal_commas(series, spelled, habit):
            changed.append(repr(series.name))
            plain = series.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
            series = plain.zip_with(series.str.contains(_DECIMAL_COMMA), series)
        result.append(series)
    sure = "" if options.decimal else " (--decimal . overrules this)"
    return result, (f"commas are decimal points in columns {', '.join(changed)}{sure}",) if changed else ()


def _holds_decimal_commas(series: pl.Series, spelled: list[str], habit: bool) -> bool:
    def fitting(values: pl.Series) -> pl.Series | None:
        values = values.filter(~values.str.strip_chars().is_in(spelled))
        return values if values.str.contains(_DECIMAL_COMMA).all() else None

    # Most columns are told by their first values, or hold no comma at all.
    if fitting(series.head(_SAMPLED)) is None or not series.str.contains(",", literal=True).any():
        return False
    values = fitting(series)
    if values is None:
        return False
    commas = values.str.contains(",", literal=True) if habit else values.str.contains(_NO_THOUSANDS)
    return bool(commas.any())
