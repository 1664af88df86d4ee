"""Asking an OpenML server: answers in XML and files, kept in the cache, with patience for a service that is often busy.

The shapes are those of version 1 of OpenML's REST interface, https://www.openml.org/apis.
"""

import hashlib
import logging
import os
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.errors import DataError, RequestError
from bench.sources.cache import cached, kept

if TYPE_CHECKING:
    import requests

BASE = "https://www.openml.org/api/v1"
_VARIABLE = "BENCH_OPENML_URL"
#: Seconds to wait before another try, so there is one try more; how long a connection, and a silence, may take.
WAITS = (1.0, 4.0)
TIMEOUTS = (10.0, 30.0)
#: A server may ask for a longer pause than WAITS, up to so many seconds.
LONGEST_WAIT = 60.0
_MOST_BYTES_OF_XML = 2**27
_MOST_BYTES = 8 * 2**30
_CHUNK = 2**20
#: Code of an error document that means nothing but a busy database.
_BUSY_CODE = 107
_BUSY_STATUS = frozenset({408, 429})

Answer = TypeVar("Answer")
Element = ET.Element
_log = logging.getLogger(__name__)


class UnreachableError(DataError):
    """The server did not answer, however often it was asked, or it may not be asked."""


class RefusedError(DataError):
    """The server answered that it has no such thing, or will not give it; ``code`` is OpenML's own, 0 without one."""

    def __init__(self, message: str, code: int = 0) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


class _BusyError(Exception):
    """One try failed in a way that may pass; ``wait`` is how many seconds the server asks to stay away."""

    def __init__(self, how: str, wait: float = 0.0) -> None:
        super().__init__(how)
        self.wait = wait


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """An OpenML server, or what the cache knows of it when ``offline``."""

    base: str
    offline: bool = False
    cache: Path | None = None

    def describe(self, path: str, root: str, *, fresh: bool = False) -> Element:
        """Ask for the XML document at a path of the interface; ``root`` is the name of its outermost element.

        What a ``fresh`` answer says may change: the cache serves it only when the server cannot be reached.

        Raises:
            UnreachableError, RefusedError: as their names say.
            DataError: the answer is of another shape.
        """
        url = f"{self.base}/xml/{path}"
        return self._get(url, lambda file: _read_xml(file, url, root), fresh=fresh)

    def file(self, url: str, parse: Callable[[Path], Answer], *, md5: str | None = None) -> Answer:
        """Download a file, unless it is in the cache, and parse it; what cannot be parsed is not kept.

        Raises:
            UnreachableError, RefusedError: as their names say.
            DataError: its MD5 differs, or ``parse`` refuses it.
        """
        if not url.startswith(("http://", "https://")):
            raise DataError(f"OpenML must name a file by http or https, got {url!r}.")
        return self._get(url, parse, md5=md5)

    def _get(self, url: str, parse: Callable[[Path], Answer], *, md5: str | None = None, fresh: bool = False) -> Answer:
        known = None if fresh and not self.offline else kept(url, cache=self.cache)
        if known is not None:
            return parse(known.path)
        if self.offline:
            raise UnreachableError(
                f"{url} is not in the cache, and --offline forbids to ask for it. Run it without --offline once."
            )
        parsed: list[Answer] = []

        def fetch(file: Path, facts: object) -> dict[str, str]:
            _download(url, file, md5)
            parsed.append(parse(file))
            return {"url": url}

        try:
            cached(url, fetch, name=url.rpartition("/")[2], cache=self.cache)
        except UnreachableError as error:
            if (known := kept(url, cache=self.cache)) is None:
                raise
            _log.warning("%s The answer in the cache is used.", error)
            return parse(known.path)
        return parsed[0]


def open_server(*, offline: bool = False, cache: Path | None = None) -> Server:
    """The server at $BENCH_OPENML_URL, or OpenML's own.

    Raises:
        RequestError: the variable holds no http address.
    """
    base = os.environ.get(_VARIABLE, BASE).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise RequestError(f"{_VARIABLE} must be an address such as {BASE}, got {base!r}.")
    return Server(base=base, offline=offline, cache=cache)


def text_of(element: Element, name: str) -> str:
    """The text of the first child of that name; empty when there is none."""
    return (element.findtext(name) or "").strip()


def texts_of(element: Element, name: str) -> list[str]:
    """The texts of all children of that name, the empty ones left out."""
    return [text for child in element.findall(name) if (text := (child.text or "").strip())]


def number_of(element: Element, name: str) -> int:
    """The text of a child as a whole number.

    Raises:
        DataError: there is none.
    """
    text = text_of(element, name)
    if not text.isdecimal():
        raise DataError(f"OpenML must give a number as {name!r} of a {element.tag!r}, got {text!r}. Try again later.")
    return int(text)


class _NoDoctype(ET.TreeBuilder):
    """Builds no document that declares entities: expanding them can fill the memory."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called by the parser at a DOCTYPE, before anything in it is read."""
        raise ET.ParseError("it declares a document type")


def _read_xml(file: Path, url: str, root: str) -> Element:
    """Parse a document whose outermost element is ``root``; prefixes of namespaces are taken off."""
    if file.stat().st_size > _MOST_BYTES_OF_XML:
        raise DataError(f"{url} must answer with at most {_MOST_BYTES_OF_XML // 2**20} MiB of XML.")
    try:
        document = ET.parse(file, ET.XMLParser(target=_NoDoctype())).getroot()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{url} must answer with XML, but {error}. Try again later.") from None
    for element in document.iter():
        element.tag = element.tag.rpartition("}")[2]
    if document.tag != root:
        raise DataError(
            f"{url} must answer with a {root!r}, got a {document.tag!r}: the interface has changed, or another server "
            "answers."
        )
    return document


def _download(url: str, file: Path, md5: str | None) -> None:
    """Fetch into a file, trying again what may pass."""
    for wait in (*WAITS, None):
        try:
            return _try_download(url, file, md5)
        except _BusyError as busy:
            if wait is None or busy.wait > LONGEST_WAIT:
                tries = f", in {len(WAITS) + 1} tries" if wait is None else f", and asks to wait {busy.wait:.0f} s"
                raise UnreachableError(
                    f"OpenML cannot be reached: {url} {busy}{tries}. Try again later; --offline uses what is in the "
                    "cache."
                ) from None
            if busy.wait > wait:
                _log.warning("%s %s; trying again in %.0f s, as it asks for.", url, busy, busy.wait)
            time.sleep(max(wait, busy.wait))
    raise AssertionError("the last try returns or raises")


def _try_download(url: str, file: Path, md5: str | None) -> None:
    import requests

    try:
        with requests.get(url, stream=True, timeout=TIMEOUTS) as response:
            _check_status(url, response)
            found = _write(url, response, file)
    except (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise _BusyError(_why_unreachable(error)) from None
    except requests.RequestException as error:
        raise DataError(f"{url} cannot be downloaded: {_line(str(error))}") from None
    if md5 is not None and found != md5.lower():
        raise DataError(
            f"{url} must have the MD5 that OpenML states, {md5}, got {found}: the file was changed or damaged. Try "
            "again later."
        )


def _write(url: str, response: "requests.Response", file: Path) -> str:
    """Write the body of a response to a file; returns its MD5."""
    hashed, size = hashlib.md5(usedforsecurity=False), 0
    with file.open("wb") as out:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if size > _MOST_BYTES:
                raise DataError(f"{url} must be at most {_MOST_BYTES / 2**30:g} GiB.")
            hashed.update(chunk)
            out.write(chunk)
    return hashed.hexdigest()


def _check_status(url: str, response: "requests.Response") -> None:
    """Tell a busy server from one that refuses; OpenML explains most refusals in a document, under status 412."""
    status = response.status_code
    if status < 400:
        return
    said = next(response.iter_content(2**16), b"").decode(errors="replace")
    code = re.search(r"<oml:code>\s*(\d+)\s*</oml:code>", said)
    if status >= 500 or status in _BUSY_STATUS or (code and int(code[1]) == _BUSY_CODE):
        raise _BusyError(f"answers {status} {response.reason}", _asked_wait(response.headers.get("Retry-After", "")))
    message = re.search(r"<oml:message>(.*?)</oml:message>", said, re.DOTALL)
    told = _line(message[1] if message else re.sub(r"<[^>]*>", " ", said)) or str(response.reason)
    raise RefusedError(f"OpenML refuses {url} ({code[1] if code else status}): {told}", int(code[1]) if code else 0)


def _asked_wait(retry_after: str) -> float:
    """Seconds that a Retry-After header asks for, which holds a number of them or a date; 0 for anything else."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _why_unreachable(error: Exception) -> str:
    text = str(error)
    if "timed out" in text:
        return f"does not answer in time ({TIMEOUTS[0]:g} s to connect, {TIMEOUTS[1]:g} s of silence)"
    if "NameResolution" in text or "getaddrinfo" in text:
        return "has a name that cannot be resolved; is this machine online?"
    if "refused" in text:
        return "refuses the connection"
    if "certificate" in text.lower():
        return "has a certificate that is not trusted"
    return f"breaks off the connection ({type(error).__name__})"


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
