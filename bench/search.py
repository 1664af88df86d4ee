"""The brain: what to fit next, given what came of what was fitted. It knows no engine and no clock but its plan's.

An engine calls ``next`` for work and ``tell`` with what came of it, in whatever order its workers finish. Which
candidate comes next is decided in `bench.proposals`. A candidate's folds are handed out in rungs; after a rung it goes
on only if it may still beat the best of its family on the same folds.

In a counted run (``plan.trials``) candidates are proposed in batches of fixed size from the results of whole batches,
so that incumbents are frozen meanwhile, and nothing measured decides anything: the same seed proposes the same
candidates whatever the number of workers, the engine or interruptions.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import Protocol

from bench.budget import BATCH, Plan
from bench.candidate import Candidate
from bench.metric import Metric
from bench.proposals import Proposals
from bench.stats import probability_worse
from bench.trial import LENDERS, FoldResult, Status, TrialResult, lent_rounds

#: What a baseline may take a fold once the search's time is over: even the shortest run has something to report. The
#: first to be through may take what the whole command has left, since tables are large whose encoding alone takes long.
_BASELINE_SECONDS = 3.0
_LEAST_SECONDS = 0.5
#: Probability of being worse than the family's best above which a candidate is given up.
_GIVE_UP = 0.9
#: Share of the time left beyond which what a candidate still needs is worth it only beside the best of all families.
_DEAR = 0.05
#: Shares of the time left that a candidate may be foretold to take, while its family is not timed yet and afterwards.
_UNKNOWN_SHARE = 0.5
_KNOWN_SHARE = 0.65
#: Shares of the time left that a candidate may turn out to take by its first fold before that one is cut off: all of it
#: is lost, or what it has is kept, and its other folds learn as many rounds from somewhat more rows.
_CUT_OFF_SHARE = 0.8
_CUT_DOWN_SHARE = 0.65
#: How many times as long as foretold a first fold may take in any case, where all would be lost.
_LEEWAY = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One fit: a candidate on one fold, and how many seconds it may take (None: as many as it needs).

    ``lent`` holds the rounds that its first folds kept.
    """

    candidate: Candidate
    fold: int
    seconds: float | None
    lent: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A candidate of an earlier session of the same run: its folds that went well, and how it ended (None: it did not).

    One that ran out of time counts as not ended, since there may be more time now; ``late`` are its folds that did.
    ``lost`` counts folds that went well, but are not whole on disk any longer.
    """

    candidate: Candidate
    folds: tuple[FoldResult, ...]
    status: Status | None
    reason: str = ""
    late: tuple[FoldResult, ...] = ()
    lost: int = 0

    @property
    def cut(self) -> bool:
        """Whether time has ended folds of it that are kept all the same."""
        return any(result.ended_at is not None for result in self.folds)


class Observer(Protocol):
    """Told what happens in the search, in order, from the driver's thread."""

    def opened(self, candidate: Candidate) -> None:
        """A candidate was proposed."""

    def folded(self, result: FoldResult) -> None:
        """A fold was finished, well or not, in this session."""

    def closed(self, result: TrialResult) -> None:
        """A candidate is through with its folds, or was given up."""

    def benched(self, family: str, reason: str) -> None:
        """A family was given up."""


@dataclass(eq=False)
class _Open:
    """A candidate under way: its place in the order of proposal, its rungs, what came back and what is out."""

    candidate: Candidate
    place: int
    rungs: tuple[int, ...]
    results: dict[int, FoldResult] = field(default_factory=dict)
    handed: set[int] = field(default_factory=set)
    rung: int = 0

    @property
    def in_order(self) -> tuple[FoldResult, ...]:
        """Results so far, by fold."""
        return tuple(self.results[fold] for fold in sorted(self.results))


def _limits(entry: _Open) -> str:
    """Say what a whole candidate was held to for want of time; empty when it was not."""
    rows, ended = entry.candidate.rows, [r.ended_at for r in entry.in_order if r.ended_at is not None]
    told = [f"learned from {rows:,} rows a fold"] if rows else []
    if ended:
        told.append(f"its time was over after {min(ended):,} rounds")
    return ", ".join(told)


def rungs(n_folds: int, sizes: Sequence[int] = (2, 3, 5)) -> tuple[int, ...]:
    """Numbers of finished folds after which a candidate goes on: ``(2, 3, 5)`` for 5 folds."""
    return tuple(sorted({min(size, n_folds) for size in sizes} | {n_folds}))


class Search:
    """Hands out the folds of candidates and decides which candidates go on."""

    def __init__(
        self,
        proposals: Proposals,
        *,
        metric: Metric,
        n_folds: int,
        plan: Plan,
        observers: Sequence[Observer],
        past: Iterable[Past] = (),
    ) -> None:
        """Begin, or go on from ``past``: in a run by the clock its candidates are taken up first; a counted run
        proposes the same candidates anew and reuses their finished folds."""
        self._proposals, self._metric, self._plan, self._observers = proposals, metric, plan, observers
        self._n_folds, self._rungs = n_folds, rungs(n_folds)
        self._open: list[_Open] = []
        self._waiting: list[tuple[int, TrialResult]] = []
        self._closed: list[tuple[int, TrialResult]] = []
        self._proposed = 0
        self._stopped = False
        past = [entry for entry in past if not (self._counted and entry.cut)]  # a count knows no time
        self._finished_folds = {entry.candidate.trial_id: entry.folds for entry in past}
        if not self._counted:
            for entry in past:
                self._take_up(entry)

    @property
    def _counted(self) -> bool:
        return self._plan.trials is not None

    def next(self, *, baselines_only: bool = False) -> Work | None:
        """Hand out one fit; None when there is nothing to hand out until more results are told, or ever."""
        while not self._stopped:
            for entry in self._open:
                wanted = not baselines_only or entry.candidate.origin == "baseline"
                if wanted and (work := self._hand_out(entry)) is not None:
                    return work
            if baselines_only and not self._proposals.baseline_is_next:
                return None
            if not self._propose():
                return None
        return None

    def tell(self, result: FoldResult) -> None:
        """Take in what came of a fit."""
        for observer in self._observers:
            observer.folded(result)
        for entry in self._open:  # absent when its candidate was given up meanwhile
            if entry.candidate.trial_id == result.trial_id:
                entry.handed.discard(result.fold)
                entry.results[result.fold] = result
                self._proposals.clock(entry.candidate, result)
                self._advance(entry)
                return

    def renewed(self, work: Work) -> Work | None:
        """Give out the same piece of work with the time that is left by now; None where nobody wants it any longer.

        For work that had to wait for its resources, or lost its worker through no fault of its own.
        """
        for entry in self._open:
            if entry.candidate.trial_id == work.candidate.trial_id:
                seconds = self._seconds_for(entry, work.fold)
                if seconds is None or seconds >= _LEAST_SECONDS:
                    return replace(work, seconds=seconds)
                entry.handed.discard(work.fold)
        return None

    @property
    def over(self) -> bool:
        """Whether the time is up, or the search was stopped: nothing more will be handed out."""
        return self._stopped or (not self._counted and self._over)

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopped = True

    def results(self) -> tuple[TrialResult, ...]:
        """All candidates in the order of their proposal; those under way count as cut off by the end of the search."""
        placed = self._closed + self._waiting
        for entry in self._open:
            if not entry.results and not entry.handed:
                continue  # proposed, never begun
            reason = f"the search ended after {len(entry.results)} of {self._n_folds} folds"
            placed.append((entry.place, self._result(entry, "timeout", reason)))
        return tuple(result for _, result in sorted(placed, key=itemgetter(0)))

    def _hand_out(self, entry: _Open) -> Work | None:
        """Give out the next fold of a candidate's current rung, if there is one and time for it."""
        missing = [f for f in range(entry.rungs[entry.rung]) if f not in entry.results and f not in entry.handed]
        if not missing:
            return None
        seconds = self._seconds_for(entry, missing[0])
        if seconds is not None and seconds < _LEAST_SECONDS:
            return None
        entry.handed.add(missing[0])
        return Work(candidate=entry.candidate, fold=missing[0], seconds=seconds, lent=lent_rounds(entry.in_order))

    def _seconds_for(self, entry: _Open, fold: int) -> float | None:
        """How long a fit may take: all that is left, or until a candidate's own cost is known a share of it.

        A share as well where the other folds take as many rounds as this one comes to in its time.
        """
        if self._counted:
            return None
        left = self._plan.search.left
        if entry.candidate.origin == "baseline":
            if self._has_result:
                return max(left, min(_BASELINE_SECONDS, self._baselines_left))
            return max(left, _BASELINE_SECONDS, self._plan.total.left if entry is self._open[0] else 0.0)
        yields = self._proposals.yields(entry.candidate.family)
        if entry.results and not (yields and fold < LENDERS):
            return left
        most = left / self._seconds_needed(1.0, len(entry.results), entry.rungs)
        if yields:
            return min(left, max(_CUT_DOWN_SHARE * most, _LEAST_SECONDS))
        # Never so little that one which takes as long as is usual would be cut off.
        return min(left, max(_CUT_OFF_SHARE * most, _LEAST_SECONDS, _LEEWAY * (self._foretold(entry) or 0.0)))

    def _foretold(self, entry: _Open) -> float | None:
        """Seconds a fold that a candidate's family foretells; None while none of it is timed."""
        family = entry.candidate.family
        if not self._proposals.has_timed(family):
            return None
        return self._proposals.seconds_a_fold(family, self._proposals.cost_of(entry.candidate))

    def _cost(self, entry: _Open) -> float | None:
        """Seconds a fold, from the candidate's own folds, else from its family's; None while neither is known."""
        if entry.results:
            return sum(result.busy_seconds for result in entry.results.values()) / len(entry.results)
        return self._foretold(entry)

    def _too_slow(self, entry: _Open) -> str:
        """Say why a candidate cannot be finished before the search ends; empty when it can."""
        if self._counted or entry.candidate.origin == "baseline" or not (cost := self._cost(entry)):
            return ""
        begun = len(entry.results) + len(entry.handed)
        needed, left = self._seconds_needed(cost, begun, entry.rungs), self._plan.search.left
        if needed <= left:
            return ""
        return f"its other {self._n_folds - begun} folds would take {needed:.0f} s, {max(left, 0):.0f} s are left"

    def _seconds_needed(self, cost: float, begun: int, rungs: Sequence[int]) -> float:
        """Wall clock that all folds after the first ``begun`` take at least: each rung waits for the one before it."""
        ends = [begun, *(size for size in rungs if size > begun)]
        return cost * sum(math.ceil((end - start) / self._plan.slots) for start, end in pairwise(ends))

    def _share(self, promised: float, family: str, cost: float) -> float:
        """Which share of the time left a candidate takes that costs so many of its family's default fits on all rows.

        What is foretold leaves room for being wrong; it does not fit beside others if they were ``promised`` too many
        of the workers' seconds. While none is known, what fits is that a first fold is handed out: all of the time is
        what one is said to take that is guessed to be hopeless.
        """
        if self._counted:
            return 0.0
        left, seconds = self._plan.search.left, self._proposals.seconds_a_fold(family, cost)
        if seconds is None:
            least, guess = _LEAST_SECONDS, self._proposals.guessed_seconds(family, cost)
            fit, may_fit = (_CUT_DOWN_SHARE * left > self._seconds_needed(s, 0, self._rungs) for s in (guess, least))
            return math.inf if not may_fit else 0.0 if fit else 1.0
        allowed = left * (_KNOWN_SHARE if self._proposals.has_timed(family) else _UNKNOWN_SHARE)
        if allowed <= 0:
            return math.inf
        own = self._seconds_needed(seconds, 0, self._rungs) / allowed
        beside = promised / (self._plan.slots * left) + self._n_folds * seconds / (self._plan.slots * allowed)
        return max(own, beside) if beside > 1.0 else own

    def _promised(self) -> float:
        """Worker-seconds that the candidates under way still take, if all are seen through."""
        return sum((self._n_folds - len(entry.results)) * (self._cost(entry) or 0.0) for entry in self._open)

    def _propose(self) -> bool:
        """Open one candidate, or in a counted run the next batch; False when there is none to open now."""
        if self._counted:
            wanted = 0 if self._open else min(BATCH, (self._plan.trials or 0) - self._proposed)
        else:
            wanted = int(not self._over)
        opened: list[_Open] = []
        while len(opened) < wanted and (entry := self._open_next()) is not None:
            opened.append(entry)
        for entry in opened:
            self._reuse(entry)
        return bool(opened)

    @property
    def _over(self) -> bool:
        """Whether it is too late for another candidate; baselines go on for longer, until one of them is through."""
        if self._proposals.baseline_is_next:
            return self._baselines_left < _LEAST_SECONDS and self._has_result
        return self._plan.search.left < _LEAST_SECONDS

    @property
    def _baselines_left(self) -> float:
        """Seconds that baselines have once something is scored: into half of what is kept back for what follows."""
        return (self._plan.search.left + self._plan.total.left) / 2

    @property
    def _has_result(self) -> bool:
        """Whether there is something to report."""
        return any(result.status == "ok" for _, result in self._closed)

    def _open_next(self) -> _Open | None:
        """Open the next proposal."""
        share = partial(self._share, 0.0 if self._counted else self._promised())
        candidate = self._proposals.propose(share=share, timed=not self._counted)
        return None if candidate is None else self._start(candidate)

    def _start(self, candidate: Candidate) -> _Open:
        """Put a candidate under way."""
        entry = _Open(candidate=candidate, place=self._proposed, rungs=self._rungs_of(candidate))
        self._proposed += 1
        self._open.append(entry)
        for observer in self._observers:
            observer.opened(candidate)
        return entry

    def _take_up(self, past: Past) -> None:
        """Take up a candidate of an earlier session where it was left, unless this session would fit it otherwise."""
        if not self._proposals.take_up(past.candidate):
            return
        entry = self._start(past.candidate)
        for result in past.late:
            self._proposals.clock(past.candidate, result)
        if past.status is None or (past.status == "ok" and len(past.folds) < self._n_folds):
            self._reuse(entry)
            if entry in self._open and not entry.results and (reason := self._too_slow(entry)):
                self._close(entry, "timeout", reason)
            return
        entry.results = {result.fold: result for result in past.folds}
        self._close(entry, past.status, past.reason)
        if past.status == "ok" and past.cut:
            self._proposals.offer_again(past.candidate)

    def _reuse(self, entry: _Open) -> None:
        """Give a candidate the folds that an earlier session finished, one rung at a time."""
        finished = {result.fold: result for result in self._finished_folds.get(entry.candidate.trial_id, ())}
        while entry in self._open:
            due = [f for f in range(entry.rungs[entry.rung]) if f in finished and f not in entry.results]
            if not due:
                return
            entry.results |= {fold: finished[fold] for fold in due}
            self._advance(entry)

    def _advance(self, entry: _Open) -> None:
        """Close a candidate that failed, is through or is clearly worse; otherwise let it into the next rung."""
        failed = next((result for result in entry.in_order if result.status != "ok"), None)
        whole_rung = len(entry.results) >= entry.rungs[entry.rung]
        if failed is not None and (whole_rung or not self._counted):
            self._close(entry, failed.status, failed.reason)
        elif len(entry.results) < self._n_folds and (reason := self._too_slow(entry)):
            self._close(entry, "timeout", reason)
        elif not whole_rung:
            return
        elif len(entry.results) == self._n_folds:
            self._close(entry, "ok", _limits(entry))
        elif reason := self._hopeless(entry):
            self._close(entry, "pruned", reason)
        else:
            entry.rung += 1
            self._reuse(entry)

    def _rungs_of(self, candidate: Candidate) -> tuple[int, ...]:
        """Where a candidate is weighed on its way; in others, folds that borrow rounds wait for those that lend.

        In a counted run all folds wait for the first two, since one that fails does not end its candidate at once.
        """
        if not candidate.patient or self._may_be_dear(candidate):
            return self._rungs
        return rungs(self._n_folds, (LENDERS,) if self._counted or self._proposals.yields(candidate.family) else ())

    def _may_be_dear(self, candidate: Candidate) -> bool:
        """Whether a candidate is given up if it is dear and behind; a family's first is seen through."""
        return not (self._counted or candidate.number == 0 or candidate.rows is not None)

    def _hopeless(self, entry: _Open) -> str:
        """Say why a candidate is given up: what it is to beat is clearly better on the folds that both finished."""
        if not entry.candidate.patient:
            rival = self._proposals.record(entry.candidate.family).incumbent
            if self._clearly_worse(entry, rival):
                return f"clearly worse than the best of its family on {len(entry.results)} folds"
        if self._dear(entry) and self._clearly_worse(entry, self._proposals.best_scores):
            return f"clearly worse than the best of all on {len(entry.results)} folds, and dear"
        return ""

    def _clearly_worse(self, entry: _Open, rival: Sequence[float] | None) -> bool:
        """Whether whole scores by fold are clearly better than a candidate's so far."""
        errors = [self._metric.error(result.score) for result in entry.in_order if result.score is not None]
        best = [self._metric.error(score) for score in rival or ()]
        return bool(best) and probability_worse(errors, best, valid_share=1 / max(2, self._n_folds)) > _GIVE_UP

    def _dear(self, entry: _Open) -> bool:
        """Whether what a candidate still needs is a large share of the time left."""
        if not self._may_be_dear(entry.candidate):
            return False
        needed = self._seconds_needed(self._cost(entry) or 0.0, len(entry.results), entry.rungs)
        return needed > _DEAR * self._plan.search.left

    def _result(self, entry: _Open, status: Status, reason: str) -> TrialResult:
        """Sum up a candidate."""
        return TrialResult(
            candidate=entry.candidate, folds=entry.in_order, asked=self._n_folds, status=status, reason=reason
        )

    def _close(self, entry: _Open, status: Status, reason: str) -> None:
        """Put an end to a candidate; in a counted run what follows from it waits for the rest of its batch."""
        self._open.remove(entry)
        result = self._result(entry, status, reason)
        self._waiting.append((entry.place, result))
        for observer in self._observers:
            observer.closed(result)
        if not (self._counted and self._open):
            self._learn()

    def _learn(self) -> None:
        """Learn from the closed candidates, in the order of their proposal."""
        for place, result in sorted(self._waiting, key=itemgetter(0)):
            self._closed.append((place, result))
            if self._proposals.learn(result):
                for observer in self._observers:
                    observer.benched(result.candidate.family, result.reason)
        self._waiting = []
