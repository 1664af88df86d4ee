"""One command's hold on a run folder: where it is, whether its answer is there already, what was spent so far."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.audit.inspection import describe
from bench.dataset import Dataset
from bench.errors import StorageFullError, StoreError
from bench.identity import digest
from bench.journal import Journal, read_past, seconds_spent
from bench.leaderboard import FILES
from bench.mirror import Mirror, is_remote
from bench.predictor import load_predictor
from bench.presets import preset_notes
from bench.resources import Machine
from bench.sealed import seal
from bench.search import Past
from bench.secrets import redacted
from bench.spec import RunSpec
from bench.split import Splits
from bench.store import (
    DONE,
    RunStore,
    check_answer,
    mark_done,
    read_json,
    read_predictions,
    storage_fault,
    storage_full,
    sweep,
)
from bench.task import Task

MANIFEST = "predictor/manifest.json"
RESULTS = Path("results")


@dataclass(frozen=True, kw_only=True)
class Clock:
    """When the command began, by both clocks; ``before`` is how long ago its process had started."""

    before: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _at: float = field(default_factory=time.time)

    @property
    def seconds(self) -> float:
        """Seconds since the command began."""
        return self.before + time.monotonic() - self._begun

    @property
    def started_at(self) -> float:
        """When the command began, in seconds since the epoch."""
        return self._at - self.before


@dataclass(frozen=True, kw_only=True)
class Session:
    """An opened run folder; ``past`` is what earlier sessions left there, ``spent`` their wall clock in seconds."""

    spec: RunSpec
    store: RunStore
    mirror: Mirror | None
    past: tuple[Past, ...]
    spent: float
    stop: threading.Event
    clock: Clock

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.store.folder

    @property
    def answered(self) -> bool:
        """Whether the folder already holds the answer to this very request, or to a longer one."""
        return not self.notes and answers(self.folder, self.spec)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was found damaged, and what is done about it."""
        lines, folds = self.store.damaged, sum(entry.lost for entry in self.past)
        notes = []
        if lines:
            journal = self.folder / "journal.jsonl"
            notes.append(f"Of {journal}, {lines} lines were damaged; what they told of is done again.")
        if folds:
            trials = self.folder / "trials"
            notes.append(f"Predictions of {folds} folds below {trials} are damaged or gone; they are fitted again.")
        if (self.folder / DONE).exists() and (damaged := self._damaged):
            notes.append(f"{damaged} The answer is made again from what is whole.")
        return tuple(notes)

    @cached_property
    def _damaged(self) -> str:
        """Say what of an answer is not as it was written; empty when all is."""
        try:
            check_answer(self.folder)
            if (self.folder / MANIFEST).exists():
                load_predictor(self.folder)
            known = {entry.candidate.trial_id for entry in self.past}
            for ensemble in (path for path in (self.folder / "trials").iterdir() if path.name not in known):
                for fold in filter(Path.is_dir, ensemble.glob("fold-*")):
                    read_predictions(fold)
        except StoreError as error:
            return str(error).removesuffix(" Run the same `bench run` again.")
        return ""

    def parameters(self, dataset: Dataset, task: Task) -> dict[str, Any]:
        """What a tracker records as the run's parameters."""
        return parameters(self.spec, describe(dataset, task))

    def begin(self) -> None:
        """Take back an earlier answer: until `finish` the folder holds a mixture of that one and a new one."""
        (self.folder / DONE).unlink(missing_ok=True)

    def finish(self, journal: Journal) -> None:
        """Mark the request as answered, unless it was interrupted, and let go of what only the search needed."""
        journal.end()
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        sweep(self.folder)
        if not self.stop.is_set():
            mark_done(self.folder, {"budget": self.spec.budget, "trials": self.spec.trials}, (*FILES, MANIFEST))


def _mirror(spec: RunSpec) -> Mirror | None:
    """The run folder in an object store, where ``--output`` asks for that."""
    return Mirror(spec.output) if spec.output is not None and is_remote(spec.output) else None


def parameters(spec: RunSpec, described: Mapping[str, Any]) -> dict[str, Any]:
    """What a tracker records as a run's parameters; ``described`` is what dataset.json holds."""
    asked = {name: value for name, value in asdict(spec).items() if value not in (None, ())}
    asked = {name: redacted(value) if isinstance(value, str) else value for name, value in asked.items()}
    known = {name: described[name] for name in ("fingerprint", "metric", "target", "task")}
    return asked | {"dataset": described["name"], **known}


def answers(folder: Path, spec: RunSpec) -> bool:
    """Whether a folder of the run that ``spec`` asks for holds its answer, or that of a longer run."""
    if not (folder / DONE).exists():
        return False
    done: dict[str, Any] = read_json(folder / DONE)
    if spec.trials is not None:
        return bool(done.get("trials") == spec.trials)
    return (done.get("budget") or -1.0) >= (spec.budget or 0.0)


def slug(name: str) -> str:
    """What a name becomes as part of a folder's: letters, digits, hyphens and underscores."""
    return "".join(char if char.isalnum() or char in "-_" else "-" for char in name)


def run_folder(spec: RunSpec, dataset: Dataset, metric: str, identity: str) -> Path:
    """Where the run goes: ``--output``, or below ``results/`` a name that tells dataset, metric and identity."""
    if spec.output is not None:
        return Path(spec.output)
    return RESULTS / f"{slug(dataset.name)[:40]}-{slug(metric)}-{identity[:8]}"


@contextlib.contextmanager
def open_session(
    spec: RunSpec, dataset: Dataset, test: Dataset | None, task: Task, stop: threading.Event, clock: Clock
) -> Iterator[Session]:
    """Hold the run's folder while the block runs.

    Raises:
        StoreError: the folder cannot be written to, belongs to another run or is in use.
        StorageFullError: it has become impossible to write to it while the block ran.
    """
    asked = spec.identity() | {"dataset": None, "test": None, "metric": task.metric.name, "target": task.target}
    if task.given is not None:  # what splits hold counts, not where they lie
        asked["splits"] = task.given.content
    identity = digest(asked, dataset.fingerprint, test.fingerprint if test else None)
    mirror = _mirror(spec)
    folder = mirror.folder if mirror else run_folder(spec, dataset, task.metric.name, identity).absolute()
    with contextlib.ExitStack() as held:
        if mirror:
            held.enter_context(mirror.held())
        store = RunStore(folder, identity)
        held.callback(store.close)
        events = list(store.events())
        session = Session(
            spec=spec,
            store=store,
            mirror=mirror,
            past=read_past(folder, events),
            spent=seconds_spent(events),
            stop=stop,
            clock=clock,
        )
        try:
            yield session
        except Exception as error:
            if isinstance(error, StorageFullError) or not storage_fault(str(error)):
                raise
            raise storage_full(folder, str(error)) from error


def seal_test(session: Session, task: Task, splits: Splits) -> Task:
    """Put the test labels away and return the task without them."""
    if len(splits.test):
        seal(session.folder, task.y[splits.test])
    return task.sealed(splits.test)


def kind_of_test(task: Task, splits: Splits) -> str:
    """Where test scores come from: ``given``, ``sealed`` or ``none``."""
    if len(task.given_test):
        return "given"
    return "sealed" if len(splits.test) else "none"


def machine_notes(machine: Machine, spec: RunSpec, metric: str) -> tuple[str, ...]:
    """What was decided about resources, limits and judgement, with the options that overrule it."""
    if spec.trials is not None:
        limit = f"Stops after {spec.trials} candidates and is reproducible; --budget stops by the clock."
    else:
        limit = f"Stops {spec.budget:g} s after its start; --budget sets another time, --trials a count."
    notes = (
        *preset_notes(spec.preset, asdict(spec)),
        f"{machine.cpus} CPUs ({machine.cpus_why}), one a fit; --cpus sets fewer.",
        f"{machine.memory_bytes / 2**30:.1f} GiB of memory; --memory sets less.",
        limit,
        f"Seed {spec.seed}; --seed sets another.",
    )
    return notes if spec.metric else (*notes, f"Judged by {metric}, as is usual here; --metric sets another.")
