"""Which row of the board is what predicts, unless another is asked for.

The first of many is first by chance, too, so its own score is no fair one: each fold judges the single model that is
best by the other folds against the ensemble that is. Between equals an ensemble errs less on new rows, as a mean of
several (see tests/benchmarks/ensembles.md): it predicts unless it is worse by more than noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.ensemble import SECOND_LAYER, Ensemble
from bench.metric import Array, Metric
from bench.split import Splits
from bench.stats import probability_worse
from bench.trial import TrialResult

#: An ensemble predicts unless the chance that ensembles are worse than one model is above this.
_DOUBT = 0.8
#: By so much less the log loss of a second layer counts where there are several classes. Cross-validation judges it by
#: what a fold's models say that it has not seen; what predicts knows all folds' models, and is the mean over them.
#: On rows set aside it was 2 to 8 % better than the stacker in nine of ten runs, by cross-validation up to 7 % worse.
_LAYER_BONUS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The row chosen, and why in a sentence."""

    row: TrialResult
    why: str


def best_single(results: Sequence[TrialResult], metric: Metric) -> TrialResult:
    """The best whole candidate by cross-validation; ties go to the smaller id."""
    whole = [result for result in results if result.status == "ok"]
    return min(whole, key=lambda result: (metric.error(result.mean), result.candidate.trial_id))


def choose(
    results: Sequence[TrialResult], ensembles: Sequence[Ensemble], metric: Metric, splits: Splits, *, classes: int = 0
) -> Choice:
    """Choose between the best ensemble and the best single model, of which there must be one.

    ``classes`` counts those of the task, 0 in regression.
    """
    single = best_single(results, metric)
    if not ensembles:
        return Choice(row=single, why=f"{single.candidate.name} predicts: there is no ensemble.")
    rows = [ensemble.result for ensemble in ensembles]
    bonus = {SECOND_LAYER: 1.0 - _LAYER_BONUS} if metric.name == "log_loss" and classes > 2 else {}
    best = min(rows, key=lambda row: (metric.error(row.mean) * bonus.get(row.candidate.name, 1.0), row.candidate.name))
    ours, theirs = (_fair_errors(_errors(all_of_them, metric), splits) for all_of_them in (rows, results))
    worse = probability_worse(ours.tolist(), theirs.tolist(), valid_share=splits.valid_share)
    name = best.candidate.name
    counted = (
        f", of whose log loss {_LAYER_BONUS:.0%} is taken off (it does better on new rows)" if name in bonus else ""
    )
    told = f"the chance that ensembles are worse than one model, each fold's chosen by the other folds, is {worse:.2f}"
    if worse > _DOUBT or (len(ours) == 1 and ours.mean() > theirs.mean()):
        return Choice(row=single, why=f"{single.candidate.name} predicts, not {name}: {told}.")
    return Choice(row=best, why=f"{name}{counted} predicts: {told}.")


def _errors(results: Sequence[TrialResult], metric: Metric) -> Array:
    """Errors [n_whole, n_folds] of whole candidates."""
    return np.array([[metric.error(score) for score in r.scores] for r in results if r.status == "ok"])


def _fair_errors(errors: Array, splits: Splits) -> Array:
    """For each fold the error of the candidate that is best by the folds that have a say in it."""
    fair: Array = np.array(
        [errors[errors[:, splits.beside(fold)].sum(axis=1).argmin(), fold] for fold in range(errors.shape[1])]
    )
    return fair
