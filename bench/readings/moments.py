"""Dates and times written as text, in UTC.

A style says in which order day and month stand where the text leaves it open: ``iso`` (year first), ``day first``,
``month first``, ``named month``.
"""

import polars as pl

from bench.values import to_moments

_YEAR_FIRST = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]|$)|^[12]\d{3}[-/]\d{2}$|^[12]\d{7}T\d{6}"
_YEAR_LAST = r"^\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})(,?[T ]+\d|$)"
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SPELLED = {name: number for number, month in enumerate(_MONTHS, start=1) for name in (month, month[:3])} | {"sept": 9}
_MONTH = rf"({'|'.join(_SPELLED)})\.?"
_WEEKDAY = r"^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? "
_NAME_FIRST = rf"^{_MONTH} (\d{{1,2}})(st|nd|rd|th)?,? *(\d{{4}}|\d{{2}})\b"
_DAY_FIRST = rf"^(\d{{1,2}})(st|nd|rd|th)?[- ]{_MONTH}[-, ]+(\d{{4}}|\d{{2}})\b"
_ORDERS = ("day first", "month first")


def looks_moment(sample: pl.Series) -> str:
    """Tell how most of the stripped values are written: ``iso``, ``numbers``, ``named month``; empty when otherwise."""
    lower = sample.str.to_lowercase().str.replace(_WEEKDAY, "")
    named = rf"{_NAME_FIRST}|{_DAY_FIRST}"
    for how, text, pattern in (
        ("iso", sample, _YEAR_FIRST),
        ("numbers", sample, _YEAR_LAST),
        ("named month", lower, named),
    ):
        if 2 * int(text.str.contains(pattern).sum()) >= len(sample) > 0:
            return how
    return ""


def read_moments(text: pl.Series, style: str) -> pl.Series:
    """Read text in a style as Datetime("us") in UTC without a zone; null where a value does not fit."""
    if style == "iso":
        return to_moments(text)
    text = text.str.strip_chars()
    return to_moments(
        _year_first(_without_names(text), "day first") if style == "named month" else _year_first(text, style)
    )


def order(text: pl.Series) -> tuple[str, bool]:
    """Find out by all values whether the day or the month stands first, and whether the values tell.

    Where they do not, full stops mean that the day comes first, and all else that the month does.
    """
    fits = {style: read_moments(text, style).count() for style in _ORDERS}
    if fits["day first"] != fits["month first"]:
        return max(fits, key=lambda style: fits[style]), True
    dotted = bool(text.filter(text != "").head(1).str.contains(r"^\s*\d+\.").any())
    return ("day first" if dotted else "month first"), dotted


def _year_first(text: pl.Series, style: str) -> pl.Series:
    """Spell ``31/12/2020 ...`` and ``31/12/20 ...`` as ``2020-12-31 ...``; two digits from 70 on are of the 1900s."""
    text = text.str.replace(r"^(\d{1,2}[-/.]\d{1,2}[-/.])([7-9]\d)(\D|$)", "${1}19${2}${3}")
    text = text.str.replace(r"^(\d{1,2}[-/.]\d{1,2}[-/.])([0-6]\d)(\D|$)", "${1}20${2}${3}")
    swapped = "${3}-${2}-${1}" if style == "day first" else "${3}-${1}-${2}"
    return text.str.replace(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}),?", swapped)


def _without_names(text: pl.Series) -> pl.Series:
    """Spell ``Jan 5th, 2024 ...`` and ``Fri, 5-JAN-2024 ...`` as ``5-1-2024 ...``."""
    lower = text.str.to_lowercase().str.replace(_WEEKDAY, "")
    turned = lower.str.replace(_NAME_FIRST, "${2}-${1}-${4}").str.replace(_DAY_FIRST, "${1}-${3}-${4}")
    return turned.str.replace_many([f"-{name}-" for name in _SPELLED], [f"-{n}-" for n in _SPELLED.values()])
