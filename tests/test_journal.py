"""The journal: what was proposed and what came of it, read back as what there is to go on with."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixture import FOLDS, Turned, counted, drive, drive_timed, fold_result, make_search, smooth, timed

from bench import journal as journal_module
from bench.candidate import Candidate
from bench.journal import Journal, read_past, read_results, seconds_spent
from bench.store import PREDICTIONS, RunStore, building, fold_folder
from bench.trial import TrialResult

CANDIDATE = Candidate(
    trial_id="t1", family="trees", params={"x": 0.1, "n": None, "on": True}, origin="tuned", number=4, seed=11
)


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "run", "abc")
    yield store
    store.close()


@pytest.fixture
def clock(monkeypatch):
    turned = Turned(now=1000.0)
    monkeypatch.setattr(journal_module.time, "monotonic", lambda: turned.now)
    return turned


def keep_predictions(folder, trial_id, fold):
    where = fold_folder(folder, trial_id, fold)
    with building(where) as temporary:
        (temporary / PREDICTIONS).touch()


def fold(store, candidate, number, score=0.5, **kwargs):
    result = fold_result(candidate, number, score, **kwargs)
    if score is not None:
        keep_predictions(store.folder, candidate.trial_id, number)
    return result


def trial(candidate, folds, status="ok", reason=""):
    return TrialResult(candidate=candidate, folds=tuple(folds), asked=FOLDS, status=status, reason=reason)


def past_of(store):
    return read_past(store.folder, store.events())


def test_a_candidate_under_way_comes_back_with_its_folds(store):
    journal = Journal(store)
    journal.opened(CANDIDATE)
    for number in (2, 0):
        journal.folded(fold(store, CANDIDATE, number))
    (past,) = past_of(store)
    assert past.candidate == CANDIDATE
    assert past.folds == (fold_result(CANDIDATE, 0, 0.5), fold_result(CANDIDATE, 2, 0.5))
    assert (past.status, past.reason) == (None, "")


def test_candidate_whose_own_line_is_damaged_is_left_out_and_the_others_come_back(store):
    journal = Journal(store)
    other = replace(CANDIDATE, trial_id="t2")
    for candidate in (CANDIDATE, other):
        journal.opened(candidate)
        journal.closed(trial(candidate, [fold(store, candidate, 0)]))
    left = [event for event in store.events() if (event["event"], event.get("trial_id")) != ("candidate", "t1")]
    (kept,) = read_results(left, FOLDS)
    assert kept.candidate == other


def test_every_session_keeps_its_environment(store):
    for version in ("1", "2"):
        Journal(store, environment={"bench": version}).end()
    told = [event.get("environment") for event in store.events()]
    assert told == [{"bench": "1"}, None, {"bench": "2"}, None]


@pytest.mark.parametrize("status", ["ok", "pruned", "error", "out_of_memory", "skipped"])
def test_how_a_candidate_ended_comes_back(store, status):
    journal = Journal(store)
    journal.opened(CANDIDATE)
    journal.closed(trial(CANDIDATE, [fold(store, CANDIDATE, 0)], status, "why"))
    assert [(past.status, past.reason) for past in past_of(store)] == [(status, "why")]


def test_what_ran_out_of_time_counts_as_not_ended_until_it_ends(store):
    journal = Journal(store)
    journal.opened(CANDIDATE)
    journal.closed(trial(CANDIDATE, [], "timeout", "too slow"))
    assert past_of(store)[0].status is None
    journal = Journal(store)
    journal.closed(trial(CANDIDATE, [], "ok"))
    assert past_of(store)[0].status == "ok"


def test_folds_that_failed_are_not_kept(store):
    journal = Journal(store)
    journal.opened(CANDIDATE)
    journal.folded(fold(store, CANDIDATE, 0, None, status="error"))
    assert past_of(store)[0].folds == ()


@pytest.mark.parametrize("status", ["ok", "pruned"])
def test_folds_whose_predictions_are_gone_are_ignored_and_their_candidate_is_not_through(store, status):
    journal = Journal(store)
    journal.opened(CANDIDATE)
    folds = [fold(store, CANDIDATE, number) for number in range(FOLDS)]
    for result in folds:
        journal.folded(result)
    journal.closed(trial(CANDIDATE, folds, status))
    assert past_of(store)[0].status == status
    (fold_folder(store.folder, "t1", 1) / PREDICTIONS).unlink()
    (past,) = past_of(store)
    assert [result.fold for result in past.folds] == [0, 2, 3, 4]
    assert past.status is None


def test_a_fold_that_was_fitted_again_counts_with_its_last_result(store):
    journal = Journal(store)
    journal.opened(CANDIDATE)
    journal.folded(fold(store, CANDIDATE, 0, None, status="error"))
    journal.folded(fold(store, CANDIDATE, 0, 0.5))
    journal.folded(fold(store, CANDIDATE, 0, 0.7))
    assert [result.score for result in past_of(store)[0].folds] == [0.7]


def test_candidates_and_ends_are_written_once_over_all_sessions(store):
    for _ in range(2):
        journal = Journal(store)
        for _ in range(2):
            journal.opened(CANDIDATE)
            journal.closed(trial(CANDIDATE, [], "error", "why"))
        journal.end()
    kinds = [event["event"] for event in store.events()]
    assert (kinds.count("candidate"), kinds.count("trial"), kinds.count("session")) == (1, 1, 4)


def test_a_given_up_family_is_written_down(store):
    Journal(store).benched("trees", "no memory")
    assert [e for e in store.events() if e["event"] == "benched"][0] | {"at": 0, "spent": 0} == {
        "event": "benched",
        "at": 0,
        "spent": 0,
        "family": "trees",
        "reason": "no memory",
    }


# --- time ---------------------------------------------------------------------------------------------------------


def test_a_session_counts_from_its_start_not_from_its_first_line(store, clock):
    journal = Journal(store, taken=5.0)
    clock.now += 10
    journal.end()
    assert seconds_spent(store.events()) == pytest.approx(15)


def test_nothing_is_spent_before_the_first_session(store):
    assert seconds_spent(store.events()) == 0.0


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_the_wall_clock_may_be_set_while_a_session_lasts(store, clock, monkeypatch, jump):
    journal = Journal(store, taken=3.0)
    monkeypatch.setattr(journal_module.time, "time", lambda: 1e9 + jump)
    clock.now += 4
    journal.end()
    assert seconds_spent(store.events()) == pytest.approx(7)


def test_ends_are_stamped_by_the_time_of_all_sessions(store, clock):
    journal = Journal(store)
    clock.now += 7
    journal.closed(trial(CANDIDATE, [], "error"))
    clock.now = 9000.0  # killed; long after
    journal = Journal(store, taken=1.0)
    clock.now += 2
    journal.closed(trial(CANDIDATE, [], "ok"))
    assert [e["seconds"] for e in store.events() if e["event"] == "trial"] == [pytest.approx(7), pytest.approx(10)]


# --- with the search ----------------------------------------------------------------------------------------------


def outcome(search):
    return [(r.candidate.to_dict(), r.status, r.reason, r.scores) for r in search.results()]


def answering(store, fail=True):
    def answer(candidate, number):
        if fail and candidate.number == 2 and number == 1:
            return fold_result(candidate, number, None, status="error")
        return fold(store, candidate, number, smooth(candidate, number))

    return answer


class Killed(Exception):  # noqa: N818 - what a signal does
    pass


@contextlib.contextmanager
def opened_store(folder):
    store = RunStore(folder, "abc")
    try:
        yield store
    finally:
        store.close()


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), max_size=3), slots=st.integers(1, 4))
def test_a_counted_run_that_is_killed_again_and_again_ends_the_same(tmp_path_factory, cuts, slots):
    def run(folder, cuts):
        for cut in [*cuts, None]:
            with opened_store(folder) as store, contextlib.suppress(Killed):
                search, _ = make_search(counted(9), past=past_of(store), observers=(Journal(store),))
                told = iter(range(cut if cut is not None else 10**9))
                answer = answering(store)

                def until_killed(candidate, number, told=told, answer=answer):
                    if next(told, None) is None:
                        raise Killed
                    return answer(candidate, number)

                drive(search, until_killed, slots=slots, rng=np.random.default_rng(0))
        return outcome(search)

    undisturbed = run(tmp_path_factory.mktemp("whole"), [])
    folder = tmp_path_factory.mktemp("killed")
    assert run(folder, cuts) == undisturbed
    with opened_store(folder) as store:
        done = [(e["trial_id"], e["fold"]) for e in store.events() if e["event"] == "fold" and e["status"] == "ok"]
    assert len(done) == len(set(done)), "a finished fold is not fitted again"


def test_a_lost_prediction_is_made_again_by_the_clock_too(store):
    clock = Turned()
    search, _ = make_search(timed(clock, 10.0), observers=(Journal(store),))
    drive_timed(search, clock, lambda candidate: 0.4)
    whole = [r for r in search.results() if r.status == "ok"]
    for result in whole:
        for number in range(FOLDS):
            keep_predictions(store.folder, result.candidate.trial_id, number)
    lost = whole[1].candidate.trial_id
    (fold_folder(store.folder, lost, 3) / PREDICTIONS).unlink()
    clock = Turned()
    search, watcher = make_search(timed(clock, 5.0), past=past_of(store))
    drive_timed(search, clock, lambda candidate: 0.1)
    again = next(r for r in search.results() if r.candidate.trial_id == lost)
    assert [(f.trial_id, f.fold) for f in watcher.folded_][0] == (lost, 3)
    assert (again.status, len(again.scores)) == ("ok", FOLDS)
