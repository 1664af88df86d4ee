"""JSON: one object a line, or an array of objects."""

import codecs
import glob
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from bench.errors import DataError
from bench.sources.base import ReadOptions
from bench.sources.columnar import first_line
from bench.sources.encoding import read_as_utf8, rewritten
from bench.sources.plain import Plain, Read, read_head

_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_KINDS: dict[type, str] = {bool: "true or false", int: "numbers", float: "numbers", str: "text"}


def read_json_lines(file: Plain, options: ReadOptions) -> Read:
    """Read JSON lines; a column whose values are of several kinds becomes text, with a note.

    Raises:
        DataError: a line is no JSON object.
    """
    return read_as_utf8(file, options.encoding, _without_mark)


def _without_mark(file: Plain) -> Read:
    head = read_head(file.path)
    if head.startswith(codecs.BOM_UTF8):
        with rewritten(file, "utf-8-sig") as plain:
            return _without_mark(plain)
    return _read_array(file) if head.lstrip().startswith(b"[") else _read_lines(file)


def _read_array(file: Plain) -> Read:
    try:
        return pl.read_json(file.path, infer_schema_length=None), ()
    except _FAILURES as error:
        raise DataError(f"{file.shown} must hold an array of JSON objects: {first_line(error)}.") from None


def _read_lines(file: Plain) -> Read:
    read = partial(pl.read_ndjson, glob.escape(str(file.path)), infer_schema_length=None)
    try:
        return read(), ()
    except _FAILURES as error:
        mixed = _mixed(file)
        try:
            return read(schema_overrides=dict.fromkeys(mixed, pl.String)), tuple(mixed.values())
        except _FAILURES:
            raise DataError(f"{file.shown} cannot be read as JSON lines: {first_line(error)}.") from None


def _mixed(file: Plain) -> dict[str, str]:
    """Find the columns whose values are of several kinds, each with a sentence that says where.

    Raises:
        DataError: a line is no JSON object.
    """
    seen: dict[str, dict[str, str]] = {}
    for number, content in _objects(file):
        for name, value in content.items():
            if value is not None:
                kind = _KINDS.get(type(value), "lists or objects")
                seen.setdefault(name, {}).setdefault(kind, f"line {number} has {json.dumps(value)[:40]}")
    return {
        name: f"column {name!r} holds {' and '.join(kinds)} ({', '.join(kinds.values())}), and is read as text"
        for name, kinds in seen.items()
        if len(kinds) > 1
    }


def _objects(file: Plain) -> Iterator[tuple[int, dict[str, Any]]]:
    with Path(file.path).open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                content = _parsed(line)
                if not isinstance(content, dict):
                    raise DataError(f"{file.shown} must hold one JSON object a line; line {number} is none.")
                yield number, content


def _parsed(line: bytes) -> Any:
    """Parse one line; None when it is no JSON, in which NaN and Infinity do not exist."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(line, parse_constant=refuse)
    except ValueError:
        return None
