"""The journal of a run as trials: what was tried, in which order, and how it ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from bench.report import read
from bench.report.read import Document


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldRecord:
    """One fold of a trial; ``finished_at`` is seconds since the epoch."""

    fold: int
    status: str
    score: float | None
    fit_seconds: float
    predict_seconds: float
    finished_at: float | None
    worker: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One candidate. ``score`` is the mean over its folds, None unless it ended well.

    ``seconds`` counts from the run's start to the trial's end, None when it did not end.
    """

    trial_id: str
    name: str
    family: str
    origin: str
    params: Document
    status: str
    reason: str
    score: float | None
    seconds: float | None
    folds: tuple[FoldRecord, ...]


def _fold(entry: Document) -> FoldRecord:
    return FoldRecord(
        fold=read.count(entry.get("fold")) or 0,
        status=read.text(entry.get("status")),
        score=read.number(entry.get("score")),
        fit_seconds=read.number(entry.get("fit_seconds")) or 0.0,
        predict_seconds=read.number(entry.get("predict_seconds")) or 0.0,
        finished_at=read.number(entry.get("finished_at")),
        worker=read.text(entry.get("worker")),
    )


def _trial(candidate: Document, end: Document, folds: tuple[FoldRecord, ...], start: float | None) -> Trial:
    """Join the three kinds of event; an interrupted run has no ``trial`` event for what was under way."""
    scores = [fold.score for fold in folds if fold.score is not None]
    last = max((fold.finished_at for fold in folds if fold.finished_at is not None), default=None)
    seconds = read.number(end.get("seconds"))
    if seconds is None and last is not None and start is not None:
        seconds = last - start
    status = read.text(end.get("status")) or "unfinished"
    score = read.number(end.get("score")) if status == "ok" else None
    if score is None and status == "ok" and scores:
        score = fmean(scores)
    return Trial(
        trial_id=read.text(candidate.get("trial_id")),
        name=read.text(candidate.get("name")) or read.text(candidate.get("family")),
        family=read.text(candidate.get("family")),
        origin=read.text(candidate.get("origin")),
        params=read.mapping(candidate.get("params")),
        status=status,
        reason=read.text(end.get("reason")),
        score=score,
        seconds=seconds,
        folds=folds,
    )


def _start(folds: Iterable[FoldRecord]) -> float | None:
    """The earliest moment that the folds witness: when the first of them to finish began to fit."""
    starts = [fold.finished_at - fold.fit_seconds - fold.predict_seconds for fold in folds if fold.finished_at]
    return min(starts, default=None)


def read_journal(lines: Iterable[Document]) -> tuple[Trial, ...]:
    """Read the candidates of a journal in the order in which they were first named."""
    candidates: dict[str, Document] = {}
    ends: dict[str, Document] = {}
    folds: dict[str, dict[int, FoldRecord]] = {}
    for entry in lines:
        trial_id = read.text(entry.get("trial_id"))
        if entry.get("event") == "candidate":
            candidates.setdefault(trial_id, entry)
        elif entry.get("event") == "trial":
            ends[trial_id] = entry
        elif entry.get("event") == "fold":
            record = _fold(entry)
            folds.setdefault(trial_id, {})[record.fold] = record
    start = _start(record for records in folds.values() for record in records.values())
    return tuple(
        _trial(candidate, ends.get(trial_id, {}), tuple(folds.get(trial_id, {}).values()), start)
        for trial_id, candidate in candidates.items()
    )
