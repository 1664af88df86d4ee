"""Tracking: what a run tells the outside, written from the driver only."""

from pathlib import Path
from typing import Any, Protocol

from bench.candidate import Candidate
from bench.trial import FoldResult, TrialResult


class Tracker(Protocol):
    """Somewhere a run is recorded. A tracker never fails a run: it warns, and the run goes on.

    Calls come in this order: ``start``, any number of ``trial``, ``finish``, all from the driver's process. The same
    folder may be started again (a resumed run); what it holds already is not recorded twice.
    """

    def start(self, folder: Path, name: str, params: dict[str, Any]) -> None:
        """Open the record of one command; must return at once (slow work may go on in a thread).

        ``params`` holds plain values; ``dataset`` and ``metric`` among them are names.
        """
        ...

    def trial(self, result: TrialResult) -> None:
        """Record one finished candidate; must return at once."""
        ...

    def finish(self, folder: Path, *, status: str, metrics: dict[str, float], seconds: float) -> str | None:
        """Record the outcome and the files of the run folder, within ``seconds``; return where it can be seen.

        ``status`` is ``FINISHED``, ``FAILED`` or ``KILLED``. What finds no time is left out, with a warning.
        """
        ...


class TrackedTrials:
    """An observer of a search that hands closed candidates to a tracker."""

    def __init__(self, tracker: Tracker) -> None:
        """Hand candidates to ``tracker``."""
        self._tracker = tracker

    def opened(self, candidate: Candidate) -> None:
        """Do nothing."""

    def folded(self, result: FoldResult) -> None:
        """Do nothing."""

    def closed(self, result: TrialResult) -> None:
        """Record the candidate."""
        self._tracker.trial(result)

    def benched(self, family: str, reason: str) -> None:
        """Do nothing."""


class NullTracker:
    """Records nothing."""

    def start(self, folder: Path, name: str, params: dict[str, Any]) -> None:
        """Do nothing."""

    def trial(self, result: TrialResult) -> None:
        """Do nothing."""

    def finish(self, folder: Path, *, status: str, metrics: dict[str, float], seconds: float) -> str | None:
        """Do nothing."""
        return None
