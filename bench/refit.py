"""One model a member in place of a bag of fold models: fitted on all development rows, quicker to predict with.

Rounds of boosting and epochs of nets are the mean over the fold models', since no row is left to stop by. Nothing
judges these models: what is known of them are the scores of the bag.
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.candidate import Candidate
from bench.combine import combiner_from_dict
from bench.ensemble import Ensemble
from bench.errors import RequestError, RunFailedError, choices, nearest
from bench.family import DeadlineReached, Settings, discover, warm_up
from bench.fold_data import fold_data
from bench.folds import Fold
from bench.identity import seed_for
from bench.journal import read_past
from bench.log_target import build
from bench.predictor import Predictor, load_predictor, write_predictor
from bench.problem import Problem
from bench.recipes import Features, without_switches
from bench.resources import Allotment, Deadline, limit_threads
from bench.search import Past
from bench.store import RunStore, building, fold_folder, read_events, read_json, write_text
from bench.trial import CLASSES, TrialResult
from bench.unpack import problem_of

FOLDER = "refit"


def refit(folder: Path, model: str | None, tell: Callable[[str], None], *, cpus: int = 1) -> Predictor:
    """Fit a shipped model's members on all development rows, and write them as a predictor below the run folder.

    Args:
        folder: the run folder.
        model: one of its predictor's models; None for the default.
        tell: told in a sentence what is fitted.
        cpus: threads a fit may use.

    Raises:
        RequestError: the predictor has no such model.
        DataError: the run's data is gone or has changed.
        StoreError: the folder holds no predictor, or another process works in it.
    """
    shipped = load_predictor(folder)
    name = shipped.default if model is None else model
    if name not in shipped.models:
        raise RequestError(
            f"--model must be one of the predictor's models, got {name!r}.{nearest(name, shipped.models)} "
            f"Choose one of: {choices(shipped.models)}."
        )
    with contextlib.closing(RunStore(folder, read_json(folder / "identity.json")["identity"])):
        return fit_again(problem_of(folder), name, tell, cpus=cpus)


def fit_again(
    problem: Problem, name: str, tell: Callable[[str], None], *, cpus: int, seconds: float | None = None
) -> Predictor:
    """The same for whoever holds the run's folder and its problem; ``name`` is one of the predictor's models.

    Raises:
        RunFailedError: a member cannot be fitted, or takes longer than ``seconds`` (None: no limit); nothing is begun
            where the fold models foretell that.
    """
    deadline = Deadline(seconds)
    folder = problem.folder
    shipped = read_json(folder / "predictor" / "predictor.json")["models"][name]
    past = {entry.candidate.trial_id: entry for entry in read_past(folder, read_events(folder))}
    members = [past[trial_id] for trial_id in shipped["trials"]]
    whole = _on_all_rows(problem)
    rows = len(whole.splits.folds[0].train)
    needed = sum(_foretold(member, problem.splits.folds, rows) for member in members)
    if seconds is not None and needed > seconds:
        raise RunFailedError(
            f"fitting {name} on all rows takes about {needed:.0f} s, of --budget {max(0.0, seconds):.0f} are left. "
            f"Run `bench refit {folder}`, or give it a larger --budget."
        )
    try:
        for member in members:
            rounds = _mean_rounds(member)
            unit = "rounds" if discover()[member.candidate.family].borrows else "epochs"
            told = "" if rounds is None else f" for {rounds:,} {unit}"
            tell(f"{member.candidate.name} is fitted on {rows:,} rows{told}.")
            _fit(whole, member.candidate, rounds, cpus, deadline)
        candidates = [replace(member.candidate, rows=None) for member in members]
        _write(whole, folder / FOLDER, name, candidates, shipped["combiner"])
    finally:
        shutil.rmtree(folder / "cache", ignore_errors=True)
    return load_predictor(folder / FOLDER)


def _on_all_rows(problem: Problem) -> Problem:
    """The problem with all development rows in one fold that scores none, in a folder of its own."""
    rows = np.unique(np.concatenate([part for fold in problem.splits.folds for part in (fold.train, fold.valid)]))
    fold = Fold(train=rows, valid=rows[:0])
    return replace(problem, splits=replace(problem.splits, folds=(fold,)), folder=problem.folder / "cache" / FOLDER)


def _foretold(member: Past, folds: Sequence[Fold], rows: int) -> float:
    """Seconds that a member takes on all rows, by those of its fold models and what each of them learned from."""
    learned = [min(len(fold.train), member.candidate.rows or rows) for fold in folds]
    return float(np.mean([fold.fit_seconds * rows / n for fold, n in zip(member.folds, learned, strict=False)]))


def _mean_rounds(member: Past) -> int | None:
    """Mean over the folds of the rounds that their models kept; None where there is nothing like it."""
    kept = [fold.rounds for fold in member.folds if fold.rounds is not None]
    return max(1, round(float(np.mean(kept)))) if kept else None


def _fit(problem: Problem, member: Candidate, rounds: int | None, cpus: int, deadline: Deadline) -> None:
    """Fit a member on all rows and save it where fold 0 of the problem has its models.

    Raises:
        RunFailedError: it could not be fitted, or not in time.
    """
    task, family = problem.task, discover()[member.family]
    warm_up(family)
    data = fold_data(problem, family.recipe, 0, Features.of(member.params))
    y, present = task.y[problem.splits.folds[0].train], np.empty(0, dtype=np.int64)
    if task.kind != "regression":
        present, y = np.unique(y, return_inverse=True)
    settings = Settings(
        params=without_switches(member.params),
        kind=task.kind if len(present) != 2 else "binary",
        n_classes=len(present),
        metric=task.metric.name,
        seed=seed_for(member.seed, FOLDER),
        rounds=rounds,
    )
    estimator = build(family, settings)
    try:
        with limit_threads(cpus):
            estimator.fit(data.train, y, valid=None, allotment=Allotment(cpus=cpus), deadline=deadline)
    except DeadlineReached as error:
        raise RunFailedError(f"{member.name} was not fitted on all rows in the time that was left for it.") from error
    except Exception as error:  # whatever a library raises; the fold models stay
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise RunFailedError(f"{member.name} could not be fitted on all rows: {reason}") from error
    with building(fold_folder(problem.folder, member.trial_id, 0)) as temporary:
        estimator.save(temporary)
        write_text(temporary / CLASSES, " ".join(map(str, present)))


def _write(problem: Problem, target: Path, name: str, members: list[Candidate], combiner: Mapping[str, Any]) -> None:
    """Write the predictor of one model."""
    results = tuple(TrialResult(candidate=member, folds=(), asked=1, status="ok") for member in members)
    if len(members) == 1 and members[0].name == name:
        write_predictor(problem, target, results, [], default=name, fitted_on="all rows")
        return
    row = replace(members[0], family="ensemble", origin="ensemble", label=name)
    ensemble = Ensemble(
        result=TrialResult(candidate=row, folds=(), asked=1, status="ok"),
        members=results,
        combiner=combiner_from_dict(combiner),
    )
    write_predictor(problem, target, [], [ensemble], default=name, fitted_on="all rows")
