"""What a run tells while it goes on: stages, decisions, findings, and every candidate as it ends."""

import sys
import time
from typing import Protocol, TextIO

from bench.audit import Finding
from bench.budget import Plan
from bench.candidate import Candidate
from bench.metric import Metric
from bench.search import Observer
from bench.text import printable
from bench.trial import FoldResult, TrialResult


class Progress(Observer, Protocol):
    """Somewhere progress is shown; an observer of the search, too."""

    def stage(self, name: str) -> None:
        """A stage of the run begins."""

    def note(self, sentence: str) -> None:
        """An automatic decision, with the option that overrules it."""

    def finding(self, finding: Finding) -> None:
        """The audit found something."""

    def searching(self, plan: Plan, metric: Metric) -> None:
        """The search begins."""

    def close(self) -> None:
        """The run is over, or failed."""


class NullProgress:
    """Shows nothing."""

    def stage(self, name: str) -> None:
        """Show nothing."""

    def note(self, sentence: str) -> None:
        """Show nothing."""

    def finding(self, finding: Finding) -> None:
        """Show nothing."""

    def searching(self, plan: Plan, metric: Metric) -> None:
        """Show nothing."""

    def opened(self, candidate: Candidate) -> None:
        """Show nothing."""

    def folded(self, result: FoldResult) -> None:
        """Show nothing."""

    def closed(self, result: TrialResult) -> None:
        """Show nothing."""

    def benched(self, family: str, reason: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class LineProgress(NullProgress):
    """One plain line an event on a stream: for logs, notebooks and terminals that cannot be drawn on."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to ``stream``, by default standard error."""
        self._stream = stream or sys.stderr
        self._started = time.monotonic()
        self._metric: Metric | None = None
        self._best: float | None = None

    def _line(self, text: str) -> None:
        elapsed = time.monotonic() - self._started
        print(f"{elapsed:6.1f}s  {printable(text)}", file=self._stream, flush=True)

    def stage(self, name: str) -> None:
        """Show that a stage begins."""
        self._line(f"== {name}")

    def note(self, sentence: str) -> None:
        """Show a decision."""
        self._line(f"   {sentence}")

    def finding(self, finding: Finding) -> None:
        """Show what the audit found."""
        self._line(f"   {finding.severity}: [{finding.code}] {finding.text}")

    def searching(self, plan: Plan, metric: Metric) -> None:
        """Remember what scores mean."""
        self._metric = metric

    def closed(self, result: TrialResult) -> None:
        """Show a candidate with its score, and the best so far."""
        folds = f"{len(result.scores)}/{result.asked} folds"
        if result.status != "ok" or self._metric is None:
            self._line(f"   {result.candidate.name:24} {result.status} after {folds}: {result.reason}")
            return
        if self._best is None or self._metric.better(result.mean, self._best):
            self._best = result.mean
        seconds = sum(fold.fit_seconds for fold in result.folds)
        name = self._metric.name
        self._line(
            f"   {result.candidate.name:24} {name} {result.mean:.5f}  {folds}, {seconds:.1f} s of fitting; "
            f"best {self._best:.5f}"
        )

    def benched(self, family: str, reason: str) -> None:
        """Show that a family was given up."""
        self._line(
            f"   {family} is given up: its last candidates failed ({reason}). Leave it out with --families=-{family}."
        )
