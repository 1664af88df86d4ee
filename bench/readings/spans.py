"""Spans of time and times of day written as text, in seconds."""

import polars as pl

_CLOCK = r"^(?P<sign>-)?(?P<h>\d+):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d(?:\.\d+)?))?\s*(?P<half>[AaPp][Mm])?$"
_ISO = (
    r"^(?P<sign>-)?P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?$"
)
_DAYS = r"^(?P<sign>-)?(?P<d>\d+) days?,? \+?(?P<h>\d{1,2}):(?P<m>\d{2}):(?P<s>\d{2}(?:\.\d+)?)$"
_WORDS = (
    r"^(?:(?P<w>\d+)\s*(?:w|weeks?))?[,\s]*(?:(?P<d>\d+)\s*(?:d|days?))?[,\s]*"
    r"(?:(?P<h>\d+)\s*(?:h|hrs?|hours?))?[,\s]*(?:(?P<m>\d+)\s*(?:m|mins?|minutes?))?[,\s]*"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*(?:s|secs?|seconds?))?$"
)
#: A single letter after a number may stand for metres or millions; these cannot.
_SURELY_SPAN = r"^P.*\d|:|[a-z]\s*\d+\s*[a-z]|min|sec|hour|hr|day|week"
_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_PATTERNS = (_ISO, _DAYS, _WORDS)


def looks_clock(sample: pl.Series) -> bool:
    """Whether most of the stripped values are like ``12:30``, ``75:30:15.5`` or ``1:05 pm``."""
    return _most(sample.str.contains(_CLOCK))


def looks_span(sample: pl.Series) -> bool:
    """Whether most of the stripped values are like ``P1DT2H``, ``1 days 02:03:04``, ``2h 30m`` or ``90 minutes``."""
    fits = sample.str.contains(_ISO) | sample.str.contains(_DAYS) | sample.str.contains(_WORDS)
    return _most(fits) and bool(sample.filter(fits).str.contains(_SURELY_SPAN).any())


def _most(hits: pl.Series) -> bool:
    return 2 * int(hits.sum()) >= len(hits) > 0


def read_clock(text: pl.Series) -> pl.Series:
    """Read text as hours, minutes and perhaps seconds; Float64, null where a value is none."""
    parts = text.str.strip_chars().str.extract_groups(_CLOCK).struct.unnest()
    hours, half = parts["h"].cast(pl.Float64), parts["half"].str.to_lowercase()
    by_halves = (hours % 12) + 12.0 * (half == "pm").cast(pl.Float64)
    sensible = half.is_null() | hours.is_between(1, 12)
    seconds = _seconds(parts.with_columns(hours.zip_with(half.is_null(), by_halves).cast(pl.String).alias("h")))
    return seconds.set(~sensible.fill_null(False), None).alias(text.name)


def read_span(text: pl.Series) -> pl.Series:
    """Read text as a length of time; Float64, null where a value is none."""
    text = text.str.strip_chars()
    result = pl.Series(text.name, [None], dtype=pl.Float64).new_from_index(0, len(text))
    for pattern in _PATTERNS:
        seconds = _seconds(text.str.extract_groups(pattern).struct.unnest())
        result = result.zip_with(result.is_not_null(), seconds)
    return result


def _seconds(parts: pl.DataFrame) -> pl.Series:
    """Add up weeks, days, hours, minutes and seconds; null where a row has none of them."""
    named = [name for name in _SECONDS if name in parts.columns]
    total = pl.sum_horizontal(pl.col(name).cast(pl.Float64).fill_null(0.0) * _SECONDS[name] for name in named)
    sign = pl.when(pl.col("sign") == "-").then(-1.0).otherwise(1.0) if "sign" in parts.columns else pl.lit(1.0)
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in named)
    return parts.select(pl.when(known).then(sign * total)).to_series()
