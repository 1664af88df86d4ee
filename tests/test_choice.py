"""Which row predicts by default."""

import numpy as np
import pytest
from search_fixture import RMSE, fold_result

from bench import choice
from bench.candidate import Candidate
from bench.choice import best_single, choose
from bench.combine import WeightedMean
from bench.ensemble import Ensemble
from bench.metric import get_metric
from bench.split import Fold, Splits
from bench.stats import probability_worse
from bench.trial import TrialResult


def row(name, scores, *, status="ok", origin="tuned"):
    made = Candidate(trial_id=name, family="knn", params={}, origin=origin, number=0, seed=1, label=name)
    folds = tuple(fold_result(made, fold, score) for fold, score in enumerate(scores))
    return TrialResult(candidate=made, folds=folds, asked=len(folds), status=status)


def splits(folds, repeats=1):
    """As many folds in each repeat, which share out forty rows."""
    rows = np.arange(40)
    valid = [rows[number::folds] if folds > 1 else rows[::5] for number in range(folds)]
    dealt = [Fold(train=np.setdiff1d(rows, v), valid=v, repeat=repeat) for repeat in range(repeats) for v in valid]
    return Splits(strategy="stratified", test=rows[:0], folds=tuple(dealt), fingerprint="by hand")


def ensemble(name, scores):
    return Ensemble(result=row(name, scores, origin="ensemble"), members=(), combiner=WeightedMean(weights=()))


@pytest.mark.parametrize(("metric", "sign"), [(RMSE, 1.0), (get_metric("r2"), -1.0)])
def test_ensemble_that_is_ahead_on_every_fold_predicts(metric, sign):
    singles = [row("a", [sign * 1.0, sign * 1.1, sign * 1.2]), row("b", [sign * 2.0] * 3)]
    ahead = ensemble("greedy", [sign * 0.9, sign * 1.01, sign * 1.08])
    behind = ensemble("stack", [sign * 1.5] * 3)
    chosen = choose(singles, [behind, ahead], metric, splits(3))
    assert chosen.row is ahead.result
    assert chosen.why.startswith("greedy predicts: the chance that ensembles are worse than one model")
    assert choose(singles, [behind], metric, splits(3)).row is singles[0]
    assert choose(singles, [behind], metric, splits(3)).why.startswith("a predicts, not stack: ")


@pytest.mark.parametrize(
    ("metric", "classes", "behind", "name"),
    [
        ("log_loss", 3, 1.08, "ensemble_trees"),
        ("log_loss", 3, 1.15, "ensemble_stack"),
        ("log_loss", 2, 1.08, "ensemble_stack"),
        ("rmse", 0, 1.08, "ensemble_stack"),
    ],
)
def test_second_layer_of_several_classes_predicts_where_it_is_little_behind(metric, classes, behind, name):
    single, stack = row("a", [1.0] * 3), ensemble("ensemble_stack", [0.5, 0.6, 0.7])
    trees = ensemble("ensemble_trees", [behind * score for score in stack.result.scores])
    chosen = choose([single], [stack, trees], get_metric(metric), splits(3), classes=classes)
    assert chosen.row.candidate.name == name


def test_ensemble_that_is_no_worse_than_by_chance_predicts():
    single = row("a", [1.0, 1.0, 1.0, 1.0])
    for errors in ([0.5, 1.4, 1.09, 1.1], [1.1, 0.9, 1.1, 0.91]):
        assert choose([single], [ensemble("greedy", errors)], RMSE, splits(4)).row.candidate.name == "greedy"
    assert choose([single], [ensemble("greedy", [1.1, 1.0, 1.15, 1.12])], RMSE, splits(4)).row is single


def test_first_of_many_by_chance_is_no_better_than_the_others():
    """Of fifty equal models one is ahead on average; judged by the other folds, it is one of fifty."""
    draws = 1 + 0.1 * np.random.default_rng(0).normal(size=(200, 50, 5))
    first = np.mean([draw.mean(axis=1).min() for draw in draws])
    fair = np.mean([choice._fair_errors(draw, splits(5)) for draw in draws])
    assert first < 0.92
    assert fair == pytest.approx(1.0, abs=0.01)


def test_candidates_that_are_not_whole_do_not_count():
    whole, broken = row("a", [1.0, 1.0]), row("b", [0.1], status="pruned")
    chosen = choose([broken, whole], [], RMSE, splits(2))
    assert chosen.row is whole
    assert chosen.why == "a predicts: there is no ensemble."


def test_of_a_lone_fold_the_lower_error_counts():
    single = row("a", [1.0])
    assert choose([single], [ensemble("greedy", [1.1])], RMSE, splits(1)).row is single
    assert choose([single], [ensemble("greedy", [0.9])], RMSE, splits(1)).row.candidate.name == "greedy"


def test_ties_of_single_models_go_to_the_smaller_id():
    assert best_single([row("b", [1.0]), row("a", [1.0])], RMSE).candidate.name == "a"


def test_folds_of_other_repeats_have_no_say_in_what_a_fold_judges():
    """They are scored on its rows, too: the second model is ahead there, and behind on the other fold of the repeat."""
    errors = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 3.0, 0.1, 0.1]])
    np.testing.assert_array_equal(choice._fair_errors(errors, splits(2, repeats=2)), [1.0, 1.0, 0.1, 0.1])


def test_repeats_do_not_make_a_difference_surer_than_their_rows_allow():
    """Folds of two repeats vary alike, so that twice as many are worth little more than one repeat's."""
    gains = [0.02, -0.05, 0.03, 0.06, -0.02, 0.01, 0.04, -0.03]
    single, several = row("a", [1.0] * 16), ensemble("greedy", [1.0 + gain for gain in gains * 2])
    told = choose([single], [several], RMSE, splits(8, repeats=2)).why
    expected = probability_worse([1.0 + gain for gain in gains * 2], [1.0] * 16, valid_share=1 / 8)
    assert told.endswith(f"each fold's chosen by the other folds, is {expected:.2f}.")
