"""Suites: ``datasets/suites/<name>.yaml``, lists of datasets that belong together.

The keys are documented in ``datasets/README.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.cards import card_key, find_card
from bench.data import shipped
from bench.errors import DataError, RequestError, nearest
from bench.sources import scheme_of
from bench.sources.base import ReadOptions
from bench.sources.openml import SCHEME, suite_tasks

_KEYS = ("name", "title", "reference", "copied", "notes", "entries")
_REQUIRED = ("name", "title", "entries")


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A list of datasets: ``entries`` are references as ``--dataset`` takes them, ``names`` what some are called.

    ``reference`` names the file that the list was copied from, ``copied`` the day.
    """

    name: str
    title: str
    entries: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    copied: str = ""
    notes: str = ""


def list_suites() -> tuple[Suite, ...]:
    """Read every suite that ships with the package, by name."""
    return tuple(read_suite(path) for path in _shipped().values())


def load_suite(name: str, *, offline: bool = False) -> Suite:
    """Load a suite: one that ships, by its name, hyphens and underscores being the same; a file; or one of OpenML's.

    Raises:
        RequestError: there is no such suite.
        DataError: the file is no suite, or OpenML does not answer.
    """
    if scheme_of(name) == SCHEME:
        title, tasks = suite_tasks(name, ReadOptions(offline=offline))
        return Suite(name=name, title=title, entries=tuple(map(_of_task, tasks)), reference=name)
    known = _shipped()
    if card_key(name) in known:
        return read_suite(known[card_key(name)])
    if name.endswith((".yaml", ".yml")):
        return read_suite(Path(name))
    raise RequestError(
        f"a suite must be one that ships, a file or openml:suite/NUMBER; got {name!r}."
        f"{nearest(card_key(name), known)} `bench list suites` shows all."
    )


def read_suite(path: Path) -> Suite:
    """Read and check one suite.

    Raises:
        DataError: the file is no YAML mapping, a key is unknown or missing, or an entry is no dataset.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"suite {str(path)!r} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise DataError(f"suite {str(path)!r} must be a YAML mapping, got {type(content).__name__}.")
    for key in content:
        if key not in _KEYS:
            raise DataError(f"suite {str(path)!r} has an unknown key {key!r}.{nearest(str(key), _KEYS)}")
    if missing := [key for key in _REQUIRED if not content.get(key)]:
        raise DataError(f"suite {str(path)!r} must have {', '.join(missing)}.")
    if not isinstance(content["entries"], list):
        raise DataError(f"suite {str(path)!r}: entries must be a list, got {type(content['entries']).__name__}.")
    named = [_entry(path, entry) for entry in content["entries"]]
    entries = tuple(entry for entry, _ in named)
    if twice := sorted({entry for entry in entries if entries.count(entry) > 1}):
        raise DataError(f"suite {str(path)!r} must hold each dataset once, got {twice[0]!r} more often.")
    texts = {key: str(value) for key, value in content.items() if key != "entries" and value is not None}
    return Suite(**texts, entries=entries, names={entry: name for entry, name in named if name})


def _shipped() -> dict[str, Path]:
    return {card_key(path.stem): path for path in sorted((shipped("datasets") / "suites").glob("*.yaml"))}


def _of_task(number: int) -> str:
    return f"{SCHEME}:task/{number}"


def _entry(path: Path, entry: Any) -> tuple[str, str]:
    """Turn an entry into a reference and a name: a number is an OpenML task, a pair of one maps a name to an entry."""
    name = ""
    if isinstance(entry, dict) and len(entry) == 1:
        ((name, entry),) = entry.items()
    if isinstance(entry, int) and not isinstance(entry, bool) and entry > 0:
        return _of_task(entry), str(name)
    if isinstance(entry, str) and (scheme_of(entry) or find_card(entry)):
        return entry, str(name)
    if isinstance(entry, str) and (path.parent / entry).is_file():
        return str(path.parent / entry), str(name)
    raise DataError(
        f"suite {str(path)!r}: an entry must be a card, a file, a reference with a scheme or the number of an OpenML "
        f"task, got {entry!r}."
    )
