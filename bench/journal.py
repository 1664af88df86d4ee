"""The journal of a run: what was proposed and what came of it, so that the same command goes on where it was left.

Lines: ``session`` (a command began, in what environment, or ended), ``stage`` (of the command, once it is over),
``candidate``, ``fold``, ``trial``; each with ``at``, seconds since the epoch, and ``spent``, seconds that all commands
on the folder took so far by clocks that nobody sets.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.candidate import Candidate
from bench.search import Past
from bench.store import PREDICTIONS, RunStore, fold_folder, intact, storage_fault, storage_full
from bench.trace import Span, this_process
from bench.trial import FoldResult, Status, TrialResult

_AGAIN: tuple[Status, ...] = ("timeout",)


class Journal:
    """Writes down what happens in a search; an observer of it."""

    def __init__(
        self, store: RunStore, *, taken: float = 0.0, workers: int = 1, environment: Mapping[str, Any] | None = None
    ) -> None:
        """Begin a session that started ``taken`` seconds ago, with so many fits at once.

        The folds that follow were fitted in its ``environment``: what environment.json says of the last session alone.
        """
        events = list(store.events())
        self._store = store
        self._origin = time.monotonic() - taken - seconds_spent(events)
        self._known = {e["trial_id"] for e in events if e["event"] == "candidate"}
        self._closed = {(e["trial_id"], e["status"]) for e in events if e["event"] == "trial"}
        told = {"worker": this_process(), "workers": workers, "environment": environment or {}}
        self._write("session", phase="begin", at=time.time() - taken, **told)

    def _write(self, event: str, **content: Any) -> None:
        self._store.append({"event": event, "at": time.time(), "spent": self._spent, **content})

    @property
    def _spent(self) -> float:
        """Seconds that all sessions took so far."""
        return time.monotonic() - self._origin

    def stage(self, span: Span) -> None:
        """Write down a stage of the command."""
        self._write("stage", **span.to_dict())

    def opened(self, candidate: Candidate) -> None:
        """Write down a new candidate, once."""
        if candidate.trial_id not in self._known:
            self._known.add(candidate.trial_id)
            self._write("candidate", **candidate.to_dict())

    def folded(self, result: FoldResult) -> None:
        """Write down a fold.

        Raises:
            StorageFullError: it could not be stored, which is no fault of the candidate's.
        """
        if result.status != "ok" and storage_fault(result.reason):
            raise storage_full(self._store.folder, result.reason)
        self._write("fold", **result.to_dict())

    def closed(self, result: TrialResult) -> None:
        """Write down how a candidate ended, once; ``seconds`` is when, as ``spent`` counts."""
        key = (result.candidate.trial_id, result.status)
        if key in self._closed:
            return
        self._closed.add(key)
        score = float(np.mean(result.scores)) if result.scores else None
        self._write(
            "trial",
            trial_id=result.candidate.trial_id,
            status=result.status,
            reason=result.reason,
            score=score,
            seconds=self._spent,
        )

    def benched(self, family: str, reason: str) -> None:
        """Write down that a family was given up."""
        self._write("benched", family=family, reason=reason)

    def end(self) -> None:
        """Write down that the session is over."""
        self._write("session", phase="end")


def seconds_spent(events: Iterable[Mapping[str, Any]]) -> float:
    """Seconds that all earlier sessions took; one that was killed counts until its last line."""
    return max((event["spent"] for event in events), default=0.0)


def read_results(events: Iterable[Mapping[str, Any]], asked: int) -> tuple[TrialResult, ...]:
    """Candidates that ended, as they did last: with the folds they had by then, of each the latest; no spans.

    ``asked`` is how many folds there are.
    """
    candidates: dict[str, Candidate] = {}
    folds: dict[str, dict[int, FoldResult]] = {}
    closed: dict[str, TrialResult] = {}
    for event in events:
        trial_id = event.get("trial_id", "")
        if event["event"] == "candidate":
            candidates[trial_id] = Candidate.from_dict(event)
        elif event["event"] == "fold":
            folds.setdefault(trial_id, {})[event["fold"]] = FoldResult.from_dict(event)
        elif event["event"] == "trial" and trial_id in candidates:  # whose own line may have been damaged
            done = folds.get(trial_id, {})
            closed[trial_id] = TrialResult(
                candidate=candidates[trial_id],
                folds=tuple(done[fold] for fold in sorted(done)),
                asked=asked,
                status=event["status"],
                reason=event["reason"],
            )
    return tuple(closed.values())


def read_past(folder: Path, events: Iterable[Mapping[str, Any]]) -> tuple[Past, ...]:
    """What earlier sessions left: candidates in the order of their proposal, with the folds that are whole on disk.

    A candidate that ended, but lost a fold's predictions since, counts as not ended.
    """
    candidates: dict[str, Candidate] = {}
    folds: dict[str, dict[int, FoldResult]] = {}
    late: dict[str, dict[int, FoldResult]] = {}
    ends: dict[str, tuple[Status, str]] = {}
    lost: dict[str, set[int]] = {}
    for event in events:
        if event["event"] == "candidate":
            candidates[event["trial_id"]] = Candidate.from_dict(event)
        elif event["event"] == "fold" and event["status"] == "timeout":
            late.setdefault(event["trial_id"], {})[event["fold"]] = FoldResult.from_dict(event)
        elif event["event"] == "fold" and event["status"] == "ok":
            if intact(fold_folder(folder, event["trial_id"], event["fold"]), PREDICTIONS):
                folds.setdefault(event["trial_id"], {})[event["fold"]] = FoldResult.from_dict(event)
            else:
                lost.setdefault(event["trial_id"], set()).add(event["fold"])
        elif event["event"] == "trial":
            ends[event["trial_id"]] = event["status"], event["reason"]
    past = []
    for trial_id, candidate in candidates.items():
        status, reason = ends.get(trial_id, (None, ""))
        done = folds.get(trial_id, {})
        past.append(
            Past(
                candidate=candidate,
                folds=tuple(done[fold] for fold in sorted(done)),
                status=None if status in _AGAIN or trial_id in lost else status,
                reason=reason,
                late=tuple(result for fold, result in late.get(trial_id, {}).items() if fold not in done),
                lost=len(lost.get(trial_id, ())),
            )
        )
    return tuple(past)
