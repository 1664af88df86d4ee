"""From the search's results to what the user keeps: ensembles, leaderboard, predictor, report, tracked run."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.audit import Audit
from bench.budget import Plan
from bench.ensemble import Ensemble, build_ensembles
from bench.errors import RunFailedError
from bench.keep import ensure_models, evict
from bench.leaderboard import Leaderboard, build_leaderboard
from bench.predictor import Predictor, load_predictor, write_predictor
from bench.problem import Problem
from bench.record import Record
from bench.report import write_report
from bench.track import Tracker
from bench.trial import TrialResult

#: Seconds of a run by the clock that are left for tracking, and for what comes after it.
_TRACKING_SECONDS = 2.5
_END_SECONDS = 0.5
#: Seconds of a stage that has more to do, at least: mostly it takes less than one.
_LEAST_SECONDS = 1.5
_IMPORTANCE_SECONDS = 15.0


def conclude(
    problem: Problem, results: Sequence[TrialResult], record: Record, findings: Audit, *, tested: str, spending: Plan
) -> Leaderboard:
    """Build and write everything that follows from the search's results.

    Raises:
        RunFailedError: no candidate was scored on all folds; the board that says why is written all the same.
    """
    record.stage("ensembles")
    ensembles = build_ensembles(problem, results, seconds=_share(spending, 0.6))
    record.stage("leaderboard")
    rows = [*results, *(ensemble.result for ensemble in ensembles)]
    board = build_leaderboard(problem, rows, test=tested, seconds=_share(spending, 0.5))
    board.save(problem.folder)
    if board.best is None:
        reasons = dict.fromkeys(f"{r.candidate.name}: {r.reason or r.status}" for r in results)
        raise RunFailedError(
            "at least one candidate must be scored on all folds, none was. "
            + ("; ".join(list(reasons)[:5]) or "There was no time to begin one")
            + f". Raise --budget, or read {problem.folder / 'leaderboard.csv'}."
        )
    best = next(row for row in rows if row.candidate.trial_id == board.best["trial_id"])
    record.stage("predictor")
    predictor = _ship(problem, results, ensembles, best, record)
    record.stage("analysis")
    record.label_noise(findings, best)
    seconds = min(_IMPORTANCE_SECONDS, max(0.0, spending.total.left - _TRACKING_SECONDS - _END_SECONDS))
    record.analysis(best, ensembles, predictor, seconds)
    record.stage("report")
    write_report(problem.folder)
    return board


def _share(spending: Plan, share: float) -> float | None:
    """What a stage may take: a share of the time that is left before tracking; None, no limit, in a counted run."""
    if spending.trials is not None:
        return None
    return max(_LEAST_SECONDS, share * (spending.total.left - _TRACKING_SECONDS - _END_SECONDS))


def _ship(
    problem: Problem,
    results: Sequence[TrialResult],
    ensembles: Sequence[Ensemble],
    best: TrialResult,
    record: Record,
) -> Predictor:
    """Write the predictor with the best single model and the ensembles, and open it as a user would."""
    evict(problem, results)
    metric = problem.task.metric
    single = min((r for r in results if r.status == "ok"), key=lambda r: (metric.error(r.mean), r.candidate.trial_id))
    shipped = [single, *(member for ensemble in ensembles for member in ensemble.members)]
    for name in ensure_models(problem, shipped):
        record.decisions(f"{name} was fitted again: its models had been evicted by an earlier session.")
    write_predictor(problem, problem.folder / "predictor", [single], ensembles, default=best.candidate.name)
    return load_predictor(problem.folder)


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
    best = board.best or {}
    metrics = {name: value for name, value in best.items() if isinstance(value, float) and name != "rank"}
    seconds = max(_TRACKING_SECONDS, min(60.0, spending.total.left - _END_SECONDS))
    status = "KILLED" if killed else "FINISHED"
    return tracker.finish(problem.folder, status=status, metrics=metrics, seconds=seconds)
