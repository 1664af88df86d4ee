"""A dataset: a typed, fingerprinted, read-only table, from a reference or a card.

``load_dataset`` turns what the user named into a `Dataset`; `Schema` is what later stages, and the shipped predictor,
know about columns.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from bench.cards import Card, find_card, list_cards, read_card, unknown_dataset
from bench.errors import DataError, RequestError, nearest
from bench.identity import file_digest
from bench.kinds import USABLE, Column, Kind, infer_column
from bench.schema import Schema
from bench.secrets import redacted
from bench.sources import read_source, scheme_of
from bench.sources.base import GivenSplits, Raw, ReadOptions
from bench.sources.builtin import read_builtin
from bench.sources.file import is_table_name, read_file
from bench.sources.openml import read_cached, write_cached
from bench.table import fingerprint, from_pandas, normalise

if TYPE_CHECKING:
    import pandas

__all__ = ["USABLE", "Column", "Dataset", "Kind", "Schema", "fetch", "list_cards", "load_dataset"]

MIN_ROWS = 20
_CARD_ENDS = (".yaml", ".yml")

#: Name and source of a table that was handed over as a frame.
FRAME = "frame"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A table as it was read, and what is known about it.

    ``frame`` holds the columns with their own types, every spelling of a missing value as null. ``fingerprint`` hashes
    content, column names and types. ``target``, ``positive_class``, ``metric``, ``task``, ``group`` and ``time`` come
    from a card (None without one) and are overruled by flags. ``notes`` are sentences on what was assumed.
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
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> str:
        """One sentence on how many columns there are of each kind."""
        counts = Counter(column.kind for column in self.columns)
        told = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        return f"{self.frame.height} rows, {self.frame.width} columns: {told}; `bench check DATA` says why."

    def schema(self, leave_out: Sequence[str] = ()) -> Schema:
        """Columns that a model can use, without those named."""
        return Schema(columns=tuple(c for c in self.columns if c.kind in USABLE and c.name not in leave_out))


def load_dataset(
    reference: "str | Path | pl.DataFrame | pandas.DataFrame",
    *,
    options: ReadOptions | None = None,
    kinds: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    cache: Path | None = None,
) -> Dataset:
    """Load a table: a frame, the name of a card, a reference with a scheme, or the path of a file or of a card.

    The name of a card goes before a file of that name. ``kinds`` overrule what is inferred, by column; columns in
    ``drop`` are left out. ``cache`` is where fetched OpenML datasets lie.

    Raises:
        RequestError: the reference is none of these, or a column that is named is not there.
        DataError: the table cannot be read, or cannot be used as it is.
    """
    name, raw = _read(reference, options or ReadOptions(), cache)
    return _dataset(name, raw, kinds or {}, drop)


def _read(reference: Any, options: ReadOptions, cache: Path | None) -> tuple[str, Raw]:
    """Read what a reference names; returns its short name, too."""
    if isinstance(reference, pl.DataFrame):
        return FRAME, Raw(frame=reference, source=FRAME)
    if _is_pandas(reference):
        frame, notes = from_pandas(reference)
        return FRAME, Raw(frame=frame, source=FRAME, notes=notes)
    if not isinstance(reference, (str, os.PathLike)):
        raise RequestError(f"dataset must be a name, a path or a frame; got {type(reference).__name__}.")
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
    path = Path(text)
    if not _is_path(path, text):
        raise unknown_dataset(text)
    frame, notes = read_file(path)
    return _short_name(text), Raw(frame=frame, source=text, notes=notes)


def _short_name(source: str) -> str:
    """What a table is called: the last part of its path, without endings."""
    name = source.rstrip("/").rpartition("/")[2]
    return name.split(".")[0] or name


def to_frame(rows: "str | Path | pl.DataFrame | pandas.DataFrame") -> pl.DataFrame:
    """Read rows to predict: a file, an address or a frame, however few; values and types are made alike as in training.

    Raises:
        RequestError: they come as something else.
        DataError: the file cannot be read.
    """
    if isinstance(rows, str) and scheme_of(rows):
        return normalise(read_source(rows, ReadOptions()).frame)[0]
    if isinstance(rows, (str, os.PathLike)):
        return normalise(read_file(Path(rows))[0])[0]
    if isinstance(rows, pl.DataFrame):
        return normalise(rows)[0]
    if _is_pandas(rows):
        return normalise(from_pandas(rows)[0])[0]
    raise RequestError(f"rows must come as a file, a polars or a pandas frame; got {type(rows).__name__}.")


def fetch(name: str, file: Path, *, cache: Path | None = None) -> Path:
    """Put a downloaded OpenML dataset into the cache, as parquet, with its SHA-256 beside it; return where it lies.

    Raises:
        RequestError: there is no such card, or its data ships with bench.
        DataError: the file cannot be read, or lacks the card's target.
        StoreError: the cache cannot be written to.
    """
    card = find_card(name)
    if card is None:
        raise unknown_dataset(name)
    if card.source_kind != "openml":
        raise RequestError(f"dataset {card.name!r} needs no fetching: its data comes with bench. Use it by its name.")
    frame, notes = read_file(file)
    _require_columns(card, frame.columns)
    _dataset(card.name, Raw(frame=frame, source=str(file), notes=notes), {}, ())
    return write_cached(card, frame, cache)


def _is_pandas(reference: Any) -> bool:
    """Tell a pandas frame without loading pandas."""
    kind = type(reference)
    return kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "DataFrame"


def _is_path(path: Path, text: str) -> bool:
    """Whether a reference means a file: it is there, or it is spelled like one."""
    spelled = os.sep in text or "/" in text or text.startswith(".") or is_table_name(text)
    return spelled or text.endswith(_CARD_ENDS) or os.path.lexists(path)


def _from_card(card: Card, options: ReadOptions, cache: Path | None) -> Raw:
    frame, notes = _read_source(card, cache)
    _require_columns(card, frame.columns)
    if card.rows is not None and card.rows != len(frame):
        notes += (f"the card of {card.name!r} states {card.rows} rows, the data has {len(frame)}",)
    dropped = [column for column in card.drop if column in frame.columns]
    notes += tuple(f"column {column!r} was left out: {card.drop[column]}" for column in dropped)
    return Raw(frame=frame.drop(dropped), source=f"{card.source_kind}:{card.source}", notes=notes, card=card)


def _read_source(card: Card, cache: Path | None) -> tuple[pl.DataFrame, tuple[str, ...]]:
    if card.source_kind == "builtin":
        return read_builtin(card.source), ()
    if card.source_kind == "openml":
        return read_cached(card, cache), ()
    path = card.folder / card.source
    read = read_file(path)
    if card.sha256 is not None and file_digest(path) != card.sha256:
        raise DataError(f"{str(path)!r} must have the SHA-256 that its card states, and does not. Get the file again.")
    return read


def _require_columns(card: Card, columns: Sequence[str]) -> None:
    for role, column in (("target", card.target), ("group", card.group), ("time", card.time)):
        if column is not None and column not in columns:
            raise DataError(
                f"dataset {card.name!r} must have the {role} column {column!r}; the table has "
                f"{', '.join(map(repr, columns[:20]))}.{nearest(column, columns)}"
            )


def _dataset(name: str, raw: Raw, kinds: Mapping[str, str], drop: Sequence[str]) -> Dataset:
    """Normalise a table as read and find out what its columns are."""
    card = raw.card
    if len(raw.frame) < MIN_ROWS:
        raise DataError(f"at least {MIN_ROWS} rows are needed, got {len(raw.frame)}")
    frame, declared, notes = normalise(raw.frame)
    columns = tuple(infer_column(series, declared=series.name in declared) for series in frame.get_columns())
    skipped = [f"column {column.name!r} is skipped: {column.why}" for column in columns if column.kind == "unsupported"]
    return Dataset(
        name=name,
        source=redacted(raw.source),
        frame=frame,
        columns=columns,
        fingerprint=fingerprint(frame),
        target=card.target if card else None,
        task=card.task if card else None,
        positive_class=card.positive_class if card else None,
        metric=card.metric if card else None,
        group=card.group if card else None,
        time=card.time if card else None,
        splits=raw.splits,
        notes=(*raw.notes, *notes, *skipped),
    )
