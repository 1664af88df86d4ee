"""Dataset cards: ``datasets/<name>.yaml``, the facts about a dataset and where its rows come from.

The keys are documented in ``datasets/README.md``.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.data import shipped
from bench.errors import DataError, RequestError, choices, nearest
from bench.kinds import USABLE, Kind
from bench.text import printable

SourceKind = Literal["builtin", "file", "openml", "url"]
_SOURCES: tuple[SourceKind, ...] = ("builtin", "file", "openml", "url")
_REQUIRED = ("name", "title", "source", "target", "task", "licence")
_TASKS = ("binary", "multiclass", "regression")
#: What ``read`` may hold: settings of `bench.sources.base.ReadOptions`, each a text but for the list ``null``.
_READING = ("sep", "encoding", "decimal", "null", "bad_lines", "query")
_PLAIN = frozenset({"source", "drop", "kinds", "read", "rows"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What is known about a dataset before it is read.

    ``source`` is, as ``source_kind`` says, a built-in, a file (relative to ``folder``), what follows ``openml:`` in a
    reference, or a reference with a scheme. ``kinds`` overrule what is inferred of columns, ``drop`` maps columns that
    are left out to the reason, ``read`` says how the source is read. ``rows`` is the number that the reference states.
    Cards in files have a target and a task; a source may know of neither.
    """

    name: str
    title: str
    source_kind: SourceKind
    source: str
    folder: Path
    target: str | None
    task: str | None
    licence: str
    positive_class: str | None = None
    metric: str | None = None
    group: str | None = None
    time: str | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    drop: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, Any] = field(default_factory=dict)
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
    if card_key(name) in {path.stem for path in shipped("datasets").glob("suites/*.yaml")}:
        return RequestError(
            f"a run has one dataset, and {name!r} is a suite of many. `bench list suites {name}` shows them, "
            f"`bench suite run {name}` runs them."
        )
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
    text = {key: _text(path, key, value) for key, value in content.items() if key not in _PLAIN}
    if text["task"] not in _TASKS:
        raise DataError(f"card {str(path)!r}: task must be one of {', '.join(_TASKS)}, got {text['task']!r}.")
    for key in ("name", "target"):
        if not text[key]:
            raise DataError(f"card {str(path)!r}: {key} must not be empty.")
    rows = content.get("rows")
    if not (rows is None or (isinstance(rows, int) and rows > 0)):
        raise DataError(f"card {str(path)!r}: rows must be a whole number above 0, got {rows!r}.")
    source_kind, source = _source(path, content["source"])
    return Card(
        **text,
        source_kind=source_kind,
        source=source,
        folder=path.parent,
        kinds=_kinds(path, content),
        drop=_pairs(path, content, "drop", "reasons"),
        read=_reading(path, content.get("read") or {}),
        rows=rows,
    )


def _source(path: Path, value: Any) -> tuple[SourceKind, str]:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, where),) = value.items()
        for known in _SOURCES:
            if kind == known and isinstance(where, (str, int)) and str(where):
                return known, str(where)
    raise DataError(f"card {str(path)!r}: source must be one of {', '.join(_SOURCES)} with a value, got {value!r}.")


def _kinds(path: Path, content: Mapping[str, Any]) -> Mapping[str, Kind]:
    """Check that an entry maps columns to kinds that a model can use."""
    known = {str(kind): kind for kind in USABLE}
    pairs = _pairs(path, content, "kinds", "kinds")
    if wrong := sorted(set(pairs.values()) - USABLE):
        raise DataError(f"card {str(path)!r}: a kind must be one of {choices(USABLE)}, got {wrong[0]!r}.")
    return {column: known[kind] for column, kind in pairs.items()}


def _pairs(path: Path, content: Mapping[str, Any], key: str, values: str) -> Mapping[str, str]:
    """Check that an entry maps columns to texts."""
    pairs = content.get(key) or {}
    if not (isinstance(pairs, dict) and all(isinstance(part, str) for pair in pairs.items() for part in pair)):
        raise DataError(f"card {str(path)!r}: {key} must map columns to {values}, got {pairs!r}.")
    return pairs


def _reading(path: Path, content: Any) -> Mapping[str, Any]:
    """Check the settings by which a source is read; ``null`` becomes a tuple."""
    if not isinstance(content, dict):
        raise DataError(f"card {str(path)!r}: read must map settings to values, got {content!r}.")
    settings = {}
    for key, value in content.items():
        key = "null" if key is None else key  # which is what YAML makes of the bare word
        if key not in _READING:
            raise DataError(f"card {str(path)!r}: read has an unknown key {key!r}.{nearest(str(key), _READING)}")
        texts = value if key == "null" and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise DataError(f"card {str(path)!r}: {key} must be text, got {value!r}. Put it in quotes.")
        settings[key] = tuple(texts) if key == "null" else value
    if settings.get("bad_lines", "error") not in ("error", "skip"):
        raise DataError(f"card {str(path)!r}: bad_lines must be error or skip, got {settings['bad_lines']!r}.")
    return settings


def _text(path: Path, key: str, value: Any) -> Any:
    """Check that a value is text; whole numbers count as such, YAML's yes and no do not."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise DataError(f"card {str(path)!r}: {key} must be text, got {value!r}. Put it in quotes.")
    return str(value) if value is not None else None


def spell_card(card: Card, comments: Mapping[str, str], why: Mapping[str, str]) -> str:
    """Spell a card as `read_card` reads it, with ``comments`` by key, and ``why`` a column has its kind."""
    values = {
        item.name: getattr(card, item.name) for item in fields(card) if item.name not in ("source_kind", "folder")
    }
    values["source"] = {card.source_kind: card.source}
    values["read"] = {key: list(value) if isinstance(value, tuple) else value for key, value in card.read.items()}
    kinds = "".join(
        "\n" + _entry(column, kind, why.get(column, ""), "  ") for column, kind in values.pop("kinds").items()
    )
    entries = [
        _entry(key, value, comments.get(key, "")) for key, value in values.items() if value not in (None, "", {})
    ]
    return "\n".join([*entries, *([f"kinds:{kinds}"] if kinds else [])]) + "\n"


def _entry(key: str, value: Any, comment: str, indent: str = "") -> str:
    """Spell one key and its value, with a comment at the end; characters that cannot be seen are escaped."""
    spelled = _spell({key: value}, as_it_is=True)
    if printable(spelled) != spelled.replace("\n", r"\n"):
        spelled = _spell({key: value}, as_it_is=False)
    return textwrap.indent(spelled, indent) + (f"  # {printable(comment)}" if comment else "")


def _spell(entry: Mapping[str, Any], *, as_it_is: bool) -> str:
    text: str = yaml.safe_dump(entry, sort_keys=False, allow_unicode=as_it_is, width=10**6)
    return text.rstrip("\n")
