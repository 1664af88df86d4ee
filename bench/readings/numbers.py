"""Numbers written as text: with currencies, percent signs, grouped digits, decimal commas, brackets for negatives.

A style says which sign parts whole numbers from fractions, and which unit goes with the column: ``point``, ``point $``,
``comma %``. A value that does not fit the style of its column is no number.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

_UNITS = r"US\$|[$€£¥₹%]|USD|EUR|GBP|CHF|JPY|INR"
_BLANK = "[ \u00a0\u202f]"
_MINUS = "\u2212-"
_GROUPS = rf"(?:{_BLANK}|['\u2019])"
_DIGITS = {
    "point": rf"\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?|\d{{1,3}}(?:{_GROUPS}\d{{3}})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+",
    # Where a point cannot part thousands, it parts the fraction here, too.
    "comma": (
        rf"\d{{1,3}}(?:\.\d{{3}})+(?:,\d+)?|\d{{1,3}}(?:{_GROUPS}\d{{3}})+(?:,\d+)?|\d+(?:,\d+)?"
        r"|\d+\.\d{1,2}|\d+\.\d{4,}"
    ),
}
_LEADING_ZERO = r"^\s*0\d+\s*$"
_INTEGER = r"^\s*[+-]?\d+\s*$"
_HEAD = 1000


def _pattern(sign: str) -> str:
    """Opening bracket, sign, unit, sign, digits, power of ten, unit, closing bracket."""
    blank = rf"{_BLANK}*"
    return (
        rf"^(?P<open>\()?{blank}(?P<sign>[+{_MINUS}])?{blank}(?P<before>{_UNITS})?{blank}(?P<inner>[+{_MINUS}])?"
        rf"(?P<digits>{_DIGITS[sign]})(?P<power>[eE][+-]?\d+)?{blank}(?P<after>{_UNITS})?{blank}(?P<close>\))?$"
    )


def looks_plain(sample: pl.Series) -> float:
    """Tell which share of stripped values are numbers as programs write them."""
    return _share(sample.cast(pl.Float64, strict=False).is_not_null())


def looks_dressed(sample: pl.Series) -> float:
    """Tell which share of stripped values are numbers in the better of the two styles."""
    return max(_share(sample.str.contains(_pattern(sign))) for sign in _DIGITS)


def _share(hits: pl.Series) -> float:
    return float(hits.mean() or 0.0)  # type: ignore[arg-type]  # the mean of booleans is a number


def read_plain(text: pl.Series) -> pl.Series:
    """Read text as Int64, or as Float64 where a value needs it; null where a value is no number."""
    whole = None if _begins_with_fractions(text) else _cast(text, pl.Int64())
    if whole is not None and whole.null_count() == text.null_count():
        return whole
    numbers = _cast(text, pl.Float64()).fill_nan(None)
    return numbers if whole is None or numbers.null_count() < whole.null_count() else whole


def _begins_with_fractions(text: pl.Series) -> bool:
    """Whether one of the first values is a number with a fraction, which spares a look at all of them."""
    head = text.head(_HEAD).cast(pl.Float64, strict=False).to_numpy()
    return bool((np.isfinite(head) & (head != np.floor(head))).any())


def _cast(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Cast text as it is, then strip what is left: few files have blanks around numbers, and stripping takes time."""
    read = text.cast(dtype, strict=False)
    left = (read.is_null() & text.is_not_null()).arg_true()
    return read.scatter(left, text.gather(left).str.strip_chars().cast(dtype, strict=False)) if len(left) else read


def are_names(text: pl.Series, numbers: pl.Series, *, mixed: bool) -> bool:
    """Whether numbers are names: postal codes with a leading zero (and no sign), account numbers beyond 64 bits.

    ``mixed`` says that not all values are plain numbers: then a leading zero counts among fractions, too.
    """
    if (mixed or numbers.dtype == pl.Int64) and _any_leading_zero(text):
        return True
    if numbers.dtype == pl.Int64 or _begins_with_fractions(text):
        return False
    beyond = text.filter(numbers.is_not_null() & text.str.strip_chars().cast(pl.Int64, strict=False).is_null())
    return bool(beyond.str.contains(_INTEGER).all())


def _any_leading_zero(text: pl.Series) -> bool:
    """Whether some value is a whole number behind zeros; what begins with another digit, as most do, is none."""
    doubtful = text.filter(((text < "1") | (text > ":")) & (text != "0"))
    return bool(doubtful.str.contains(_LEADING_ZERO).any())


def styles(sample: pl.Series) -> Iterator[str]:
    """Give the styles that a sample of stripped values may be written in, the likeliest first."""
    fits = {sign: int(sample.str.contains(_pattern(sign)).sum()) for sign in _DIGITS}
    for sign in sorted(fits, key=lambda sign: -fits[sign]):  # of equals the point, which comes first
        parts = sample.str.extract_groups(_pattern(sign)).struct.unnest().filter(pl.col("digits").is_not_null())
        if parts["open"].null_count() == 0:  # brackets around every value do not mean that all are negative
            continue
        units = pl.concat([parts["before"], parts["after"]]).drop_nulls()
        yield f"{sign} {units.mode().sort()[0]}" if len(units) else sign


def read_dressed(text: pl.Series, style: str) -> pl.Series:
    """Read text in a style as Int64, or as Float64 where a value needs it; null where a value does not fit."""
    sign, _, unit = style.partition(" ")
    parts = text.str.strip_chars().str.extract_groups(_pattern(sign)).struct.unnest()
    digits = parts["digits"].str.replace_all(_GROUPS, "")
    if sign == "point":
        digits = digits.str.replace_all(",", "", literal=True)
    else:
        whole = digits.str.replace_all(".", "", literal=True)
        digits = whole.zip_with(digits.str.contains(r"^\d{1,3}(\.\d{3})+(,|$)"), digits).str.replace(
            ",", ".", literal=True
        )
    numbers = read_plain(digits + parts["power"].fill_null(""))
    units = parts.select(pl.concat_str("before", "after", ignore_nulls=True)).to_series()
    bare = units == ""
    fits = (units == unit) | (bare & (numbers == 0)) if unit == "%" else (units == unit) | bare
    fits &= parts["open"].is_null() == parts["close"].is_null()
    minus = parts["open"].is_not_null()
    for sign_read in (parts["sign"], parts["inner"]):
        minus |= sign_read.is_in(list(_MINUS)).fill_null(False)
    return numbers.zip_with(~minus, -numbers).set(~fits, None)
