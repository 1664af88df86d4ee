"""Which candidate is tried next: baselines, the default of every family, by the clock the first of its portfolio where
that is cheap, then one of whichever family promises the largest gain (see `bench.promise`), its portfolio before its
Optuna study.

Where rows are many, families begin on a sample of each fold's training rows; the best then grow, step by step, as long
as the time allows (successive halving over rows: Jamieson and Talwalkar 2016).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.candidate import Candidate, Origin
from bench.family import Family
from bench.identity import digest, seed_for
from bench.metric import Metric
from bench.promise import FamilyRecord, expected_gain
from bench.space import ITERATIONS, ROUNDS, Params, Space
from bench.study import FamilyStudy, Suggestion
from bench.trial import FoldResult, TrialResult

#: A family whose candidates fail this often in a row is given up.
MOST_FAILURES = 3
_FRESH_TRIES = 10
#: Up to so many training rows, all are learned from at once; more are taken in steps, each so many times the last.
_ALL_ROWS = 100_000
_FIRST_ROWS, _LEAST_ROWS = 20_000, 2_000
_GROWTH = 5
#: Share of the time left in which a candidate with as many iterations as it may have would be done.
_MOST_ITERATIONS = 0.7
#: The least part of its usual rounds that a booster's candidate is held to.
_LEAST_PART = 0.25
#: Says of a family which share of the time left a candidate takes that costs so many of its default fits on all rows.
Share = Callable[[str, float], float]
#: A move that takes more than such a share of the time left is no opening, but waits for what the others promise.
_LARGEST_SHARE: dict[Origin, float] = {"default": 0.2, "quick": 0.2, "portfolio": 0.05}


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A family that takes part, with the space that fits the task.

    ``identify(params, seed, rows)`` gives a trial's id; ``cost`` foretells a default fit's time, beside other members'.
    """

    family: Family
    space: Space
    study: FamilyStudy
    identify: Callable[[Params, int, int | None], str]
    cost: float = 1.0


def row_steps(rows: int, affordable: float = math.inf) -> tuple[int, ...]:
    """Numbers of training rows that candidates of a search by the clock learn from, in turn: ``rows`` at last.

    Where first fits on so many take too long, they begin with those that are ``affordable``.
    """
    first = int(max(_LEAST_ROWS, min(_FIRST_ROWS, affordable)))
    steps = [] if rows <= min(_ALL_ROWS, max(first, affordable)) else [first]
    while steps and steps[-1] * _GROWTH < rows:
        steps.append(steps[-1] * _GROWTH)
    return (*steps, rows)


class Proposals:
    """Proposes candidates one at a time and learns from what came of them."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        metric: Metric,
        seed: int,
        timed: bool,
        steps: Sequence[int] = (1,),
        guess: float = 0.0,
    ) -> None:
        """Begin with the opening moves: cheap and strong families first, on the first of `row_steps`.

        ``timed`` says whether measured seconds may decide. ``guess`` is about what a fold of cost 1 may take, in
        seconds, for as long as none was measured.
        """
        ordered = sorted(members, key=lambda m: (not m.family.baseline, m.family.order, m.family.name))
        self._members = {m.family.name: m for m in ordered}
        self._records = {name: FamilyRecord() for name in self._members}
        self._metric, self._seed, self._timed, self._guess = metric, seed, timed, guess
        self._count = dict.fromkeys(self._members, 0)
        self._seen: set[str] = set()
        self._portfolio = {name: self._points(member) for name, member in self._members.items()}
        self._suggestions: dict[str, Suggestion] = {}
        self._opening: list[tuple[str, Origin]] = []
        for m in ordered:
            self._opening.append((m.family.name, "baseline" if m.family.baseline else "default"))
            if m.space.quick:
                self._opening.append((m.family.name, "quick"))
        self._steps = tuple(steps)
        if timed and len(steps) == 1:
            rest = (m for m in ordered if m.space.portfolio and not m.family.baseline)
            self._opening += [(m.family.name, "portfolio") for m in rest]
        self._step = dict.fromkeys(self._members, 0)
        self._best: dict[str, Candidate] = {}
        self._cut: dict[str, Candidate] = {}
        self._moves: dict[Origin, Callable[[str, Share], Candidate | None]] = {
            "baseline": self._first,
            "default": self._first,
            "quick": self._hurried,
            "portfolio": self._from_portfolio,
            "tuned": self._from_study,
        }

    def _points(self, member: Member) -> list[Params]:
        """A family's portfolio: as it is, the cheap points first, or where no time is told the dearest first.

        They are the strongest, as slow learning rates are (tests/benchmarks/search.md).
        """
        points = list(map(member.space.complete, member.space.portfolio))
        return points if self._timed else sorted(points, key=member.space.cost_of, reverse=True)

    @property
    def baseline_is_next(self) -> bool:
        """Whether the next proposal is a baseline."""
        return bool(self._opening) and self._opening[0][1] == "baseline"

    def record(self, family: str) -> FamilyRecord:
        """What is known about a family."""
        return self._records[family]

    @property
    def best_scores(self) -> tuple[float, ...] | None:
        """Scores by fold of the best candidate of all; None before the first whole one."""
        records = [record for record in self._records.values() if record.errors]
        return min(records, key=lambda record: min(record.errors)).incumbent if records else None

    def has_timed(self, family: str) -> bool:
        """Whether a fold of a family has been measured."""
        return self._records[family].seconds_a_fold is not None

    def yields(self, family: str) -> bool:
        """Whether a family's fits keep what they have when their time is over."""
        return self._members[family].family.borrows

    def cost_of(self, candidate: Candidate) -> float:
        """About how many default fits of its family, on all rows, a fit of a candidate takes."""
        share = self._steps[self._step_of(candidate)] / self._steps[-1]
        return share * self._members[candidate.family].space.cost_of(candidate.params)

    def seconds_a_fold(self, family: str, cost: float = 1.0) -> float | None:
        """What a fold takes whose fit costs as much as ``cost`` default fits on all rows.

        As the family's folds were measured, else as its cost foretells from folds of others that went well; None while
        neither is known. Baselines foretell nothing, nor do families cheaper than LightGBM: theirs is overhead.
        """
        measured = self._records[family].seconds_a_fold
        if measured is not None:
            return cost * measured
        if self._members[family].family.baseline:
            return None
        known = [
            (self._records[name].mean_fold_seconds, member.cost)
            for name, member in self._members.items()
            if not member.family.baseline and member.family.cost >= 1 and self._records[name].fold_seconds
        ]
        if not known:
            return None
        took, costs = map(sum, zip(*known, strict=True))  # the dearest weigh most
        return cost * self._members[family].cost * took / costs

    def guessed_seconds(self, family: str, cost: float) -> float:
        """About what such a fold may take where `seconds_a_fold` does not know it."""
        return cost * self._members[family].cost * self._guess

    def propose(self, *, share: Share) -> Candidate | None:
        """Make the next candidate; None when no family has one that is affordable: of which the ``share`` is over 1.

        It is asked for all but baselines.
        """
        while self._opening:
            name, origin = self._opening.pop(0)
            if self._opens(name, origin, share) and (made := self._moves[origin](name, share)) is not None:
                return made
        growing = [n for n in self._best if self._step[n] + 1 < len(self._steps) and self._fits(n, "grown", share)]
        if growing:
            return self._grow(min(growing, key=lambda n: min(self._records[n].errors)))
        while names := [n for n in self._members if self._able(n, share)]:
            name = max(names, key=lambda n: (self._promise(n, share), -self._count[n]))
            origin, *_ = self._next(name, share)
            if (made := self._moves[origin](name, share) or self._from_study(name, share)) is not None:
                return made
        return None

    def _fits(self, name: str, origin: Origin, share: Share) -> bool:
        """Whether there is time for a family's next candidate of this origin."""
        return share(name, self._cost_of_next(name, origin)) <= 1.0

    def _opens(self, name: str, origin: Origin, share: Share) -> bool:
        """Whether a move of the opening is made."""
        if origin == "baseline":
            return True
        if origin == "quick" and (self._count[name] or share(name, self._cost_of_next(name, "default")) < 1.0):
            return False
        return self._willing(name) and share(name, self._cost_of_next(name, origin)) <= _LARGEST_SHARE[origin]

    def _able(self, name: str, share: Share) -> bool:
        """Whether a family has something to propose that there is time for."""
        open_to_more = (self._tunable(name) or not self._count[name]) and self._willing(name)
        return open_to_more and share(name, self._next(name, share)[1]) <= 1.0

    def _promise(self, name: str, share: Share) -> float:
        """What a family's next candidate promises to gain; a second of it where seconds may decide.

        Of one that is held to a part of what it usually takes, the square of that part.
        """
        origin, cost, usual = self._next(name, share)
        seconds = self.seconds_a_fold(name, cost) or 0.0
        untried = origin in ("default", "quick")
        return (cost / usual) ** 2 * expected_gain(
            self._records,
            name,
            seconds=seconds if self._timed else None,
            behind=self._members[name].family.behind if untried else None,
            under_way=self._count[name] - self._records[name].tried,
        )

    def _next(self, name: str, share: Share) -> tuple[Origin, float, float]:
        """Where a family's next candidate comes from, once families have opened, its cost, and what it usually costs.

        The quick one takes the place of a default that does not fit, or came to nothing.
        """
        quick = self._members[name].space.quick
        origin: Origin = "default"
        cost = usual = self._cost_of_next(name, origin)
        if self._count[name]:
            point = self._point(name, share)
            origin = "tuned" if point is None else "portfolio"
            usual = self._cost_of_next(name, origin) if point is None else self._cost_of_point(name, point)
            cost = self._held(name, usual, share)
        idle = self._records[name].tried == self._count[name] and not self._records[name].errors
        if quick and idle and self._fresh(name, quick) and share(name, cost) > 1.0:
            origin, cost = "quick", self._cost_of_next(name, "quick")
            usual = cost
        return origin, cost, usual

    def _point(self, name: str, share: Share) -> Params | None:
        """The first point of a family's portfolio that there is time for, with fewer rounds if need be."""
        costs = ((point, self._cost_of_point(name, point)) for point in self._portfolio[name])
        return next((point for point, cost in costs if share(name, self._held(name, cost, share)) <= 1.0), None)

    def _held(self, name: str, cost: float, share: Share) -> float:
        """What is left of the cost of a candidate whose rounds are held to the time that is left: see `_in_time`."""
        most, least = self._most(name, share), self._cost_of_next(name, "default")
        if most is None or not self.yields(name):
            return cost
        return min(cost, max(cost * _LEAST_PART, least, least * most))

    def _most(self, name: str, share: Share) -> float | None:
        """How many default fits of its family, on as many rows, a candidate may take; None where none was measured."""
        least = self._cost_of_next(name, "default")
        default = share(name, least)
        if not default or not self.has_timed(name):
            return None
        most = _MOST_ITERATIONS / default
        while most > 1.0 and share(name, least * most) > 1.0:  # beside what is under way
            most *= _MOST_ITERATIONS
        return most

    def _cost_of_next(self, name: str, origin: Origin) -> float:
        """About how many default fits on all rows a family's next candidate of this origin takes."""
        space, step = self._members[name].space, self._step[name] + (origin == "grown")
        if origin == "grown":
            cost = space.cost_of(self._best[name].params)
        elif origin == "portfolio" and self._portfolio[name]:
            cost = space.cost_of(self._portfolio[name][0])
        else:
            cost = {"tuned": space.search_cost, "quick": space.quick_cost}.get(origin, 1.0)
        return cost * self._steps[step] / self._steps[-1]

    def _cost_of_point(self, name: str, params: Params) -> float:
        """The same of complete parameters."""
        return self._members[name].space.cost_of(params) * self._steps[self._step[name]] / self._steps[-1]

    def _grow(self, name: str) -> Candidate:
        """Make a family's best candidate again, on more rows."""
        self._step[name] += 1
        return self._candidate(self._members[name], self._best.pop(name).params, "grown")

    def _tunable(self, name: str) -> bool:
        """Whether a family has anything to search."""
        return bool(self._members[name].space.parameters)

    def _willing(self, name: str) -> bool:
        """Whether a family has something new to propose and is not given up."""
        record = self._records[name]
        return not record.exhausted and record.failures < MOST_FAILURES

    def _first(self, name: str, share: Share) -> Candidate:
        """Make a family's first candidate, from its defaults."""
        member = self._members[name]
        return self._candidate(member, dict(member.space.defaults), "baseline" if member.family.baseline else "default")

    def _hurried(self, name: str, share: Share) -> Candidate:
        """Make a family's first candidate, from its defaults for a hurry; the defaults follow with the portfolio."""
        return self._candidate(self._members[name], dict(self._members[name].space.quick), "quick")

    def _from_portfolio(self, name: str, share: Share) -> Candidate | None:
        """Make the next fresh candidate of a family's portfolio; None when there is none that there is time for."""
        while (point := self._point(name, share)) is not None:
            self._portfolio[name].remove(point)
            params = self._in_time(name, point, share)
            if self._fresh(name, params):
                return self._candidate(self._members[name], params, "portfolio")
        return None

    def _from_study(self, name: str, share: Share) -> Candidate | None:
        """Make a candidate that a family's study suggests; None, and the family is exhausted, when none is fresh."""
        member = self._members[name]
        for _ in range(_FRESH_TRIES):
            suggestion = member.study.ask()
            if suggestion is None:
                break
            params = self._in_time(name, member.space.complete(suggestion.params), share)
            if self._fresh(name, params):
                candidate = self._candidate(member, params, "tuned")
                self._suggestions[candidate.trial_id] = suggestion
                return candidate
            member.study.drop(suggestion)
        self._records[name].exhausted = True
        return None

    def _in_time(self, name: str, point: Params, share: Share) -> Params:
        """Limit a point's iterations to what the time left foretells, where a fold of its family was measured."""
        most = self._most(name, share)
        return point if most is None else self._members[name].space.limited(point, most)

    def _fresh(self, name: str, params: Params) -> bool:
        """Whether these parameters were not tried yet."""
        return self._known_by(name, params) not in self._seen

    def _known_by(self, name: str, params: Params) -> str:
        """What parameters are known by: boosters', whose rounds are found by early stopping, by the others."""
        left_out = ITERATIONS if self.yields(name) else ()
        return digest(name, {key: value for key, value in params.items() if key not in left_out})

    def _candidate(self, member: Member, params: Params, origin: Origin) -> Candidate:
        """Number a candidate and give it its identity; the first two of a family are seen through."""
        name = member.family.name
        number = self._count[name]
        seed = seed_for(self._seed, "fit", name, number)
        step = self._step[name]
        rows = None if step + 1 == len(self._steps) else self._steps[step]
        candidate = Candidate(
            trial_id=member.identify(params, seed, rows),
            family=name,
            params=params,
            origin=origin,
            number=number,
            seed=seed,
            patient=number < 2 or origin == "grown",
            rows=rows,
        )
        self._note(candidate)
        return candidate

    def _note(self, candidate: Candidate) -> None:
        """Count a candidate and remember its parameters; after a quick one come the defaults."""
        if candidate.origin == "quick":
            self._portfolio[candidate.family].insert(0, dict(self._members[candidate.family].space.defaults))
        self._count[candidate.family] = max(self._count[candidate.family], candidate.number + 1)
        self._seen.add(self._known_by(candidate.family, candidate.params))

    def take_up(self, candidate: Candidate) -> bool:
        """Count a candidate of an earlier session of the same run as proposed.

        False, and nothing is counted, when it is not what would be fitted now: its family no longer takes part, or
        what decides the trial's identity, such as the version of a library, has changed since.
        """
        member = self._members.get(candidate.family)
        if member is None or member.identify(candidate.params, candidate.seed, candidate.rows) != candidate.trial_id:
            return False
        self._note(candidate)
        self._step[candidate.family] = max(self._step[candidate.family], self._step_of(candidate))
        move = (candidate.family, candidate.origin)
        if move in self._opening:
            self._opening.remove(move)
        if candidate.origin == "tuned":
            member.study.skip_ask()
        if candidate.origin == "grown":
            self._best.pop(candidate.family, None)
        return True

    def offer_again(self, candidate: Candidate) -> None:
        """Let a candidate's parameters be tried once more, with their portfolio: time had ended its fits early."""
        self._seen.discard(self._known_by(candidate.family, candidate.params))
        self._portfolio[candidate.family].insert(0, candidate.params)

    def clock(self, candidate: Candidate, fold: FoldResult) -> None:
        """Take in what a fold took, before its candidate is closed; of one that time ended, what it was cut down to."""
        if fold.ended_at is not None:
            fewer = {**candidate.params, ROUNDS: fold.ended_at}
            self._cut[candidate.trial_id] = replace(candidate, params=fewer)
        cut = self._cut.get(candidate.trial_id, candidate)
        self._records[candidate.family].clock(fold, cost=self.cost_of(cut))

    def learn(self, result: TrialResult) -> bool:
        """Take in a closed candidate; True when its family is given up for it."""
        candidate, record = result.candidate, self._records[result.candidate.family]
        suggestion = self._suggestions.pop(candidate.trial_id, None)
        study = self._members[candidate.family].study
        study.tell(suggestion, candidate.params, result.status, result.scores, label=candidate.trial_id)
        step = self._step_of(candidate)
        for fold in result.folds:
            self.clock(candidate, fold)
        self._cut.pop(candidate.trial_id, None)
        record.add(result, self._metric)
        if candidate.origin == "grown" and result.status != "ok":
            self._step[candidate.family] = step - 1  # too many rows for the time that is left
        whole = result.status == "ok" and candidate.origin != "baseline"
        if whole and self._metric.error(result.mean) == min(record.errors):
            self._best[candidate.family] = candidate
        return record.failures == MOST_FAILURES

    def _step_of(self, candidate: Candidate) -> int:
        """On which of the steps a candidate stands; one on rows that are no step of this session's, on the first."""
        if candidate.rows is None:
            return len(self._steps) - 1
        return self._steps.index(candidate.rows) if candidate.rows in self._steps else 0
