"""OpenML datasets: kept as parquet in a cache folder, each with its SHA-256 beside it.

bench does not download them yet: `bench fetch NAME --from FILE` puts a file in place.
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
    """Whether a card's data was fetched."""
    return (cache_folder(cache) / f"{name}.parquet").is_file()


def read_cached(card: Card, cache: Path | None = None) -> pl.DataFrame:
    """Read a dataset from the cache.

    Raises:
        DataError: it was not fetched, or its bytes are not those that were written.
    """
    path = cache_folder(cache) / f"{card.name}.parquet"
    if not path.is_file():
        raise DataError(
            f"dataset {card.name!r} is OpenML {card.source}, which bench cannot download yet; "
            f"download it and run `bench fetch {card.name} --from FILE`, then repeat."
        )
    beside = _digest_path(path)
    stated = beside.read_text().strip() if beside.is_file() else "nothing"
    if file_digest(path) != stated:
        raise DataError(
            f"{str(path)!r} must have the SHA-256 that {beside.name!r} states, and does not. "
            f"Run `bench fetch {card.name} --from FILE` again."
        )
    return read_file(path)[0]


def write_cached(card: Card, frame: pl.DataFrame, cache: Path | None = None) -> Path:
    """Write a dataset into the cache, whole or not at all, and its SHA-256 beside it; return its path.

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
