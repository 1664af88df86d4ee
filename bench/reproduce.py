"""A row of the board fitted again from its record, and what it predicts laid beside what the run has stored.

The run's folder is only read; fits go to a scratch folder. A fold is fitted as it was: on the recorded splits, with the
candidate's parameters and seed, the rounds that its first folds lent it, its threads and its device. An ensemble is put
together from what its members predict now, with the weights that the record holds of each fold.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from bench.changes import Change, Fit, changes
from bench.combine import Mix, WeightedMean
from bench.ensemble import WAYS
from bench.errors import RequestError, RunFailedError, StoreError
from bench.journal import read_past
from bench.metric import Array
from bench.predictor import load_predictor
from bench.problem import Problem
from bench.resources import allotment_like
from bench.search import Past
from bench.store import fold_folder, read_events, read_json, read_predictions
from bench.trial import lent_rounds, run_fold
from bench.unpack import board_row, problem_of

#: How far predictions may lie apart and still be as good as the same: a probability, or a part of the target's standard
#: deviation. With another processor's kernels all families but nets stay within it (5e-6 at most, linear models of
#: penguins; 1e-12 mostly); training a net makes differences of rounding grow, up to 0.04.
TOLERANCE = 1e-5

Verdict: TypeAlias = Literal["same", "within tolerance", "different"]
#: What trials predict for the validation and test rows of folds.
_Told: TypeAlias = Mapping[tuple[str, int], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """What came of fitting a row again.

    ``gaps`` has the largest difference of each fold's predictions, in ``unit``. By ``metric``, ``board`` is the row's
    score on the board, ``stored`` that of the predictions that the run holds, ``score`` that of the new ones.
    """

    model: str
    gaps: tuple[float, ...]
    unit: str
    tolerance: float
    metric: str
    board: float
    stored: float
    score: float
    changes: tuple[Change, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether predictions are the same bit for bit, as good as the same, or neither."""
        if not any(self.gaps):
            return "same"
        return "within tolerance" if max(self.gaps) <= self.tolerance else "different"

    def to_text(self) -> str:
        """The verdict, the scores and what has changed, line by line."""
        lines = [
            f"{self.verdict}: {self._told}",
            f"{self.metric}: {self.board:.8g} on the board, {self.score:.8g} now.",
        ]
        if not np.isclose(self.stored, self.board, rtol=1e-9, atol=0.0):
            lines.append(f"The stored predictions score {self.stored:.8g}: they are not those that the board tells of.")
        if not self.changes:
            return "\n".join([*lines, "Nothing has changed of what is recorded of where it was fitted."])
        return "\n".join([*lines, "Changed since it was fitted:", *(f"  {change}" for change in self.changes)])

    @property
    def _told(self) -> str:
        """How far the predictions lie apart."""
        folds = f"{len(self.gaps)} fold{'s' * (len(self.gaps) != 1)}"
        if not any(self.gaps):
            return f"{self.model} predicts what the run has stored, bit for bit, on {folds}."
        return (
            f"{self.model} predicts up to {max(self.gaps):.2g} {self.unit} off what the run has stored, on "
            f"{np.count_nonzero(self.gaps)} of {folds}; up to {self.tolerance:g} is tolerated (--tolerance)."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """A row of the board: what predicted each fold's rows, every mix its share of them in turn, and the test rows."""

    name: str
    trial_id: str
    score: float
    valid: Mapping[int, Sequence[Mix]]
    test: Mix | None

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Trials and folds that it rests upon, each once, a trial's together."""
        tests = () if self.test is None else (self.test,)
        return sorted(
            {(trial, fold) for fold, mixes in self.valid.items() for mix in (*mixes, *tests) for trial in mix.trials}
        )


def reproduce(
    folder: Path, model: str | None, tell: Callable[[str], None], *, tolerance: float = TOLERANCE
) -> Reproduction:
    """Fit a row of a run's board again, and compare what it predicts with what the run has stored.

    Args:
        folder: the run folder.
        model: a row of the board; None for the one that predicts by default.
        tell: told in a sentence what is fitted.
        tolerance: how far predictions may lie apart to be as good as the same.

    Raises:
        RequestError: the board has no such row, or no fold of it went well.
        DataError: the run's data is gone or has changed.
        StoreError: the record is not whole.
        RunFailedError: a fit that once went well fails now.
    """
    row = board_row(folder, load_predictor(folder).default if model is None else model)
    problem = problem_of(folder)
    past = {entry.candidate.trial_id: entry for entry in read_past(folder, read_events(folder))}
    made = _made_of(problem, row, past)
    fits = list(_fits(folder, made, past))
    changed = changes(problem, fits)
    with tempfile.TemporaryDirectory(prefix="bench-reproduce-") as scratch:
        told = _fit(replace(problem, folder=Path(scratch)), fits, changed, tell)
    return _compared(problem, made, told, tolerance, changed)


def _made_of(problem: Problem, row: Mapping[str, Any], past: Mapping[str, Past]) -> _Row:
    """Find out what a row of the board was made of."""
    folder, name, trial_id = problem.folder, row["model"], row["trial_id"]
    if not row["folds_ok"]:
        raise RequestError(f"--model must name a row with a score; {name!r} has none, with status {row['status']}.")
    if row["origin"] == "ensemble":
        test = Mix.from_dict(read_json(folder / "predictor" / "predictor.json")["models"][name])
        ways = {fold: read_json(fold_folder(folder, trial_id, fold) / WAYS) for fold in range(row["folds_asked"])}
        valid = {fold: [Mix.from_dict(entry) for entry in entries] for fold, entries in ways.items()}
    else:
        test = Mix(trials=(trial_id,), combiner=WeightedMean(weights=(1.0,)))
        valid = {result.fold: [test] for result in past[trial_id].folds} if trial_id in past else {}
    if len(valid) < row["folds_ok"]:
        raise StoreError(f"{folder} must hold {row['folds_ok']} folds of {name}, got predictions of {len(valid)}.")
    tested = len(problem.splits.test) > 0
    return _Row(name=name, trial_id=trial_id, score=row["cv_mean"], valid=valid, test=test if tested else None)


def _fits(folder: Path, row: _Row, past: Mapping[str, Past]) -> Iterator[Fit]:
    """Look up the fits that a row rests upon."""
    for trial_id, fold in row.keys:
        entry = past.get(trial_id)
        recorded = [result for result in entry.folds if result.fold == fold] if entry else []
        if entry is None or not recorded:
            raise StoreError(f"{folder} must hold fold {fold} of trial {trial_id}, a part of {row.name}; it does not.")
        yield Fit(candidate=entry.candidate, recorded=recorded[0], lent=lent_rounds(entry.folds))


def _fit(problem: Problem, fits: Sequence[Fit], changed: Sequence[Change], tell: Callable[[str], None]) -> _Told:
    """Make fits again, and keep what they predict; models are let go of at once."""
    told = {}
    count = Counter(fit.candidate.name for fit in fits)
    for fit in fits:
        candidate, fold = fit.candidate, fit.recorded.fold
        if candidate.name in count:
            folds = count.pop(candidate.name)
            tell(f"{candidate.name} is fitted again on {folds} fold{'s' * (folds != 1)}.")
        ended_at = fit.recorded.ended_at
        again = run_fold(
            problem,
            candidate,
            fold,
            allotment=allotment_like(fit.recorded.threads, fit.recorded.device),
            seconds=None,
            lent=fit.lent,
            ended_at=ended_at,
        )
        if again.status != "ok":
            since = f" Changed since it was fitted: {'; '.join(map(str, changed))}." if changed else ""
            raise RunFailedError(f"{candidate.name} could not be fitted again on fold {fold}: {again.reason}.{since}")
        place = fold_folder(problem.folder, *fit.key)
        told[fit.key] = read_predictions(place)
        shutil.rmtree(place)
    return told


def _compared(problem: Problem, row: _Row, told: _Told, tolerance: float, changed: tuple[Change, ...]) -> Reproduction:
    """Lay what a row predicts now beside what is stored of it."""
    task = problem.task
    gaps, stored_scores, scores = [], [], []
    for fold in row.valid:
        again = _mixed(row, told, fold)
        stored = _stored(problem, row.trial_id, fold, again)
        gaps.append(
            max(float(np.abs(ours - theirs).max(initial=0.0)) for ours, theirs in zip(again, stored, strict=True))
        )
        y = task.y[problem.splits.folds[fold].valid]
        stored_scores.append(task.metric.score(y, stored[0], task.classes))
        scores.append(task.metric.score(y, again[0], task.classes))
    regression = task.kind == "regression"
    scale = float(np.nanstd(task.y)) if regression else 1.0
    return Reproduction(
        model=row.name,
        gaps=tuple(gap / scale if scale else gap for gap in gaps),
        unit="of the target's standard deviation" if regression else "of a probability",
        tolerance=tolerance,
        metric=task.metric.name,
        board=row.score,
        stored=float(np.mean(stored_scores)),
        score=float(np.mean(scores)),
        changes=changed,
    )


def _mixed(row: _Row, told: _Told, fold: int) -> tuple[Array, Array]:
    """What a row predicts now for a fold's validation and test rows."""
    mixes = row.valid[fold]
    shape = told[mixes[0].trials[0], fold]
    valid, test = np.empty_like(shape[0]), np.empty_like(shape[1])
    for part, mix in enumerate(mixes):
        rows = slice(part, None, len(mixes))
        valid[rows] = mix.combiner.combine(np.stack([told[trial_id, fold][0][rows] for trial_id in mix.trials]))
    if row.test is not None:
        test[:] = row.test.combiner.combine(np.stack([told[trial_id, fold][1] for trial_id in row.test.trials]))
    return valid, test


def _stored(problem: Problem, trial_id: str, fold: int, again: tuple[Array, Array]) -> tuple[Array, Array]:
    """What the run has stored for the rows that are predicted ``again``.

    Raises:
        StoreError: it is of other rows or classes, or holds what is no number.
    """
    place = fold_folder(problem.folder, trial_id, fold)
    stored = read_predictions(place)
    for ours, theirs in zip(again, stored, strict=True):
        if theirs.shape != ours.shape or not np.isfinite(theirs).all():
            raise StoreError(f"{place} must hold finite predictions {ours.shape}, got {theirs.shape}: it was altered.")
    return stored
