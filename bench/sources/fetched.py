"""Data that a user put in place for a card by ``bench fetch NAME --from FILE``: parquet, with its SHA-256 beside it.

It goes before what OpenML serves.
"""

import os
import tempfile
from pathlib import Path

import polars as pl

from bench.cards import Card
from bench.errors import DataError, StoreError
from bench.identity import file_digest
from bench.sources.cache import cache_folder
from bench.sources.file import read_file


def is_cached(name: str, cache: Path | None = None) -> bool:
    """Whether a card's data was put in place."""
    return (cache_folder(cache) / f"{name}.parquet").is_file()


def read_cached(card: Card, cache: Path | None = None) -> pl.DataFrame:
    """Read a card's data that was put in place.

    Raises:
        DataError: its bytes are not those that were written.
    """
    path = cache_folder(cache) / f"{card.name}.parquet"
    beside = _digest_path(path)
    stated = beside.read_text().strip() if beside.is_file() else "nothing"
    if file_digest(path) != stated:
        raise DataError(
            f"{str(path)!r} must have the SHA-256 that {beside.name!r} states, and does not. Delete it, or run "
            f"`bench fetch {card.name} --from FILE` again."
        )
    return read_file(path)[0]


def write_cached(card: Card, frame: pl.DataFrame, cache: Path | None = None) -> Path:
    """Put a card's data in place, whole or not at all, and its SHA-256 beside it; return its path.

    Raises:
        StoreError: the folder cannot be written to.
    """
    folder = cache_folder(cache)
    path = folder / f"{card.name}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            table, digest = Path(scratch, "table"), Path(scratch, "digest")
            frame.write_parquet(table)
            digest.write_text(file_digest(table) + "\n")
            os.replace(table, path)
            os.replace(digest, _digest_path(path))
    except OSError as error:
        raise StoreError(f"{str(folder)!r} must be a folder that can be written to: {error.strerror}.") from None
    return path


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".parquet.sha256")
