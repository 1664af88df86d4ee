"""Ensembles of the search's candidates, built from stored out-of-fold predictions alone.

An ensemble is one more row of the board: it gets out-of-fold predictions and scores of its own. For each fold its
weights are fitted on the out-of-fold predictions of all other rows, so that no row judges weights it took part in; the
ensemble that is shipped is fitted on all of them.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.budget import NEVER, Until, within
from bench.calibration import adjusted
from bench.candidate import Candidate
from bench.combine import Adjusted, Combiner, Mix, combined, mix_of
from bench.identity import digest
from bench.keep import best_of_families, has_models
from bench.latency import quick_enough
from bench.metric import Array, metrics_for
from bench.problem import Problem
from bench.resources import Deadline, limit_threads, shares
from bench.second_layer import LEAST_ROWS, fit_layer
from bench.selection import fit_greedy
from bench.stacking import fit_stacker
from bench.store import building, fold_folder, read_predictions, write_json, write_predictions
from bench.trial import FoldResult, TrialResult

#: Candidates that may be selected from, at most, and how many of a family.
_MOST_MEMBERS = 100
_OF_A_FAMILY = 25
#: Families whose best candidate the second layer looks at, beside what was selected.
_LOOKED_AT = 6
#: Candidates times scored rows times classes that are held at once; a few candidates are, whatever their size.
_MOST_CELLS = 100_000_000
_FEW_MEMBERS = 10
#: Parts of a lone fold's rows, which take the place of folds.
_PARTS = 5
#: Ways to combine whose fits take time.
_TIMED_WAYS = 3
#: Part of the time for what is shipped; the rest is for judging it.
_SHIPPED_SHARE = 0.25
#: Seconds that combining and scoring take a predicted value and way, and what the fits of weights have at least of all
#: the time (494,000 rows, 23 classes: 5.5 s beside the fits).
_SECONDS_A_VALUE = 2e-7
_LEAST_SHARE = 0.2
_VERSION = 2
#: What of a fold's folder says by which mixes its rows were predicted.
WAYS = "ways.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ensemble:
    """A combination of trials: its row of the board, and how ``members`` are combined on new rows.

    Candidates that count for nothing are no members.
    """

    result: TrialResult
    members: tuple[TrialResult, ...]
    combiner: Combiner

    @property
    def weights(self) -> dict[str, float]:
        """Weight a member, by the member's name."""
        pairs = zip(self.members, self.combiner.weights, strict=True)
        return {member.candidate.name: weight for member, weight in pairs}

    @property
    def mix(self) -> Mix:
        """The members by their ids, and how they are combined."""
        return Mix(trials=tuple(member.candidate.trial_id for member in self.members), combiner=self.combiner)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stored:
    """What candidates predict out of fold: ``predictions`` [n_candidates, n_scored, ...], fold after fold.

    ``rows`` numbers the task's rows that were scored, ``y`` their targets; with repeats a row comes several times.
    """

    problem: Problem
    candidates: tuple[TrialResult, ...]
    predictions: Array
    rows: Array
    y: Array

    @classmethod
    def read(cls, problem: Problem, candidates: tuple[TrialResult, ...]) -> "_Stored":
        """Read the candidates' predictions, each file once."""
        rows = np.concatenate(problem.scored_rows)
        width = () if problem.task.kind == "regression" else (len(problem.task.classes),)
        predictions = np.empty((len(candidates), len(rows), *width))
        for number, candidate in enumerate(candidates):
            for fold, span in enumerate(_spans(problem)):
                predictions[number, span] = read_predictions(_folder(problem, candidate, fold))[0]
        return cls(problem=problem, candidates=candidates, predictions=predictions, rows=rows, y=problem.task.y[rows])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """What an ensemble predicts for a fold's rows, by which mixes (each its share of them in turn), and their time."""

    prediction: Array
    mixes: tuple[Mix, ...]
    seconds: float


def build_ensembles(
    problem: Problem,
    results: Sequence[TrialResult],
    *,
    seconds: float | None = None,
    until: Until = NEVER,
    slowdown: float | None = None,
) -> tuple[Ensemble, ...]:
    """Combine the best candidates in each of the ways there are; empty when there are fewer than two, or no time.

    ``seconds`` is about what all of it may take, ``until`` a moment that may come sooner than it seems now.
    ``slowdown`` says how many times the best single model's predict time its members may take together. None for no
    limit.
    """
    deadline = Deadline(None if seconds is None else max(_LEAST_SHARE * seconds, seconds - _untimed_seconds(problem)))
    candidates = _candidates(problem, results, by_clock=seconds is not None)
    if slowdown is not None:
        candidates = quick_enough(candidates, slowdown)
    if len(candidates) < 2:
        return ()
    stored = _Stored.read(problem, candidates)
    folds = len(problem.splits.folds)
    with limit_threads(1):  # several threads add up in an order that varies, and so would the weights
        share = within(until, shares(_SHIPPED_SHARE * deadline.left, _TIMED_WAYS))
        whole = _ways(stored, np.arange(len(stored.rows)), None, share)
        share = within(until, shares(deadline.left, _TIMED_WAYS * (folds if folds > 1 else _PARTS)))
        judged: list[dict[str, _Judged]] = []
        while len(judged) < folds and not until.pressing:
            judged.append(_judged(stored, len(judged), share))
    if until.pressing:
        return ()
    return tuple(_stored_ensemble(stored, label, way, [j[label] for j in judged]) for label, way in whole.items())


def _untimed_seconds(problem: Problem) -> float:
    """About how long it takes to combine and score what the ways predict, whatever time their fits have."""
    rows = sum(len(scored) + len(problem.splits.test) for scored in problem.scored_rows)
    return _SECONDS_A_VALUE * rows * max(1, len(problem.task.classes)) * _TIMED_WAYS


def _ways(stored: _Stored, rows: Array, left_out: int | None, share: Iterator[float]) -> dict[str, Combiner]:
    """Fit every way to combine, by the names of their rows of the board.

    Args:
        stored: the candidates' predictions.
        rows: numbers of the rows to learn from, among all that were scored.
        left_out: the fold that they leave out, if it is one.
        share: seconds that each fit may take.
    """
    task, seed, predictions, y = stored.problem.task, stored.problem.seed, stored.predictions, stored.y
    pool = _pool(stored.problem, stored.candidates, left_out)
    greedy = fit_greedy(predictions, y, task.metric, task.classes, seed, members=pool, rows=rows, seconds=next(share))
    near = np.array(greedy.weights)
    stack = fit_stacker(predictions, y, task.kind, seed, near=near, rows=rows, seconds=next(share))
    ways: dict[str, Combiner] = {"ensemble_greedy": greedy, "ensemble_stack": stack}
    ways = {name: adjusted(way, predictions, y, task.metric, task.classes, rows=rows) for name, way in ways.items()}
    if len(stored.rows) >= LEAST_ROWS:
        inputs = np.union1d(np.flatnonzero(near), _firsts_of_families(stored, pool)[:_LOOKED_AT])
        layered = fit_layer(stack, predictions, y, task.kind, seed, inputs=inputs, rows=rows, seconds=next(share))
        last = ways["ensemble_stack"]
        ways["ensemble_trees"] = replace(last, inner=layered) if isinstance(last, Adjusted) else layered
    return ways


def _pool(problem: Problem, candidates: Sequence[TrialResult], left_out: int | None) -> Array:
    """Numbers of the candidates that may be selected, best first: at most so many in all and of a family.

    A fold that is ``left_out`` has no say, nor have those of other repeats, which are scored on its rows, too.
    """
    folds, metric = problem.splits.folds, problem.task.metric
    asked = [
        number
        for number, fold in enumerate(folds)
        if left_out is None or len(folds) == 1 or (number != left_out and fold.repeat == folds[left_out].repeat)
    ]
    errors = [np.mean([metric.error(candidate.scores[fold]) for fold in asked]) for candidate in candidates]
    ids = [candidate.candidate.trial_id for candidate in candidates]
    count: Counter[str] = Counter()
    pool = []
    for number in sorted(range(len(candidates)), key=lambda number: (errors[number], ids[number])):
        family = candidates[number].candidate.family
        count[family] += 1
        if count[family] <= _OF_A_FAMILY:
            pool.append(number)
    return np.array(pool[: _most_members(problem)])


def _most_members(problem: Problem) -> int:
    """How many candidates may be selected from."""
    cells = sum(map(len, problem.scored_rows)) * max(1, len(problem.task.classes))
    return min(_MOST_MEMBERS, max(_FEW_MEMBERS, _MOST_CELLS // cells))


def _firsts_of_families(stored: _Stored, pool: Array) -> Array:
    """Numbers of the best candidate of each family, best first."""
    firsts: dict[str, int] = {}
    for number in pool.tolist():
        firsts.setdefault(stored.candidates[number].candidate.family, number)
    return np.array(list(firsts.values()))


def _candidates(problem: Problem, results: Sequence[TrialResult], *, by_clock: bool) -> tuple[TrialResult, ...]:
    """Whole candidates that may be selected by all folds, or where one of them is left out; best first.

    By the clock, those whose models an earlier session has evicted may not: there is no time to fit them again.
    """
    whole = best_of_families(results, problem.task.metric, len(results))
    if by_clock:
        whole = tuple(result for result in whole if has_models(problem, result))
    if not whole:
        return ()
    chances = (_pool(problem, whole, left_out) for left_out in (None, *range(len(problem.splits.folds))))
    return tuple(whole[number] for number in np.unique(np.concatenate(list(chances))))


def _spans(problem: Problem) -> list[slice]:
    """Where each fold's rows lie among all that were scored."""
    ends = np.cumsum([len(rows) for rows in problem.scored_rows])
    return [slice(end - len(rows), end) for end, rows in zip(ends, problem.scored_rows, strict=True)]


def _folder(problem: Problem, member: TrialResult, fold: int) -> Path:
    """Where a member's predictions for a fold lie."""
    return fold_folder(problem.folder, member.candidate.trial_id, fold)


def _judged(stored: _Stored, fold: int, share: Iterator[float]) -> dict[str, _Judged]:
    """Predict a fold's rows in every way, fitted on the rows of the others; of a lone fold, part by part."""
    begun = time.perf_counter()
    everywhere = np.arange(len(stored.rows))
    own = everywhere[_spans(stored.problem)[fold]]
    others = everywhere[~np.isin(stored.rows, stored.problem.scored_rows[fold])]
    if len(others):
        parts = [_ways(stored, others, fold, share)]
    else:
        part = everywhere % _PARTS
        parts = [_ways(stored, np.flatnonzero(part != number), None, share) for number in range(_PARTS)]
    told = {label: np.empty((len(own), *stored.predictions.shape[2:])) for label in parts[0]}
    for number, ways in enumerate(parts):
        for label, way in ways.items():
            told[label][number :: len(parts)] = combined(way, stored.predictions, own[number :: len(parts)])
    seconds = (time.perf_counter() - begun) / len(told)
    ids = [candidate.candidate.trial_id for candidate in stored.candidates]
    mixes = {label: tuple(mix_of(ways[label], ids) for ways in parts) for label in told}
    return {label: _Judged(prediction=told[label], mixes=mixes[label], seconds=seconds) for label in told}


def _stored_ensemble(stored: _Stored, label: str, way: Combiner, judged: Sequence[_Judged]) -> Ensemble:
    """Make an ensemble a row of the board: store what it predicts, and score it."""
    problem, ids = stored.problem, [candidate.candidate.trial_id for candidate in stored.candidates]
    trial_id = digest("ensemble", _VERSION, label, problem.identity, ids)
    candidate = Candidate(
        trial_id=trial_id, family="ensemble", params={}, origin="ensemble", number=0, seed=problem.seed, label=label
    )
    used = [number for number, weight in enumerate(way.weights) if weight > 0] or [0]
    members, combiner = tuple(stored.candidates[number] for number in used), way.of(used)
    folds = []
    for fold, told in enumerate(judged):
        test = combiner.combine(np.stack([read_predictions(_folder(problem, m, fold))[1] for m in members]))
        with building(fold_folder(problem.folder, trial_id, fold)) as temporary:
            write_predictions(temporary, valid=told.prediction, test=test)
            write_json(temporary / WAYS, [mix.to_dict() for mix in told.mixes])
        folds.append(_score(problem, trial_id, fold, told.prediction, members, told.seconds))
    result = TrialResult(candidate=candidate, folds=tuple(folds), asked=len(folds), status="ok")
    return Ensemble(result=result, members=members, combiner=combiner)


def _score(
    problem: Problem, trial_id: str, fold: int, valid: Array, members: Sequence[TrialResult], fit_seconds: float
) -> FoldResult:
    """Score an ensemble on one fold; what its members cost is part of what it costs."""
    task, y = problem.task, problem.task.y[problem.splits.folds[fold].valid]
    scores = {metric.name: metric.score(y, valid, task.classes) for metric in (*metrics_for(task.kind), task.metric)}
    used = [member.folds[fold] for member in members]
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
