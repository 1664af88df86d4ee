"""Delimited text (csv, tsv), read strictly: a line with more or fewer fields than the header is an error.

pyarrow parses it, since polars fills short lines up and renames columns that share a name, without a word.
"""

import codecs
import csv
import io
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from bench.errors import DataError
from bench.table import check_names, name_columns
from bench.values import AMBIGUOUS, MISSING

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_LINES = 50
_BLOCK_BYTES = 2**26
_DECIMAL_COMMA = r"^\s*[+-]?\d+(,\d+)?\s*$"


def read_delimited(path: Path, content: bytes, delimiter: str | None) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Read delimited text with a header, every column as text; a delimiter of None is found out.

    Raises:
        DataError: the text is not UTF-8, has no rows, names a column twice, or a line has too many or too few fields.
    """
    _check_encoding(path, content)
    notes: tuple[str, ...] = ()
    if delimiter is None:
        delimiter = _sniff(content)
        notes = () if delimiter == "," else (f"fields are separated by a {_DELIMITERS[delimiter]}",)
    header, fields = _parse(path, content, delimiter)
    check_names(header)
    if not len(fields[0]):
        raise DataError(f"{str(path)!r} holds a header and no rows.")
    names, renamed = name_columns(header)
    columns = [pl.Series(name, pl.from_arrow(column)) for name, column in zip(names, fields, strict=True)]
    if delimiter == ";":
        columns, decimal = _without_decimal_commas(columns)
        notes += decimal
    return pl.DataFrame(columns), notes + renamed


def _check_encoding(path: Path, content: bytes) -> None:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{str(path)!r} must be UTF-8, got UTF-16. Convert it: iconv -f UTF-16 -t UTF-8.")
    if b"\0" in content:
        raise DataError(f"{str(path)!r} must be text in UTF-8, got NUL bytes. Convert it, or correct its name.")


def _sniff(content: bytes) -> str:
    """Choose the delimiter that cuts most of the first lines into as many fields as the header, and that into most."""
    sample = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="replace", newline="")
    lines = list(islice(sample, _SNIFFED_LINES))
    best, best_rank = ",", (0, 1)
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        header = widths[0] if widths else 1
        rank = (sum(width == header for width in widths), header)
        if header > 1 and rank > best_rank:
            best, best_rank = delimiter, rank
    return best


def _parse(path: Path, content: bytes, delimiter: str) -> tuple[list[str], list[Any]]:
    """Parse all fields as text; return the names, which may repeat, and the pyarrow columns."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "skip"

    # The numbers of bad lines are only known to one thread; a first, parallel pass finds out whether there are any.
    for threads in (True, False):
        ragged.clear()
        try:
            table = arrow_csv.read_csv(
                pyarrow.py_buffer(content),
                read_options=arrow_csv.ReadOptions(use_threads=threads, block_size=_BLOCK_BYTES),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
                ),
                convert_options=arrow_csv.ConvertOptions(
                    default_column_type=pyarrow.string(), strings_can_be_null=False
                ),
            )
            names = list(table.column_names)
        except (pyarrow.ArrowInvalid, UnicodeDecodeError) as error:
            raise _explain(path, content, str(error)) from None
        if not ragged:
            return names, table.columns
    raise DataError(
        f"{str(path)!r} must have {ragged[0].expected_columns} fields in every row, as its header has; "
        + ", ".join(f"row {row.number} has {row.actual_columns}" for row in ragged[:3])
        + f" ({len(ragged)} such rows). Correct them, or quote fields that hold the delimiter."
    )


def _explain(path: Path, content: bytes, error: str) -> DataError:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        return DataError(
            f"{str(path)!r} must be UTF-8; line {line} is not (byte 0x{content[wrong.start]:02x}). "
            "Convert it, for instance: iconv -f WINDOWS-1252 -t UTF-8."
        )
    if len(content.strip().splitlines()) <= 1:
        return DataError(f"{str(path)!r} holds no rows; it must have a header and rows.")
    return DataError(f"{str(path)!r} cannot be read as delimited text: {error.splitlines()[0]}")


def _without_decimal_commas(columns: list[pl.Series]) -> tuple[list[pl.Series], tuple[str, ...]]:
    """Turn ``3,14`` into ``3.14`` in columns that hold nothing else: the habit of files with semicolons."""
    result, changed = [], []
    for series in columns:
        values = series.filter(~series.str.strip_chars().is_in(MISSING + AMBIGUOUS))
        if len(values) and values.str.contains(_DECIMAL_COMMA).all() and values.str.contains(",", literal=True).any():
            changed.append(repr(series.name))
            series = series.str.replace(",", ".", literal=True)
        result.append(series)
    return result, (f"commas are decimal points in columns {', '.join(changed)}",) if changed else ()
