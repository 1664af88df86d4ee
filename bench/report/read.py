"""Reading plain files with care: what is absent or torn gives less, never an exception; text is safe to show."""

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Document = Mapping[str, Any]
# Controls, surrogates that UTF-8 cannot write, and the marks that reorder the text around them.
_UNSAFE_CATEGORIES = {"Cc", "Cs"}
_GREATEST = 1e150
_REORDERING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """Drop control characters, lone surrogates and bidirectional overrides; whitespace of any kind becomes a space."""
    if text.isascii() and text.isprintable():
        return text
    kept = (" " if c in "\t\n\r" else c for c in text if c in "\t\n\r" or not _is_unsafe(c))
    return "".join(kept)


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE_CATEGORIES or character in _REORDERING


def cleaned(value: Any) -> Any:
    """Clean every text in a JSON document, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return value


def read_json(path: Path) -> Any:
    """Read a JSON document, cleaned; None where there is no such file or it is not JSON."""
    try:
        return cleaned(json.loads(path.read_text(encoding="utf-8", errors="replace")))
    except (OSError, ValueError):
        return None


def read_yaml(path: Path) -> Any:
    """Read a YAML document, cleaned; None where there is no such file or it is not YAML."""
    try:
        return cleaned(yaml.safe_load(path.read_text(encoding="utf-8", errors="replace")))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def read_lines(path: Path) -> Iterator[Document]:
    """Yield the JSON objects of a file with one a line; a torn line is passed over."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield cleaned(entry)


def number(value: Any) -> float | None:
    """Return a number that can be reckoned with, else None: neither infinite nor so great that its square is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < _GREATEST else None


def count(value: Any) -> int | None:
    """Return a whole number, else None."""
    found = number(value)
    return None if found is None else int(found)


def numbers(value: Any) -> tuple[float | None, ...]:
    """Return a list of numbers, None where an entry is not a finite one."""
    return tuple(number(item) for item in sequence(value))


def text(value: Any) -> str:
    """Return text; None becomes empty."""
    return "" if value is None else str(value)


def mapping(value: Any) -> Document:
    """Return a mapping, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Return a list, an empty one for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def mappings(value: Any) -> tuple[Document, ...]:
    """Return the mappings of a list."""
    return tuple(item for item in sequence(value) if isinstance(item, Mapping))


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(text(item) for item in sequence(value))
