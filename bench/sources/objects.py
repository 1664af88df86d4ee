"""Fetching from object stores through pyarrow's file systems: S3 and what speaks like it, Google's, Azure's.

Credentials are found where each provider's own tools find them. Keys are spelled as they are, blanks, ``%`` and ``#``
included.

- ``s3://bucket/key``: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, ``~/.aws``, or the machine's role.
  ``AWS_ENDPOINT_URL`` names another server, such as MinIO; ``?region=`` another region.
- ``gs://bucket/key``: Google's application default credentials; ``gs://anonymous@bucket/key`` for public ones.
- ``az://container/blob``: ``AZURE_STORAGE_ACCOUNT_NAME`` with ``AZURE_STORAGE_ACCOUNT_KEY``,
  ``AZURE_STORAGE_SAS_TOKEN`` or a login; ``AZURE_STORAGE_ENDPOINT`` names another server.
  ``abfs://container@account.dfs.core.windows.net/blob`` names the account, too.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from bench.errors import DataError, RequestError
from bench.secrets import redacted
from bench.sources.cache import Facts, write_stream

_CHUNK = 2**22
_GOOGLE_SECONDS = "30"  # the library's own limit on all retries is 15 minutes
_UNREACHABLE = ("NETWORK_CONNECTION", "CURL error", "Fail to get a new connection")
_REFUSED = ("ACCESS_DENIED", "UNAUTHORIZED", "403", "401", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_LOGINS = {"s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}
_ACCOUNTS = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
_AZURE_LOGIN = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"


def fetch(uri: str, file: Path, known: Facts | None) -> Facts | None:
    """Download an object, unless size, time and ETag say that it has not changed (a `bench.sources.cache.Fetch`).

    Raises:
        RequestError: the address is not whole.
        DataError: there is no such object, it may not be read, or it cannot be had whole.
    """
    from pyarrow import fs

    with telling(uri):
        system, path = open_at(uri)
        info = system.get_file_info(path)
        if info.type == fs.FileType.NotFound:
            raise DataError(redacted(f"{uri} is not there. Check the address."))
        if info.type != fs.FileType.File:
            raise DataError(redacted(f"{uri} is a folder; it must be one object with a table."))
        stream = system.open_input_stream(path)
        facts = _facts(info, stream.metadata() or {})
    with stream:
        if facts == known:
            return None
        write_stream(_chunks(uri, stream), file, size=info.size)
        return facts


@contextlib.contextmanager
def telling(uri: str) -> Iterator[None]:
    """Turn pyarrow's errors into our own."""
    try:
        yield
    except (OSError, ValueError) as error:  # pyarrow's own are among these
        raise _explain(uri, error) from None


def place(scheme: str) -> str:
    """What the environment adds to the addresses of a scheme: the server, or the account."""
    if scheme == "s3":
        return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    if scheme == "az":
        return " ".join(os.environ.get(name, "") for name in (*_ACCOUNTS, "AZURE_STORAGE_ENDPOINT")).strip()
    return ""


def open_at(uri: str) -> tuple[Any, str]:
    """Open the store that an address names; returns the path in it, too."""
    from pyarrow import fs

    parts = urlsplit(uri, allow_fragments=False)
    path = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
    if not parts.netloc or not parts.path.strip("/"):
        raise RequestError(redacted(f"an object's address must be {parts.scheme}://BUCKET/KEY, got {uri}."))
    if parts.scheme == "az":
        return _azure(), path
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "s3":
        options = _s3_server() | options
    elif parts.scheme == "gs":
        options = {"retry_limit_seconds": _GOOGLE_SECONDS} | options
    system, path = fs.FileSystem.from_uri(urlunsplit(parts._replace(path=quote(parts.path), query=urlencode(options))))
    return system, path


def _s3_server() -> dict[str, str]:
    """Where AWS_ENDPOINT_URL points, which pyarrow does not look at."""
    if not (endpoint := place("s3")):
        return {}
    parts = _endpoint("AWS_ENDPOINT_URL", endpoint)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return {"endpoint_override": parts.netloc, "scheme": parts.scheme, "region": region}


def _endpoint(name: str, value: str) -> SplitResult:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RequestError(f"{name} must be an address such as https://host:9000, got {redacted(value)!r}.")
    return parts


def _azure() -> Any:
    from pyarrow import fs

    account = next(filter(None, map(os.environ.get, _ACCOUNTS)), None)
    if not account:
        raise RequestError("az:// needs the name of the account in AZURE_STORAGE_ACCOUNT_NAME.")
    key = os.environ.get("AZURE_STORAGE_ACCOUNT_KEY") or os.environ.get("AZURE_STORAGE_KEY")
    token = os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    options = {"account_key": key} if key else {"sas_token": token} if token else {}
    if server := os.environ.get("AZURE_STORAGE_ENDPOINT"):
        parts = _endpoint("AZURE_STORAGE_ENDPOINT", server)
        options |= {f"{kind}_storage_authority": parts.netloc for kind in ("blob", "dfs")}
        options |= {f"{kind}_storage_scheme": parts.scheme for kind in ("blob", "dfs")}
    return fs.AzureFileSystem(account_name=account, **options)


def _facts(info: Any, metadata: Any) -> Facts:
    """What changes when an object does; stores spell the names of their metadata each in their own way."""
    tags = [value.decode() for name, value in metadata.items() if name.lower() == "etag"]
    return {"size": str(info.size), "modified": str(info.mtime_ns), "etag": "".join(tags)}


def _chunks(uri: str, stream: Any) -> Iterator[bytes]:
    with telling(uri):
        while chunk := stream.read(_CHUNK):
            yield chunk


def _explain(uri: str, error: Exception) -> DataError:
    told = " ".join(str(error).split())
    scheme, _, key = uri.partition("://")
    if isinstance(error, PermissionError) or any(word in told.replace(key, "") for word in _REFUSED):
        hint = f"may not be read. Check {_LOGINS.get(scheme, _AZURE_LOGIN)}."
    elif any(word in told for word in _UNREACHABLE):
        why = told.rpartition("Details: ")[2].rpartition("last message of ")[2].partition(" error_info=")[0]
        hint = f"is out of reach ({why}). Check the network, and the server's address if you gave one."
    else:
        hint = f"cannot be read: {told}"
    return DataError(redacted(f"{uri} {hint}")[:1000])
