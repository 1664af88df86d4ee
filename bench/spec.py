"""What the user asked for, as one plain frozen type.

Names in it (families, metrics, datasets) are only checked by the stages that know them; here values are checked that
can be judged alone.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.errors import RequestError, choices, nearest
from bench.kinds import USABLE
from bench.metric import TaskKind
from bench.presets import with_preset
from bench.secrets import MASK, redacted
from bench.sources import is_database
from bench.sources.base import BadLines, ReadOptions

Sampler = Literal["tpe", "random", "grid"]
EngineName = Literal["ray", "tune", "local"]

DEFAULT_BUDGET_SECONDS = 300.0
_LEAST_MEMORY = 2**30
_LEFT_OUT = f"# {MASK} stands for a password, token or signature, which is not kept. Put it back before use.\n"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_CHOICES: dict[str, tuple[str, ...]] = {
    "task": ("binary", "multiclass", "regression"),
    "sampler": ("tpe", "random", "grid"),
    "engine": ("ray", "tune", "local"),
    "bad_lines": ("error", "skip"),
}
_TEXTS = (
    *("dataset", "target", "metric", "positive_class", "test", "group", "time", "output", "splits", "address"),
    *("sep", "encoding", "decimal", "query", "preset"),
)
_LISTS = ("families", "allow")
#: Lists of texts that may hold commas of their own.
_ITEMS = ("null", "kind", "drop")
#: Keys that contradict splits that are given.
BESIDE_SPLITS = ("group", "time", "gap", "test_size")
#: Keys that decide what the task is, beside the data.
_OF_TASK = ("target", "metric", "task", "positive_class", "group", "time", "gap", "splits")
#: Keys that change how a run is carried out, or how much of it, but never what one of its results is; a preset's name
#: among them, since what it stands for is in the other keys.
_NOT_IDENTITY = frozenset(
    {"budget", "trials", "fit_limit", "cpus", "gpus", "memory", "engine", "address", "output", "allow", "track"}
    | {"preset", "refit"}
)
#: Keys whose outcome is in the fingerprint of the data.
_IN_FINGERPRINT = frozenset({"sep", "encoding", "decimal", "null", "bad_lines", "query", "offline", "drop"})


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """Everything the user asked; ``budget`` is in seconds of wall clock and excludes ``trials``.

    ``memory`` is in bytes. ``families`` holds names to use, or names with a leading minus to leave out; empty means
    all. ``fit_limit`` is how many seconds a fit may take before it counts as hung. ``preset`` is where settings
    came from that were not given, and nothing else. ``slowdown`` is how many times the best single model's predict
    time an ensemble may take; None for any. ``refit`` asks for one model a member, fitted on all rows. ``address``
    is that of a Ray cluster.
    """

    dataset: str
    preset: str | None = None
    target: str | None = None
    metric: str | None = None
    task: TaskKind | None = None
    positive_class: str | None = None
    budget: float | None = DEFAULT_BUDGET_SECONDS
    trials: int | None = None
    fit_limit: float | None = None
    families: tuple[str, ...] = ()
    ensembles: bool = True
    slowdown: float | None = None
    refit: bool = False
    folds: int | None = None
    test_size: float | None = None
    test: str | None = None
    group: str | None = None
    time: str | None = None
    gap: float | None = None
    repeats: int | None = None
    splits: str | None = None
    max_rows: int | None = None
    kind: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    sep: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    null: tuple[str, ...] = ()
    bad_lines: BadLines = "error"
    query: str | None = None
    offline: bool = False
    sampler: Sampler = "tpe"
    seed: int = 0
    cpus: int | None = None
    gpus: int | None = None
    memory: int | None = None
    engine: EngineName = "ray"
    address: str | None = None
    output: str | None = None
    allow: tuple[str, ...] = ()
    track: bool = True

    def identity(self) -> dict[str, Any]:
        """The part that decides what a result is; the order in which families are named does not."""
        left_out = _NOT_IDENTITY | _IN_FINGERPRINT
        content = {name: value for name, value in dataclasses.asdict(self).items() if name not in left_out}
        return content | {"families": sorted(set(self.families))}

    @property
    def reading(self) -> ReadOptions:
        """How the data is to be read."""
        names = FIELDS & {field.name for field in dataclasses.fields(ReadOptions)}
        return ReadOptions(**{name: getattr(self, name) for name in names})

    @property
    def of_task(self) -> dict[str, Any]:
        """What decides the task, by name."""
        return {name: getattr(self, name) for name in _OF_TASK}

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds that were asked for, by column."""
        pairs = (entry.rpartition("=") for entry in self.kind)
        return {column: kind for column, _, kind in pairs}

    def to_yaml(self) -> str:
        """Spell the request as a file that ``--config`` reads, without its secrets."""
        asked = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}
        content = {name: redacted(v) if isinstance(v, str) else v for name, v in asked.items()}
        left_out = _LEFT_OUT if content != asked else ""
        for name in ("budget", "fit_limit"):
            if content[name] is not None:
                content[name] = f"{content[name]:.15g}s"
        text: str = yaml.safe_dump({name: v for name, v in content.items() if v not in (None, [])}, sort_keys=False)
        return left_out + text


FIELDS = frozenset(field.name for field in dataclasses.fields(RunSpec))


def parse_duration(text: str | float, name: str = "budget") -> float:
    """Read ``90``, ``60s``, ``10m`` or ``2h``, given for a setting of that name, as seconds.

    Raises:
        RequestError: not a positive duration.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smh]?)\s*", str(text))
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        flag = name.replace("_", "-")
        raise RequestError(f"--{flag} must be a positive duration such as 60s, 10m or 2h, got {text!r}.")
    return seconds


def parse_size(text: str | int) -> int:
    """Read ``4GiB``, ``512MiB``, ``2GB`` or a number of bytes.

    Raises:
        RequestError: not a size of at least 1 GiB.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", str(text), flags=re.IGNORECASE)
    power = " kmgt".index(match[2].lower() or " ") if match else 0
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** power) if match else 0
    if size < _LEAST_MEMORY:
        raise RequestError(f"--memory must be a size of at least 1GiB such as 4GiB or 4GB, got {text!r}.")
    return size


def _require_number(content: Mapping[str, Any], name: str, low: float, high: float, *, whole: bool) -> None:
    """Check that an entry, when given, is a number in [low, high]."""
    value = content.get(name)
    if value is None:
        return
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not fits:
        kind = "a whole number" if whole else "a number"
        span = f"of at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise RequestError(f"--{name.replace('_', '-')} must be {kind} {span}, got {value!r}.")


def _check_values(content: Mapping[str, Any]) -> None:
    """Check every value by itself."""
    for name in _TEXTS:
        if not isinstance(content.get(name, ""), str):
            value, cure = repr(content[name]), "Put it in quotes"
            if not isinstance(content[name], (int, float)):
                value, cure = type(content[name]).__name__, "Pass a name or a path"
            raise RequestError(f"--{name.replace('_', '-')} must be text, got {value}. {cure}.")
        if content.get(name) == "":
            raise RequestError(f"--{name.replace('_', '-')} must not be empty. Leave it out for its default.")
    for name in ("track", "offline", "ensembles", "refit"):
        if not isinstance(content.get(name, True), bool):
            raise RequestError(f"{name} must be true or false, got {content[name]!r}.")
    for name, allowed in _CHOICES.items():
        if content.get(name) is not None and content[name] not in allowed:
            flag = name.replace("_", "-")
            raise RequestError(f"--{flag} must be one of {choices(allowed)}, got {content[name]!r}.")
    infinity = float("inf")
    for name, low in (("trials", 1), ("folds", 2), ("seed", 0), ("cpus", 1), ("gpus", 0), ("repeats", 1)):
        _require_number(content, name, low, infinity, whole=True)
    _require_number(content, "max_rows", 100, infinity, whole=True)
    _require_number(content, "gap", 0.0, infinity, whole=False)
    _require_number(content, "slowdown", 1.0, infinity, whole=False)
    _require_number(content, "test_size", 0.0, 0.9, whole=False)


def _check_together(content: Mapping[str, Any]) -> None:
    """Refuse values that have no meaning beside each other."""
    if content.get("address") and content.get("engine") == "local":
        raise RequestError(
            "--address and --engine local exclude each other: one uses a cluster, the other this process."
        )
    if content.get("address") and content.get("engine") == "tune":
        raise RequestError(
            "--engine tune is for this machine alone; leave it out to use the machines of a cluster (--address)."
        )
    if content.get("address") and content.get("memory"):
        raise RequestError(
            "--memory is for this machine; of those of a cluster (--address), `ray start` says how much."
        )
    if content.get("query") and not is_database(content["dataset"]):
        raise RequestError("--query is for databases, such as postgresql://user:password@host/database.")
    if content.get("query") and "#" in content["dataset"]:
        raise RequestError("--query and a table after # in --dataset exclude each other. Leave one of them out.")
    if content.get("test") and content.get("test_size") is not None:
        raise RequestError(
            "--test FILE is the test set, so --test-size has no meaning beside it. Leave one of them out."
        )
    for name in BESIDE_SPLITS:
        if content.get("splits") and content.get(name) is not None:
            flag = name.replace("_", "-")
            raise RequestError(
                f"--splits says how rows are divided, so --{flag} has no meaning beside it. Leave one of them out."
            )


def make_spec(**content: Any) -> RunSpec:
    """Check what was asked and fill in the defaults; entries that are None count as not given.

    Raises:
        RequestError: an unknown key, a value out of its range, or keys that exclude each other.
    """
    given = {name: value for name, value in content.items() if value is not None}
    if unknown := sorted(set(given) - FIELDS):
        raise RequestError(f"{unknown[0]!r} is not a setting of a run.{nearest(unknown[0], FIELDS)}")
    if not given.get("dataset"):
        raise RequestError("a dataset is needed: --dataset FILE or NAME. `bench list datasets` shows the names.")
    if "budget" in given and "trials" in given:
        raise RequestError("--budget and --trials exclude each other: one stops by the clock, the other by a count.")
    _check_values(given)
    _check_together(given)
    given = with_preset(given)
    if "budget" in given:
        given["budget"] = parse_duration(given["budget"])
    elif "trials" in given:
        given["budget"] = None
    if "fit_limit" in given:
        given["fit_limit"] = parse_duration(given["fit_limit"], "fit_limit")
    if "memory" in given:
        given["memory"] = parse_size(given["memory"])
    for name in _LISTS:
        given[name] = _names(name, given.get(name, ()))
    for name in _ITEMS:
        given[name] = _items(name, given.get(name, ()))
    _check_kinds(given["kind"])
    return RunSpec(**given)


def _items(name: str, value: Any) -> tuple[str, ...]:
    """Read a text, or a list of texts."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise RequestError(f"--{name} must be a text or a list of texts, got {value!r}.")
    return tuple(texts)


def _check_kinds(entries: tuple[str, ...]) -> None:
    """Check the spelling of ``COLUMN=KIND``; whether there is such a column is known to the data alone."""
    for entry in entries:
        column, _, kind = entry.rpartition("=")
        if not column or kind not in USABLE:
            raise RequestError(f"--kind must be COLUMN=KIND with a kind among {choices(USABLE)}, got {entry!r}.")


def _names(name: str, value: Any) -> tuple[str, ...]:
    """Read a list of names, or text that joins them by commas."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise RequestError(f"--{name} must be names joined by commas, or a list of names, got {value!r}.")
    return tuple(part for text in texts for part in map(str.strip, text.split(",")) if part)


def read_config(path: Path, switches: Collection[str] = ()) -> dict[str, Any]:
    """Read a run file: the flags' names as keys, with hyphens or underscores.

    ``switches`` are keys beside the settings of a run, each true or false.

    Raises:
        RequestError: the file cannot be read, is not a mapping, or holds an unknown key or one twice (with its line).
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RequestError(f"--config must name a readable YAML file, got {str(path)!r}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RequestError(f"{path} must hold keys and values such as `metric: roc_auc`, got {type(content).__name__}.")
    known, seen = FIELDS.union(switches), set[str]()
    for key, _ in node.value:
        name, where = str(key.value).replace("-", "_"), f"{path}, line {key.start_mark.line + 1}"
        if name not in known:
            raise RequestError(f"{where}: {key.value!r} is not a setting of a run.{nearest(key.value, known)}")
        if name in seen:
            raise RequestError(f"{where}: {key.value!r} stands there twice. Leave one of them out.")
        seen.add(name)
    names = ("null" if name is None else str(name) for name in content)  # YAML takes a bare null for no name
    settings = {name.replace("-", "_"): value for name, value in zip(names, content.values(), strict=True)}
    for name in switches:
        if not isinstance(settings.get(name, True), bool):
            raise RequestError(f"{path}: {name.replace('_', '-')} must be true or false, got {settings[name]!r}.")
    return settings
