"""Tracking: what a run tells the outside, written from the driver only."""

from pathlib import Path
from typing import Any, Protocol

from bench.trial import TrialResult


class Tracker(Protocol):
    """Somewhere a run is recorded. A tracker never fails a run: it warns, and the run goes on.

    Calls come in this order: ``start``, any number of ``trial``, ``finish``, all from the driver's process.
    """

    def start(self, folder: Path, name: str, params: dict[str, Any]) -> None:
        """Open the record of one command; must return at once (slow work may go on in a thread)."""
        ...

    def trial(self, result: TrialResult) -> None:
        """Record one finished candidate; must return at once."""
        ...

    def finish(self, folder: Path, *, status: str, metrics: dict[str, float], seconds: float) -> str | None:
        """Record the outcome and the files of the run folder, within ``seconds``; return where it can be seen."""
        ...


class NullTracker:
    """Records nothing."""

    def start(self, folder: Path, name: str, params: dict[str, Any]) -> None:
        """Do nothing."""

    def trial(self, result: TrialResult) -> None:
        """Do nothing."""

    def finish(self, folder: Path, *, status: str, metrics: dict[str, float], seconds: float) -> str | None:
        """Do nothing."""
        return None
