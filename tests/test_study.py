"""Suggestions: seeded, learning, within the space; and the journal that optuna's own tools open."""

import time

import numpy as np
import optuna
import pytest

from bench.space import Parameter, Space
from bench.study import GRID_POINTS, FamilyStudy, Outcomes, _permutation, describe_sampler, study_seed

X = Parameter(name="x", type="float", low=0.0, high=1.0)
MIXED = Space(
    family="mixed",
    parameters=(
        Parameter(name="rate", type="float", low=1e-4, high=0.03, log=True),
        Parameter(name="depth", type="int", low=1, high=2),
        Parameter(name="kind", type="categorical", choices=(None, True, "a")),
    ),
    defaults={"rate": 0.01, "depth": 2, "kind": None},
    portfolio=(),
)


def line(family="line"):
    return Space(family=family, parameters=(X,), defaults={"x": 0.5}, portfolio=())


@pytest.fixture
def make_study(tmp_path):
    def make(space=None, *, sampler="tpe", seed=0, maximize=False, name="optuna.journal"):
        outcomes = Outcomes(tmp_path / name)
        return FamilyStudy(space or line(), maximize=maximize, sampler=sampler, seed=seed, outcomes=outcomes)

    return make


def search(study, n, score, *, tell=True):
    """Ask and tell ``n`` times: the points."""
    points = []
    for number in range(n):
        if (suggestion := study.ask()) is None:
            break
        params = suggestion.params
        points.append(params)
        if tell:
            study.tell(suggestion, params, "ok", [score(params)] * 3, label=f"trial-{number}")
    return points


def distance(params):
    return abs(params["x"] - 0.85)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_same_seed_and_outcomes_give_the_same_suggestions(make_study, sampler):
    first, again, other = (
        search(make_study(sampler=sampler, seed=seed, name=f"{name}.journal"), 12, distance)
        for name, seed in (("first", 7), ("again", 7), ("other", 8))
    )
    assert first == again
    assert sampler == "grid" or first != other


def test_outcomes_decide_what_tpe_suggests(make_study):
    near = search(make_study(seed=1), 12, distance)
    far = search(make_study(seed=1, name="far.journal"), 12, lambda params: -distance(params))
    assert near[:5] == far[:5]  # what it starts with
    assert near[5:] != far[5:]


@pytest.mark.parametrize("maximize", [False, True])
def test_tpe_comes_closer_than_random(make_study, maximize):
    sign = -1.0 if maximize else 1.0

    def late_distance(sampler, seed):
        study = make_study(sampler=sampler, seed=seed, maximize=maximize, name=f"{sampler}{seed}.journal")
        points = search(study, 30, lambda params: sign * distance(params))
        return np.mean([distance(params) for params in points[15:]])

    tpe, random = (np.mean([late_distance(sampler, seed) for seed in range(3)]) for sampler in ("tpe", "random"))
    assert tpe < 0.5 * random


def test_grid_visits_every_point_once_then_is_exhausted(make_study):
    points = search(make_study(MIXED, sampler="grid"), 100, lambda params: 1.0)
    assert len(points) == GRID_POINTS * 2 * 3
    assert len({tuple(p.values()) for p in points}) == len(points)
    assert sorted({p["rate"] for p in points}) == [1e-4, pytest.approx((1e-4 * 0.03) ** 0.5), 0.03]
    assert {p["depth"] for p in points} == {1, 2}
    assert {p["kind"] for p in points} == {None, True, "a"}


def test_grid_is_in_another_order_for_another_seed(make_study):
    one, other = (
        search(make_study(MIXED, sampler="grid", seed=seed, name=f"{seed}.journal"), 18, lambda params: 1.0)
        for seed in (0, 1)
    )
    assert one != other
    assert sorted(map(str, one)) == sorted(map(str, other))


def test_skipped_asks_are_not_asked_again(make_study):
    whole = search(make_study(MIXED, sampler="grid"), 18, lambda params: 1.0)
    resumed = make_study(MIXED, sampler="grid", name="resumed.journal")
    for _ in range(5):
        resumed.skip_ask()
    assert search(resumed, 100, lambda params: 1.0) == whole[5:]


def test_skipping_goes_on_with_later_seeds(make_study):
    whole = search(make_study(sampler="random"), 6, distance)
    resumed = make_study(sampler="random", name="resumed.journal")
    for _ in range(4):
        resumed.skip_ask()
    assert search(resumed, 2, distance) == whole[4:]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_suggestions_lie_in_the_space(make_study, sampler):
    for params in search(make_study(MIXED, sampler=sampler), 20, lambda params: params["rate"]):
        assert 1e-4 <= params["rate"] <= 0.03
        assert params["depth"] in (1, 2)
        assert isinstance(params["depth"], int)
        assert params["kind"] in (None, True, "a")


def opened(tmp_path, name="line"):
    """The journal as optuna's own tools see it."""
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.journal"))
    return optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend))


def test_optuna_opens_the_journal_and_finds_the_trials(make_study, tmp_path):
    study = make_study(maximize=True)
    study.tell(None, {"x": 0.5, "rounds": 9}, "ok", [0.7, 0.8], label="default")
    for number, (status, scores) in enumerate(
        [("ok", [0.5, 0.7, 0.9]), ("pruned", [0.1, 0.3]), ("error", [0.4]), ("timeout", []), ("pruned", [])]
    ):
        suggestion = study.ask()
        study.tell(suggestion, suggestion.params, status, scores, label=f"trial-{number}")
    record = opened(tmp_path)
    assert record.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [t.user_attrs["trial_id"] for t in record.trials] == ["default", *(f"trial-{n}" for n in range(5))]
    assert [t.state.name for t in record.trials] == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "FAIL", "FAIL"]
    assert [t.value for t in record.trials[:2]] == [pytest.approx(0.75), pytest.approx(0.7)]
    assert record.trials[1].intermediate_values == {0: 0.5, 1: 0.7, 2: 0.9}
    assert record.trials[2].intermediate_values == {0: 0.1, 1: 0.3}
    assert record.trials[0].params == {"x": 0.5}
    assert record.best_trial.user_attrs["trial_id"] == "default"


def test_a_journal_is_written_anew(make_study, tmp_path):
    make_study().tell(None, {"x": 0.1}, "ok", [1.0], label="old")
    make_study().tell(None, {"x": 0.1}, "ok", [1.0], label="new")
    assert [t.user_attrs["trial_id"] for t in opened(tmp_path).trials] == ["new"]


def test_families_share_a_journal(tmp_path):
    outcomes = Outcomes(tmp_path / "optuna.journal")
    for name in ("a", "b"):
        study = FamilyStudy(line(name), maximize=False, sampler="tpe", seed=0, outcomes=outcomes)
        study.tell(None, {"x": 0.1}, "ok", [1.0], label=f"of-{name}")
    assert [opened(tmp_path, name).trials[0].user_attrs["trial_id"] for name in ("a", "b")] == ["of-a", "of-b"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"rate": 0.01, "depth": 2},
        {"rate": 0.5, "depth": 2, "kind": None},
        {"rate": 0.01, "depth": 3, "kind": None},
        {"rate": 0.01, "depth": 2, "kind": "z"},
        {"rate": None, "depth": 2, "kind": None},
        {"rate": "much", "depth": 2, "kind": None},
    ],
)
def test_points_outside_the_space_are_ignored(make_study, tmp_path, params):
    study = make_study(MIXED)
    study.tell(None, params, "ok", [1.0], label="odd")
    assert opened(tmp_path, "mixed").trials == []
    assert study.ask() is not None


def test_points_that_were_not_suggested_are_learned_from(make_study):
    study = make_study(line(), seed=3)
    for x in np.linspace(0, 1, 21):
        study.tell(None, {"x": float(x)}, "ok", [distance({"x": x})], label=str(x))
    assert np.mean([distance(p) for p in search(study, 10, distance)]) < 0.2


def test_a_dropped_suggestion_is_forgotten(make_study, tmp_path):
    study = make_study()
    suggestion = study.ask()
    study.drop(suggestion)
    assert study.ask().params != suggestion.params
    assert opened(tmp_path).trials == []


def test_a_suggestion_that_was_fitted_with_other_parameters_is_not_learned_from(make_study, tmp_path):
    study = make_study()
    study.tell(study.ask(), {"x": 2.0}, "ok", [1.0], label="raised")
    assert opened(tmp_path).trials == []
    suggestion = study.ask()
    study.tell(suggestion, suggestion.params, "ok", [1.0], label="as suggested")
    assert [trial.params for trial in opened(tmp_path).trials] == [suggestion.params]


def test_a_space_with_nothing_to_search_learns_nothing(make_study, tmp_path):
    study = make_study(Space(family="line", parameters=(), defaults={}, portfolio=()))
    study.tell(None, {}, "ok", [1.0], label="only")
    assert opened(tmp_path).trials == []


def test_permutation_covers_small_sizes_and_samples_huge_ones():
    assert sorted(_permutation(50, 1)) == list(range(50))
    huge = _permutation(10**15, 1)
    drawn = [next(huge) for _ in range(100)]
    assert all(0 <= index < 10**15 for index in drawn)
    assert len(set(drawn)) == 100


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_sampler_is_described_with_its_settings(sampler):
    described = describe_sampler(sampler, 7, ["line", "mixed"])
    assert described["sampler"] == sampler
    assert described["optuna"] == optuna.__version__
    assert described["class"] == f"optuna.samplers.{'TPE' if sampler == 'tpe' else 'Random'}Sampler"
    assert described["study_seeds"] == {"line": study_seed(7, "line"), "mixed": study_seed(7, "mixed")}
    assert ("n_startup_trials" in described, "points" in described) == (sampler == "tpe", sampler == "grid")


@pytest.mark.parametrize("maximize", [False, True])
def test_a_long_history_is_thinned_and_what_runs_is_kept(make_study, maximize):
    study, sign = make_study(maximize=maximize), -1.0 if maximize else 1.0
    running, best = [study.ask() for _ in range(3)], []
    for number in range(700):
        suggestion = study.ask()
        best.append(distance(suggestion.params))
        study.tell(suggestion, suggestion.params, "ok", [sign * best[-1]], label=f"trial-{number}")
    known = study._study.get_trials(deepcopy=False)
    assert len(known) < 1200
    assert set(sorted(best)[:25]) <= {sign * trial.value for trial in known if trial.value is not None}
    for suggestion in running:
        study.tell(suggestion, suggestion.params, "ok", [sign * distance(suggestion.params)], label="late")
    told = [distance(suggestion.params) for suggestion in (study.ask() for _ in range(20))]
    assert np.median(told) < np.median([distance(suggestion.params) for suggestion in running])


# --- a journal that fails (item 65) -----------------------------------------------------------------------------------


def fallen(path, how):
    """Have something happen to the journal file."""
    if how == "corrupt":
        path.write_bytes(b"\x00\xffgarbage\nmore\n" + path.read_bytes()[20:])
    elif how == "torn":
        path.write_bytes(path.read_bytes()[:-7])
    elif how == "gone":
        path.unlink()
    else:  # a process that is gone has left its lock
        path.with_name(f"{path.name}.lock").symlink_to(path)


@pytest.mark.parametrize("how", ["corrupt", "torn", "locked"])
def test_item_65_a_journal_that_fails_is_written_anew(make_study, tmp_path, how):
    undisturbed = search(make_study(name="other.journal"), 12, distance)
    study = make_study()
    first = search(study, 6, distance)
    fallen(tmp_path / "optuna.journal", how)
    assert first + search(study, 6, distance) == undisturbed
    assert [trial.params for trial in opened(tmp_path).trials] == undisturbed


def test_item_65_a_search_goes_on_without_a_journal(make_study, tmp_path, caplog):
    undisturbed = search(make_study(name="other.journal"), 12, distance)
    study = make_study()
    first = search(study, 6, distance)
    (tmp_path / "optuna.journal").unlink()
    (tmp_path / "optuna.journal").mkdir()
    assert first + search(study, 6, distance) == undisturbed
    assert caplog.text.count("the search goes on without it") == 1


def test_item_65_a_lock_that_a_killed_run_left_is_no_matter(make_study, tmp_path):
    fallen(tmp_path / "optuna.journal", "locked")
    begun = time.monotonic()
    search(make_study(), 2, distance)
    assert time.monotonic() - begun < 2
