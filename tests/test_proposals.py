"""What is proposed, apart from the search around it."""

import math
from dataclasses import replace

import pytest
from search_fixture import FAMILIES, FOLDS, RMSE, fold_result, make_family, make_proposals, make_space

from bench.candidate import Candidate
from bench.identity import seed_for
from bench.promise import FamilyRecord
from bench.proposals import MOST_FAILURES, row_steps
from bench.space import Parameter, Space
from bench.study import FamilyStudy, Outcomes
from bench.trial import TrialResult


def ended(candidate, score=1.0, *, status="ok", seconds=1.0, folds=FOLDS):
    results = tuple(fold_result(candidate, fold, score, busy=seconds) for fold in range(folds))
    return TrialResult(candidate=candidate, folds=results, asked=FOLDS, status=status)


def boosters_space():
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    return Space(
        family="boost",
        parameters=(x,),
        defaults={"x": 0.5, "n_estimators": 100},
        base={"n_estimators": 10_000},
        portfolio=({"x": 0.1}, {"x": 0.2}),
        costs=(2.0, 4.0),
        search_cost=7.0,
    )


def take(proposals, n, *, learn=True, share=lambda name, cost: 0.0, **kwargs):
    """Take candidates, each told to have gone well before the next."""
    taken = []
    while len(taken) < n and (candidate := proposals.propose(share=share)) is not None:
        taken.append(candidate)
        if learn:
            proposals.learn(ended(candidate, **kwargs))
    return taken


def test_cheap_and_strong_families_come_first_and_ties_go_by_name():
    families = [make_family("b", order=2), make_family("c", order=1), make_family("a", order=2)]
    assert [c.family for c in take(make_proposals(families), 3)] == ["c", "a", "b"]


def test_baseline_is_next_until_all_baselines_are_proposed():
    proposals = make_proposals([*FAMILIES, make_family("coin", baseline=True)], timed=True)
    seen = []
    for _ in range(3):
        seen.append(proposals.baseline_is_next)
        proposals.propose(share=lambda name, cost: 0.0)
    assert seen == [True, True, False]


def test_what_is_not_affordable_is_not_proposed_except_for_baselines():
    taken = take(make_proposals(FAMILIES), 10, share=lambda name, cost: 2.0 - 2 * (name == "lines"))
    assert [c.family for c in taken[:3]] == ["naive", "lines", "lines"]
    assert {c.family for c in taken[1:]} == {"lines"}


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.3])
def test_the_dearer_a_family_the_longer_it_waits_for_what_the_others_promise(share):
    families, points = [make_family("dear", order=1), make_family("cheap", order=2)], [{"x": 0.1}]
    spaces = {name: make_space(name, portfolio=points) for name in ("dear", "cheap")}
    proposals = make_proposals(families, spaces=spaces, timed=True)
    taken = take(proposals, 6, share=lambda name, cost: share * (name == "dear"))
    moves = [(c.family, c.origin) for c in taken]
    cheap = [("cheap", "default"), ("cheap", "portfolio"), ("cheap", "tuned")]
    if share == 0.3:
        assert moves[:3] == cheap
        assert ("dear", "default") in moves
    else:
        portfolios = [("dear", "portfolio")] * (share <= 0.05) + [cheap[1]]
        assert moves[: 2 + len(portfolios)] == [("dear", "default"), cheap[0], *portfolios]


def test_in_a_counted_run_families_open_with_their_defaults_alone():
    """A point of a portfolio is no cheaper there than one that promises more."""
    families = [make_family(name, order=place) for place, name in enumerate(("good", "bad", "worse"))]
    spaces = {name: make_space(name, portfolio=[{"x": 0.1}]) for name in ("good", "bad", "worse")}
    proposals, moves = make_proposals(families, spaces=spaces), []
    for _ in range(4):
        candidate = proposals.propose(share=lambda name, cost: 0.0)
        moves.append((candidate.family, candidate.origin))
        proposals.learn(ended(candidate, score={"good": 1.0, "bad": 3.0, "worse": 4.0}[candidate.family]))
    assert moves == [("good", "default"), ("bad", "default"), ("worse", "default"), ("good", "portfolio")]


@pytest.mark.parametrize(("timed", "points"), [(True, [0.1, 0.2, 0.3]), (False, [0.2, 0.3, 0.1])])
def test_where_no_time_is_told_the_dearest_points_come_first(timed, points):
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    portfolio = tuple({"x": point} for point in (0.1, 0.2, 0.3))
    space = Space(family="boost", parameters=(x,), defaults={"x": 0.5}, portfolio=portfolio, costs=(2.0, 40.0, 20.0))
    proposals = make_proposals([make_family("boost")], spaces={"boost": space}, timed=timed)
    assert [candidate.params["x"] for candidate in take(proposals, 4)[1:]] == points


def test_the_portfolio_of_a_baseline_opens_nothing():
    families = (make_family("near", order=0, baseline=True), make_family("trees", order=1))
    spaces = {name: make_space(name, portfolio=[{"x": 0.1}]) for name in ("near", "trees")}
    moves = take(make_proposals(families, spaces=spaces, timed=True), 3, learn=False)
    assert [(c.family, c.origin) for c in moves] == [("near", "baseline"), ("trees", "default"), ("trees", "portfolio")]


@pytest.mark.parametrize(
    ("seconds", "first", "place"),
    [
        (0.1, "default", 0),
        (0.9, "default", 3),  # it waits for those that open, and is affordable still
        (1.5, "quick", 0),
        (5.0, "quick", 3),
        (20.0, None, None),
    ],
)
def test_a_family_whose_default_would_take_too_long_begins_with_its_quick_one(seconds, first, place):
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    space = Space(family="dear", parameters=(x,), defaults={"x": 0.5}, portfolio=(), quick={"x": 0.4}, quick_cost=0.1)
    families = [make_family("dear", order=1), make_family("cheap", order=2)]
    proposals = make_proposals(families, spaces={"dear": space})

    def share(name: str, cost: float) -> float:
        return seconds * cost if name == "dear" else 0.0

    taken = take(proposals, 20, share=share)
    dear = [(c.origin, number) for number, c in enumerate(taken) if c.family == "dear"]
    assert next(iter(dear), (None, None)) == (first, place)
    assert all((c.params == {"x": 0.4}) == (c.origin == "quick") for c in taken)


def test_a_familys_first_candidate_costs_what_its_default_does_whatever_its_portfolio():
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    costly = {"portfolio": ({"x": 0.1},), "costs": (9.0,), "quick": {"x": 0.4}, "quick_cost": 0.1}
    space = Space(family="dear", parameters=(x,), defaults={"x": 0.5}, **costly)
    proposals = make_proposals([make_family("dear")], spaces={"dear": space})
    (first,) = take(proposals, 1, share=lambda name, cost: 0.9 * cost)
    assert first.origin == "default"


def test_after_a_quick_candidate_come_the_defaults_with_the_portfolio_now_and_in_a_later_session():
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    space = Space(
        family="dear", parameters=(x,), defaults={"x": 0.5}, portfolio=({"x": 0.1},), quick={"x": 0.4}, quick_cost=0.1
    )
    first, second = (make_proposals([make_family("dear")], spaces={"dear": space}, timed=True) for _ in range(2))
    (quick,) = take(first, 1, share=lambda name, cost: 1.5 * cost)
    assert (quick.origin, first.cost_of(quick)) == ("quick", 0.1)
    assert second.take_up(quick)
    for proposals in (first, second):
        more = [proposals.propose(share=lambda name, cost: 0.3) for _ in range(3)]
        assert [(c.origin, c.params["x"], c.number) for c in more[:2]] == [("portfolio", 0.5, 1), ("portfolio", 0.1, 2)]
        assert more[2].origin == "tuned"


def test_rounds_are_limited_to_what_the_time_left_foretells_once_a_fold_was_measured():
    proposals = make_proposals([make_family("boost")], spaces={"boost": boosters_space()}, timed=True)
    default, unlimited = take(proposals, 2, learn=False)
    assert (default.params["n_estimators"], unlimited.params["n_estimators"]) == (100, 10_000)
    proposals.learn(ended(default))
    limited = [proposals.propose(share=lambda name, cost: 0.028 * cost) for _ in range(2)]
    assert [(c.origin, c.params["n_estimators"]) for c in limited] == [("portfolio", 2500), ("tuned", 2500)]
    assert [proposals.cost_of(c) for c in (unlimited, *limited)] == [2.0, 4.0, 7.0]
    short = proposals.propose(share=lambda name, cost: 0.14 * cost)
    assert short.params["n_estimators"] == 500
    assert proposals.cost_of(short) == 5.0  # not 7


@pytest.mark.parametrize(
    ("borrows", "seconds", "rounds"), [(True, 0.3, 230), (True, 0.5, 140), (True, 0.6, None), (False, 0.3, None)]
)
def test_where_no_usual_candidate_fits_boosters_are_given_fewer_rounds(borrows, seconds, rounds):
    family = replace(make_family("boost"), borrows=borrows)
    proposals = make_proposals([family], spaces={"boost": boosters_space()}, timed=True)
    take(proposals, 1)
    taken = [proposals.propose(share=lambda name, cost: seconds * cost) for _ in range(3)][-1]
    assert (taken and (taken.origin, taken.params["n_estimators"])) == (rounds and ("tuned", rounds))


@pytest.mark.parametrize(("default", "first"), [(0.1, "boost"), (0.5, "net")])
def test_what_is_held_to_a_part_of_its_rounds_promises_less(default, first):
    families = (replace(make_family("boost", order=1), borrows=True), replace(make_family("net", order=2), behind=0.12))
    proposals = make_proposals(families, spaces={"boost": boosters_space(), "net": make_space("net")})

    def share(name, cost):
        return default * cost if name == "boost" else 0.6

    proposals.learn(ended(proposals.propose(share=lambda name, cost: 0.0)))
    assert proposals.propose(share=share).family == first


@pytest.mark.parametrize(("borrows", "tried"), [(True, [0.5, 0.2]), (False, [0.5, 0.5])])
def test_boosters_are_not_tried_again_with_other_rounds_alone(borrows, tried):
    family, space = replace(make_family("boost"), borrows=borrows), boosters_space()
    same = replace(space, portfolio=({"x": 0.5, "n_estimators": 200}, {"x": 0.2}))
    taken = take(make_proposals([family], spaces={"boost": same}, timed=True), 2)
    assert [candidate.params["x"] for candidate in taken] == tried


def test_a_default_that_came_to_nothing_is_followed_by_the_quick_one():
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    space = Space(family="dear", parameters=(x,), defaults={"x": 0.5}, portfolio=(), quick={"x": 0.4}, quick_cost=0.1)
    proposals = make_proposals([make_family("dear"), make_family("cheap")], spaces={"dear": space}, timed=True)
    (cheap, dear) = take(proposals, 2, learn=False)
    proposals.learn(ended(cheap))

    def share(name, cost):
        return 2.0 * cost if name == "dear" else 9.0

    assert proposals.propose(share=share) is None  # while it is under way
    proposals.learn(ended(dear, status="timeout", folds=0))
    quick = proposals.propose(share=share)
    assert (quick.family, quick.origin) == ("dear", "quick")
    proposals.learn(ended(quick, status="timeout", folds=0))
    assert proposals.propose(share=share) is None


def test_what_time_has_ended_foretells_what_its_rounds_cost():
    proposals = make_proposals([make_family("boost")], spaces={"boost": boosters_space()})
    (default,) = take(proposals, 1, learn=False)
    cut = [replace(fold_result(default, 0, 1.0, busy=8.0), ended_at=40), fold_result(default, 1, 1.0, busy=8.0)]
    for fold in cut:
        proposals.clock(default, fold)
    assert proposals.seconds_a_fold("boost") == pytest.approx(20.0)  # a hundred rounds
    proposals.learn(TrialResult(candidate=default, folds=tuple(cut), asked=2, status="ok"))
    assert proposals.seconds_a_fold("boost") == pytest.approx(20.0)


def test_nothing_affordable_means_nothing_to_propose():
    assert [c.family for c in take(make_proposals(FAMILIES), 10, share=lambda name, cost: 2.0)] == ["naive"]


def test_a_point_is_not_tried_twice_and_a_family_without_fresh_points_is_exhausted():
    flag = Parameter(name="flag", type="categorical", choices=(False, True))
    space = Space(family="trees", parameters=(flag,), defaults={"flag": False}, portfolio=({"flag": False},))
    proposals = make_proposals([make_family("trees")], spaces={"trees": space})
    taken = take(proposals, 10)
    assert [c.params for c in taken] == [{"flag": False}, {"flag": True}]
    assert proposals.record("trees").exhausted


def test_portfolio_and_suggestions_are_completed_by_the_defaults():
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    space = Space(family="trees", parameters=(x,), defaults={"x": 0.5, "rounds": 300}, portfolio=({"x": 0.1},))
    taken = take(make_proposals([make_family("trees")], spaces={"trees": space}), 4)
    assert all(c.params["rounds"] == 300 for c in taken)
    assert [c.origin for c in taken] == ["default", "portfolio", "tuned", "tuned"]


def test_a_family_is_given_up_after_failures_in_a_row():
    proposals = make_proposals([make_family("trees")])
    given_up = []
    for _ in range(MOST_FAILURES):
        candidate = proposals.propose(share=lambda name, cost: 0.0)
        given_up.append(proposals.learn(ended(candidate, status="error", folds=0)))
    assert given_up == [False, False, True]
    assert proposals.propose(share=lambda name, cost: 0.0) is None
    assert proposals.learn(ended(candidate, status="error", folds=0)) is False  # it is told once


def test_the_same_seed_proposes_the_same_and_identities_differ():
    def ids(seed):
        return [c.trial_id for c in take(make_proposals(FAMILIES, seed=seed), 9)]

    assert ids(3) == ids(3)
    assert not set(ids(3)) & set(ids(4))
    assert len(set(ids(3))) == 9


def test_a_candidate_that_is_taken_up_is_not_proposed_again():
    first = make_proposals(FAMILIES)
    taken = take(first, 5)
    second = make_proposals(FAMILIES)
    assert all(second.take_up(c) for c in taken)
    assert not second.baseline_is_next
    more = take(second, 6)
    assert [c.origin for c in more] == ["tuned"] * 6
    assert not {c.trial_id for c in taken} & {c.trial_id for c in more}
    assert not {(c.family, c.number) for c in taken} & {(c.family, c.number) for c in more}


def test_suggestions_of_earlier_sessions_are_not_made_again():
    taken = take(make_proposals([make_family("trees")], sampler="random"), 16)
    proposals = make_proposals([make_family("trees")], sampler="random")
    assert all(proposals.take_up(c) for c in taken)
    more = take(proposals, 3)
    assert [c.number for c in more] == [16, 17, 18]
    assert not {c.params["x"] for c in taken} & {c.params["x"] for c in more}


def test_a_familys_study_is_told_what_came_of_each_candidate(tmp_path):
    def score(x):
        return (x - 0.3) ** 2

    proposals, proposed = make_proposals([make_family("trees")], seed=5), []
    for _ in range(12):
        candidate = proposals.propose(share=lambda name, cost: 0.0)
        proposals.learn(ended(candidate, score(candidate.params["x"])))
        proposed.append(candidate.params["x"])
    study = FamilyStudy(
        make_space("trees"),
        maximize=False,
        sampler="tpe",
        seed=seed_for(5, "study", "trees"),
        outcomes=Outcomes(tmp_path / "optuna.journal"),
    )
    study.tell(None, {"x": 0.5}, "ok", [score(0.5)] * FOLDS, label="default")
    asked = []
    for _ in range(11):
        suggestion = study.ask()
        asked.append(suggestion.params["x"])
        study.tell(suggestion, suggestion.params, "ok", [score(asked[-1])] * FOLDS, label="tuned")
    assert proposed == [0.5, *asked]


def test_suggestions_that_are_not_fresh_are_dropped(monkeypatch):
    dropped = []

    class Spy(FamilyStudy):
        def drop(self, suggestion):
            dropped.append(suggestion.params)
            super().drop(suggestion)

    monkeypatch.setattr("search_fixture.FamilyStudy", Spy)
    flag = Parameter(name="flag", type="categorical", choices=(False, True))
    space = Space(family="trees", parameters=(flag,), defaults={"flag": False}, portfolio=())
    assert len(take(make_proposals([make_family("trees")], spaces={"trees": space}), 10)) == 2
    assert len(dropped) >= 10


def test_a_stale_candidate_is_refused_and_its_move_is_made_again():
    old = take(make_proposals(FAMILIES, library="1.0"), 2)
    proposals = make_proposals(FAMILIES, library="2.0")
    assert [proposals.take_up(c) for c in old] == [False, False]
    stranger = Candidate(trial_id="?", family="gone", params={}, origin="default", number=0, seed=1)
    assert proposals.take_up(stranger) is False
    fresh = take(proposals, 2)
    assert [(c.family, c.number, c.params) for c in fresh] == [(c.family, c.number, c.params) for c in old]


def test_seconds_are_foretold_from_folds_that_went_well_elsewhere():
    families = (make_family("naive", baseline=True), make_family("trees", order=1), make_family("boost", order=2))
    proposals = make_proposals(families)
    naive, trees, boost = take(proposals, 3, learn=False)
    assert proposals.seconds_a_fold("boost") is None
    proposals.learn(ended(naive, seconds=1e-3))
    assert proposals.seconds_a_fold("boost") is None  # a baseline foretells nothing
    proposals.learn(ended(trees, seconds=4.0))
    assert proposals.seconds_a_fold("boost") == pytest.approx(4.0)
    proposals.learn(ended(boost, seconds=7.0))
    assert proposals.seconds_a_fold("boost") == pytest.approx(7.0)


def test_a_fold_is_clocked_while_its_candidate_is_under_way_and_once():
    proposals = make_proposals([make_family("trees", order=1), make_family("boost", order=2)])
    (trees,) = take(proposals, 1, learn=False)
    for _ in range(2):
        proposals.clock(trees, fold_result(trees, 0, 1.0, busy=4.0))
    assert proposals.seconds_a_fold("trees") == proposals.seconds_a_fold("boost") == pytest.approx(4.0)
    proposals.learn(ended(trees, seconds=4.0))
    assert len(proposals.record("trees").fold_seconds) == FOLDS


def test_the_dearest_fits_foretell_most_and_tiny_ones_nothing():
    costs = {"a": 0.3, "b": 1.0, "c": 9.0, "d": 5.0}
    proposals = make_proposals([replace(make_family(n, order=at), cost=c) for at, (n, c) in enumerate(costs.items())])
    foretold = []
    for candidate, seconds in zip(take(proposals, 3, learn=False), (0.2, 2.0, 8.0), strict=True):
        proposals.learn(ended(candidate, seconds=seconds))
        foretold.append(proposals.seconds_a_fold("d"))
    assert foretold == [None, pytest.approx(10.0), pytest.approx(5.0)]


def test_a_fold_that_ran_out_of_time_makes_its_own_family_dear_and_no_other():
    proposals = make_proposals([make_family("trees", order=1), make_family("boost", order=2)])
    (trees,) = take(proposals, 1, learn=False)
    late = fold_result(trees, 0, None, status="timeout", busy=100.0)
    proposals.learn(TrialResult(candidate=trees, folds=(late,), asked=FOLDS, status="timeout"))
    assert proposals.seconds_a_fold("trees") == pytest.approx(200.0)  # it would have taken longer
    assert proposals.seconds_a_fold("boost") is None


def test_a_record_keeps_the_best_scores_as_incumbent():
    candidate = Candidate(trial_id="t", family="trees", params={}, origin="default", number=0, seed=1)
    record = FamilyRecord()
    for score, status in ((3.0, "ok"), (1.0, "ok"), (2.0, "ok"), (0.5, "pruned")):
        record.add(ended(candidate, score, status=status), RMSE)
    assert record.incumbent == (1.0,) * FOLDS
    assert record.errors == [3.0, 1.0, 2.0]
    assert record.tried == 4


def test_spaces_without_parameters_are_not_tuned():
    spaces = {"trees": make_space("trees", searched=False)}
    assert [c.origin for c in take(make_proposals([make_family("trees")], spaces=spaces), 5)] == ["default"]


@pytest.mark.parametrize(
    ("rows", "affordable", "steps"),
    [
        (100_000, math.inf, (100_000,)),
        (100_001, math.inf, (20_000, 100_000, 100_001)),
        (400_000, math.inf, (20_000, 100_000, 400_000)),
        (600_000, math.inf, (20_000, 100_000, 500_000, 600_000)),
        (40_000, 40_000.5, (40_000,)),
        (40_000, 39_999.5, (20_000, 40_000)),
        (40_000, 5_000.5, (5_000, 25_000, 40_000)),
        (400_000, 5_000.5, (5_000, 25_000, 125_000, 400_000)),
        (400_000, 300_000.5, (20_000, 100_000, 400_000)),
        (40_000, 100.5, (2_000, 10_000, 40_000)),  # fewer tell too little
        (2_000, 100.5, (2_000,)),
    ],
)
def test_many_rows_or_slow_ones_are_taken_in_steps(rows, affordable, steps):
    assert row_steps(rows, affordable) == steps


STEPS = (20_000, 100_000, 400_000)
REACHED = {"naive": 9.0, "trees": 3.0, "boost": 1.0, "lines": 2.0}


def grow(proposals, n, **asked):
    """Take candidates of families that differ in what they reach, and gain by rows."""
    taken = []
    for _ in range(n):
        if (candidate := proposals.propose(**asked)) is None:
            break
        taken.append(candidate)
        score = REACHED[candidate.family] * (1 if candidate.rows is None else 1 + 1e3 / candidate.rows)
        proposals.learn(ended(candidate, score, seconds=(candidate.rows or STEPS[-1]) / STEPS[-1]))
    return taken


def test_the_best_family_grows_first_and_with_the_parameters_of_its_best():
    taken = grow(make_proposals(FAMILIES, steps=STEPS), 10, share=lambda name, cost: 0.0)
    shown = [(c.family, c.origin, c.rows) for c in taken]
    assert shown[:4] == [
        ("naive", "baseline", 20_000),
        *((name, "default", 20_000) for name in ("trees", "boost", "lines")),
    ]
    assert shown[4:] == [(name, "grown", rows) for name in ("boost", "lines", "trees") for rows in (100_000, None)]
    assert all(c.params == {"x": 0.5} and c.patient for c in taken[4:])
    assert len({c.trial_id for c in taken}) == len(taken)


def test_families_grow_as_far_as_the_time_allows_and_are_tuned_there():
    taken = grow(make_proposals(FAMILIES, steps=STEPS), 14, share=lambda name, cost: 2.0 * (cost > 0.25))
    assert {c.rows for c in taken} == {20_000, 100_000}
    assert {(c.origin, c.rows) for c in taken[7:]} == {("tuned", 100_000)}


def test_time_is_taken_to_grow_with_rows():
    proposals = make_proposals(FAMILIES, steps=STEPS)
    _, trees = grow(proposals, 2, share=lambda name, cost: 0.0)
    costs = [proposals.cost_of(replace(trees, rows=rows)) for rows in (*STEPS[:2], None)]
    assert [proposals.seconds_a_fold("trees", cost) for cost in costs] == pytest.approx([0.05, 0.25, 1.0])
    assert proposals.seconds_a_fold("boost", 0.25) == pytest.approx(0.25)  # foretold: no fold of it was measured yet


def test_growth_goes_on_where_an_earlier_session_left_it():
    asked = {"share": lambda name, cost: 0.0}
    whole = grow(make_proposals(FAMILIES, steps=STEPS), 10, **asked)
    proposals = make_proposals(FAMILIES, steps=STEPS)
    for candidate in whole[:6]:
        assert proposals.take_up(candidate)
        score = REACHED[candidate.family] * (1 if candidate.rows is None else 1 + 1e3 / candidate.rows)
        proposals.learn(ended(candidate, score))
    assert [(c.family, c.rows) for c in grow(proposals, 4, **asked)] == [(c.family, c.rows) for c in whole[6:]]


def test_growth_that_an_earlier_session_has_ended_is_not_begun_again():
    whole = grow(make_proposals(FAMILIES, steps=STEPS), 5, share=lambda name, cost: 0.0)
    proposals = make_proposals(FAMILIES, steps=STEPS)
    for candidate in whole:
        assert proposals.take_up(candidate)
        proposals.learn(ended(candidate, 0.5 if candidate.origin == "grown" else 0.1))
    more = grow(proposals, 1, share=lambda name, cost: 0.0)
    assert (whole[-1].family, whole[-1].origin) == ("boost", "grown")
    assert [c.family for c in more if c.origin == "grown"] != ["boost"]


def test_a_family_whose_growth_fails_goes_on_with_fewer_rows():
    proposals = make_proposals(FAMILIES, steps=STEPS, timed=True)
    grow(proposals, 4, share=lambda name, cost: 0.0)
    grown = proposals.propose(share=lambda name, cost: 0.0)
    assert (grown.family, grown.origin, grown.rows) == ("boost", "grown", 100_000)
    proposals.learn(ended(grown, status="timeout", folds=1))
    after = grow(proposals, 8, share=lambda name, cost: 2.0 * (cost > 0.05))
    assert {c.rows for c in after} == {20_000}
    assert "boost" in {c.family for c in after}
