"""How the text of a column is read: as numbers, moments, spans of time, booleans, or as the text that it is.

A reading is a name that is found once, over all training rows, and travels with the column: in a table to predict
on, ``03/04/2024`` is read as the training rows were. `find_reading` chooses it, `read_as` reads, value by value.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from bench.readings import moments, numbers, spans
from bench.values import AMBIGUOUS, MISSING, find_levels, to_booleans, without_missing

#: A column is read as something else than text when this share of its values can be; the others become missing.
READABLE_SHARE = 0.95
#: Values that cannot be read may be of so many spellings, or else must hardly repeat, or they are levels of their own.
_FEW_SPELLINGS = 5
_SAMPLED = 1000
_MAYBE = 0.5
_TRUE_FALSE = ("true", "false")

# Microseconds that whole numbers count since 1970, by reading.
_EPOCHS = {"epoch seconds": 1e6, "epoch milliseconds": 1e3, "epoch microseconds": 1.0, "epoch nanoseconds": 1e-3}
_COMPACT_DATE = "compact date"
#: Readings of whole numbers as moments.
EPOCHS = (*_EPOCHS, _COMPACT_DATE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How a text column was read: ``name`` is empty for text, ``why`` tells what the values are like.

    ``proven`` is False when the values would allow another reading as well. ``spelled`` counts the values that were
    spelled as missing, ``stated`` those of them that may be levels among words, and ``lost`` those that could not be
    read. ``levels`` are the different values of text, where they were looked for.
    """

    name: str = ""
    why: str = ""
    proven: bool = True
    spelled: Counter[str] = field(default_factory=Counter)
    stated: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    levels: pl.Series | None = field(default=None, compare=False, repr=False)


Read = tuple[pl.Series, Reading]


def read_as(series: pl.Series, reading: str) -> pl.Series:
    """Read a column in a given way, value by value; null where a value does not fit. Empty readings leave text."""
    if reading in EPOCHS:
        return _read_counted(series, reading)
    if series.dtype != pl.String or not reading:
        return series
    kind, _, style = reading.partition(": ")
    return _READERS[kind](series, style).alias(series.name)


def find_reading(series: pl.Series) -> Read:
    """Read a text column as what nearly all of its values are; else return it as text without its missing values.

    A look at a sample tells which readings are likely, all values decide.
    """
    for reading, why, proven in _likely(series, _sample(series)):
        read = read_as(series, reading)
        unread = _unread(series, read)
        mixed = reading != "number" or bool(_left(unread))
        names = reading.startswith("number") and numbers.are_names(series, read, mixed=mixed)
        if read.count() and _tolerable(unread, read.count()) and not names:
            return _told(read, reading, unread, why=why, proven=proven)
    return keep_text(series)


def read_known(series: pl.Series, reading: str) -> Read:
    """Read a text column as it was read before."""
    if not reading:
        return keep_text(series)
    read = read_as(series, reading)
    return _told(read, reading, _unread(series, read))


def read_wanted(series: pl.Series, kind: str) -> Read:
    """Read a text column as the kind that was asked for, however many of its values cannot be read as such."""
    if kind in ("categorical", "text", "boolean"):
        found, reading = find_reading(series)
        whole = reading.name in ("number", kind) and not reading.lost and not reading.stated
        return (found, reading) if whole else keep_text(series)
    if kind == "numeric":
        ways = ["number", *(f"number: {style}" for style in numbers.styles(_sample(series))), "clock", "span"]
    else:
        counted = count_as_moments(numbers.read_plain(series))
        ways = ["moment: iso", f"moment: {moments.order(series)[0]}", "moment: named month", counted]
    read = max((read_known(series, reading) for reading in ways), key=lambda read: read[0].count())
    return read if read[0].count() else keep_text(series)


def count_as_moments(series: pl.Series) -> str:
    """Find what whole numbers count that are to be read as moments: days as ``20240105``, or time since 1970."""
    known = series.drop_nulls()
    size = float(known.abs().median() or 0)  # type: ignore[arg-type]  # the median of numbers is a number
    if known.is_between(10_000_101, 99_991_231).all() and _read_counted(known, _COMPACT_DATE).null_count() == 0:
        return _COMPACT_DATE
    return next(
        (name for name, below in zip(_EPOCHS, (1e11, 1e14, 1e17), strict=False) if size < below), "epoch nanoseconds"
    )


def keep_text(series: pl.Series) -> Read:
    """Keep text as it is but for what is spelled as missing."""
    levels = find_levels(series)
    kept = without_missing(series, levels=levels)
    return kept, Reading(spelled=_unread(series, kept), levels=levels if kept is series else None)


def _sample(series: pl.Series) -> pl.Series:
    """Values from all over a column, stripped, without those that are spelled as missing."""
    for step in (max(1, len(series) // _SAMPLED), 1):
        sample = series.gather_every(step).drop_nulls().str.strip_chars()
        sample = sample.filter(~sample.is_in(MISSING + AMBIGUOUS))
        if len(sample):
            return sample.head(2 * _SAMPLED)
    return sample


def _likely(series: pl.Series, sample: pl.Series) -> Iterator[tuple[str, str, bool]]:
    """Give the readings that a sample makes likely, each with what the values are like and whether they prove it."""
    if sample.is_empty():
        return
    example = f"such as {sample[0]!r:.30}"
    if sample.str.to_lowercase().is_in(_TRUE_FALSE).all():
        yield "boolean", "", True
    if numbers.looks_plain(sample) >= _MAYBE:
        yield "number", "", True
    if how := moments.looks_moment(sample):
        if how != "numbers":
            yield f"moment: {how}", "", True
        else:
            style, proven = moments.order(series)
            yield f"moment: {style}", f"dates with the {style}, {example}", proven
    if numbers.looks_dressed(sample) >= _MAYBE:
        for style in numbers.styles(sample):
            yield f"number: {style}", _why_number(sample, style), True
    if spans.looks_clock(sample):
        yield "clock", f"times, {example}, in seconds", True
    elif spans.looks_span(sample):
        yield "span", f"durations, {example}, in seconds", True


def _why_number(sample: pl.Series, style: str) -> str:
    comma = ", commas as decimal signs" if style.startswith("comma") else ""
    dressed = sample.filter(sample.cast(pl.Float64, strict=False).is_null())
    return f"numbers as text, such as {(dressed if len(dressed) else sample)[0]!r:.30}{comma}"


def _unread(series: pl.Series, read: pl.Series) -> Counter[str]:
    """Count the spellings of values that were not read, blanks left out."""
    if read.null_count() == series.null_count():
        return Counter()
    return _count(series.filter(read.is_null() & series.is_not_null()).str.strip_chars())


def _left(unread: Counter[str]) -> Counter[str]:
    """Those of the unread values that are not missing."""
    return Counter({text: count for text, count in unread.items() if text not in MISSING + AMBIGUOUS})


def _count(text: pl.Series) -> Counter[str]:
    return Counter(dict(text.filter(text != "").value_counts(name="n").iter_rows()))


def _tolerable(unread: Counter[str], n_read: int) -> bool:
    """Whether the values that could not be read are few, and no levels such as some codes among numbers."""
    left = _left(unread)
    total = left.total()
    few = total <= (1 - READABLE_SHARE) * (n_read + total)
    return few and (len(left) <= _FEW_SPELLINGS or 2 * len(left) >= total)


def _told(read: pl.Series, name: str, unread: Counter[str], *, why: str = "", proven: bool = True) -> Read:
    lost = _left(unread)
    stated = Counter({text: count for text, count in unread.items() if text in AMBIGUOUS})
    spelled = unread - lost - stated
    return read, Reading(name=name, why=why, proven=proven, spelled=spelled, stated=stated, lost=lost)


def _read_counted(series: pl.Series, reading: str) -> pl.Series:
    """Read whole numbers as moments."""
    if series.dtype == pl.Datetime:
        return series
    if reading == _COMPACT_DATE:
        text = series.cast(pl.Int64, strict=False).cast(pl.String)
        return text.str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    numbers_read = series.cast(pl.Float64, strict=False) * _EPOCHS[reading]
    inside = numbers_read.is_between(-6.2e16, 2.5e17)
    return numbers_read.set(~inside, None).cast(pl.Int64).cast(pl.Datetime("us"))


_READERS: dict[str, Callable[[pl.Series, str], pl.Series]] = {
    "boolean": lambda text, _: to_booleans(text),
    "number": lambda text, style: numbers.read_dressed(text, style) if style else numbers.read_plain(text),
    "moment": moments.read_moments,
    "clock": lambda text, _: spans.read_clock(text),
    "span": lambda text, _: spans.read_span(text),
}
