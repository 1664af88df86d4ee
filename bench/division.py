"""How a table's rows are to be divided: by groups, by time, or as splits say that came with the data."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from bench.dataset import Dataset
from bench.errors import DataError, RequestError, nearest
from bench.given_splits import read_given
from bench.metric import Array
from bench.sources.base import GivenSplits
from bench.target import columns_shown

_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Division:
    """Columns to divide rows by, or splits of the table's rows that came with the data, and sentences on either.

    ``splits`` is the column that ``given`` was read from. ``gap`` is in days where ``time`` holds dates, else in its
    own unit.
    """

    group: str | None = None
    time: str | None = None
    gap: float = 0.0
    splits: str | None = None
    given: GivenSplits | None = None
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are no features, as they say how rows are divided."""
        return tuple(name for name in (self.group, self.time, self.splits) if name)

    def groups(self, table: pl.DataFrame, rows: Array) -> Array | None:
        """Number the values of the group column."""
        if self.group is None:
            return None
        series = _known(table, self.group, rows, "--group")
        return series.rank("dense").to_numpy().astype(np.int64)

    def moments(self, table: pl.DataFrame, rows: Array) -> Array | None:
        """Read the time column: microseconds of dates, numbers as they are."""
        if self.time is None:
            return None
        dtype = table[self.time].dtype
        if not (dtype.is_numeric() or dtype.is_temporal()):
            example = next(iter(table[self.time].drop_nulls()), None)
            raise DataError(
                f"--time must name a column of numbers or dates, but {self.time!r} holds text: {example!r:.40}."
            )
        series = _known(table, self.time, rows, "--time")
        moments: Array = (series.cast(pl.Int64) if dtype.is_temporal() else series).to_numpy()
        if not np.isfinite(moments).all():
            raise DataError(f"--time column {self.time!r} must be finite in every row. Leave the other rows out.")
        return moments

    def distance(self, table: pl.DataFrame) -> tuple[float, str]:
        """The gap in the unit of `moments`, and how it is told; empty without one."""
        if self.time is None or not self.gap:
            return 0.0, ""
        if table[self.time].dtype.is_temporal():
            return self.gap * _MICROSECONDS_A_DAY, f"{self.gap:g} days"
        return self.gap, f"{self.gap:g}"


def read_division(
    dataset: Dataset, target: str, *, group: str | None, time: str | None, gap: float | None, splits: str | None
) -> Division:
    """Decide what rows are divided by: a flag sets aside what the dataset's card or source says.

    Raises:
        RequestError: a column is not there or is the target, or the names contradict each other.
        DataError: ``splits`` are none of these rows.
    """
    for flag, name in (("--group", group), ("--time", time), ("--splits", splits)):
        if name is not None and name == target:
            raise RequestError(f"{flag} must name another column than the target, got {name!r} for both.")
    if splits is not None:
        given = read_given(dataset.frame, splits)
        division = Division(given=given, splits=splits if splits in dataset.frame.columns else None)
    elif group is not None or time is not None:
        division = Division(group=group, time=time, gap=gap or 0.0)
    elif dataset.splits is not None:
        division = Division(given=dataset.splits)
    else:
        division = Division(group=dataset.group, time=dataset.time, gap=gap or 0.0)
    if division.given is not None and (told := division.given.roles.shape[1]) != dataset.frame.height:
        raise DataError(
            f"the splits of {division.given.origin} must cover the table's {dataset.frame.height} rows, got {told}. "
            "Name the table they are of, or overrule them by --folds."
        )
    if gap is not None and division.time is None:
        raise RequestError("--gap is a distance in time, so it needs --time COLUMN. Name one, or leave --gap out.")
    for flag, name in (("--group", division.group), ("--time", division.time)):
        if name is not None:
            require_column(dataset, name, flag)
    why = next((flag for flag, name in (("--splits", splits), ("--group", group), ("--time", time)) if name), "")
    return replace(division, notes=(*_notes(division, asked=splits is not None), *_set_aside(dataset, division, why)))


def require_column(dataset: Dataset, name: str, flag: str) -> None:
    """Check that a column named by a flag or a card exists."""
    names = dataset.frame.columns
    if name in dataset.dropped:
        raise RequestError(f"--drop must leave the column of {flag} in, got {name!r} for both. Leave one of them out.")
    if name not in names:
        shown = columns_shown(names)
        raise RequestError(f"{flag} must name a column, got {name!r}.{nearest(name, names)} The columns are: {shown}.")


def _known(table: pl.DataFrame, name: str, rows: Array, flag: str) -> pl.Series:
    """Pick rows of a column, of which each must have a value."""
    series = table[name] if len(rows) == table.height else table[name][rows]
    if missing := series.null_count():
        raise DataError(
            f"{flag} column {name!r} must be known in every row, but {missing} rows lack it. Fill these in."
        )
    return series


def _notes(division: Division, *, asked: bool) -> tuple[str, ...]:
    """Say what the rows are divided by, and that a column that says so is no feature."""
    notes = []
    if division.group is not None:
        name = division.group
        notes.append(
            f"column {name!r} tells the groups apart that stay together in a split; it is not used as a feature."
        )
    if division.time is not None:
        notes.append(f"column {division.time!r} orders the rows for splits; it is not used as a feature.")
    if division.splits is not None:
        notes.append(f"column {division.splits!r} says how rows are divided; it is not used as a feature.")
    elif division.given is not None and not asked:
        origin = division.given.origin
        notes.append(f"rows are divided as {origin} says; --folds, --group, --time or --splits overrule this.")
    return tuple(notes)


def _set_aside(dataset: Dataset, division: Division, why: str) -> tuple[str, ...]:
    """Say what the card or the source says of the division that does not hold."""
    notes = []
    if dataset.splits is not None and division.given is not dataset.splits:
        notes.append(f"the splits of {dataset.splits.origin} are set aside, as {why} is given.")
    for flag, by_card, used in (
        ("--group", dataset.group, division.group),
        ("--time", dataset.time, division.time),
    ):
        if by_card is not None and used is None and why:
            notes.append(f"{flag} {by_card}, which the card asks for, is set aside, as {why} is given.")
    return tuple(notes)
