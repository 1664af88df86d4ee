"""From the search's results to what the user keeps: ensembles, leaderboard, predictor, report, tracked run."""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.audit import Audit
from bench.budget import Plan
from bench.choice import best_single, choose
from bench.ensemble import Ensemble, build_ensembles
from bench.errors import RunFailedError
from bench.keep import ensure_models, evict
from bench.latency import predict_seconds
from bench.leaderboard import Leaderboard, build_leaderboard
from bench.predictor import Predictor, load_predictor, write_predictor
from bench.problem import Problem
from bench.record import Record
from bench.refit import fit_again
from bench.report import write_report
from bench.resources import Deadline
from bench.spec import RunSpec
from bench.track import Tracker
from bench.trial import TrialResult

#: Seconds of a run by the clock that are left for the report, for tracking, and for what comes after it.
_REPORT_SECONDS = 1.0
_TRACKING_SECONDS = 2.5
_END_SECONDS = 0.5
#: Seconds of a stage that has more to do, at least: mostly it takes less than one.
_LEAST_SECONDS = 1.5
_IMPORTANCE_SECONDS = 15.0
#: Rows that predicting is timed on, at most.
_TIMED_ROWS = 1_000


def conclude(
    problem: Problem,
    results: Sequence[TrialResult],
    record: Record,
    findings: Audit,
    spec: RunSpec,
    *,
    tested: str,
    spending: Plan,
) -> Leaderboard:
    """Build and write everything that follows from the search's results.

    Raises:
        RunFailedError: no candidate was scored on all folds; the board that says why is written all the same.
    """
    record.decisions(*_warnings_notes(results))
    record.stage("ensembles")
    ensembles: Sequence[Ensemble] = ()
    if spec.ensembles:
        share = 0.6 if len(problem.splits.test) else 0.8  # without test rows, the board has no intervals to compute
        ensembles = build_ensembles(
            problem, results, seconds=_share(spending, share), until=spending.total, slowdown=spec.slowdown
        )
    record.stage("leaderboard")
    rows = [*results, *(ensemble.result for ensemble in ensembles)]
    board = build_leaderboard(problem, rows, test=tested, seconds=_share(spending, 0.5), until=spending.total)
    board.save(problem.folder)
    if board.best is None:
        reasons = dict.fromkeys(f"{r.candidate.name}: {r.reason or r.status}" for r in results)
        raise RunFailedError(
            "at least one candidate must be scored on all folds, none was. "
            + ("; ".join(list(reasons)[:5]) or "There was no time to begin one")
            + f". Raise --budget, or read {problem.folder / 'leaderboard.csv'}."
        )
    choice = choose(results, ensembles, problem.task.metric, problem.splits, classes=len(problem.task.classes))
    record.stage("predictor")
    record.decisions(choice.why)
    best = choice.row
    predictor = _ship(problem, results, ensembles, best, record, spec.slowdown)
    record.stage("analysis")
    record.label_noise(findings, best)
    begun = Deadline(_IMPORTANCE_SECONDS)
    rest = _REPORT_SECONDS + _TRACKING_SECONDS + _END_SECONDS
    record.analysis(best, ensembles, predictor, lambda: min(begun.left, spending.total.left - rest))
    record.stage("report")
    write_report(problem.folder)
    return board


def _warnings_notes(results: Sequence[TrialResult]) -> Iterator[str]:
    """Tell in a sentence how often fits warned, and of what."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        for fold in result.folds:
            counts.setdefault(result.candidate.family, Counter()).update(fold.warned)
    told = [f"{family} ({_counts(warned)})" for family, warned in sorted(counts.items()) if warned]
    if told:
        yield f"Fits raised warnings, which journal.jsonl counts by fold: {'; '.join(told)}."


def _counts(counted: Counter[str]) -> str:
    """Name what was counted, the most frequent first."""
    return ", ".join(f"{count:,} {name}" for name, count in counted.most_common())


def _share(spending: Plan, share: float) -> float | None:
    """What a stage may take: a share of the time that is left before tracking; None where nothing ends it."""
    if math.isinf(spending.total.left):
        return None
    return max(_LEAST_SECONDS, share * (spending.total.left - _TRACKING_SECONDS - _END_SECONDS))


def _ship(
    problem: Problem,
    results: Sequence[TrialResult],
    ensembles: Sequence[Ensemble],
    best: TrialResult,
    record: Record,
    slowdown: float | None,
) -> Predictor:
    """Write the predictor with the best single model and the ensembles, and open it as a user would.

    An ensemble that takes more than ``slowdown`` times the single model's time to predict is not what predicts unless
    another is asked for.
    """
    single = best_single(results, problem.task.metric)
    shipped = [single, *(member for ensemble in ensembles for member in ensemble.members)]
    evict(problem, results, shipped)
    for name in ensure_models(problem, shipped):
        record.decisions(f"{name} was fitted again: its models had been evicted by an earlier session, or damaged.")
    write_predictor(problem, problem.folder / "predictor", [single], ensembles, default=best.candidate.name)
    predictor = load_predictor(problem.folder)
    if slowdown is None or best is single:
        return predictor
    default = _quick_default(problem, predictor, single.candidate.name, slowdown, record)
    if default == predictor.default:
        return predictor
    write_predictor(problem, problem.folder / "predictor", [single], ensembles, default=default)
    return load_predictor(problem.folder)


def _quick_default(problem: Problem, predictor: Predictor, single: str, slowdown: float, record: Record) -> str:
    """Choose between the predictor's default and its single model by what predicting takes, and tell it."""
    rows = problem.task.features[problem.splits.folds[0].valid[:_TIMED_ROWS]]
    names = (single, predictor.default)
    seconds = {name: predict_seconds(partial(predictor.predict, rows, model=name)) for name in names}
    alone, together = (f"{1e6 * seconds[name] / rows.height:.3g}" for name in names)
    quick = seconds[predictor.default] <= slowdown * seconds[single]
    record.decisions(
        f"{predictor.default} predicts 1,000 rows in {together} ms, {single} alone in {alone}: it is "
        f"{'shipped' if quick else f'not what predicts by default, {single} is'}, as --slowdown {slowdown:g} demands. "
        "This is measured, and may come out otherwise another time."
    )
    return predictor.default if quick else single


@contextlib.contextmanager
def tracked(tracker: Tracker, folder: Path, name: str, params: dict[str, Any]) -> Iterator[None]:
    """Open the tracker's record of this command; a block that raises leaves it marked as failed."""
    tracker.start(folder, name, params)
    try:
        yield
    except BaseException:
        tracker.finish(folder, status="FAILED", metrics={}, seconds=_TRACKING_SECONDS)
        raise


def track_outcome(
    tracker: Tracker, problem: Problem, board: Leaderboard, spending: Plan, *, killed: bool
) -> str | None:
    """Tell the tracker how the run ended; returns where it can be seen."""
    seconds = max(_TRACKING_SECONDS, min(60.0, spending.total.left - _END_SECONDS))
    status = "KILLED" if killed else "FINISHED"
    return tracker.finish(problem.folder, status=status, metrics=board.figures, seconds=seconds)


def refit_in_time(problem: Problem, record: Record, *, cpus: int, seconds: float | None) -> None:
    """Fit what predicts by default on all rows, where there is time; where there is not, the fold models stay alone."""
    default = load_predictor(problem.folder).default
    try:
        predictor = fit_again(problem, default, record.decisions, cpus=cpus, seconds=seconds)
        record.decisions(f"Fitted on all rows: {predictor.folder}. Scores are those of the fold models.")
    except RunFailedError as error:
        record.decisions(str(error))
