"""Reading the values of text columns: missing ones, numbers, booleans and moments.

Training tables and tables to predict on go through the same functions, so that a value is read in one way only.
"""

import polars as pl

# Spelled like this, a value is missing in every column.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "Null", "NULL", "?", "missing")
# These may be real categories: missing only among numbers and moments.
AMBIGUOUS = ("None", "none", "-")

_TRUE = ("true", "t", "yes", "y", "on", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "off", "0", "0.0")
_LOOKED_AT = 1000
# The first and the last microsecond of the years 1 to 9999, counted from 1970.
_FIRST_MOMENT, _LAST_MOMENT = -62_135_596_800_000_000, 253_402_300_799_999_999
# Tried in turn on what the ones before left; `_in_iso` comes after the first.
_MOMENT_FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z"),
    *("%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p"),
)


def find_levels(series: pl.Series) -> pl.Series | None:
    """The different values of a text column, where a look at some finds them few; what holds of each is told from them.

    Null is left out.
    """
    some = series.gather_every(max(1, len(series) // _LOOKED_AT))
    return series.unique().drop_nulls() if some.n_unique() < _LOOKED_AT // 4 else None


def without_missing(
    series: pl.Series, spelled: tuple[str, ...] = MISSING, levels: pl.Series | None = None
) -> pl.Series:
    """Make null of the values of a text column that are spelled as missing; the others stay, as does a whole column.

    ``levels`` are the column's different values, where they are known.
    """
    if levels is None:
        missing = series.str.strip_chars().is_in(spelled)
        return series.set(missing, None) if missing.any() else series
    missing = levels.filter(levels.str.strip_chars().is_in(spelled))
    return series.set(series.is_in(missing.to_list()), None) if len(missing) else series


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
        levels = series.unique()
        words = levels.str.strip_chars().str.to_lowercase()
        true = series.is_in(levels.filter(words.is_in(_TRUE)).to_list())
        others = levels.filter(~words.is_in(_TRUE + _FALSE))
        return true.set(series.is_in(others.to_list()), None) if len(others) else true
    if dtype.is_numeric():
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
        return _in_calendar(utc.cast(pl.Datetime("us")))
    if dtype == pl.Null:
        return series.cast(pl.Datetime("us"))
    if dtype == pl.Date:
        return _in_calendar(series.cast(pl.Datetime("us")))
    if dtype != pl.String:
        return _nothing(series, pl.Datetime("us"))
    # Plain dates are read faster than they are looked up among those that were read.
    moments = series.str.to_datetime(_MOMENT_FORMATS[0], strict=False, time_unit="us", cache=False)
    left = (moments.is_null() & series.is_not_null()).arg_true()
    if len(left):
        iso = _in_iso(series.gather(left).str.strip_chars())
        for layout in _MOMENT_FORMATS:
            read = to_moments(iso.str.to_datetime(layout, strict=False, time_unit="us"))
            moments = moments.scatter(left, read)
            unread = read.is_null()
            left, iso = left.filter(unread), iso.filter(unread)
            if not len(left):
                break
    return _in_calendar(moments)


def _in_iso(text: pl.Series) -> pl.Series:
    """Spell dates and times of day, year first, with hyphens, a blank between the two and a numeric zone."""
    text = text.str.replace(r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)", "${1}-${2}-${3} ${4}:${5}:${6}")
    text = text.str.replace(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ]*", "${1}-${2}-${3} ").str.strip_chars_end()
    text = text.str.replace(r"^(\d{4})[-/](\d{1,2})$", "${1}-${2}-1")
    text = text.str.replace(r"(\d) ?(?i:z|utc|gmt)$", "${1}+0000")
    text = text.str.replace(r"(:\d\d(?:\.\d+)?) ?([+-]\d\d)$", "${1}${2}00")
    return text.str.replace(r"(:\d\d(?:\.\d+)?) ([+-]\d\d:?\d\d)$", "${1}${2}").str.replace(
        r"(\d)([AaPp][Mm])$", "${1} ${2}"
    )


def _in_calendar(moments: pl.Series) -> pl.Series:
    """Make null of moments outside the years 1 to 9999, which most programs cannot show."""
    outside = ~moments.to_physical().is_between(_FIRST_MOMENT, _LAST_MOMENT)
    return moments.set(outside, None) if outside.any() else moments


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
