"""Tracking with MLflow: a parent run for the command, a child run for every trial, the files and the models.

All that may be slow (importing mlflow, creating a database, a server that does not answer) happens in one thread of the
driver, in the order of the calls. `finish` waits for it, but never longer than it was told.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
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
        return session.finish(_Outcome(status=status if status in _STATUSES else "FAILED", metrics=metrics), seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """How the run ended; the last thing a session's thread is told."""

    status: str
    metrics: dict[str, float]


class _Session:
    """The thread that writes one run, and what it has not written yet."""

    def __init__(self, writer: RunWriter) -> None:
        """Start the thread, a daemon: the interpreter does not wait for it to exit."""
        self._writer = writer
        self._inbox: queue.SimpleQueue[TrialResult | _Outcome] = queue.SimpleQueue()
        self._unsent: list[TrialResult] = []
        self._told = self._recorded = 0
        self._missing = ["outcome", "files", "dataset", "models"]
        self._failure: str | None = None
        self._warned = False
        self._deadline: Deadline | None = None
        self._reserved = 0.0
        self._done = threading.Event()
        threading.Thread(target=self._work, name=THREAD, daemon=True).start()

    def put(self, result: TrialResult) -> None:
        """Hand a trial to the thread."""
        self._told += 1
        self._inbox.put(result)

    def finish(self, outcome: _Outcome, seconds: float) -> str | None:
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

    def _work(self) -> None:
        """Write what arrives until the outcome has been told; runs in the thread."""
        self._attempt("open the store", self._writer.open)
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
        if short or self._writer.location is None or not self._attempt(what, lambda: self._writer.trial(result)):
            self._unsent.append(result)
        else:
            self._recorded += 1

    def _close(self, outcome: _Outcome) -> None:
        """Write the trials that could not be written before, then the outcome, then what is slower."""
        unsent, self._unsent = self._unsent, []
        for result in unsent:
            self._send(result)
        steps: dict[str, Callable[[], None]] = {
            "outcome": lambda: self._writer.outcome(outcome.status, outcome.metrics),
            "files": self._writer.files,
            "dataset": self._writer.dataset,
            "models": self._writer.models,
        }
        for name, step in steps.items():
            if self._deadline is not None and self._deadline.passed:
                return
            if self._attempt(f"record the {name}", step):
                self._missing.remove(name)

    def _attempt(self, what: str, step: Callable[[], None]) -> bool:
        """Take one step; a failure costs a warning, the first time."""
        try:
            step()
        except Exception as error:
            self._failure = redacted(f"{type(error).__name__}: {error}").splitlines()[0][:300]
            level = logging.DEBUG if self._warned else logging.WARNING
            self._warned = True
            uri = redacted(self._writer.uri)
            logger.log(level, "MLflow at %s could not %s: %s. The run goes on.", uri, what, self._failure)
            return False
        return True

    def _report(self, limit: float) -> None:
        """Warn of what is not in MLflow, unless a warning said already that the store is out of reach."""
        trials = self._told - self._recorded
        missing = [*([f"{trials} trial{'s' * (trials > 1)}"] if trials else []), *self._missing]
        if missing and not (self._warned and self._writer.location is None):
            uri, why = redacted(self._writer.uri), self._failure or f"they did not fit in {limit:.3g} s"
            logger.warning("MLflow at %s lacks %s of this run: %s.", uri, ", ".join(missing), why)
        self._warned = True
