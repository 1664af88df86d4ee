"""A dataset: a typed, fingerprinted, read-only table, from a reference or a card.

``load_dataset`` turns what the user named into a `Dataset`; `Schema` is what later stages, and the shipped predictor,
know about columns.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from bench.assumptions import asked_notes, reading_notes
from bench.cards import Card, find_card, list_cards, read_card, unknown_dataset
from bench.errors import DataError, RequestError, nearest
from bench.frames import FRAMES, from_frame
from bench.identity import file_digest
from bench.kinds import ASKED, USABLE, Column, Kind
from bench.readings import READABLE_SHARE
from bench.schema import Schema
from bench.secrets import redacted
from bench.sources import read_source, scheme_of
from bench.sources.base import GivenSplits, Raw, ReadOptions
from bench.sources.builtin import read_builtin
from bench.sources.fetched import is_cached, read_cached, write_cached
from bench.sources.file import divide, is_pattern, is_table_name, read_file
from bench.sources.null import without_spelled
from bench.sources.openml import SCHEME
from bench.sources.openml import read as read_openml
from bench.sources.openml_server import UnreachableError
from bench.table import normalise, with_names

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bench.frames import Frame

__all__ = ["USABLE", "Column", "Dataset", "Kind", "Schema", "download", "fetch", "list_cards", "load_dataset"]

MIN_ROWS = 20
_CARD_ENDS = (".yaml", ".yml")

#: Name and source of a table that was handed over as a frame.
FRAME = "frame"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A table as it was read, and what is known about it.

    ``frame`` holds the columns with their own types, every spelling of a missing value as null. ``fingerprint`` hashes
    content, column names and types. ``target``, ``positive_class``, ``metric``, ``task``, ``group`` and ``time`` come
    from a card (None without one) and are overruled by flags. ``dropped`` names what ``--drop`` left
    out. ``picked`` numbers the rows of the table as read that ``frame`` holds (None: all). ``notes`` are sentences on
    what was assumed.
    """

    name: str
    source: str
    frame: pl.DataFrame
    columns: tuple[Column, ...]
    fingerprint: str
    target: str | None = None
    task: str | None = None
    positive_class: str | None = None
    metric: str | None = None
    group: str | None = None
    time: str | None = None
    splits: GivenSplits | None = None
    picked: "npt.NDArray[np.int64] | None" = None
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> str:
        """One sentence on how many columns there are of each kind."""
        counts = Counter(column.kind for column in self.columns)
        told = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        size = f"{self.frame.height} rows, {self.frame.width} columns"
        return f"{size}: {told}; `bench check DATA` says why, --kind NAME=KIND overrules."

    def narrowed(self, rows: "npt.NDArray[np.int64]") -> "Dataset":
        """The dataset with no more of its table than these ascending rows, where they are few."""
        if 2 * len(rows) > self.frame.height:
            return self
        return replace(self, frame=self.frame[rows], picked=rows)

    def at(self, name: str, rows: "npt.NDArray[np.int64]") -> pl.Series:
        """Values of a column in some rows, by their numbers in the table as read."""
        if self.picked is not None:
            rows = self.picked.searchsorted(rows)
        return self.frame[name].gather(rows)

    def schema(self, leave_out: Sequence[str] = ()) -> Schema:
        """Columns that a model can use, without those named."""
        return Schema(columns=tuple(c for c in self.columns if c.kind in USABLE and c.name not in leave_out))


def load_dataset(
    reference: "str | os.PathLike[str] | Frame",
    *,
    options: ReadOptions | None = None,
    kinds: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    like: Dataset | None = None,
    cache: Path | None = None,
) -> Dataset:
    """Load a table: a frame, the name of a card, a reference with a scheme, or the path of a file or of a card.

    Paths of folders, patterns of names, a workbook's sheets and an archive's members are told by `read_file`. The name
    of a card goes before a file of that name. ``kinds`` overrule what is inferred, by column; columns in ``drop`` are
    left out. What a card says of kinds and of reading holds where nothing else is said. ``like`` is the dataset that is
    learned from, when these rows are to be read as those were. ``cache`` is where fetched datasets lie.

    Raises:
        RequestError: the reference is none of these, or a column that is named is not there.
        DataError: the table cannot be read or used as it is, or its values do not fit a kind that was asked for.
    """
    options = replace(options or ReadOptions(), typed=like is None)
    name, raw = _read(reference, options, cache)
    said, by_card = (raw.card.read, raw.card.kinds) if raw.card else ({}, {})
    frame, notes = without_spelled(raw.frame, _with_settings(options, said).null)
    raw = replace(raw, frame=frame, notes=raw.notes + notes)
    return _dataset(name, raw, {**by_card, **(kinds or {})}, drop, like)


def _read(reference: Any, options: ReadOptions, cache: Path | None) -> tuple[str, Raw]:
    """Read what a reference names; returns its short name, too."""
    if not isinstance(reference, (str, os.PathLike)):
        converted = from_frame(reference)
        if converted is None:
            raise RequestError(
                f"dataset must be a name, a path or a frame; got {type(reference).__name__}. Frames are {FRAMES}."
            )
        return FRAME, Raw(frame=converted[0], source=FRAME, notes=converted[1])
    text = os.fspath(reference)
    if not text or "\0" in text:
        raise RequestError(
            f"dataset must be a file, a built-in or a card; got {text!r}. `bench list datasets` shows all."
        )
    card = find_card(text)
    if card is None and text.endswith(_CARD_ENDS) and os.path.isfile(text):
        card = read_card(Path(text))
    if card is not None:
        return card.name, _from_card(card, options, cache)
    if scheme_of(text):
        raw = read_source(text, options)
        return raw.card.name if raw.card else raw.name or _short_name(raw.source), raw
    if not _is_path(text):
        raise unknown_dataset(text)
    frame, notes = read_file(text, options)
    return _short_name(text), Raw(frame=frame, source=text, notes=notes)


def _short_name(source: str) -> str:
    """What a table is called: the last part of its path that is no pattern, without endings."""
    parts = [part for part in source.split("/") if part]
    name = next((part for part in reversed(parts) if not (has_magic(part) and is_pattern(source))), "table")
    return name.split(".")[0] or name


def to_frame(
    rows: "str | os.PathLike[str] | Frame", options: ReadOptions | None = None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Read rows to predict: files, an address or a frame, however few; `Schema.coerce` reads values as in training.

    Returns:
        The rows, and sentences on what was assumed while they were read.

    Raises:
        RequestError: they come as something else.
        DataError: the file cannot be read.
    """
    options = options or ReadOptions()
    read = _read_rows(rows, options)
    if read is None:
        raise RequestError(f"rows must come as a file or a frame; got {type(rows).__name__}. Frames are {FRAMES}.")
    frame, notes = without_spelled(read[0], options.null)
    return with_names(frame)[0], read[1] + notes


def _read_rows(rows: Any, options: ReadOptions) -> tuple[pl.DataFrame, tuple[str, ...]] | None:
    if isinstance(rows, str) and scheme_of(rows):
        raw = read_source(rows, options)
        return raw.frame, raw.notes
    return read_file(os.fspath(rows), options) if isinstance(rows, (str, os.PathLike)) else from_frame(rows)


def fetch(name: str, file: Path, *, cache: Path | None = None) -> Path:
    """Put a card's data, downloaded by other means, into the cache, with its SHA-256 beside it; return where it lies.

    Raises:
        RequestError: there is no such card, or its data ships with bench.
        DataError: the file cannot be read, or lacks the card's target.
        StoreError: the cache cannot be written to.
    """
    card = find_card(name)
    if card is None:
        raise unknown_dataset(name)
    _require_openml(card)
    frame, notes = read_file(file)
    _require_columns(card, frame.columns)
    _dataset(card.name, Raw(frame=frame, source=str(file), notes=notes), {})
    return write_cached(card, frame, cache)


def download(name: str) -> Dataset:
    """Bring the data of a card, or of an OpenML reference, into the cache.

    Raises:
        RequestError: there is no such card, or its data ships with bench.
        DataError: OpenML does not have it, or cannot be reached.
    """
    if (card := find_card(name)) is not None:
        _require_openml(card)
    elif scheme_of(name) != SCHEME:
        raise unknown_dataset(name)
    return load_dataset(name)


def _require_openml(card: Card) -> None:
    if card.source_kind != "openml":
        raise RequestError(f"dataset {card.name!r} needs no fetching: its data comes with bench. Use it by its name.")


def _is_path(text: str) -> bool:
    """Whether a reference means a file, a folder or a pattern: it is there, or it is spelled like one."""
    path, _ = divide(text)
    spelled = os.sep in text or "/" in text or text.startswith(".") or is_table_name(path.name) or is_pattern(text)
    return spelled or text.endswith(_CARD_ENDS) or os.path.lexists(path)


def _from_card(card: Card, options: ReadOptions, cache: Path | None) -> Raw:
    raw = _read_source(card, _with_settings(options, card.read), cache)
    _require_columns(card, raw.frame.columns)
    notes = raw.notes
    if card.rows is not None and card.rows != len(raw.frame):
        notes += (f"the card of {card.name!r} states {card.rows} rows, the data has {len(raw.frame)}",)
    dropped = [column for column in card.drop if column in raw.frame.columns]
    notes += tuple(f"column {column!r} was left out: {card.drop[column]}" for column in dropped)
    return replace(raw, frame=raw.frame.drop(dropped), notes=notes, card=card)


def _with_settings(options: ReadOptions, settings: Mapping[str, Any]) -> ReadOptions:
    """Take a card's settings where the command line has none."""
    unsaid = ReadOptions()
    return replace(options, **{key: v for key, v in settings.items() if getattr(options, key) == getattr(unsaid, key)})


def _read_source(card: Card, options: ReadOptions, cache: Path | None) -> Raw:
    source = f"{card.source_kind}:{card.source}"
    if card.source_kind == "builtin":
        return Raw(frame=read_builtin(card.source), source=source)
    if card.source_kind == "url":
        return read_source(card.source, options)
    if card.source_kind == "openml":
        if is_cached(card.name, cache):
            return Raw(frame=read_cached(card, cache), source=source)
        return _from_openml(card, options, cache)
    path = card.folder / card.source
    frame, notes = read_file(path, options)
    if card.sha256 is not None and file_digest(path) != card.sha256:
        raise DataError(f"{str(path)!r} must have the SHA-256 that its card states, and does not. Get the file again.")
    return Raw(frame=frame, source=source, notes=notes)


def _from_openml(card: Card, options: ReadOptions, cache: Path | None) -> Raw:
    keep = [column for column in (card.target, card.group, card.time) if column]
    try:
        return read_openml(f"{SCHEME}:{card.source}", options, cache=cache, keep=keep)
    except UnreachableError as error:
        raise DataError(f"{error} Or bring the data by other means: `bench fetch {card.name} --from FILE`.") from None


def _require_columns(card: Card, columns: Sequence[str]) -> None:
    for role, column in (("target", card.target), ("group", card.group), ("time", card.time)):
        if column is not None and column not in columns:
            raise DataError(
                f"dataset {card.name!r} must have the {role} column {column!r}; the table has "
                f"{', '.join(map(repr, columns[:20]))}.{nearest(column, columns)}{_other_names(card)}"
            )


def _other_names(card: Card) -> str:
    """What to do where a card calls columns otherwise than its source does."""
    if card.source_kind != "openml":
        return ""
    return (
        f" Where OpenML names columns otherwise than the card, run openml:{card.source} with --target, or bring a file "
        f"with the card's names: `bench fetch {card.name} --from FILE`."
    )


def _dataset(
    name: str, raw: Raw, kinds: Mapping[str, str], drop: Sequence[str] = (), like: Dataset | None = None
) -> Dataset:
    """Normalise a table as read and find out what its columns are."""
    card = raw.card
    if len(raw.frame) < MIN_ROWS:
        raise DataError(f"at least {MIN_ROWS} rows are needed, got {len(raw.frame)}")
    frame, named = with_names(raw.frame)
    known: dict[str, str] = {}
    if like is None:
        _require_columns_of_flag("--drop", drop, frame.columns)
        _require_columns_of_flag("--kind", kinds, frame.columns)
        asked = {column: cast(Kind, kind) for column, kind in kinds.items() if column not in drop}
        frame = frame.drop(drop) if drop else frame  # even of nothing, it takes seconds where columns are many
    else:
        asked = {column.name: column.kind for column in like.columns if column.why == ASKED}
        known = {column.name: column.reading for column in like.columns}
    normal = normalise(frame, asked=asked, known=known)
    if like is None:
        _check_asked(normal.frame, normal.columns, asked)
    return Dataset(
        name=name,
        source=redacted(raw.source),
        frame=normal.frame,
        columns=normal.columns,
        fingerprint=normal.fingerprint,
        target=card.target if card else None,
        task=card.task if card else None,
        positive_class=card.positive_class if card else None,
        metric=card.metric if card else None,
        group=card.group if card else None,
        time=card.time if card else None,
        splits=raw.splits,
        dropped=tuple(drop) if like is None else like.dropped,
        notes=(*raw.notes, *named, *asked_notes(normal.columns, drop), *reading_notes(normal.readings)),
    )


def _require_columns_of_flag(flag: str, asked: Iterable[str], names: Sequence[str]) -> None:
    """Demand that the columns which a flag names are there."""
    for column in asked:
        if column not in names:
            shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise RequestError(
                f"{flag} must name a column, got {column!r}.{nearest(column, names)} The columns are: {shown}."
            )


def _check_asked(frame: pl.DataFrame, columns: Sequence[Column], asked: Mapping[str, Kind]) -> None:
    """Demand that values of a column can be read as the kind that was asked for; nearly all of them as booleans.

    ``f`` alone is a spelling of false, which half of ``f`` and ``m`` must not become.
    """
    for column in columns:
        if column.name not in asked:
            continue
        flag = f"--kind {column.name}={asked[column.name]}"
        try:
            read, _ = Schema(columns=(replace(column, kind=asked[column.name]),)).coerce(frame.select(column.name))
        except DataError as error:
            raise DataError(f"{flag} must fit the values: {error}") from None
        series, known = frame[column.name], read[column.name].is_not_null()
        if asked[column.name] == "boolean" and known.sum() < READABLE_SHARE * series.count():
            other = series.filter(~known).drop_nulls()[0]
            raise DataError(f"{flag} must fit the values: column {column.name!r} must be boolean, got {other!r:.40}.")
