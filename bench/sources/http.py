"""Fetching over https and http: bounded waits, retries with back-off, and only whole bodies.

The login may stand in the address (``https://user:password@host/data.csv``) or in ``~/.netrc``; proxies and
certificates come from the usual variables (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE``).
"""

import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from bench.errors import DataError
from bench.secrets import redacted
from bench.sources.cache import Facts, write_stream

#: Seconds to wait for a connection, and for the next bytes.
_TIMEOUTS = (10.0, 30.0)
#: Seconds before the second attempt and those after it; a server may ask for more, up to a limit.
_PAUSES = (0.5, 1.0, 2.0)
_LONGEST_PAUSE = 30.0
#: A body that is slower than this many bytes a second, after the first seconds, is given up.
_SLOWEST, _PATIENCE = 1024, 60.0
_CHUNK = 2**20
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_HINTS = {
    401: "Put the login into the address, https://user:password@host/..., or into ~/.netrc.",
    403: "Is the login in the address right, or a signed address out of date?",
    404: "Check the address.",
    410: "Check the address.",
}


class _PassingError(Exception):
    """What may go well a moment later; ``pause`` is how many seconds the server asks to wait."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def fetch(url: str, file: Path, known: Facts | None) -> Facts | None:
    """Download a file, unless the server says that what is kept is still good (a `bench.sources.cache.Fetch`).

    Raises:
        DataError: there is no such file, it may not be read, or it cannot be had whole.
    """
    for pause in _PAUSES:
        try:
            return _attempt(url, file, known)
        except _PassingError as error:
            time.sleep(min(max(pause, error.pause), _LONGEST_PAUSE))
    try:
        return _attempt(url, file, known)
    except _PassingError as error:
        raise _failed(url, f"{error}, {len(_PAUSES) + 1} times. Try again later.") from None


def _failed(url: str, why: str) -> DataError:
    return DataError(redacted(f"{url} could not be fetched: {why}"))


def _attempt(url: str, file: Path, known: Facts | None) -> Facts | None:
    """Make one request and write its body."""
    import requests
    import urllib3

    def refuse_downgrade(response: Any, **_: Any) -> None:
        if response.is_redirect:
            _check_redirect(response.url, urljoin(response.url, response.headers["Location"]))

    try:
        with requests.get(
            url, headers=_headers(known), stream=True, timeout=_TIMEOUTS, hooks={"response": refuse_downgrade}
        ) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED and known is not None:
                return None
            _check_status(url, response)
            size = response.headers.get("Content-Length", "")
            plain = "Content-Encoding" not in response.headers
            write_stream(_chunks(url, response.raw), file, size=int(size) if size.isdigit() and plain else None)
            return _facts(response.headers)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _explain(url, error) from None


def _headers(known: Facts | None) -> dict[str, str]:
    """Ask for the bytes as they are, and only where they have changed."""
    headers = {"User-Agent": "automl-bench", "Accept-Encoding": "identity"}
    conditions = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return headers | {header: known[fact] for fact, header in conditions.items() if known and fact in known}


def _facts(headers: Any) -> Facts:
    return {name: headers[name] for name in ("etag", "last-modified") if name in headers}


def _check_redirect(url: str, target: str) -> None:
    before, after = urlsplit(url).scheme, urlsplit(target).scheme
    if after not in ("https", "http") or (before, after) == ("https", "http"):
        raise _failed(url, f"it redirects to {target}, which is not {before}. Name that address if you trust it.")


def _check_status(url: str, response: Any) -> None:
    status = response.status_code
    told = f"the server answers {status} {response.reason or ''}".rstrip()
    if status in _PASSING:
        after = response.headers.get("Retry-After", "")
        raise _PassingError(told, float(after) if after.isdigit() else 0.0)
    if status != HTTPStatus.OK:
        raise _failed(url, f"{told}. {_HINTS.get(status, '')}".rstrip())
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise _failed(url, "the server answers with a web page, not with a table. Name the address of the file itself.")


def _chunks(url: str, body: Any) -> Iterator[bytes]:
    """Read a body as it arrives; urllib3 raises where it ends before its Content-Length."""
    begun, count = time.monotonic(), 0
    while chunk := body.read1(_CHUNK, decode_content=True):
        count += len(chunk)
        seconds = time.monotonic() - begun
        if seconds > _PATIENCE and count < _SLOWEST * seconds:
            raise _failed(url, f"only {count} bytes arrived in {seconds:.0f} s. Download it by other means.")
        yield chunk


def _explain(url: str, error: Exception) -> Exception:
    """Tell what may pass from what will not; the libraries' own texts repeat the address with its secrets."""
    import requests
    from urllib3 import exceptions

    cause = _innermost(error)
    host = urlsplit(url).hostname
    if isinstance(cause, exceptions.NameResolutionError):
        return _failed(url, f"there is no host {host!r}, or no network. Check the address.")
    if isinstance(error, requests.exceptions.SSLError) or isinstance(cause, exceptions.SSLError):
        return _failed(url, f"no safe connection to {host!r} ({cause}). REQUESTS_CA_BUNDLE names further certificates.")
    if isinstance(cause, exceptions.NewConnectionError):  # before time-outs, of which urllib3 takes it for one
        return _failed(url, f"{host!r} does not accept the connection. Check the address, and whether it is up.")
    if isinstance(cause, (exceptions.TimeoutError, TimeoutError)) or isinstance(error, requests.Timeout):
        return _PassingError(f"{host!r} did not answer in time")
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, exceptions.ProtocolError)
    if isinstance(error, broken):
        return _PassingError("the connection broke off before all had arrived")
    return _failed(url, " ".join(str(cause).split()) or f"{type(cause).__name__}.")


def _innermost(error: BaseException) -> BaseException:
    """Find what the libraries wrapped: urllib3 keeps it as ``reason``, requests as its first argument."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _innermost(inner) if isinstance(inner, BaseException) else error
