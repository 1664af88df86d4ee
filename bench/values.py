"""Reading the values of text columns: missing ones, numbers, booleans and moments.

Training tables and tables to predict on go through the same functions, so that a value is read in one way only.
"""

import polars as pl

# Spelled like this, a value is missing in every column.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "Null", "NULL", "?", "missing")
# These may be real categories: missing only among numbers and moments.
AMBIGUOUS = ("None", "none", "-")
# A column of moments may hold this share of values that are none; they become missing, with a note.
MOMENT_SHARE = 0.95

# A look at so many values tells what else a column can be; all values are then checked.
_SAMPLED = 100
_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")
# A blank stands for ISO's T, which is replaced by one; only the compact form keeps it.
_MOMENT_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y%m%dT%H%M%S")
_ZONED_FORMATS = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
_LOOKS_LIKE_MOMENT = r"^\d{4}[-/]?\d{1,2}[-/]?\d{1,2}([T ]|$)"
_INTEGER = r"^[+-]?\d+$"
_LEADING_ZERO = r"^[+-]?0\d"


def without_missing(series: pl.Series, spelled: tuple[str, ...] = MISSING) -> pl.Series:
    """Make null of the values of a text column that are spelled as missing; the other values stay as they are."""
    missing = series.str.strip_chars().is_in(spelled)
    return series.set(missing, None) if missing.any() else series


def read_text(series: pl.Series) -> pl.Series:
    """Read a text column as booleans, numbers or moments where its values are such; else return it as it is.

    Only ``true`` and ``false`` are booleans here: ``yes`` and ``no`` are labels whose spelling is kept. Whole numbers
    with a leading zero (postal codes) or beyond 64 bits (account numbers) are names, and stay text.
    """
    text = series.str.strip_chars()
    sample = text.drop_nulls().head(_SAMPLED)
    read: pl.Series | None = None
    if sample.str.to_lowercase().is_in(["true", "false"]).all():
        read = _read_booleans(text)
    elif (sample.is_in(AMBIGUOUS) | sample.cast(pl.Float64, strict=False).is_not_null()).all():
        read = _read_numbers(text)
    elif sample.str.contains(_LOOKS_LIKE_MOMENT).any():
        read = _read_moments(text)
    return series if read is None or read.count() == 0 else read


def _read_booleans(text: pl.Series) -> pl.Series | None:
    lower = text.str.to_lowercase()
    return lower == "true" if lower.drop_nulls().is_in(["true", "false"]).all() else None


def _read_numbers(text: pl.Series) -> pl.Series | None:
    whole = text.cast(pl.Int64, strict=False)
    others = text.filter(whole.is_null() & text.is_not_null())
    others = others.filter(~others.is_in(AMBIGUOUS))
    if others.is_empty():
        return None if text.str.contains(_LEADING_ZERO).any() else whole
    if others.cast(pl.Float64, strict=False).is_null().any() or others.str.contains(_INTEGER).all():
        return None
    return to_numbers(text)


def _read_moments(text: pl.Series) -> pl.Series | None:
    moments = to_moments(text)
    asked = text.count() - int(text.is_in(AMBIGUOUS).sum())
    return moments if moments.count() >= MOMENT_SHARE * asked else None


def to_numbers(series: pl.Series) -> pl.Series:
    """Read any column as Float64; null where a value is no number."""
    dtype = series.dtype
    if dtype == pl.String:
        return series.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)
    if dtype == pl.Duration:
        return series.dt.total_microseconds() / 1e6
    if dtype == pl.Time:
        return (series.to_physical() // 1000) / 1e6
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Float64).fill_nan(None)
    return _nothing(series, pl.Float64())


def to_booleans(series: pl.Series) -> pl.Series:
    """Read any column as booleans (true, yes, 1 and their kin); null where a value is none."""
    dtype = series.dtype
    if dtype == pl.String:
        text = series.str.strip_chars().str.to_lowercase()
    elif dtype.is_numeric():
        text = series.cast(pl.Float64).cast(pl.String)
    elif dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Boolean)
    else:
        return _nothing(series, pl.Boolean())
    true, false = text.is_in(_TRUE), text.is_in(_FALSE)
    return true.set(~(true | false).fill_null(False), None)


def to_moments(series: pl.Series) -> pl.Series:
    """Read any column as Datetime("us") in UTC without a zone; null where a value is no ISO date or time."""
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else series
        return utc.cast(pl.Datetime("us"))
    if dtype in (pl.Date, pl.Null):
        return series.cast(pl.Datetime("us"))
    if dtype != pl.String:
        return _nothing(series, pl.Datetime("us"))
    text = series.str.strip_chars()
    spaced = text.str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})T", "$1 ").str.replace(r"(\d)[Zz]$", "$1+0000")
    moments = _nothing(series, pl.Datetime("us"))
    for layout in _MOMENT_FORMATS + _ZONED_FORMATS:
        if moments.null_count() == text.null_count():
            break
        source = text if "T" in layout else spaced
        read = source.str.to_datetime(layout, strict=False, time_unit="us")
        moments = moments.zip_with(moments.is_not_null(), to_moments(read))
    return moments


def to_text(series: pl.Series) -> pl.Series:
    """Spell the values of any column as text; whole numbers carry no decimal point."""
    dtype = series.dtype
    if dtype.is_float():
        finite = series.fill_nan(None)
        whole = (finite == finite.round()) & finite.is_finite() & (finite.abs() < 2**63)
        text = finite.cast(pl.String)
        return text.zip_with(~whole.fill_null(False), finite.cast(pl.Int64, strict=False).cast(pl.String))
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return _nothing(series, pl.String())
    return series.cast(pl.String)


def _nothing(series: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series(series.name, [None], dtype=dtype).new_from_index(0, len(series))
