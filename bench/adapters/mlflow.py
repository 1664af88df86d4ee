"""Tracking with MLflow: a parent run for the command, a child run for every trial, the files and the models.

All that may be slow (importing mlflow, creating a database, a server that does not answer) happens in one thread of the
driver, in the order of the calls. `finish` waits for it, but never longer than it was told.
"""

import logging
import queue
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.adapters.mlflow_client import THREAD, store_uri
from bench.adapters.mlflow_run import RunWriter
from bench.resources import Deadline
from bench.secrets import redacted
from bench.trial import TrialResult

logger = logging.getLogger("bench.track")

#: How long `finish` waits for a store that could not be reached before: long enough for one more attempt.
_LAST_ATTEMPT_SECONDS = 5.0
#: How long a store may take to be opened when nothing else waits: a database that is locked, for one.
_OPENING_SECONDS = 60.0
#: Failures in a row, once nothing new comes in, after which the rest is not tried.
_GIVE_UP = 3
#: Characters of either end of a failure's text.
_SHOWN = 150
_STATUSES = ("FINISHED", "FAILED", "KILLED")


class MlflowTracker:
    """Records runs in MLflow; may be used for one run after the other."""

    def __init__(self) -> None:
        """Make a tracker; nothing is opened before `start`."""
        self._session: _Session | None = None

    def start(self, folder: Path, name: str, params: dict[str, Any]) -> None:
        """Open, or for a folder that was started before continue, the record of one command."""
        self._session = _Session(RunWriter(folder=folder.resolve(), name=name, params=params, uri=store_uri(folder)))

    def trial(self, result: TrialResult) -> None:
        """Record one finished candidate."""
        if self._session is not None:
            self._session.put(result)

    def finish(self, folder: Path, *, status: str, metrics: dict[str, float], seconds: float) -> str | None:
        """Record the outcome, files and models; return a URL, or the command that shows a local store."""
        session, self._session = self._session, None
        if session is None:
            return None
        status = status if status in _STATUSES else "FAILED"
        return session.finish(Outcome(status=status, metrics=metrics, at=time.time()), seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How the run ended, and at which moment (seconds since the epoch); the last thing a session's thread is told."""

    status: str
    metrics: Mapping[str, float]
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What came of recording a run: what was ``sent``, what the store ``lacks`` and ``why``, where it can be seen."""

    sent: tuple[str, ...]
    lacks: tuple[str, ...]
    why: str
    location: str | None


def record(writer: RunWriter, results: Iterable[TrialResult], outcome: Outcome) -> Account:
    """Record a run that is over; what the store has already is not written again."""
    session = _Session(writer, quiet=True)
    for result in results:
        session.put(result)
    return session.settle(outcome)


class _Session:
    """The thread that writes one run, and what it has not written yet."""

    def __init__(self, writer: RunWriter, *, quiet: bool = False) -> None:
        """Start the thread, a daemon: the interpreter does not wait for it to exit. ``quiet`` warns of nothing."""
        self._writer = writer
        self._inbox: queue.SimpleQueue[TrialResult | Outcome] = queue.SimpleQueue()
        self._unsent: list[TrialResult] = []
        self._told = self._recorded = self._new = 0
        self._missing = ["outcome", "files", "dataset", "models"]
        self._sent: list[str] = []
        self._failure: str | None = None
        self._failures_in_a_row = 0
        self._warned = quiet
        self._opened = threading.Event()
        self._deadline: Deadline | None = None
        self._reserved = 0.0
        self._done = threading.Event()
        threading.Thread(target=self._work, name=THREAD, daemon=True).start()

    def put(self, result: TrialResult) -> None:
        """Hand a trial to the thread."""
        self._told += 1
        self._inbox.put(result)

    def finish(self, outcome: Outcome, seconds: float) -> str | None:
        """Have the rest written, wait for it, and say what was left out."""
        out_of_reach = self._failure is not None and self._writer.location is None
        limit = min(seconds, _LAST_ATTEMPT_SECONDS) if out_of_reach else seconds
        # Half the time is kept for the outcome: without it a thousand trials told to a slow server would leave none.
        self._reserved = limit / 2
        self._deadline = Deadline(limit)
        self._inbox.put(outcome)
        self._done.wait(limit)
        self._report(limit)
        return self._writer.location

    def settle(self, outcome: Outcome) -> Account:
        """Have everything written, however long that takes, unless the store cannot be opened; and sum up."""
        self._inbox.put(outcome)
        self._opened.wait(_OPENING_SECONDS)
        if self._writer.location is not None:
            self._deadline = Deadline(None)
            self._done.wait()
        why = self._failure or f"it gave no answer within {_OPENING_SECONDS:.0f} s"
        sent = (*_trials(self._new), *self._sent)
        return Account(sent=sent, lacks=self._lacks, why=why, location=self._writer.location)

    @property
    def _lacks(self) -> tuple[str, ...]:
        """What is not in MLflow yet, as people say it."""
        return (*_trials(self._told - self._recorded), *self._missing)

    def _work(self) -> None:
        """Write what arrives until the outcome has been told; runs in the thread."""
        self._attempt("open the store", self._writer.open)
        self._opened.set()
        worth_another = self._deadline is None  # the failure, if it was one, is not a moment old
        while isinstance(item := self._inbox.get(), TrialResult):
            self._send(item)
        if self._writer.location is None and worth_another:
            self._attempt("open the store", self._writer.open)
        if self._writer.location is not None:
            self._close(item)
        self._done.set()

    def _send(self, result: TrialResult) -> None:
        """Write one trial, or keep it for later when the store is out of reach or time is short."""
        short = self._deadline is not None and self._deadline.left < self._reserved
        what = f"record trial {result.candidate.trial_id}"
        if short or self._writer.location is None or not self._attempt(what, lambda: self._write(result)):
            self._unsent.append(result)
        else:
            self._recorded += 1

    def _write(self, result: TrialResult) -> None:
        self._new += self._writer.trial(result)

    def _close(self, outcome: Outcome) -> None:
        """Write the trials that could not be written before, then the outcome, then what is slower."""
        unsent, self._unsent = self._unsent, []
        self._failures_in_a_row = 0
        if unsent:  # of one that failed, only the answer may be lost
            self._attempt("read what is recorded", self._writer.read_children)
        for result in unsent:
            self._send(result)
        steps: dict[str, Callable[[], bool]] = {
            "outcome": lambda: self._writer.outcome(outcome.status, outcome.metrics, outcome.at),
            "files": self._writer.files,
            "dataset": self._writer.dataset,
            "models": self._writer.models,
        }
        for name, step in steps.items():
            if self._deadline is not None and self._deadline.passed:
                return
            if self._attempt(f"record the {name}", partial(self._step, name, step)):
                self._missing.remove(name)

    def _step(self, name: str, step: Callable[[], bool]) -> None:
        if step():
            self._sent.append(name)

    def _attempt(self, what: str, step: Callable[[], None]) -> bool:
        """Take one step; a failure costs a warning, the first time, and the last ones in a row what is left to do."""
        if self._deadline is not None and self._failures_in_a_row >= _GIVE_UP:
            return False
        try:
            step()
        except Exception as error:
            self._failures_in_a_row += 1
            self._failure = _in_short(redacted(f"{type(error).__name__}: {error}"))
            level = logging.DEBUG if self._warned else logging.WARNING
            self._warned = True
            uri = redacted(self._writer.uri)
            logger.log(
                level, "MLflow at %s could not %s: %s. The run goes on. %s", uri, what, self._failure, self._hint
            )
            return False
        self._failures_in_a_row = 0
        return True

    @property
    def _hint(self) -> str:
        """What to do about what is missing."""
        return (
            f"`bench sync {shlex.quote(str(self._writer.folder))}` sends what is missing once the store can be reached."
        )

    def _report(self, limit: float) -> None:
        """Warn of what is not in MLflow, unless a warning said already that the store is out of reach."""
        missing = self._lacks
        if missing and not (self._warned and self._writer.location is None):
            uri, why = redacted(self._writer.uri), self._failure or f"they did not fit in {limit:.3g} s"
            logger.warning("MLflow at %s lacks %s of this run: %s. %s", uri, ", ".join(missing), why, self._hint)
        self._warned = True


def _in_short(text: str) -> str:
    """Both ends of a first line: what failed stands at the one, the cause at the other."""
    line = text.splitlines()[0]
    return line if len(line) <= 2 * _SHOWN else f"{line[:_SHOWN]} ... {line[-_SHOWN:]}"


def _trials(count: int) -> tuple[str, ...]:
    """Say how many trials, if any."""
    return (f"{count} trial{'s' * (count > 1)}",) if count else ()
