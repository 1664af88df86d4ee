"""``--null``: further spellings of a missing value, in a table from any source."""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from bench.kinds import is_unsupported


def without_spelled(frame: pl.DataFrame, spellings: Sequence[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Make null of the values that are spelled in one of these ways, and say how many there were.

    Numbers are compared as numbers, so that ``-999`` is found among whole and other ones; all else by its text.
    """
    found: Counter[str] = Counter()
    columns = []
    for series in frame.get_columns():
        for spelling in spellings:
            hits = _hits(series, spelling.strip())
            if hits is not None and (count := int(hits.sum())):
                found[spelling] += count
                series = series.set(hits.fill_null(False), None)
        columns.append(series)
    told = [f"{spelling!r} {found[spelling]} times" for spelling in dict.fromkeys(spellings)]
    return frame.with_columns(columns), (f"read as missing, as --null asks: {', '.join(told)}",) if told else ()


def _hits(series: pl.Series, spelling: str) -> pl.Series | None:
    """Which values are spelled so; None when none can be."""
    if series.dtype.is_numeric():
        try:
            return series == float(spelling)
        except ValueError:
            return None
    if series.dtype == pl.String:
        return series.str.strip_chars() == spelling
    return None if is_unsupported(series.dtype) or series.dtype == pl.Null else series.cast(pl.String) == spelling
