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
from bench.deal import deal_groups
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
#: Columns that the second layer sees, one a member and class; two members are seen in any case.
_MOST_COLUMNS = 120
#: Candidates times scored rows times classes that are held at once; a few candidates are, whatever their size.
_MOST_CELLS = 100_000_000
_FEW_MEMBERS = 10
#: Parts of a lone fold's rows, which take the place of folds.
_PARTS = 5
#: Ways to combine whose fits take time: those that are linear, and all.
_LINEAR_WAYS, _TIMED_WAYS = 2, 3
#: Seconds that combining and scoring take a predicted value and way, and what the fits of weights have at least of all
#: the time (494,000 rows, 23 classes: 5.5 s beside the fits).
_SECONDS_A_VALUE = 2e-7
_LEAST_SHARE = 0.2
_VERSION = 2
#: What of a fold's folder says by which mixes its rows were predicted.
WAYS = "ways.json"
#: The row of the ensemble whose weights are corrected by trees.
SECOND_LAYER = "ensemble_trees"


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
class _Part:
    """Numbers of the scored ``rows`` that ways are fitted on, and of the ``own`` that they are judged by, of a fold.

    ``left_out`` is that fold where none of its rows is learned from.
    """

    rows: Array
    own: Array
    fold: int = 0
    left_out: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """A combiner as it was fitted on a part, and the seconds that it took."""

    combiner: Combiner
    seconds: float


#: The ways to combine as they were fitted on a part, by the names of their rows of the board.
_Ways = dict[str, _Way]


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
    parts = tuple(_parts(stored))
    everything = _Part(rows=np.arange(len(stored.rows)), own=np.arange(0))
    with limit_threads(1):  # several threads add up in an order that varies, and so would the weights
        ways = _fitted(stored, (everything, *parts), deadline, until)
        if until.pressing:
            return ()
        whole, *fitted = ways
        judged = {label: _judged(stored, parts, [way[label] for way in fitted]) for label in whole}
    made = (_stored_ensemble(stored, label, whole[label].combiner, judged[label]) for label in whole)
    return tuple(ensemble for ensemble in made if np.isfinite(ensemble.result.scores).all())


def _untimed_seconds(problem: Problem) -> float:
    """About how long it takes to combine and score what the ways predict, whatever time their fits have."""
    rows = sum(len(scored) + len(problem.splits.test) for scored in problem.scored_rows)
    return _SECONDS_A_VALUE * rows * max(1, len(problem.task.classes)) * _TIMED_WAYS


def _parts(stored: _Stored) -> Iterator[_Part]:
    """Say of each fold which rows its ways learn from: those of the others; of a lone fold's rows, part by part."""
    everywhere = np.arange(len(stored.rows))
    for fold, span in enumerate(_spans(stored.problem)):
        own = everywhere[span]
        others = everywhere[~np.isin(stored.rows, stored.problem.scored_rows[fold])]
        if len(others):
            yield _Part(rows=others, own=own, fold=fold, left_out=fold)
            continue
        for part in _pieces(stored.problem, stored.rows[own]):
            others = everywhere[~np.isin(stored.rows, stored.rows[own[part]])]
            yield _Part(rows=others, own=own[part], fold=fold)


def _pieces(problem: Problem, rows: Array) -> list[Array]:
    """Cut a lone fold's rows into pieces, by place: whole groups, stretches of time, or in turn."""
    task, places = problem.task, np.arange(len(rows))
    if task.groups is not None:
        even = np.full(_PARTS, 1 / _PARTS)
        dealt = deal_groups(np.zeros_like(rows), task.groups[rows], even, np.random.default_rng(problem.seed))
        return [piece for number in range(_PARTS) if len(piece := places[dealt == number])]
    if task.time is not None:
        return np.array_split(np.argsort(task.time[rows], kind="stable"), _PARTS)
    return [places[number::_PARTS] for number in range(_PARTS)]


def _fitted(stored: _Stored, parts: Sequence[_Part], deadline: Deadline, until: Until) -> list[_Ways]:
    """Fit the ways to combine on each part: the linear ones, which gain most, then, with the time that is left, the
    second layer; on all parts or on none. Once ``until`` is pressing, parts are left out."""
    share = within(until, shares(deadline.left, _LINEAR_WAYS * len(parts)))
    fitted = [_linear_ways(stored, part, share) for part in parts if not until.pressing]
    if len(np.unique(stored.rows)) < LEAST_ROWS or until.pressing:
        return fitted
    layers = []
    for part, ways, seconds in zip(parts, fitted, within(until, shares(deadline.left, len(parts))), strict=True):
        if seconds <= 0 or until.pressing:
            return fitted
        layers.append(_layer(stored, part, ways, seconds))
    return [{**ways, SECOND_LAYER: layer} for ways, layer in zip(fitted, layers, strict=True)]


def _linear_ways(stored: _Stored, part: _Part, share: Iterator[float]) -> _Ways:
    """Fit the greedy selection and the stacker, each within its share of the time."""
    task, seed, predictions, y = stored.problem.task, stored.problem.seed, stored.predictions, stored.y
    pool, rows, begun = _pool(stored.problem, stored.candidates, part.left_out), part.rows, time.perf_counter()
    greedy = fit_greedy(predictions, y, task.metric, task.classes, seed, members=pool, rows=rows, seconds=next(share))
    near = np.array(greedy.weights)
    stack = fit_stacker(predictions, y, task.kind, seed, near=near, rows=rows, seconds=next(share))
    ways: dict[str, Combiner] = {"ensemble_greedy": greedy, "ensemble_stack": stack}
    repeats = len(rows) / len(np.unique(stored.rows[rows]))
    ways = {
        name: adjusted(way, predictions, y, task.metric, task.classes, rows=rows, repeats=repeats)
        for name, way in ways.items()
    }
    seconds = (time.perf_counter() - begun) / len(ways)
    return {name: _Way(combiner=way, seconds=seconds) for name, way in ways.items()}


def _layer(stored: _Stored, part: _Part, ways: _Ways, seconds: float) -> _Way:
    """Fit the second layer over the stacker, whose adjustment it gets."""
    task, begun = stored.problem.task, time.perf_counter()
    last = ways["ensemble_stack"].combiner
    stack = last.inner if isinstance(last, Adjusted) else last
    layered = fit_layer(
        stack,
        stored.predictions,
        stored.y,
        task.kind,
        stored.problem.seed,
        inputs=_looked_at(stored, part, ways["ensemble_greedy"].combiner.weights),
        rows=part.rows,
        seconds=seconds,
    )
    way = replace(last, inner=layered) if isinstance(last, Adjusted) else layered
    return _Way(combiner=way, seconds=ways["ensemble_stack"].seconds + time.perf_counter() - begun)


def _pool(problem: Problem, candidates: Sequence[TrialResult], left_out: int | None) -> Array:
    """Numbers of the candidates that may be selected, best first: at most so many in all and of a family.

    A fold that is ``left_out`` has no say, nor have those of other repeats: see `Splits.beside`.
    """
    splits, metric = problem.splits, problem.task.metric
    asked = range(len(splits.folds)) if left_out is None else splits.beside(left_out)
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


def _looked_at(stored: _Stored, part: _Part, weights: Sequence[float]) -> Array:
    """Numbers of the candidates that the second layer sees: those with weights, then the best of the best families."""
    firsts: dict[str, int] = {}
    for number in _pool(stored.problem, stored.candidates, part.left_out).tolist():
        firsts.setdefault(stored.candidates[number].candidate.family, number)
    weighty = sorted(np.flatnonzero(weights).tolist(), key=lambda number: -weights[number])
    seen = list(dict.fromkeys([*weighty, *list(firsts.values())[:_LOOKED_AT]]))
    return np.sort(seen[: max(2, _MOST_COLUMNS // max(1, len(stored.problem.task.classes)))])


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


def _judged(stored: _Stored, parts: Sequence[_Part], ways: Sequence[_Way]) -> list[_Judged]:
    """Predict each fold's rows by the ways that were fitted on the parts."""
    ids = [candidate.candidate.trial_id for candidate in stored.candidates]
    judged = []
    for fold, span in enumerate(_spans(stored.problem)):
        begun = time.perf_counter()
        told = np.empty((span.stop - span.start, *stored.predictions.shape[2:]))
        own = [(part, way) for part, way in zip(parts, ways, strict=True) if part.fold == fold]
        for part, way in own:
            told[part.own - span.start] = combined(way.combiner, stored.predictions, part.own)
        seconds = sum(way.seconds for _, way in own) + time.perf_counter() - begun
        mixes = tuple(mix_of(way.combiner, ids) for _, way in own)
        judged.append(_Judged(prediction=told, mixes=mixes, seconds=seconds))
    return judged


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
    judges = (*metrics_for(task.kind), task.metric)
    scores = {metric.name: metric.score_or_nan(y, valid, task.classes) for metric in judges}
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
