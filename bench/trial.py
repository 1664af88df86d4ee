"""A trial: one candidate fitted and scored fold by fold; failure becomes a status."""

from dataclasses import dataclass
from typing import Any, Literal

from bench.candidate import Candidate

Status = Literal["ok", "pruned", "timeout", "out_of_memory", "error", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldResult:
    """One candidate on one fold. ``score`` is the chosen metric's, None unless the status is ``ok``.

    ``fit_seconds`` and ``predict_seconds`` (per call, over the fold's validation rows) hold only fit and predict.
    ``peak_memory_mb`` is the worker's peak resident memory in that time. ``finished_at`` is seconds since the epoch.
    """

    trial_id: str
    fold: int
    status: Status
    reason: str = ""
    score: float | None = None
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    finished_at: float = 0.0
    worker: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """A candidate with the folds it finished; ``asked`` counts the folds it should have had."""

    candidate: Candidate
    folds: tuple[FoldResult, ...]
    asked: int
    status: Status
    reason: str = ""

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of the folds that went well, in fold order."""
        return tuple(fold.score for fold in self.folds if fold.score is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        raise NotImplementedError
