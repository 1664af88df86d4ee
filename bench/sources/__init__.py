"""Where tables come from, one file a source.

A source is a module with ``read(reference, options) -> Raw``; to add one, write it and name its schemes below. What has
no scheme is a file, a folder or a pattern of files.
"""

import importlib
import re
from collections.abc import Mapping

from bench.errors import RequestError, choices
from bench.secrets import MASK
from bench.sources.base import Raw, ReadOptions

#: Scheme of a reference -> module below ``bench.sources``.
_SCHEMES: Mapping[str, str] = {
    "openml": "openml",
    "file": "remote",
    "http": "remote",
    "https": "remote",
    "s3": "remote",
    "gs": "remote",
    "az": "remote",
    "abfs": "remote",
    "abfss": "remote",
    "postgresql": "sql",
    "postgres": "sql",
    "sqlite": "sql",
    "duckdb": "sql",
    "mysql": "sql",
    "mssql": "sql",
    "oracle": "sql",
    "redshift": "sql",
}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")


def scheme_of(reference: str) -> str:
    """The scheme that a reference begins with (``s3`` of ``s3://bucket/key``); empty when it has none."""
    match = _SCHEME.match(reference)
    return match[1] if match else ""


def is_database(reference: str) -> bool:
    """Whether a reference names a database, which is read by a query."""
    return _SCHEMES.get(scheme_of(reference)) == "sql"


def read_source(reference: str, options: ReadOptions) -> Raw:
    """Read the table that a reference with a scheme names.

    Raises:
        RequestError: no source knows the scheme.
        DataError: the source has no such table, or it cannot be read.
    """
    scheme = scheme_of(reference)
    if scheme not in _SCHEMES:
        raise RequestError(f"a reference's scheme must be one of {choices(_SCHEMES)}, got {scheme!r}.")
    if f"{MASK}@" in reference or f"={MASK}" in reference:
        raise RequestError(
            f"{reference} must hold the password, token or signature for which {MASK} stands: spec.yaml keeps none. "
            "Give it again."
        )
    raw: Raw = importlib.import_module(f"bench.sources.{_SCHEMES[scheme]}").read(reference, options)
    return raw
