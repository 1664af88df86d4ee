"""The brain: what is fitted next, what goes on, what is given up; by count and by the clock."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixture import (
    FAMILIES,
    FOLDS,
    Turned,
    counted,
    drive,
    drive_timed,
    fold_result,
    make_family,
    make_search,
    make_space,
    smooth,
    timed,
)

from bench.candidate import Candidate
from bench.foresight import LEAST_SECONDS
from bench.identity import seed_for
from bench.metric import get_metric
from bench.search import Past, Work, rungs

ONE = (make_family("trees"),)


def scored(candidate, fold):
    return fold_result(candidate, fold, smooth(candidate, fold))


def flaky(candidate, fold):
    """Some candidates fail, on a fold of their own."""
    if candidate.origin != "baseline" and seed_for(candidate.seed, "fails") % 5 == 0 and fold == candidate.seed % 3:
        return fold_result(candidate, fold, None, status="error")
    return scored(candidate, fold)


def told(results):
    """All that an outcome is, but for what is measured."""
    return [
        (r.candidate.to_dict(), r.status, r.reason, r.asked, [(f.fold, f.status, f.score) for f in r.folds])
        for r in results
    ]


@pytest.mark.parametrize(
    ("n_folds", "expected"), [(1, (1,)), (2, (2,)), (3, (2, 3)), (4, (2, 3, 4)), (5, (2, 3, 5)), (10, (2, 3, 5, 10))]
)
def test_rungs_end_with_all_folds(n_folds, expected):
    assert rungs(n_folds) == expected
    assert rungs(n_folds, ()) == (n_folds,)


# --- the order of moves -------------------------------------------------------------------------------------------


def test_opening_moves_are_baselines_then_defaults_and_then_comes_what_promises_most():
    families = (*FAMILIES, make_family("fixed", order=0))
    search, watcher = make_search(counted(9), families=families, spaces={"fixed": make_space("fixed", searched=False)})
    drive(search, scored)
    assert [(c.family, c.origin) for c in watcher.opened_[:5]] == [
        ("naive", "baseline"),
        ("fixed", "default"),
        ("trees", "default"),
        ("boost", "default"),
        ("lines", "default"),
    ]
    assert watcher.opened_[1].params == {}
    assert watcher.opened_[2].params == {"x": 0.5}
    assert {c.family for c in watcher.opened_[5:]} == {"boost"}  # the best by far


def test_the_portfolio_comes_before_suggestions():
    portfolio = {"trees": make_space("trees", portfolio=[{"x": 0.25}, {"x": 0.5}, {"x": 0.75}])}
    search, watcher = make_search(counted(6), families=ONE, spaces=portfolio)
    drive(search, scored)
    assert [c.origin for c in watcher.opened_] == ["default", "portfolio", "portfolio", "tuned", "tuned", "tuned"]
    assert [c.params["x"] for c in watcher.opened_ if c.origin == "portfolio"] == [0.25, 0.75]  # 0.5 is the default


def test_folds_are_handed_out_in_order_and_once():
    search, watcher = make_search(counted(1), families=(replace(make_family("boost"), borrows=True),))
    works = [search.next(), search.next()]
    assert [(w.candidate.family, w.fold) for w in works] == [("boost", 0), ("boost", 1)]
    assert search.next() is None  # the others wait for both
    search.tell(scored(works[1].candidate, 1))
    assert search.next() is None
    search.tell(scored(works[0].candidate, 0))
    assert [search.next().fold for _ in range(3)] == [2, 3, 4]
    assert search.next() is None
    assert watcher.closed_ == []


@pytest.mark.parametrize(("borrows", "folds"), [(False, [0, 1, 2, 3, 4]), (True, [0, 1])])
def test_by_the_clock_folds_of_a_family_s_first_wait_only_for_rounds_to_borrow(borrows, folds):
    families = (replace(make_family("trees"), borrows=borrows),)
    search, watcher = make_search(timed(Turned(), 1000.0, slots=8), families=families)
    works = [search.next() for _ in range(5)]
    assert [work.fold for work in works if work.candidate is watcher.opened_[0]] == folds


@pytest.mark.parametrize(
    ("names", "guess", "first"),
    [
        (("dear", "cheap"), 0.0, ("dear", "default")),
        (("dear", "cheap"), 1.0, ("cheap", "default")),
        (("dear",), 1.0, ("dear", "default")),  # there is nothing else
        (("hasty", "cheap"), 1.0, ("hasty", "quick")),
    ],
)
def test_what_is_guessed_to_be_hopeless_does_not_open(names, guess, first):
    """Five folds of 100 s are guessed, and 100 s left."""
    order = {"dear": 1, "hasty": 1, "cheap": 2}
    families = tuple(replace(make_family(n, order=order[n]), cost=1.0 if n == "cheap" else 100.0) for n in names)
    spaces = {"hasty": replace(make_space("hasty"), quick={"x": 0.4}, quick_cost=0.01)}
    search, _ = make_search(timed(Turned(), 100.0), families=families, spaces=spaces, guess=guess)
    candidate = search.next().candidate
    assert (candidate.family, candidate.origin) == first


@pytest.mark.parametrize(("patient", "parts"), [(True, {(0, 1), (2, 3, 4)}), (False, {(0, 1), (2,), (3, 4)})])
def test_folds_wait_for_others_where_their_candidate_may_be_given_up(patient, parts):
    search, _ = make_search(counted(20))
    seen = set()
    while works := list(iter(search.next, None)):
        for candidate in {work.candidate.trial_id: work.candidate for work in works}.values():
            if candidate.patient == patient:
                seen.add(tuple(w.fold for w in works if w.candidate == candidate))
        for work in works:
            search.tell(scored(work.candidate, work.fold))
    assert seen == parts


def test_candidates_are_numbered_and_the_first_two_of_a_family_are_patient():
    search, watcher = make_search(counted(14))
    drive(search, scored)
    for family in FAMILIES:
        mine = [c for c in watcher.opened_ if c.family == family.name]
        assert [c.number for c in mine] == list(range(len(mine)))
        assert [c.patient for c in mine] == [c.number < 2 for c in mine]
    assert len({c.seed for c in watcher.opened_}) == 14


# --- who goes on --------------------------------------------------------------------------------------------------


def by_number(levels, sign=1.0):
    """Scores that depend on a candidate's number alone, but for a little noise."""

    def answer(candidate, fold):
        noise = seed_for(candidate.seed, fold) % 100 / 1e4
        return fold_result(candidate, fold, sign * (levels[min(candidate.number, len(levels) - 1)] + noise))

    return answer


@pytest.mark.parametrize(("metric", "sign"), [("rmse", 1.0), ("r2", -1.0)])
def test_a_clearly_worse_candidate_is_pruned_after_the_first_rung(metric, sign):
    search, _ = make_search(counted(6), families=ONE, metric=get_metric(metric))
    drive(search, by_number([1.0, 0.5, 0.5, 0.5, 0.9, 0.4], sign))
    results = search.results()
    assert [r.status for r in results] == ["ok", "ok", "ok", "ok", "pruned", "ok"]
    assert [len(r.folds) for r in results] == [5, 5, 5, 5, 2, 5]
    assert results[4].reason == "clearly worse than the best of its family on 2 folds"
    assert results[4].asked == FOLDS


def test_patient_candidates_are_never_pruned():
    search, _ = make_search(timed(Turned(), 1e9), families=ONE)
    answer = by_number([0.1, 5.0, 9.0])
    for _ in range(12):
        work = search.next()
        search.tell(answer(work.candidate, work.fold))
    assert [(r.status, len(r.folds)) for r in search.results()] == [("ok", 5), ("ok", 5), ("pruned", 2)]


def test_incumbents_are_frozen_within_a_batch():
    search, _ = make_search(counted(8), families=ONE)
    drive(search, by_number([1.0, 0.5, 0.9]))
    assert [r.status for r in search.results()] == ["ok"] * 4 + ["pruned"] * 4


def test_a_candidate_is_weighed_against_its_own_family_only():
    families = (make_family("good", order=0), make_family("bad", order=1))

    def answer(candidate, fold):
        return fold_result(candidate, fold, (0.1 if candidate.family == "good" else 9.0) + 0.001 * fold)

    search, _ = make_search(counted(12), families=families)
    drive(search, answer)
    assert all(r.status == "ok" for r in search.results() if r.candidate.family == "bad")


def test_a_failed_fold_closes_its_candidate_and_keeps_the_folds_that_went_well():
    def answer(candidate, fold):
        broken = candidate.family == "boost" and fold == 2
        return fold_result(candidate, fold, None, status="out_of_memory") if broken else scored(candidate, fold)

    search, watcher = make_search(counted(5))
    drive(search, answer)
    failed = next(r for r in search.results() if r.candidate.family == "boost")
    assert (failed.status, failed.reason, len(failed.scores)) == ("out_of_memory", "it broke", 4)  # of its rung
    assert [f.status for f in failed.folds] == ["ok", "ok", "out_of_memory", "ok", "ok"]
    assert len(watcher.closed_) == 5


def test_results_that_come_after_a_candidate_was_given_up_change_nothing():
    search, watcher = make_search(timed(Turned(), 100, slots=2))
    first, second = search.next(), search.next()
    search.tell(fold_result(first.candidate, first.fold, None, status="error"))
    before = told(search.results())
    search.tell(scored(second.candidate, second.fold))
    assert told(search.results()) == before
    assert len(watcher.folded_) == 2  # though it is written down
    assert len(watcher.closed_) == 1


def test_three_failures_in_a_row_bench_a_family():
    def answer(candidate, fold):
        broken = candidate.family == "boost" and candidate.number >= 2
        return fold_result(candidate, fold, None, status="error") if broken else scored(candidate, fold)

    search, watcher = make_search(counted(28))
    drive(search, answer)
    failed = [r for r in search.results() if r.status == "error"]
    assert watcher.benched_ == [("boost", "it broke")]
    assert 3 <= len(failed) <= 6  # a batch that is under way is finished
    assert len(watcher.opened_) == 28


def test_a_family_without_any_success_is_not_tried_again_while_others_promise_more():
    def answer(candidate, fold):
        broken = candidate.family == "boost"
        return fold_result(candidate, fold, None, status="error") if broken else scored(candidate, fold)

    search, watcher = make_search(counted(24))
    drive(search, answer)
    assert Counter(c.family for c in watcher.opened_)["boost"] == 1


@pytest.mark.parametrize("ends", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0)])
def test_a_batch_is_learned_from_in_the_order_of_proposal(ends):
    search, watcher = make_search(counted(4), families=ONE)
    works = []
    while (work := search.next()) is not None:
        works.append(work)
    for number in ends:
        for work in works:
            if work.candidate.number == number:
                broken = number < 3
                search.tell(fold_result(work.candidate, work.fold, None if broken else 1.0, status="error"))
        while (work := search.next()) is not None:  # the folds that are left of the one that goes well
            search.tell(scored(work.candidate, work.fold))
    assert [r.candidate.number for r in watcher.closed_] == list(ends)
    assert watcher.benched_ == [("trees", "it broke")]
    assert [r.status for r in search.results()] == ["error"] * 3 + ["ok"]


def test_a_success_between_failures_keeps_a_family():
    def answer(candidate, fold):
        bad = candidate.number % 3 != 2
        return fold_result(candidate, fold, None, status="error") if bad else scored(candidate, fold)

    search, watcher = make_search(counted(12), families=ONE)
    drive(search, answer)
    assert watcher.benched_ == []
    assert len(search.results()) == 12


def test_the_search_ends_when_all_families_are_given_up():
    search, watcher = make_search(counted(100))
    drive(search, lambda c, fold: fold_result(c, fold, None, status="error"))
    assert {name for name, _ in watcher.benched_} == {"trees", "boost", "lines"}
    assert len(search.results()) < 20


def test_the_search_ends_when_a_grid_is_exhausted():
    search, watcher = make_search(counted(100), families=ONE, sampler="grid")
    drive(search, scored)
    assert sorted(c.params["x"] for c in watcher.opened_) == [0.0, 0.5, 1.0]  # the default is a point of the grid


# --- results, stop, baselines -------------------------------------------------------------------------------------


def test_candidates_under_way_count_as_cut_off_and_those_not_begun_do_not_count():
    search, _ = make_search(counted(4))
    for _ in range(7):  # one candidate whole, the second has two folds, the third is out
        work = search.next()
        search.tell(scored(work.candidate, work.fold))
    for _ in range(4):
        search.next()
    assert [(r.candidate.family, r.status, len(r.folds), r.reason) for r in search.results()] == [
        ("naive", "ok", 5, ""),
        ("trees", "timeout", 2, "the search ended after 2 of 5 folds"),
        ("boost", "timeout", 0, "the search ended after 0 of 5 folds"),
    ]


def test_results_are_in_the_order_of_proposal_by_the_clock_too():
    search, watcher = make_search(timed(Turned(), 1e6, slots=12))
    rng = np.random.default_rng(0)
    for _ in range(6):  # newest first, so that later proposals end earlier
        running = [work for _ in range(12) if (work := search.next()) is not None]
        for work in rng.permutation(np.array(running, dtype=object)):
            search.tell(scored(work.candidate, work.fold))
    place = {c.trial_id: i for i, c in enumerate(watcher.opened_)}
    ended = [place[r.candidate.trial_id] for r in watcher.closed_]
    assert ended != sorted(ended), "the test must end candidates out of order"
    order = [place[r.candidate.trial_id] for r in search.results()]
    assert order == sorted(order)


def test_after_stop_nothing_is_handed_out_but_results_are_still_taken():
    search, watcher = make_search(counted(4))
    work = search.next()
    search.stop()
    assert search.next() is None
    assert search.next(baselines_only=True) is None
    search.tell(scored(work.candidate, work.fold))
    assert len(search.results()[0].folds) == 1
    assert len(watcher.folded_) == 1


@pytest.mark.parametrize("plan", [counted(6), timed(Turned(), 1000.0)], ids=["counted", "timed"])
def test_baselines_only_hands_out_all_baselines_and_nothing_else(plan):
    families = (make_family("coin", baseline=True), *FAMILIES)
    search, watcher = make_search(plan, families=families)
    while (work := search.next(baselines_only=True)) is not None:
        assert work.candidate.origin == "baseline"
        search.tell(scored(work.candidate, work.fold))
    assert [r.candidate.family for r in watcher.closed_] == ["naive", "coin"]
    assert search.next().candidate.family == "trees"


# --- by count -----------------------------------------------------------------------------------------------------

TRIALS = 15


def run_counted(trials=TRIALS, *, slots=1, rng=None, past=(), answer=flaky, baselines=0, **asked):
    search, watcher = make_search(counted(trials, slots=slots), past=past, **asked)
    for _ in range(baselines):
        if (work := search.next(baselines_only=True)) is not None:
            search.tell(answer(work.candidate, work.fold))
    drive(search, answer, slots=slots, rng=rng)
    return search, watcher


@pytest.fixture(scope="module")
def undisturbed():
    search, watcher = run_counted()
    results = search.results()
    assert {"ok", "pruned", "error"} == {r.status for r in results}, "the world must have all that can happen"
    return [c.to_dict() for c in watcher.opened_], told(results)


@settings(max_examples=15, deadline=None)
@given(slots=st.integers(1, 9), order=st.integers(0, 10**6), baselines=st.integers(0, 6))
def test_counted_search_is_the_same_whatever_comes_back_when(undisturbed, slots, order, baselines):
    search, watcher = run_counted(slots=slots, rng=np.random.default_rng(order), baselines=baselines)
    opened, results = undisturbed
    assert [c.to_dict() for c in watcher.opened_] == opened
    assert told(search.results()) == results
    assert len(watcher.opened_) == TRIALS
    assert len(watcher.closed_) == TRIALS


def test_no_fold_is_handed_out_twice(undisturbed):
    _, watcher = run_counted(slots=4)
    assert max(Counter((f.trial_id, f.fold) for f in watcher.folded_).values()) == 1


def test_what_a_clock_has_cut_counts_for_nothing_where_candidates_are_counted(undisturbed):
    _, first = run_counted()
    cut = [
        replace(entry, folds=tuple(replace(f, score=9.9, scores={"rmse": 9.9}, ended_at=40) for f in entry.folds))
        for entry in left_behind(first.folded_, first.opened_)
    ]
    search, second = run_counted(past=cut)
    assert told(search.results()) == undisturbed[1]
    assert len(second.folded_) == len(first.folded_)


def test_a_larger_count_goes_on_with_the_same_candidates(undisturbed):
    longer, _ = run_counted(TRIALS + 6)
    assert told(longer.results())[:TRIALS] == undisturbed[1]


def test_another_seed_searches_elsewhere(undisturbed):
    _, watcher = run_counted(seed=1)
    params = [c["params"] for c in undisturbed[0] if c["origin"] == "tuned"]
    assert [dict(c.params) for c in watcher.opened_ if c.origin == "tuned"][0] != params[0]


def test_what_is_measured_decides_nothing_in_a_counted_search(undisturbed):
    def slow(candidate, fold):
        result = flaky(candidate, fold)
        seconds = 1e9 if candidate.family == "boost" else 1e-3  # the best family is by far the dearest
        return fold_result(candidate, fold, result.score, status=result.status, busy=seconds)

    search, _ = run_counted(answer=slow)
    assert told(search.results()) == undisturbed[1]


def left_behind(told_folds, opened, closed=()):
    """What a session that told these folds leaves for the next."""
    ends = {r.candidate.trial_id: r for r in closed}
    return [
        Past(
            candidate=c,
            folds=tuple(f for f in told_folds if f.trial_id == c.trial_id and f.status == "ok"),
            status=ends[c.trial_id].status if c.trial_id in ends and ends[c.trial_id].status != "timeout" else None,
            reason=ends[c.trial_id].reason if c.trial_id in ends else "",
        )
        for c in opened
    ]


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(0, 75), slots=st.integers(1, 5), order=st.integers(0, 1000))
def test_counted_search_resumes_to_the_same_results(undisturbed, cut, slots, order):
    rng = np.random.default_rng(order)
    _, first = run_counted(slots=slots, rng=rng)
    kept = first.folded_[:cut]
    past = left_behind(kept, first.opened_)
    search, second = run_counted(slots=slots, rng=rng, past=past)
    assert told(search.results()) == undisturbed[1]
    again = {(f.trial_id, f.fold) for f in second.folded_}
    assert not again & {(f.trial_id, f.fold) for f in kept if f.status == "ok"}


# --- by the clock -------------------------------------------------------------------------------------------------


def one_second(candidate):
    return 1.0


@pytest.mark.parametrize("window", [0.0, -5.0])
def test_baselines_run_even_without_any_time(window):
    clock = Turned()
    search, _ = make_search(timed(clock, window, total=100.0))
    drive_timed(search, clock, one_second)
    assert [(r.candidate.family, r.status) for r in search.results()] == [("naive", "ok")]


def test_a_second_baseline_is_left_out_when_the_command_should_be_over():
    clock = Turned()
    families = (make_family("coin", baseline=True, order=1), *FAMILIES)
    search, _ = make_search(timed(clock, 0.0, total=3.0), families=families)
    drive_timed(search, clock, one_second)
    assert [r.candidate.family for r in search.results()] == ["naive"]


def test_baselines_leave_half_of_what_is_kept_back_to_what_follows():
    families = (make_family("coin", baseline=True, order=1), *FAMILIES)
    for total, expected in ((14.0, ["naive", "coin"]), (8.0, ["naive"])):
        clock = Turned()
        search, _ = make_search(timed(clock, 0.0, total=total), families=families)
        drive_timed(search, clock, one_second)
        assert [r.candidate.family for r in search.results()] == expected


def test_the_second_baseline_runs_when_the_first_fails():
    families = (make_family("coin", baseline=True, order=1), *FAMILIES)
    search, _ = make_search(timed(Turned(now=50), 0.0, total=3.0), families=families)

    def answer(candidate, fold):
        broken = candidate.family == "naive"
        return fold_result(candidate, fold, None, status="error") if broken else scored(candidate, fold)

    drive(search, answer)
    assert [(r.candidate.family, r.status) for r in search.results()] == [("naive", "error"), ("coin", "ok")]


def test_a_fit_may_take_what_is_left_or_a_share_of_it_while_its_cost_is_unknown():
    clock = Turned()
    search, _ = make_search(timed(clock, 100.0), families=ONE)
    first = search.next()
    assert first.seconds == pytest.approx(16.0)  # five such folds are four fifths of the time
    clock.now = 9.0
    search.tell(fold_result(first.candidate, 0, 1.0, busy=9.0))
    assert search.next().seconds == pytest.approx(91.0)


def test_what_keeps_what_it_has_is_ended_sooner_and_its_row_says_so():
    clock = Turned()
    search, watcher = make_search(timed(clock, 100.0), families=(replace(ONE[0], borrows=True),))
    while not watcher.closed_:
        work = search.next()
        allowed = {0: 13.0, 1: 16.25}  # five such folds, or four, are 65 % of the time
        assert work.seconds == pytest.approx(allowed.get(work.fold, 100.0))
        ended_at = 60 - work.fold if work.fold < 2 else None
        search.tell(replace(fold_result(work.candidate, work.fold, 1.0, busy=1.0), ended_at=ended_at))
    assert (watcher.closed_[0].status, watcher.closed_[0].reason) == ("ok", "its time was over after 59 rounds")


@pytest.mark.parametrize("ended_at", [60, None])
def test_what_time_had_ended_is_tried_once_more_in_a_later_session_and_keeps_its_row(ended_at):
    def answer(candidate, fold):
        return replace(fold_result(candidate, fold, 1.0, busy=1.0), ended_at=ended_at)

    families = (replace(ONE[0], borrows=True),)
    spaces = {"trees": make_space("trees", portfolio=[{"x": 0.1}])}
    search, first = make_search(timed(Turned(), 100.0), families=families, spaces=spaces)
    while not first.closed_:
        work = search.next()
        search.tell(answer(work.candidate, work.fold))
    past = left_behind(first.folded_, first.opened_, first.closed_)
    search, second = make_search(timed(Turned(), 100.0), families=families, spaces=spaces, past=past)
    while len(second.opened_) < 4:
        work = search.next()
        search.tell(fold_result(work.candidate, work.fold, 1.0))
    kept, again, *_ = second.opened_
    assert search.results()[0].candidate == kept == first.opened_[0]
    assert (again.origin, again.params == kept.params) == ("portfolio", ended_at is not None)
    assert again.trial_id != kept.trial_id
    assert not any(candidate.params == kept.params for candidate in second.opened_[2:])


@pytest.mark.parametrize(("window", "begun"), [(74.0, "trees"), (80.0, "boost")])
def test_a_candidate_has_to_fit_beside_what_others_still_need(window, begun):
    """Alone it would take 30 s, of 64 or 70; what the cores have to do already takes another 30 of their seconds."""
    clock = Turned()
    families = (make_family("trees", order=1), make_family("boost", order=2))
    search, watcher = make_search(timed(clock, window, slots=2), families=families)
    works = [search.next() for _ in range(2)]
    clock.now = 10.0
    for work in works:
        search.tell(fold_result(work.candidate, work.fold, 1.0, busy=10.0))
    assert [search.next().fold for _ in range(3)] == [2, 3, 4]
    search.next()
    assert watcher.opened_[-1].family == begun


def test_a_first_fold_is_not_cut_off_for_taking_as_long_as_its_familys_others():
    clock = Turned()
    search, _ = make_search(timed(clock, 200.0), families=ONE)
    for _ in range(5):
        work = search.next()
        search.tell(fold_result(work.candidate, work.fold, 1.0, busy=9.0))
    clock.now = 120.0
    second = search.next()
    assert second.candidate.number == 1
    assert second.seconds == pytest.approx(18.0)  # where a share would be 13


def slowed_down():
    """A session that a candidate cannot end in: its second fold takes far longer than the first did."""
    clock = Turned()
    search, watcher = make_search(timed(clock, 100.0), families=ONE)
    for now, busy in ((5.0, 5.0), (65.0, 60.0)):
        work = search.next()
        clock.now = now
        search.tell(fold_result(work.candidate, work.fold, 1.0, busy=busy))
    return search, watcher


def test_a_candidate_that_cannot_end_in_time_is_closed_at_once():
    search, watcher = slowed_down()
    (result,) = search.results()
    assert (result.status, result.reason) == ("timeout", "its other 3 folds would take 98 s, 35 s are left")
    assert len(watcher.closed_) == 1
    assert search.next() is None  # another of its family would end no sooner


def test_what_ran_out_of_time_is_tried_again():
    _, watcher = slowed_down()
    past = left_behind(watcher.folded_, watcher.opened_, watcher.closed_)
    clock = Turned()
    search, watcher = make_search(timed(clock, 200.0), families=ONE, past=past)
    drive_timed(search, clock, lambda candidate: 10.0)
    first = search.results()[0]
    assert (first.status, first.reason, len(first.folds)) == ("ok", "", 5)
    assert [f.fold for f in watcher.folded_ if f.trial_id == first.candidate.trial_id] == [2, 3, 4]


def test_a_fold_that_is_lost_of_what_had_ended_well_is_fitted_again_and_no_other():
    search, first = make_search(timed(Turned(), 100.0), families=ONE)
    while not first.closed_:
        work = search.next()
        search.tell(scored(work.candidate, work.fold))
    (entry,) = left_behind(first.folded_, first.opened_, first.closed_)[:1]
    past = [replace(entry, folds=entry.folds[1:])]
    search, second = make_search(timed(Turned(), 100.0), families=ONE, past=past)
    work = search.next()
    assert (work.candidate, work.fold) == (entry.candidate, 0)
    search.tell(scored(work.candidate, 0))
    assert [(r.candidate, r.status, r.scores) for r in second.closed_] == [
        (r.candidate, r.status, r.scores) for r in first.closed_
    ]


@pytest.mark.parametrize(("window", "tried"), [(400.0, True), (60.0, False)])
def test_what_was_late_is_tried_again_only_where_there_is_time_for_what_it_seems_to_need(window, tried):
    _, first = make_search(timed(Turned(), 100.0), families=ONE)
    search, _ = make_search(timed(Turned(), 100.0), families=ONE)
    candidate = search.next().candidate
    late = (fold_result(candidate, 0, None, status="timeout", busy=16.0),)  # five folds of 32 s, then
    past = [Past(candidate=candidate, folds=(), status=None, late=late)]
    search, watcher = make_search(timed(Turned(), window), families=ONE, past=past)
    work = search.next()
    assert (work is not None and work.candidate == candidate) == tried
    assert [r.status for r in watcher.closed_] == ([] if tried else ["timeout"])


@pytest.mark.parametrize("left", [11.0, 9.0])
def test_folds_that_are_out_are_not_waited_for_twice(left):
    clock = Turned()
    search, watcher = make_search(timed(clock, 100.0, slots=8), families=ONE)
    first, second = search.next(), search.next()
    assert (first.candidate.trial_id, second.fold) == (second.candidate.trial_id, 1)
    clock.now = 100.0 - left
    search.tell(fold_result(first.candidate, 0, 1.0, busy=10.0))
    # One rung of one round is to come after the fold that is out.
    assert bool(watcher.closed_) == (left < 10.0)


@pytest.mark.parametrize("slots", [1, 2, 4, 16])
def test_nothing_is_begun_that_cannot_end(slots):
    clock = Turned()
    search, _ = make_search(timed(clock, 150.0, slots=slots))
    drive_timed(search, clock, lambda c: {"naive": 0.1, "trees": 4.0, "boost": 9.0}.get(c.family, 2.0), slots=slots)
    results = search.results()
    cut = [r for r in results if r.status == "timeout"]
    assert clock.now <= 150.0
    assert clock.now > 110.0
    assert sum(r.status == "ok" for r in results) >= 5
    # Where fits queue for slots, some of what was begun last does not end; never more than fills the slots once.
    assert len(cut) <= slots


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_family_that_is_far_too_slow_gets_one_share_of_the_time(slots):
    clock = Turned()
    search, watcher = make_search(timed(clock, 100.0, slots=slots))
    drive_timed(search, clock, lambda c: 1e6 if c.family == "trees" else 0.5 * slots, slots=slots)
    begun = {f.trial_id for f in watcher.folded_}
    slow = [c for c in watcher.opened_ if c.family == "trees" and c.trial_id in begun]
    assert len(slow) <= (1 if slots == 1 else 2)
    assert sum(r.status == "ok" for r in search.results()) >= 10


DEAR = (make_family("lines", order=1), make_family("dear", order=2))


@pytest.mark.parametrize(("window", "given_up"), [(250.0, True), (2000.0, False)])
def test_what_is_dear_must_keep_up_with_the_best_of_all_families(window, given_up):
    clock = Turned()
    spaces = {"lines": make_space("lines", searched=False), "dear": make_space("dear", portfolio=[{"x": 0.4}])}
    search, _ = make_search(timed(clock, window), families=DEAR, spaces=spaces)
    drive_timed(search, clock, lambda c: (4.0 if c.origin == "default" else 5.0) if c.family == "dear" else 0.5)
    first, second = [r for r in search.results() if r.candidate.family == "dear"][:2]
    assert first.status == "ok"  # a family's first is seen through
    assert (second.reason == "clearly worse than the best of all on 2 folds, and dear") == given_up
    assert (second.status, len(second.folds)) == (("pruned", 2) if given_up else ("ok", FOLDS))


def test_a_family_that_has_been_in_time_is_not_given_up_for_what_is_late():
    clock, points = Turned(), [{"x": x} for x in (0.6, 0.7, 0.8, 0.9)]
    spaces = {"trees": make_space("trees", portfolio=points)}
    search, watcher = make_search(timed(clock, 200.0), families=(make_family("trees"),), spaces=spaces)
    drive_timed(search, clock, lambda c: 1e6 if c.origin == "portfolio" else 1.0)
    ends = Counter((r.candidate.origin, r.status) for r in search.results())
    assert not watcher.benched_
    assert ends["portfolio", "timeout"] >= 1
    assert clock.now <= 200.0


def test_a_candidate_is_handed_the_time_that_its_own_cost_foretells():
    spaces = {"trees": replace(make_space("trees", portfolio=[{"x": 0.1}]), costs=(8.0,))}
    clock = Turned()
    search, _ = make_search(timed(clock, 200.0), families=ONE, spaces=spaces)
    for _ in range(FOLDS):
        work = search.next()
        clock.now += 2.0
        search.tell(fold_result(work.candidate, work.fold, 1.0, busy=2.0))
    assert search.next().seconds == pytest.approx(32.0)  # twice eight times as long, where a share would be 30


@pytest.mark.parametrize("left", [0.4, 0.6, 1.0, 1.8])
def test_candidates_for_which_there_is_no_time_are_not_opened(left):
    clock = Turned()
    search, watcher = make_search(timed(clock, left, slots=64))
    for _ in range(50):
        if (work := search.next()) is None:
            break
        search.tell(scored(work.candidate, work.fold))
    assert {c.origin for c in watcher.opened_} == {"baseline"}


def interrupted(clock, n_tells, *, slots=3, answer=flaky, **asked):
    """A session by the clock that is killed after so many results: ``(watcher, what it leaves)``."""
    search, watcher = make_search(timed(clock, 1e6, slots=slots), **asked)
    running = []
    for _ in range(n_tells):
        while len(running) < slots and (work := search.next()) is not None:
            running.append(work)
        work = running.pop(0)
        search.tell(answer(work.candidate, work.fold))
    return watcher, left_behind(watcher.folded_, watcher.opened_, watcher.closed_)


@settings(max_examples=8, deadline=None)
@given(n_tells=st.integers(0, 60), sampler=st.sampled_from(["tpe", "random"]))
def test_a_search_by_the_clock_goes_on_where_it_was_left(n_tells, sampler):
    first, past = interrupted(Turned(), n_tells, sampler=sampler)
    clock = Turned()
    search, second = make_search(timed(clock, 18.0, slots=3), past=past, sampler=sampler)
    drive_timed(search, clock, one_second, slots=3)
    results = search.results()
    ids = [r.candidate.trial_id for r in results]
    assert len(ids) == len(set(ids))
    assert [c.trial_id for c in first.opened_] == [c.trial_id for c in second.opened_[: len(first.opened_)]]
    numbers = [(r.candidate.family, r.candidate.number) for r in results]
    assert len(numbers) == len(set(numbers)), "numbering must go on"
    done = {(f.trial_id, f.fold) for f in first.folded_ if f.status == "ok"}
    assert not done & {(f.trial_id, f.fold) for f in second.folded_}
    ended = {r.candidate.trial_id: r.status for r in first.closed_}
    assert all(r.status == ended.get(r.candidate.trial_id, r.status) for r in results)
    taken_up = {c.trial_id for c in first.opened_} - set(ended)
    assert all(r.status in ("ok", "pruned") for r in results if r.candidate.trial_id in taken_up)
    defaults = Counter(r.candidate.family for r in results if r.candidate.origin in ("default", "baseline"))
    assert set(defaults.values()) == {1}


def test_a_benched_family_stays_benched_in_the_next_session():
    def answer(candidate, fold):
        broken = candidate.family == "boost" and candidate.number >= 2
        return fold_result(candidate, fold, None, status="error") if broken else scored(candidate, fold)

    search, watcher = make_search(counted(28))
    drive(search, answer)
    assert watcher.benched_
    clock = Turned()
    past = left_behind(watcher.folded_, watcher.opened_, watcher.closed_)
    search, watcher = make_search(timed(clock, 50.0), past=past)
    drive_timed(search, clock, one_second)
    assert not any(c.family == "boost" for c in watcher.opened_[28:])
    assert len(watcher.opened_) > 28


def test_candidates_that_would_be_fitted_otherwise_now_are_not_taken_up():
    _, past = interrupted(Turned(), 30)
    clock = Turned()
    search, watcher = make_search(timed(clock, 30.0), past=past, library="2.0")
    drive_timed(search, clock, one_second)
    assert not {entry.candidate.trial_id for entry in past} & {c.trial_id for c in watcher.opened_}
    assert watcher.opened_[0].origin == "baseline"


def test_candidates_of_a_family_that_takes_part_no_more_are_not_taken_up():
    _, past = interrupted(Turned(), 30)
    clock = Turned()
    search, _ = make_search(timed(clock, 30.0), past=past, families=FAMILIES[:2])
    drive_timed(search, clock, one_second)
    assert {r.candidate.family for r in search.results()} == {"naive", "trees"}


def test_later_folds_are_handed_what_the_first_two_lent():
    search, _ = make_search(counted(1), families=ONE)
    for rounds in (10, 20):
        work = search.next()
        assert work.lent == ()
        search.tell(replace(scored(work.candidate, work.fold), rounds=rounds))
    assert search.next().lent == (10, 20)


@pytest.mark.parametrize(
    ("seconds", "left", "limit", "hung_after"),
    [(5.0, 60.0, math.inf, 11.0), (5.0, 8.0, math.inf, 8.0), (5.0, 5.0, math.inf, 5.0), (None, 60.0, 30.0, 30.0)],
)
def test_a_booster_may_predict_with_what_it_has_where_the_search_has_time(seconds, left, limit, hung_after):
    assert work(seconds, left=left, limit=limit, predicting=6.0).hung_after == hung_after
    assert work(seconds, left=left, limit=limit).hung_after == min(limit, math.inf if seconds is None else seconds)


@pytest.mark.parametrize(("seconds", "left"), [(5.0, 5.0), (9.0, 5.0), (10.0, 8.0), (0.5, -1.0), (None, math.inf)])
def test_what_a_worker_prepares_for_a_fit_is_taken_from_what_is_left(seconds, left):
    begun = work(None if seconds is None else 10.0, left=left + 3.0).begun_after(3.0)
    assert begun.seconds == (None if seconds is None else min(10.0, max(LEAST_SECONDS, left)))


def work(seconds, **more):
    made = Candidate(trial_id="t", family="a", params={}, origin="default", number=0, seed=0)
    return Work(candidate=made, fold=0, seconds=seconds, **more)
