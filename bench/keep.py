"""Which fold models a run keeps: those of the best few candidates a family and of what is shipped.

Others are fitted again on demand. What the board was made of stays: the predictions of a run are those of its search.
"""

import shutil
from collections.abc import Sequence

from bench.environment import environment
from bench.errors import RunFailedError
from bench.family import get_family
from bench.fold_data import forget, recipe_folder
from bench.metric import Metric
from bench.problem import Problem
from bench.recipes import Features
from bench.resources import allotment_like, machine
from bench.store import PREDICTIONS, SUMS, fold_folder, intact, replacing, write_json, write_sums
from bench.trial import CLASSES, TrialResult, lent_rounds, run_fold

KEPT_A_FAMILY = 4
#: The environment that a trial's models were fitted again in, where it was no session of the run that fitted them.
FITTED_AGAIN = "fitted-again.json"


def best_of_families(results: Sequence[TrialResult], metric: Metric, most: int) -> tuple[TrialResult, ...]:
    """The best whole candidates, at most so many of each family, best first."""
    whole = [result for result in results if result.status == "ok"]
    best = []
    count: dict[str, int] = {}
    for result in sorted(whole, key=lambda r: (metric.error(r.mean), r.candidate.trial_id)):
        count[result.candidate.family] = count.get(result.candidate.family, 0) + 1
        if count[result.candidate.family] <= most:
            best.append(result)
    return tuple(best)


def evict(problem: Problem, results: Sequence[TrialResult], shipped: Sequence[TrialResult] = ()) -> None:
    """Delete the models of candidates that are neither kept nor ``shipped``; their predictions stay."""
    best = best_of_families(results, problem.task.metric, KEPT_A_FAMILY)
    keep = {result.candidate.trial_id for result in (*best, *shipped)}
    for result in results:
        if result.candidate.trial_id not in keep:
            for fold in result.folds:
                _evict_fold(problem, result, fold.fold)


def _evict_fold(problem: Problem, result: TrialResult, fold: int) -> None:
    """Delete all but the predictions of one fold; what says that the model is whole goes first."""
    folder = fold_folder(problem.folder, result.candidate.trial_id, fold)
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir(), key=lambda path: path.name != CLASSES):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (PREDICTIONS, SUMS):
            path.unlink()


def ensure_models(problem: Problem, results: Sequence[TrialResult]) -> tuple[str, ...]:
    """Fit again what was evicted of these candidates, or damaged; returns their names.

    Raises:
        RunFailedError: a fit that once went well fails now.
    """
    by_id = {result.candidate.trial_id: result for result in results}  # a model may be asked for more than once
    lacking = [(result, folds) for result in by_id.values() if (folds := _not_intact(problem, result))]
    for result, folds in lacking:
        for fold in folds:
            _fit_again(problem, result, fold)
        where = fold_folder(problem.folder, result.candidate.trial_id, 0).with_name(FITTED_AGAIN)
        write_json(where, environment(machine()))
    return tuple(result.candidate.name for result, _ in lacking)


def _not_intact(problem: Problem, result: TrialResult) -> list[int]:
    """Folds of a candidate whose model or recipe is not as it was written; such a recipe will be made anew."""
    candidate, lacking = result.candidate, []
    features, recipe = Features.of(candidate.params), get_family(candidate.family).recipe
    for fold in range(result.asked):
        fitted = recipe_folder(problem.folder, recipe, fold, features, candidate.rows)
        if not intact(fitted):
            forget(problem, recipe, fold, features, candidate.rows)
        elif intact(fold_folder(problem.folder, candidate.trial_id, fold)):
            continue
        lacking.append(fold)
    return lacking


def _fit_again(problem: Problem, result: TrialResult, fold: int) -> None:
    """Fit a fold again; the predictions that were scored stay as they are, where other kernels may round otherwise."""
    folder = fold_folder(problem.folder, result.candidate.trial_id, fold)
    stored = folder / PREDICTIONS
    scored = stored.read_bytes() if intact(folder, PREDICTIONS) else None
    known = next(known for known in result.folds if known.fold == fold)
    again = run_fold(
        problem,
        result.candidate,
        fold,
        allotment=allotment_like(known.threads, known.device),
        seconds=None,
        lent=lent_rounds(result.folds),
        ended_at=known.ended_at,
    )
    if again.status != "ok":
        raise RunFailedError(f"{result.candidate.name} could not be fitted again on fold {fold}: {again.reason}.")
    if scored is not None:
        with replacing(stored) as temporary:
            temporary.write_bytes(scored)
        write_sums(folder)


def has_models(problem: Problem, result: TrialResult) -> bool:
    """Whether all fold models of a candidate are on disk."""
    folders = (fold_folder(problem.folder, result.candidate.trial_id, fold) for fold in range(result.asked))
    return all((folder / CLASSES).exists() for folder in folders)
