"""Tables elsewhere: ``https://``, ``http://``, ``s3://``, ``gs://``, ``az://``, ``abfs://``; and ``file://`` ones here.

Each is downloaded to the cache, as one file, and read from there. At every use the other side is asked whether the file
has changed; with ``--offline`` it is not, and what is in the cache is taken.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from bench.errors import DataError, RequestError
from bench.secrets import MASK, redacted
from bench.sources import http, objects
from bench.sources.base import Raw, ReadOptions
from bench.sources.cache import Facts, cache_folder, cached, kept
from bench.sources.file import read_file

_FETCHES: dict[str, Callable[[str, Path, Facts | None], Facts | None]] = {"https": http.fetch, "http": http.fetch}


def read(reference: str, options: ReadOptions) -> Raw:
    """Read the table that an address names.

    Raises:
        RequestError: the address is not whole.
        DataError: there is no such table, it cannot be had, or it is not in the cache and may not be fetched.
        StoreError: the cache cannot be written to.
    """
    parts = _parts(reference)
    name = unquote(parts.path.rstrip("/").rpartition("/")[2])
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise RequestError(f"a file's address must be file:///PATH, with three slashes; got {reference}.")
        path = Path(unquote(parts.path))
    else:
        path = _fetched(reference, parts, name, offline=options.offline)
    return _read_table(path, redacted(reference), name.partition(".")[0], options)


def _parts(reference: str) -> SplitResult:
    try:
        # the key of an object may hold a #, the path of a page may not
        parts = urlsplit(reference, allow_fragments=reference.startswith("http"))
        if parts.scheme == "file" or (parts.hostname and parts.port != 0):
            return parts
    except ValueError:  # whose text may repeat what was meant as a password
        pass
    raise RequestError(
        redacted(f"an address must be {reference.partition(':')[0]}://HOST/PATH, got {reference}. ")
        + "Spell @, / and # in a password as %40, %2F and %23."
    )


def _fetched(address: str, parts: SplitResult, name: str, *, offline: bool) -> Path:
    key = _key(parts)
    if not offline:
        fetch = _FETCHES.get(parts.scheme, objects.fetch)
        return cached(key, lambda file, known: fetch(address, file, known), name=name).path
    found = kept(key)
    if found is None:
        raise DataError(
            redacted(f"{address} is not in the cache {str(cache_folder())!r}, and --offline forbids to fetch it. ")
            + "Run once without --offline."
        )
    return found.path


def _key(parts: SplitResult) -> str:
    """What the cache knows an address by: without its secrets, which may change while the table stays the same."""
    query = urlencode(
        [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if MASK not in redacted("?" + "=".join(pair))]
    )
    login = f"{parts.username}@" if parts.scheme.startswith("abfs") else ""
    port = f":{parts.port}" if parts.port else ""
    address = urlunsplit((parts.scheme, f"{login}{parts.hostname}{port}", parts.path, query, parts.fragment))
    return f"{address} {objects.place(parts.scheme)}".strip()


def _read_table(path: Path, shown: str, name: str, options: ReadOptions) -> Raw:
    try:
        frame, notes = read_file(path, options)
    except DataError as error:
        raise DataError(str(error).replace(str(path), shown)) from None
    return Raw(frame=frame, source=shown, name=name or None, notes=notes)
