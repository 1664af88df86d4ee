import functools
import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import small
from spies import candidate

from bench import ensemble, second_layer
from bench.ensemble import build_ensembles
from bench.family import discover, space_of
from bench.resources import Allotment
from bench.selection import fit_greedy
from bench.split import Fold, Splits
from bench.store import building, fold_folder, read_predictions, write_predictions
from bench.trial import CLASSES, FoldResult, TrialResult, run_fold

KINDS = ("binary", "multiclass", "regression")
LEARNERS = ("linear", "knn", "decision_tree")


def whole(problem, name, *, seed=7, **params):
    """Fit one candidate on all folds."""
    made = candidate(name, seed=seed, **space_of(discover()[name]).defaults | params)
    count = len(problem.splits.folds)
    folds = tuple(run_fold(problem, made, fold, allotment=Allotment(), seconds=None) for fold in range(count))
    assert all(fold.status == "ok" for fold in folds), folds
    return TrialResult(candidate=made, folds=folds, asked=count, status="ok")


def stored(problem, result, part=0):
    """What a row of the board predicted fold by fold: validation rows (part 0) or test rows (part 1)."""
    count = len(problem.splits.folds)
    return [read_predictions(fold_folder(problem.folder, result.candidate.trial_id, k))[part] for k in range(count)]


def with_labels(problem, rows, seed, tmp_path):
    """A copy of the problem, folder and all, whose labels are shuffled in some rows."""
    y = problem.task.y.copy()
    y[rows] = np.random.default_rng(seed).permutation(y[rows])
    assert not np.array_equal(y, problem.task.y, equal_nan=True)
    shutil.copytree(problem.folder, tmp_path / "copy")
    return replace(problem, task=replace(problem.task, y=y), folder=tmp_path / "copy")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Gives ``(problem, results)``, three candidates on a small table of a kind, which no test changes."""

    @functools.cache
    def make(kind):
        problem = small(tmp_path_factory.mktemp("problems") / kind, kind)
        return problem, [whole(problem, name) for name in LEARNERS]

    return make


@pytest.fixture
def layered(monkeypatch):
    """A second layer on a small table."""
    monkeypatch.setattr(ensemble, "LEAST_ROWS", 30)
    monkeypatch.setitem(second_layer._PARAMS, "min_data_in_leaf", 5)


@pytest.mark.usefixtures("layered")
@pytest.mark.parametrize("kind", KINDS)
def test_fold_is_judged_by_weights_that_never_saw_its_labels(fitted, tmp_path, kind):
    problem, results = fitted(kind)
    build_ensembles(problem, results)
    fold = 1
    changed = with_labels(problem, problem.splits.folds[fold].valid, 0, tmp_path)
    for before, after in zip(build_ensembles(problem, results), build_ensembles(changed, results), strict=True):
        name = before.result.candidate.label
        ours, theirs = stored(problem, before.result), stored(changed, after.result)
        np.testing.assert_array_equal(ours[fold], theirs[fold], err_msg=name)
        assert before.result.folds[fold].score != after.result.folds[fold].score
        if name in ("ensemble_stack", "ensemble_trees"):
            assert before.combiner != after.combiner
            assert any(not np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_rows_of_a_fold_are_left_out_of_every_repeat(fitted, tmp_path):
    """A row is scored once a repeat; its label must not come in through another one."""
    problem, results = fitted("binary")
    repeats = [fold.repeat for fold in problem.splits.folds]
    assert max(repeats) > 0
    last = problem.splits.folds[-1].valid
    changed = with_labels(problem, last, 1, tmp_path)
    ours = build_ensembles(problem, results)[1]
    theirs = build_ensembles(changed, results)[1]
    np.testing.assert_array_equal(stored(problem, ours.result)[-1], stored(changed, theirs.result)[-1])


@pytest.mark.usefixtures("layered")
@pytest.mark.parametrize("kind", KINDS)
def test_sealed_labels_are_not_needed(fitted, kind):
    problem, results = fitted(kind)
    assert len(build_ensembles(problem, results)) == 3
    assert (np.isnan(problem.task.y) | (problem.task.y == -1)).sum() == len(problem.splits.test) > 0
    for built in build_ensembles(problem, results):
        for fold, prediction in enumerate(stored(problem, built.result, part=1)):
            members = np.stack([stored(problem, member, part=1)[fold] for member in built.members])
            np.testing.assert_array_equal(prediction, built.combiner.combine(members))


@pytest.mark.parametrize("kind", KINDS)
def test_ensemble_is_a_row_like_any_other(fitted, kind):
    problem, results = fitted(kind)
    for built in build_ensembles(problem, results):
        result = built.result
        assert (result.status, result.asked, len(result.folds)) == ("ok", len(problem.splits.folds), result.asked)
        assert result.candidate.name == result.candidate.label
        assert {member.candidate.family for member in built.members} <= set(LEARNERS)
        assert len(built.members) == len(built.weights) > 0
        for fold, prediction in zip(result.folds, stored(problem, result), strict=True):
            y = problem.task.y[problem.splits.folds[fold.fold].valid]
            assert fold.score == problem.task.metric.score(y, prediction, problem.task.classes)
            assert fold.scores[problem.task.metric.name] == fold.score


def test_cost_is_that_of_the_members_used(fitted):
    problem, results = fitted("binary")
    results = [
        replace(result, folds=tuple(replace(f, fit_seconds=100.0**k, peak_memory_mb=float(k)) for f in result.folds))
        for k, result in enumerate(results)
    ]
    for built in build_ensembles(problem, results):
        used = [k for k, result in enumerate(results) if result.candidate.name in built.weights]
        expected = sum(100.0**k for k in used)
        assert expected <= built.result.folds[0].fit_seconds < expected + 5
        assert built.result.folds[0].peak_memory_mb == max(used)


def test_weights_name_the_members_that_count(fitted):
    problem, results = fitted("regression")
    for built in build_ensembles(problem, results):
        assert all(weight > 0 for weight in built.weights.values())
        assert set(built.weights) <= set(LEARNERS)
        assert sum(built.weights.values()) == pytest.approx(sum(built.combiner.weights))


def test_ensemble_is_the_same_each_time_and_another_of_other_members(fitted):
    problem, results = fitted("multiclass")
    first, again = build_ensembles(problem, results), build_ensembles(problem, results)
    assert [e.combiner for e in first] == [e.combiner for e in again]
    ids = {e.result.candidate.trial_id for e in first}
    assert ids == {e.result.candidate.trial_id for e in again}
    assert len(ids) == len(first) == 2
    fewer = build_ensembles(problem, results[:2])
    assert not ids & {e.result.candidate.trial_id for e in fewer}


def test_order_in_which_candidates_came_does_not_matter(fitted):
    problem, results = fitted("binary")
    ours = build_ensembles(problem, results)
    theirs = build_ensembles(problem, results[::-1])
    assert [e.combiner for e in ours] == [e.combiner for e in theirs]


@pytest.mark.parametrize(("a_value", "left"), [(0.0, 1.0), (1e6, 0.2)])
def test_fits_of_weights_leave_time_to_combine_and_score(fitted, monkeypatch, a_value, left):
    told = []

    def greedy(*args, seconds, **settings):
        told.append(seconds)
        return fit_greedy(*args, seconds=seconds, **settings)

    monkeypatch.setattr(ensemble, "fit_greedy", greedy)
    monkeypatch.setattr(ensemble, "_SECONDS_A_VALUE", a_value)
    problem, results = fitted("binary")
    assert build_ensembles(problem, results, seconds=9e4)
    fits = ensemble._LINEAR_WAYS * (1 + len(problem.splits.folds))
    assert told[0] == pytest.approx(left * 9e4 / fits, rel=0.01)


@pytest.mark.usefixtures("layered")
def test_second_layer_waits_until_all_else_is_fitted_and_goes_without_where_no_time_is_left(fitted, monkeypatch):
    told = []
    for name in ("fit_greedy", "fit_stacker", "fit_layer"):
        fit = getattr(ensemble, name)
        monkeypatch.setattr(ensemble, name, lambda *a, fit=fit, **kw: (told.append(fit.__name__), fit(*a, **kw))[1])
    problem, results = fitted("binary")
    parts = 1 + len(problem.splits.folds)
    built = build_ensembles(problem, results)
    assert told == ["fit_greedy", "fit_stacker"] * parts + ["fit_layer"] * parts
    in_no_time = build_ensembles(problem, results, seconds=1e-9)
    assert [e.result.candidate.label for e in built][:2] == [e.result.candidate.label for e in in_no_time]
    assert len(built) == 3


def test_second_layer_sees_few_columns_of_many_classes_those_that_weigh_most(many, monkeypatch):
    problem, results = many
    candidates = ensemble._Stored.read(problem, results)
    monkeypatch.setattr(ensemble, "_MOST_COLUMNS", 2 * max(1, len(problem.task.classes)))
    rows = np.arange(len(candidates.rows))
    weights = [0.0, 0.2, 0.0, 0.5, 0.3, *[0.0] * (len(results) - 5)]
    seen = ensemble._looked_at(candidates, ensemble._Part(rows=rows, own=rows), weights)
    assert seen.tolist() == [3, 4]


def test_few_rows_get_no_second_layer(fitted):
    labels = [built.result.candidate.label for built in build_ensembles(*fitted("binary"))]
    assert labels == ["ensemble_greedy", "ensemble_stack"]


def test_second_layer_looks_at_the_best_of_each_family_by_the_other_folds(many):
    problem, results = many
    folds = tuple(replace(fold, score=1.0 if fold.fold == 1 else 21.0) for fold in results[-1].folds)
    lucky = replace(results[-1], folds=folds)
    candidates = ensemble._Stored.read(problem, (*results[:-1], lucky))
    rows = np.arange(len(candidates.rows))
    by_all, by_others = (
        ensemble._looked_at(candidates, ensemble._Part(rows=rows, own=rows, left_out=left_out), [0.0] * len(results))
        for left_out in (None, 1)
    )
    assert {candidates.candidates[number].candidate.trial_id for number in by_all} == {"a6", "b6"}
    assert {candidates.candidates[number].candidate.trial_id for number in by_others} == {"a6", "b0"}


def test_fewer_than_two_whole_candidates_make_no_ensemble(fitted):
    problem, results = fitted("binary")
    assert build_ensembles(problem, []) == ()
    assert build_ensembles(problem, results[:1]) == ()
    pruned = replace(results[1], status="pruned", folds=results[1].folds[:1])
    assert build_ensembles(problem, [results[0], pruned]) == ()


@pytest.mark.usefixtures("layered")
@pytest.mark.parametrize("learned", [(80,), (80, 60)])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_lone_fold_are_judged_by_weights_from_its_other_rows(make_small, tmp_path, kind, learned):
    """Forward chaining may leave one fold, and given splits may score the same rows several times."""
    folds = tuple(Fold(train=np.arange(rows), valid=np.arange(80, 118)) for rows in learned)
    splits = Splits(strategy="predefined", test=np.empty(0, dtype=np.int64), folds=folds, fingerprint="by hand")
    problem = make_small(kind, splits=splits)
    results = [whole(problem, name) for name in LEARNERS]
    part = np.arange(38) % ensemble._PARTS == 2
    changed = with_labels(problem, folds[0].valid[part], 0, tmp_path)
    for before, after in zip(build_ensembles(problem, results), build_ensembles(changed, results), strict=True):
        ours, theirs = stored(problem, before.result)[0], stored(changed, after.result)[0]
        np.testing.assert_array_equal(ours[part], theirs[part])
        if before.result.candidate.label == "ensemble_stack":
            assert not np.array_equal(ours[~part], theirs[~part])


@pytest.mark.usefixtures("layered")
def test_second_layer_counts_rows_once_however_often_they_come(fitted, monkeypatch):
    problem, results = fitted("binary")
    scored = np.concatenate(problem.scored_rows)
    assert len(np.unique(scored)) < len(scored), "the check needs repeats"
    monkeypatch.setattr(ensemble, "LEAST_ROWS", len(scored))
    assert "ensemble_trees" not in [made.result.candidate.label for made in build_ensembles(problem, results)]


def test_pieces_of_a_lone_fold_keep_groups_and_moments_together(make_small):
    problem = make_small("binary")
    rows = problem.splits.folds[0].valid
    groups, time = np.arange(problem.task.n_rows) // 7, np.arange(problem.task.n_rows)[::-1].copy()
    grouped = replace(problem, task=replace(problem.task, groups=groups))
    pieces = ensemble._pieces(grouped, rows)
    np.testing.assert_array_equal(np.sort(np.concatenate(pieces)), np.arange(len(rows)))
    known = [set(groups[rows[piece]]) for piece in pieces]
    assert sum(map(len, known)) == len(set.union(*known)), "a group in two pieces"
    timed = ensemble._pieces(replace(problem, task=replace(problem.task, time=time)), rows)
    ends = [(time[rows[piece]].min(), time[rows[piece]].max()) for piece in timed]
    assert all(early[1] < late[0] for early, late in itertools.pairwise(ends))


def test_repeats_of_one_fold_each_choose_their_members_by_each_other(make_small):
    """Of which none has another fold in its own repeat."""
    rows = np.arange(118)
    valid = [rows[start::10] for start in (0, 3)]
    folds = tuple(Fold(train=np.setdiff1d(rows, v), valid=v, repeat=k) for k, v in enumerate(valid))
    splits = Splits(strategy="predefined", test=np.empty(0, dtype=np.int64), folds=folds, fingerprint="by hand")
    problem = make_small("binary", splits=splits)
    results = [whole(problem, name) for name in LEARNERS]
    made = build_ensembles(problem, results)
    assert {ensemble.result.candidate.label for ensemble in made} >= {"ensemble_greedy", "ensemble_stack"}
    assert all(np.isfinite(ensemble.result.scores).all() for ensemble in made)


@pytest.fixture
def many(make_small):
    """Gives ``(problem, results)``: many candidates of two families, scored, their models not on disk."""
    problem, results = make_small("regression"), []
    for number in range(7):
        for family in ("a", "b"):
            made = replace(candidate("spy", seed=number), family=family, number=number, trial_id=f"{family}{number}")
            score = 10.0 - number if family == "a" else 20.0 + number
            results.append(_stored_result(problem, made, score))
    return problem, results


def taking_part(problem, results, *, by_clock=False):
    return [r.candidate.trial_id for r in ensemble._candidates(problem, results, by_clock=by_clock)]


def test_best_few_of_each_family_take_part(monkeypatch, many):
    monkeypatch.setattr(ensemble, "_OF_A_FAMILY", 3)
    assert taking_part(*many) == ["a6", "a5", "a4", "b0", "b1", "b2"]
    monkeypatch.setattr(ensemble, "_MOST_MEMBERS", 5)
    assert taking_part(*many) == ["a6", "a5", "a4", "b0", "b1"]


def test_a_fold_has_no_say_in_what_it_judges_nor_have_other_repeats(monkeypatch, many):
    """Candidate b6 is best of its family on one fold of a repeat, and in the other repeats, which share its rows."""
    monkeypatch.setattr(ensemble, "_OF_A_FAMILY", 1)
    problem, results = many
    assert [fold.repeat for fold in problem.splits.folds[:4]] == [0, 0, 0, 1]
    lucky = tuple(replace(fold, score=26.0 if fold.fold in (0, 2) else 0.0) for fold in results[-1].folds)
    results = [*results[:-1], replace(results[-1], folds=lucky)]
    names = [result.candidate.trial_id for result in results]
    assert "b6" in [names[number] for number in ensemble._pool(problem, results, None)]
    assert "b6" in [names[number] for number in ensemble._pool(problem, results, 0)]
    assert "b6" not in [names[number] for number in ensemble._pool(problem, results, 1)]
    assert {"b6", "b0"} <= set(taking_part(problem, results))


def test_fewer_take_part_where_memory_would_not_do(monkeypatch, many):
    problem, results = many
    monkeypatch.setattr(ensemble, "_MOST_CELLS", 9 * sum(map(len, problem.scored_rows)))
    monkeypatch.setattr(ensemble, "_FEW_MEMBERS", 2)
    assert len(taking_part(problem, results)) == 9
    monkeypatch.setattr(ensemble, "_MOST_CELLS", 1)
    assert len(taking_part(problem, results)) == 2


def test_by_the_clock_no_model_has_to_be_fitted_again(many):
    problem, results = many
    for fold in range(len(problem.splits.folds)):
        (fold_folder(problem.folder, "b1", fold) / CLASSES).touch()
    assert taking_part(problem, results, by_clock=True) == ["b1"]
    assert len(taking_part(problem, results)) == len(results)


def _stored_result(problem, made, score):
    """A candidate with noise for predictions, and a score that is not theirs."""
    folds = []
    generator = np.random.default_rng(made.number)
    for number, fold in enumerate(problem.splits.folds):
        with building(fold_folder(problem.folder, made.trial_id, number)) as temporary:
            valid = generator.normal(size=len(fold.valid))
            write_predictions(temporary, valid=valid, test=generator.normal(size=len(problem.splits.test)))
        folds.append(FoldResult(trial_id=made.trial_id, fold=number, status="ok", score=score, scores={}))
    return TrialResult(candidate=made, folds=tuple(folds), asked=len(folds), status="ok")
