"""What later stages, and the shipped predictor, know about columns; makes any table look like the one learned from."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from bench.errors import DataError
from bench.kinds import Column, Kind
from bench.readings import read_as
from bench.values import AMBIGUOUS, MISSING, find_levels, to_booleans, to_moments, to_numbers, to_text, without_missing

#: The greatest number that models which compute in float32 can hold; recipes cut to it.
_FLOAT32_MAX = 3.4028234663852886e38


def _to_finite(series: pl.Series) -> pl.Series:
    return to_numbers(series).cast(pl.Float64)


_READERS: dict[Kind, tuple[pl.DataType, Callable[[pl.Series], pl.Series]]] = {
    "numeric": (pl.Float64(), _to_finite),
    "boolean": (pl.Boolean(), to_booleans),
    "datetime": (pl.Datetime("us"), to_moments),
    "categorical": (pl.String(), to_text),
    "text": (pl.String(), to_text),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """Feature columns in order; makes any table look like the one that was learned from."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def coerce(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """Pick the schema's columns, in its order, in one physical type a kind; say what had to be changed.

        Types: numeric Float64 (infinite becomes missing), boolean Boolean, categorical and text String, datetime
        Datetime("us") in UTC without a zone. Extra columns are left out, with a note. Values that cannot be read as
        the column's kind become missing, with a note that counts them. A second time changes nothing.

        Raises:
            DataError: a column is missing (all missing ones named), or no value of a column fits its kind.
        """
        there, used = set(frame.columns), set(self.names)
        absent = [name for name in self.names if name not in there]
        if absent:
            found = ", ".join(map(repr, frame.columns[:20])) or "none"
            raise DataError(f"columns {', '.join(map(repr, absent))} must be there; the table has {found}.")
        extra = [name for name in frame.columns if name not in used]
        notes = [f"columns {', '.join(map(repr, extra))} are not used and were left out"] if extra else []
        coerced = []
        for column in self.columns:
            series, said = _coerce_column(frame[column.name], column)
            coerced.append(series)
            notes += said
        return pl.DataFrame(coerced), tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Schema":
        """Read back what `to_dict` gave.

        Raises:
            DataError: the content is not what `to_dict` gives.
        """
        try:
            return cls(columns=tuple(Column(**column) for column in content["columns"]))
        except (KeyError, TypeError) as error:
            raise DataError(f"a schema must hold columns as bench writes them, got something else ({error}).") from None


def _coerce_column(series: pl.Series, column: Column) -> tuple[pl.Series, list[str]]:
    kind = column.kind
    if kind not in _READERS:
        raise DataError(f"column {series.name!r} is {kind} and cannot be a feature. Leave it out of the schema.")
    if kind == "numeric" and _is_plain(series):
        return series, []
    dtype, read = _READERS[kind]
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        is_text = dtype == pl.String and not column.reading
        series = without_missing(series, MISSING if is_text else MISSING + AMBIGUOUS, find_levels(series))
    elif series.dtype.is_float():
        series = series.fill_nan(None)
    result = read(read_as(series, column.reading)).rename(series.name)
    if (
        dtype == series.dtype == pl.String
    ):  # a level that is no number stays one, as among codes that are numbers so far
        result = result.zip_with(result.is_not_null(), series)
    notes = _note_failures(series, result, kind)
    if dtype == pl.Float64:
        result, said = _without_extremes(result)
        notes += said
    return result, notes


def _without_extremes(series: pl.Series) -> tuple[pl.Series, list[str]]:
    """Make null of infinite numbers, and say how many numbers models see as the greatest that float32 can hold."""
    notes, infinite = [], series.is_infinite()
    if count := int(infinite.sum()):
        notes.append(f"column {series.name!r}: {count} infinite values became missing")
        series = series.set(infinite.fill_null(False), None)
    greatest = max(abs(float(edge or 0.0)) for edge in (series.min(), series.max()))  # type: ignore[arg-type]
    if greatest > _FLOAT32_MAX:
        notes.append(f"column {series.name!r}: numbers up to {greatest:.1e} are cut to {_FLOAT32_MAX:.1e} for models")
    return series, notes


def _is_plain(series: pl.Series) -> bool:
    """Whether a column holds nothing but numbers that float32 can hold; quick, and without a copy."""
    if series.dtype != pl.Float64 or series.null_count() or not len(series):
        return False
    values = series.to_numpy()
    return bool(values.min() >= -_FLOAT32_MAX and values.max() <= _FLOAT32_MAX)  # NaN is neither


def _note_failures(series: pl.Series, result: pl.Series, kind: Kind) -> list[str]:
    """Count the values that could not be read as ``kind``.

    Raises:
        DataError: there were values, and none could be read.
    """
    failed = result.null_count() - series.null_count()
    if not failed:
        return []
    example = series.filter(result.is_null() & series.is_not_null())[0]
    if result.null_count() == len(result):
        raise DataError(f"column {series.name!r} must be {kind}, got values like {example!r}. Check what is in it.")
    return [f"column {series.name!r}: {failed} values that are not {kind} (such as {example!r}) became missing"]
