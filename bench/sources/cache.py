"""What was fetched from elsewhere, kept on disk: each entry checked by its SHA-256, written whole or not at all.

An entry is a folder named after its key. ``about.json`` in it is written last and names the content's file, its SHA-256
and the facts by which a source asks whether it is still good (an ETag, say); an entry without it is none.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError, StoreError
from bench.identity import digest, file_digest

Facts = Mapping[str, str]
#: Writes content to a file and returns facts on it. It is told the facts on what is kept (None: nothing is), and may
#: return None for "that is still good". It raises nothing but a BenchError, or what writing the file raises.
Fetch = Callable[[Path, Facts | None], Facts | None]

MOST_BYTES = 8 * 2**30
_ABOUT = "about.json"
_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """An entry of the cache: where its content lies, and what was known when it was fetched."""

    path: Path
    sha256: str
    facts: Facts


def cache_folder(cache: Path | None = None) -> Path:
    """Return the folder of fetched datasets: the one given, $BENCH_CACHE, or ``~/.cache/bench/datasets``."""
    if cache is not None:
        return cache
    named = os.environ.get("BENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "bench" / "datasets"


def write_stream(chunks: Iterable[bytes], file: Path, *, size: int | None) -> None:
    """Write content as it arrives; ``size`` is how many bytes were announced (None: nobody knows).

    Raises:
        DataError: there is more of it than can be read, or not as much as was announced.
    """
    count, most = 0, f"at most {MOST_BYTES / 2**30:g} GiB can be fetched"
    if size is not None and size > MOST_BYTES:
        raise DataError(f"{most}, and this is {size / 2**30:.1f} GiB. Download it by other means, or a part of it.")
    with file.open("wb") as output:
        for chunk in chunks:
            count += len(chunk)
            if count > MOST_BYTES:
                raise DataError(f"{most}, and this is more. Download it by other means, or a part of it.")
            output.write(chunk)
    if size is not None and count != size:
        raise DataError(f"{size} bytes were announced, and {count} arrived. Try again.")


def kept(key: str, *, cache: Path | None = None) -> Kept | None:
    """Look a key up; None where nothing is kept, or what is kept is damaged."""
    return _look_up(_entry(key, cache))


def cached(key: str, fetch: Fetch, *, name: str = "content", cache: Path | None = None) -> Kept:
    """Bring a key's entry up to date with ``fetch``, and return it; ``name`` is how its file is called.

    Raises:
        StoreError: the cache cannot be written to.
        BenchError: whatever ``fetch`` raises; what was kept before is still there then.
    """
    entry = _entry(key, cache)
    try:
        entry.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _look_up(entry)
        with tempfile.TemporaryDirectory(dir=entry, prefix=".fetch-") as scratch:
            content = Path(scratch, "content")
            facts = fetch(content, known.facts if known else None)
            if facts is not None or known is None:
                known = _put(entry, content, _safe(name), facts or {})
    except OSError as error:
        raise StoreError(
            f"the cache {str(entry.parent)!r} must be a folder that can be written to: {error.strerror or error}. "
            "Set BENCH_CACHE to another one."
        ) from None
    return known


def _entry(key: str, cache: Path | None) -> Path:
    return cache_folder(cache) / "fetched" / digest(key, length=32)


def _safe(name: str) -> str:
    """Spell a name so that it is one plain file's, its endings kept."""
    return re.sub(r"[^\w.-]", "-", name).lstrip(".-")[-_LONGEST_NAME:] or "content"


def _look_up(entry: Path) -> Kept | None:
    try:
        about = json.loads((entry / _ABOUT).read_text(encoding="utf-8"))
        path = entry / about["sha256"] / about["name"]
        if file_digest(path) == about["sha256"]:
            return Kept(path=path, sha256=about["sha256"], facts=about["facts"])
    except (OSError, ValueError, KeyError, TypeError):  # absent, or not as it was written: then there is no entry
        pass
    return None


def _put(entry: Path, content: Path, name: str, facts: Facts) -> Kept:
    """Move content into its entry, let ``about.json`` point there, and delete what that pointed at before."""
    sha256 = file_digest(content)
    path = entry / sha256 / name
    path.parent.mkdir(exist_ok=True)
    os.replace(content, path)
    about = content.with_name(_ABOUT)
    about.write_text(json.dumps({"name": name, "sha256": sha256, "facts": dict(facts)}, indent=1), encoding="utf-8")
    os.replace(about, entry / _ABOUT)
    for old in entry.iterdir():
        if old.is_dir() and old.name != sha256 and not old.name.startswith(".fetch-"):
            shutil.rmtree(old, ignore_errors=True)
    return Kept(path=path, sha256=sha256, facts=facts)
