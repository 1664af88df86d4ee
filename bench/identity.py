"""Identity is content: hashes of what decides a result, and seeds derived from one root.

Nothing here depends on time, on the order of dictionary keys, on the process or on the machine.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _plain(value: Any) -> Any:
    """Make a value fit for canonical JSON; sets are sorted, paths become text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, Path):
        return str(value)
    return value


def digest(*parts: Any, length: int = 16) -> str:
    """Hash plain values (numbers, text, bytes, lists, mappings) to ``length`` hexadecimal digits."""
    text = json.dumps(_plain(parts), sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seed_for(root: int, *path: str | int) -> int:
    """Derive an independent seed below 2**31 for one named use: ``seed_for(root, "split", fold)``."""
    return int(digest(root, *path), 16) % (2**31 - 1)
