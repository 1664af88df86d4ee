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
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Protocol

from bench.budget import BATCH, Plan
from bench.candidate import Candidate
from bench.foresight import LEAST_SECONDS, Foresight, UnderWay
from bench.metric import Metric
from bench.proposals import Proposals
from bench.stats import probability_worse
from bench.trial import LENDERS, FoldResult, Status, TrialResult, lent_rounds

#: Probability of being worse than the family's best above which a candidate is given up.
_GIVE_UP = 0.9
#: What a booster that keeps what it has may take beyond its seconds to predict with it.
_PREDICTING_SECONDS = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One fit: a candidate on one fold, and how many seconds it may take (None: as many as it needs).

    ``lent`` holds the rounds that its first folds kept. A fit that takes longer than ``limit`` seconds is hung.
    ``left`` are the seconds that there are for it and all that its worker does before.
    """

    candidate: Candidate
    fold: int
    seconds: float | None
    lent: tuple[int, ...] = ()
    limit: float = math.inf
    left: float = math.inf
    predicting: float = 0.0

    @property
    def hung_after(self) -> float:
        """Seconds after which an engine takes the fit for hung and ends it; infinite where nothing limits it.

        What has its seconds taken up may take so many more for ``predicting`` with what it has, where they are left.
        """
        if self.seconds is None:
            return self.limit
        return min(self.limit, max(self.seconds, min(self.seconds + self.predicting, self.left)))

    def begun_after(self, seconds: float) -> "Work":
        """The same for a worker that was busy with preparing for it first."""
        if self.seconds is None:
            return self
        return replace(self, seconds=min(self.seconds, max(LEAST_SECONDS, self.left - seconds)))


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


def _limits(entry: UnderWay) -> str:
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
        valid_share: float | None = None,
        plan: Plan,
        observers: Sequence[Observer],
        past: Iterable[Past] = (),
    ) -> None:
        """Begin, or go on from ``past``: in a run by the clock its candidates are taken up first; a counted run
        proposes the same candidates anew and reuses their finished folds.

        ``valid_share`` is `Splits.valid_share`, by default that of folds which share all rows out."""
        self._proposals, self._metric, self._plan, self._observers = proposals, metric, plan, observers
        self._n_folds, self._rungs = n_folds, rungs(n_folds)
        self._valid_share = 1 / max(2, n_folds) if valid_share is None else valid_share
        self._foresight = Foresight(proposals, plan, self._rungs)
        self._open: list[UnderWay] = []
        self._waiting: list[tuple[int, TrialResult]] = []
        self._closed: list[tuple[int, TrialResult]] = []
        self._proposed = 0
        self._stopped = False
        past = [entry for entry in past if not (self._plan.counted and entry.cut)]  # a count knows no time
        self._finished_folds = {entry.candidate.trial_id: entry.folds for entry in past}
        if not self._plan.counted:
            for entry in past:
                self._take_up(entry)

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
                if (again := self._work(entry, work.fold)) is None:
                    entry.handed.discard(work.fold)
                return again
        return None

    @property
    def over(self) -> bool:
        """Whether the time is up, or the search was stopped: nothing more will be handed out."""
        return self._stopped or self._foresight.over(scored=self._has_result)

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

    def _hand_out(self, entry: UnderWay) -> Work | None:
        """Give out the next fold of a candidate's current rung, if there is one and time for it."""
        missing = [f for f in range(entry.rungs[entry.rung]) if f not in entry.results and f not in entry.handed]
        if not missing:
            return None
        if (work := self._work(entry, missing[0])) is not None:
            entry.handed.add(work.fold)
        return work

    def _work(self, entry: UnderWay, fold: int) -> Work | None:
        """The fit of a candidate on a fold; None where there is no time for it."""
        first = entry is self._open[0]
        seconds = self._foresight.seconds_for(entry, fold, first=first, scored=self._has_result)
        if seconds is not None and seconds < LEAST_SECONDS:
            return None
        lent = lent_rounds(entry.in_order)
        return Work(
            candidate=entry.candidate,
            fold=fold,
            seconds=seconds,
            lent=lent,
            limit=self._plan.fit_limit,
            left=math.inf if seconds is None else max(seconds, self._plan.search.left),
            predicting=_PREDICTING_SECONDS if self._proposals.yields(entry.candidate.family) else 0.0,
        )

    def _propose(self) -> bool:
        """Open one candidate, or in a counted run the next batch; False when there is none to open now."""
        if self._plan.counted:
            wanted = 0 if self._open else min(BATCH, (self._plan.trials or 0) - self._proposed)
        else:
            wanted = int(not self._foresight.over(scored=self._has_result))
        opened: list[UnderWay] = []
        while len(opened) < wanted and (entry := self._open_next()) is not None:
            opened.append(entry)
        for entry in opened:
            self._reuse(entry)
        return bool(opened)

    @property
    def _has_result(self) -> bool:
        """Whether there is something to report."""
        return any(result.status == "ok" for _, result in self._closed)

    def _open_next(self) -> UnderWay | None:
        """Open the next proposal."""
        share = partial(self._foresight.share, self._foresight.promised(self._open))
        candidate = self._proposals.propose(share=share)
        return None if candidate is None else self._start(candidate)

    def _start(self, candidate: Candidate) -> UnderWay:
        """Put a candidate under way."""
        entry = UnderWay(candidate=candidate, place=self._proposed, rungs=self._rungs_of(candidate))
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
            if entry in self._open and not entry.results and (reason := self._foresight.too_slow(entry)):
                self._close(entry, "timeout", reason)
            return
        entry.results = {result.fold: result for result in past.folds}
        self._close(entry, past.status, past.reason)
        if past.status == "ok" and past.cut:
            self._proposals.offer_again(past.candidate)

    def _reuse(self, entry: UnderWay) -> None:
        """Give a candidate the folds that an earlier session finished, one rung at a time."""
        finished = {result.fold: result for result in self._finished_folds.get(entry.candidate.trial_id, ())}
        while entry in self._open:
            due = [f for f in range(entry.rungs[entry.rung]) if f in finished and f not in entry.results]
            if not due:
                return
            entry.results |= {fold: finished[fold] for fold in due}
            self._advance(entry)

    def _advance(self, entry: UnderWay) -> None:
        """Close a candidate that failed, is through or is clearly worse; otherwise let it into the next rung."""
        failed = next((result for result in entry.in_order if result.status != "ok"), None)
        whole_rung = len(entry.results) >= entry.rungs[entry.rung]
        if failed is not None and (whole_rung or not self._plan.counted):
            self._close(entry, failed.status, failed.reason)
        elif len(entry.results) < self._n_folds and (reason := self._foresight.too_slow(entry)):
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
        waits = self._plan.counted or self._proposals.yields(candidate.family)
        return rungs(self._n_folds, (LENDERS,) if waits else ())

    def _may_be_dear(self, candidate: Candidate) -> bool:
        """Whether a candidate is given up if it is dear and behind; a family's first is seen through."""
        return not (self._plan.counted or candidate.number == 0 or candidate.rows is not None)

    def _hopeless(self, entry: UnderWay) -> str:
        """Say why a candidate is given up: what it is to beat is clearly better on the folds that both finished."""
        if not entry.candidate.patient:
            rival = self._proposals.record(entry.candidate.family).incumbent
            if self._clearly_worse(entry, rival):
                return f"clearly worse than the best of its family on {len(entry.results)} folds"
        dear = self._may_be_dear(entry.candidate) and self._foresight.is_dear(entry)
        if dear and self._clearly_worse(entry, self._proposals.best_scores):
            return f"clearly worse than the best of all on {len(entry.results)} folds, and dear"
        return ""

    def _clearly_worse(self, entry: UnderWay, rival: Sequence[float] | None) -> bool:
        """Whether whole scores by fold are clearly better than a candidate's so far."""
        errors = [self._metric.error(result.score) for result in entry.in_order if result.score is not None]
        best = [self._metric.error(score) for score in rival or ()]
        return bool(best) and probability_worse(errors, best, valid_share=self._valid_share) > _GIVE_UP

    def _result(self, entry: UnderWay, status: Status, reason: str) -> TrialResult:
        """Sum up a candidate."""
        return TrialResult(
            candidate=entry.candidate, folds=entry.in_order, asked=self._n_folds, status=status, reason=reason
        )

    def _close(self, entry: UnderWay, status: Status, reason: str) -> None:
        """Put an end to a candidate; in a counted run what follows from it waits for the rest of its batch."""
        self._open.remove(entry)
        result = self._result(entry, status, reason)
        self._waiting.append((entry.place, result))
        for observer in self._observers:
            observer.closed(result)
        if not (self._plan.counted and self._open):
            self._learn()

    def _learn(self) -> None:
        """Learn from the closed candidates, in the order of their proposal."""
        for place, result in sorted(self._waiting, key=itemgetter(0)):
            self._closed.append((place, result))
            if self._proposals.learn(result):
                for observer in self._observers:
                    observer.benched(result.candidate.family, result.reason)
        self._waiting = []
