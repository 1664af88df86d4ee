"""Dataset cards: ``datasets/<name>.yaml``, the facts about a dataset and where its rows come from.

The keys are documented in ``datasets/README.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.data import shipped
from bench.errors import DataError, RequestError, nearest

SourceKind = Literal["builtin", "file", "openml"]
_SOURCES: tuple[SourceKind, ...] = ("builtin", "file", "openml")
_REQUIRED = ("name", "title", "source", "target", "task", "licence")
_TASKS = ("binary", "multiclass", "regression")


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What is known about a dataset before it is read.

    ``source`` names a built-in, a file (relative to ``folder``) or an OpenML number, as ``source_kind`` says. ``drop``
    maps columns that are left out to the reason. ``rows`` is the number of rows that the reference states.
    """

    name: str
    title: str
    source_kind: SourceKind
    source: str
    folder: Path
    target: str
    task: str
    licence: str
    positive_class: str | None = None
    metric: str | None = None
    group: str | None = None
    time: str | None = None
    drop: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    sha256: str | None = None
    reference: str = ""
    notes: str = ""


def card_key(name: str) -> str:
    """Spell a card's name in the one way it is compared: hyphens are underscores."""
    return name.replace("-", "_")


def list_cards() -> tuple[Card, ...]:
    """Read every card that ships with the package, by name."""
    return tuple(read_card(path) for path in sorted(shipped("datasets").glob("*.yaml")))


def find_card(name: str) -> Card | None:
    """Find the shipped card of this name, hyphens and underscores being the same; None when there is none."""
    by_key = {card_key(path.stem): path for path in shipped("datasets").glob("*.yaml")}
    path = by_key.get(card_key(name))
    return read_card(path) if path else None


def unknown_dataset(name: str) -> RequestError:
    """Say that a bare name is no card, and which cards are spelled like it."""
    names = [path.stem for path in shipped("datasets").glob("*.yaml")]
    return RequestError(
        f"dataset must be a file, a built-in or a card; got {name!r}.{nearest(card_key(name), names)} "
        "`bench list datasets` shows all."
    )


def read_card(path: Path) -> Card:
    """Read and check one card.

    Raises:
        DataError: the file is no YAML mapping, a key is unknown or missing, or a value has the wrong type.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"card {str(path)!r} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise DataError(f"card {str(path)!r} must be a YAML mapping, got {type(content).__name__}.")
    known = {item.name for item in fields(Card)} - {"source_kind", "folder"}
    for key in content:
        if key not in known:
            raise DataError(f"card {str(path)!r} has an unknown key {key!r}.{nearest(str(key), known)}")
    if missing := [key for key in _REQUIRED if key not in content]:
        raise DataError(f"card {str(path)!r} must have {', '.join(missing)}.")
    return _build(path, content)


def _build(path: Path, content: Mapping[str, Any]) -> Card:
    text = {key: _text(path, key, value) for key, value in content.items() if key not in ("source", "drop", "rows")}
    if text["task"] not in _TASKS:
        raise DataError(f"card {str(path)!r}: task must be one of {', '.join(_TASKS)}, got {text['task']!r}.")
    drop, rows = content.get("drop") or {}, content.get("rows")
    if not (isinstance(drop, dict) and all(isinstance(part, str) for pair in drop.items() for part in pair)):
        raise DataError(f"card {str(path)!r}: drop must map columns to reasons, got {drop!r}.")
    if not (rows is None or (isinstance(rows, int) and rows > 0)):
        raise DataError(f"card {str(path)!r}: rows must be a whole number above 0, got {rows!r}.")
    source_kind, source = _source(path, content["source"])
    return Card(**text, source_kind=source_kind, source=source, folder=path.parent, drop=drop, rows=rows)


def _source(path: Path, value: Any) -> tuple[SourceKind, str]:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, where),) = value.items()
        for known in _SOURCES:
            if kind == known and isinstance(where, (str, int)):
                return known, str(where)
    raise DataError(f"card {str(path)!r}: source must be one of builtin, file, openml with a value, got {value!r}.")


def _text(path: Path, key: str, value: Any) -> Any:
    """Check that a value is text; whole numbers count as such, YAML's yes and no do not."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise DataError(f"card {str(path)!r}: {key} must be text, got {value!r}. Put it in quotes.")
    return str(value) if value is not None else None
