"""What candidates will take, and which of it there is time for.

What was measured of a family foretells its next candidate; while nothing was, its cost beside that of other families.
In a counted run there is time for everything.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bench.budget import Plan
from bench.candidate import Candidate
from bench.proposals import Proposals
from bench.trial import LENDERS, FoldResult

#: A fit that has less time is not begun.
LEAST_SECONDS = 0.5
#: What a baseline may take a fold once the search's time is over: even the shortest run has something to report. The
#: first to be through may take what the whole command has left, since tables are large whose encoding alone takes long.
_BASELINE_SECONDS = 3.0
#: Share of the time left beyond which what a candidate still needs is dear.
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


@dataclass(eq=False)
class UnderWay:
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


class Foresight:
    """Holds what candidates are foretold to take against the time that a plan leaves."""

    def __init__(self, proposals: Proposals, plan: Plan, rungs: Sequence[int]) -> None:
        """Foretell from what ``proposals`` have measured; ``rungs`` are those of a candidate that is weighed."""
        self._proposals, self._plan, self._rungs = proposals, plan, rungs

    @property
    def _left(self) -> float:
        """Seconds that the search has left."""
        return self._plan.search.left

    @property
    def _baselines_left(self) -> float:
        """Seconds that baselines have once something is scored: into half of what is kept back for what follows."""
        return (self._left + self._plan.total.left) / 2

    def over(self, *, scored: bool) -> bool:
        """Whether it is too late for another candidate; baselines go on for longer, until one of them is ``scored``."""
        if self._plan.counted:
            return False
        if self._proposals.baseline_is_next:
            return self._baselines_left < LEAST_SECONDS and scored
        return self._left < LEAST_SECONDS

    def seconds_for(self, entry: UnderWay, fold: int, *, first: bool, scored: bool) -> float | None:
        """How long a fit may take: all that is left, or until a candidate's own cost is known a share of it.

        A share as well where the other folds take as many rounds as this one comes to in its time. The ``first`` of
        those under way may take longer where nothing is ``scored`` yet.
        """
        if self._plan.counted:
            return None
        left = self._left
        if entry.candidate.origin == "baseline":
            if scored:
                return max(left, min(_BASELINE_SECONDS, self._baselines_left))
            return max(left, _BASELINE_SECONDS, self._plan.total.left if first else 0.0)
        yields = self._proposals.yields(entry.candidate.family)
        if entry.results and not (yields and fold < LENDERS):
            return left
        most = left / self._seconds_needed(1.0, len(entry.results), entry.rungs)
        if yields:
            return min(left, max(_CUT_DOWN_SHARE * most, LEAST_SECONDS))
        # Never so little that one which takes as long as is usual would be cut off.
        return min(left, max(_CUT_OFF_SHARE * most, LEAST_SECONDS, _LEEWAY * (self._foretold(entry) or 0.0)))

    def too_slow(self, entry: UnderWay) -> str:
        """Say why a candidate cannot be finished before the search ends; empty when it can."""
        if self._plan.counted or entry.candidate.origin == "baseline" or not (cost := self._cost(entry)):
            return ""
        begun = len(entry.results) + len(entry.handed)
        needed, left = self._seconds_needed(cost, begun, entry.rungs), self._left
        if needed <= left:
            return ""
        rest = entry.rungs[-1] - begun
        return f"its other {rest} folds would take {needed:.0f} s, {max(left, 0):.0f} s are left"

    def is_dear(self, entry: UnderWay) -> bool:
        """Whether what a candidate still needs is a large share of the time left."""
        needed = self._seconds_needed(self._cost(entry) or 0.0, len(entry.results), entry.rungs)
        return needed > _DEAR * self._left

    def promised(self, entries: Iterable[UnderWay]) -> float:
        """Worker-seconds that candidates under way still take, if all are seen through."""
        if self._plan.counted:
            return 0.0
        return sum((entry.rungs[-1] - len(entry.results)) * (self._cost(entry) or 0.0) for entry in entries)

    def share(self, promised: float, family: str, cost: float) -> float:
        """Which share of the time left a candidate takes that costs so many of its family's default fits on all rows.

        What is foretold leaves room for being wrong; it does not fit beside others if they were ``promised`` too many
        of the workers' seconds. While none is known, what fits is that a first fold is handed out: all of the time is
        what one is said to take that is guessed to be hopeless.
        """
        if self._plan.counted:
            return 0.0
        left, seconds = self._left, self._proposals.seconds_a_fold(family, cost)
        if seconds is None:
            least, guess = LEAST_SECONDS, self._proposals.guessed_seconds(family, cost)
            fit, may_fit = (_CUT_DOWN_SHARE * left > self._seconds_needed(s, 0, self._rungs) for s in (guess, least))
            return math.inf if not may_fit else 0.0 if fit else 1.0
        allowed = left * (_KNOWN_SHARE if self._proposals.has_timed(family) else _UNKNOWN_SHARE)
        if allowed <= 0:
            return math.inf
        own = self._seconds_needed(seconds, 0, self._rungs) / allowed
        slots, n_folds = self._plan.slots, self._rungs[-1]
        beside = promised / (slots * left) + n_folds * seconds / (slots * allowed)
        return max(own, beside) if beside > 1.0 else own

    def _foretold(self, entry: UnderWay) -> float | None:
        """Seconds a fold that a candidate's family foretells; None while none of it is timed."""
        family = entry.candidate.family
        if not self._proposals.has_timed(family):
            return None
        return self._proposals.seconds_a_fold(family, self._proposals.cost_of(entry.candidate))

    def _cost(self, entry: UnderWay) -> float | None:
        """Seconds a fold, from the candidate's own folds, else from its family's; None while neither is known."""
        if entry.results:
            return sum(result.busy_seconds for result in entry.results.values()) / len(entry.results)
        return self._foretold(entry)

    def _seconds_needed(self, cost: float, begun: int, rungs: Sequence[int]) -> float:
        """Wall clock that all folds after the first ``begun`` take at least: each rung waits for the one before it."""
        ends = [begun, *(size for size in rungs if size > begun)]
        return cost * sum(math.ceil((end - start) / self._plan.slots) for start, end in pairwise(ends))
