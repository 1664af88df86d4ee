"""Ensembles of the search's candidates, built from stored out-of-fold predictions alone.

An ensemble is one more row of the board: it gets out-of-fold predictions and scores of its own. For each fold its
weights are fitted on the out-of-fold predictions of all other rows, so that no row judges weights it took part in; the
ensemble that is shipped is fitted on all of them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.candidate import Candidate
from bench.combine import Combiner, WeightedMean, fit_greedy, fit_stacker
from bench.identity import digest
from bench.keep import kept
from bench.latency import quick_enough
from bench.metric import Array, metrics_for
from bench.problem import Problem
from bench.resources import limit_threads, shares
from bench.store import building, fold_folder, read_predictions, write_predictions
from bench.trial import FoldResult, TrialResult

_MOST_MEMBERS = 25
_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Ensemble:
    """A combination of trials: its row of the board, and how ``members`` are combined on new rows."""

    result: TrialResult
    members: tuple[TrialResult, ...]
    combiner: Combiner

    @property
    def weights(self) -> dict[str, float]:
        """Weight a member, by the member's name, without those left out."""
        pairs = zip(self.members, self.combiner.weights, strict=True)
        return {member.candidate.name: weight for member, weight in pairs if weight > 0}


def build_ensembles(
    problem: Problem, results: Sequence[TrialResult], *, seconds: float | None = None, slowdown: float | None = None
) -> tuple[Ensemble, ...]:
    """Combine the best candidates in each of the ways there are; empty when there are fewer than two to combine.

    ``seconds`` is about what the fits of all weights together may take, ``slowdown`` how many times the best single
    model's predict time its members may take together; None for no limit.
    """
    task = problem.task
    members = kept(results, task.metric)[:_MOST_MEMBERS]
    if slowdown is not None:
        members = quick_enough(members, slowdown)
    if len(members) < 2:
        return ()
    oof = [
        np.stack([read_predictions(_folder(problem, m, fold))[0] for m in members])
        for fold in range(len(problem.splits.folds))
    ]

    share = shares(seconds, 2 * (1 + len(problem.splits.folds)))

    def greedy(predictions: Array, y: Array) -> Combiner:
        return fit_greedy(predictions, y, task.metric, task.classes, problem.seed, seconds=next(share))

    def stack(predictions: Array, y: Array) -> Combiner:
        return fit_stacker(predictions, y, task.kind, problem.seed, seconds=next(share))

    with limit_threads(1):  # several threads add up in an order that varies, and so would the weights
        return (
            _build(problem, "ensemble_greedy", members, oof, greedy),
            _build(problem, "ensemble_stack", members, oof, stack),
        )


def _folder(problem: Problem, member: TrialResult, fold: int) -> Path:
    """Where a member's predictions for a fold lie."""
    return fold_folder(problem.folder, member.candidate.trial_id, fold)


def _build(
    problem: Problem,
    label: str,
    members: tuple[TrialResult, ...],
    oof: list[Array],
    fit: Callable[[Array, Array], Combiner],
) -> Ensemble:
    """Fit one kind of ensemble for every fold and for shipping, and store its predictions."""
    task, rows = problem.task, problem.scored_rows
    every_row, every_prediction = np.concatenate(rows), np.concatenate(oof, axis=1)
    trial_id = digest("ensemble", _VERSION, label, problem.identity, [m.candidate.trial_id for m in members])
    candidate = Candidate(
        trial_id=trial_id, family="ensemble", params={}, origin="ensemble", number=0, seed=problem.seed, label=label
    )
    combiner = fit(every_prediction, task.y[every_row])
    folds = []
    for fold, fold_rows in enumerate(rows):
        begun = time.perf_counter()
        others = ~np.isin(every_row, fold_rows)
        judged = fit(every_prediction[:, others], task.y[every_row[others]]) if others.any() else _mean_of(members)
        fit_seconds = time.perf_counter() - begun
        valid = judged.combine(oof[fold])
        test = combiner.combine(np.stack([read_predictions(_folder(problem, m, fold))[1] for m in members]))
        with building(fold_folder(problem.folder, trial_id, fold)) as temporary:
            write_predictions(temporary, valid=valid, test=test)
        folds.append(_score(problem, trial_id, fold, valid, members, combiner, fit_seconds))
    result = TrialResult(candidate=candidate, folds=tuple(folds), asked=len(folds), status="ok")
    return Ensemble(result=result, members=members, combiner=combiner)


def _mean_of(members: Sequence[TrialResult]) -> Combiner:
    """The plain mean, for a lone fold: there is no other to fit weights on."""
    return WeightedMean(weights=(1 / len(members),) * len(members))


def _score(
    problem: Problem,
    trial_id: str,
    fold: int,
    valid: Array,
    members: tuple[TrialResult, ...],
    combiner: Combiner,
    fit_seconds: float,
) -> FoldResult:
    """Score an ensemble on one fold; what its members cost is part of what it costs."""
    task, y = problem.task, problem.task.y[problem.splits.folds[fold].valid]
    scores = {metric.name: metric.score(y, valid, task.classes) for metric in (*metrics_for(task.kind), task.metric)}
    used = [m.folds[fold] for m, weight in zip(members, combiner.weights, strict=True) if weight > 0]
    return FoldResult(
        trial_id=trial_id,
        fold=fold,
        status="ok",
        score=scores[task.metric.name],
        scores=scores,
        fit_seconds=fit_seconds + sum(result.fit_seconds for result in used),
        predict_seconds=sum(result.predict_seconds for result in used),
        peak_memory_mb=max(result.peak_memory_mb for result in used),
        finished_at=time.time(),
    )
