"""The official splits of an OpenML task: a file that says of each row of each fold what it is for."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from bench.errors import DataError
from bench.sources.base import GivenSplits
from bench.sources.openml_server import Element, Server, text_of

_COLUMNS = ("type", "rowid", "repeat", "fold")
_ATTRIBUTE = re.compile(rb"^\s*@attribute\s+['\"]?(\w+)", re.IGNORECASE | re.MULTILINE)
_DATA = re.compile(rb"^\s*@data[^\n]*\n", re.IGNORECASE | re.MULTILINE)


def read_splits(
    server: Server, number: int, procedure: Element | None, n_rows: int
) -> tuple[GivenSplits | None, tuple[str, ...]]:
    """Read a task's official splits of its ``n_rows`` rows; or say in a note why there are none.

    Raises:
        DataError: the file is of another shape or of other rows, or it cannot be had.
    """
    origin = f"OpenML task {number}"
    holder = None if procedure is None else procedure.find("estimation_procedure")
    url = "" if holder is None else text_of(holder, "data_splits_url")
    if holder is None or not url:
        return None, (f"{origin} has no official splits",)
    splits = server.file(url, partial(_parse, origin, n_rows))
    if splits is None:
        kind = text_of(holder, "type")
        return None, (f"the splits of {origin} ({kind}) score rows that are learned from, and are not used",)
    return splits, ()


def _parse(origin: str, n_rows: int, file: Path) -> GivenSplits | None:
    """Read a file of splits: ARFF with a line for each row of each part of each fold. None where folds overlap.

    Its columns are type (TRAIN or TEST), rowid (counted from 0), repeat and fold.
    """
    lines = _lines(origin, file)
    if not lines["rowid"].is_between(0, n_rows - 1).all():
        raise DataError(
            f"the splits of {origin} must be of the {n_rows} rows of its data, and are not: one of them was changed."
        )
    folds = lines.select("repeat", "fold").unique().sort("repeat", "fold").with_row_index("number")
    fold = lines.join(folds, on=["repeat", "fold"], how="left", maintain_order="left")["number"].to_numpy()
    row, tested = lines["rowid"].to_numpy(), (lines["type"] == "TEST").to_numpy()
    roles = np.zeros((folds.height, n_rows), dtype=np.int8)
    roles[fold[~tested], row[~tested]] = 1
    overlap = roles[fold[tested], row[tested]].any()
    roles[fold[tested], row[tested]] = 2
    if overlap:
        return None
    if not ((roles == 1).any(axis=1) & (roles == 2).any(axis=1)).all():
        raise DataError(f"each fold of the splits of {origin} must have rows to learn from and rows to score.")
    return GivenSplits(roles=roles, repeats=folds["repeat"].to_numpy(), origin=origin)


def _lines(origin: str, file: Path) -> pl.DataFrame:
    content = file.read_bytes()
    start = _DATA.search(content)
    names = [name.decode().lower() for name in _ATTRIBUTE.findall(content, 0, start.start())] if start else []
    if start is None or not set(_COLUMNS) <= set(names):
        raise DataError(f"the splits of {origin} must be ARFF with the columns {', '.join(_COLUMNS)}.")
    schema = {name: pl.String if name == "type" else pl.Float64 for name in names}
    try:
        lines = pl.read_csv(content[start.end() :], has_header=False, schema=schema, comment_prefix="%")
        lines = lines.select("type", pl.col(_COLUMNS[1:]).cast(pl.Int64)).drop_nulls("type")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"the splits of {origin} cannot be read: {str(error).splitlines()[0][:200]}") from None
    if lines.is_empty() or not lines["type"].is_in(["TRAIN", "TEST"]).all() or sum(lines.null_count().row(0)):
        raise DataError(f"the splits of {origin} must hold TRAIN or TEST and three numbers in each line.")
    return lines
