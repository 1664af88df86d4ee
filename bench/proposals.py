"""Which candidate is tried next: baselines, the default of every family, one tuned candidate a family, then whichever
family promises the largest gain (see `bench.promise`), with parameters from its Optuna study.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.candidate import Candidate, Origin
from bench.family import Family
from bench.identity import digest, seed_for
from bench.metric import Metric
from bench.promise import FamilyRecord, expected_gain
from bench.space import Params, Space
from bench.study import FamilyStudy, Suggestion
from bench.trial import TrialResult

#: A family whose candidates fail this often in a row is given up.
MOST_FAILURES = 3
_FRESH_TRIES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A family that takes part, with the space that fits the task.

    ``identify(params, seed)`` gives a trial's id; ``cost`` foretells a default fit's time, beside other members'.
    """

    family: Family
    space: Space
    study: FamilyStudy
    identify: Callable[[Params, int], str]
    cost: float = 1.0


class Proposals:
    """Proposes candidates one at a time and learns from what came of them."""

    def __init__(self, members: Sequence[Member], *, metric: Metric, seed: int) -> None:
        """Begin with the opening moves: cheap and strong families first."""
        ordered = sorted(members, key=lambda m: (not m.family.baseline, m.family.order, m.family.name))
        self._members = {m.family.name: m for m in ordered}
        self._records = {name: FamilyRecord() for name in self._members}
        self._metric, self._seed = metric, seed
        self._count = dict.fromkeys(self._members, 0)
        self._seen: set[str] = set()
        self._portfolio = {name: list(m.space.portfolio) for name, m in self._members.items()}
        self._suggestions: dict[str, Suggestion] = {}
        opening: list[tuple[str, Origin]] = [
            (m.family.name, "baseline" if m.family.baseline else "default") for m in ordered
        ]
        self._opening = opening + [(m.family.name, "tuned") for m in ordered if m.space.parameters]

    @property
    def baseline_is_next(self) -> bool:
        """Whether the next proposal is a baseline."""
        return bool(self._opening) and self._opening[0][1] == "baseline"

    def record(self, family: str) -> FamilyRecord:
        """What is known about a family."""
        return self._records[family]

    def seconds_a_fold(self, family: str) -> float | None:
        """What a fold of a family takes: as measured, else as its cost foretells from folds of others that went well.

        None while neither is known. Baselines foretell nothing: they take no time to speak of.
        """
        measured = self._records[family].seconds_a_fold
        if measured is not None or self._members[family].family.baseline:
            return measured
        units = [
            float(np.mean(seconds)) / member.cost
            for name, member in self._members.items()
            if not member.family.baseline and (seconds := self._records[name].fold_seconds)
        ]
        return self._members[family].cost * float(np.median(units)) if units else None

    def propose(self, *, affordable: Callable[[str], bool], timed: bool) -> Candidate | None:
        """Make the next candidate; None when no family has one that is affordable.

        Args:
            affordable: says of a family whether a candidate of it still fits; asked for all but baselines.
            timed: whether measured seconds may decide.
        """
        while self._opening:
            name, origin = self._opening.pop(0)
            if (origin == "baseline" or (self._willing(name) and affordable(name))) and (
                made := self._make(name, origin)
            ) is not None:
                return made
        while names := [n for n in self._members if self._tunable(n) and self._willing(n) and affordable(n)]:
            name = max(names, key=lambda n: (expected_gain(self._records, n, timed=timed), -self._count[n]))
            if (made := self._make(name, "tuned")) is not None:
                return made
        return None

    def _tunable(self, name: str) -> bool:
        """Whether a family has anything to search."""
        return bool(self._members[name].space.parameters)

    def _willing(self, name: str) -> bool:
        """Whether a family has something new to propose and is not given up."""
        record = self._records[name]
        return not record.exhausted and record.failures < MOST_FAILURES

    def _make(self, name: str, origin: Origin) -> Candidate | None:
        """Make a family's next candidate; None, and the family is exhausted, when nothing fresh is left to try."""
        member = self._members[name]
        if origin in ("baseline", "default"):
            return self._candidate(member, dict(member.space.defaults), origin)
        while self._portfolio[name] and not self._is_opening(name):
            point = member.space.complete(self._portfolio[name].pop(0))
            if self._fresh(name, point):
                return self._candidate(member, point, "portfolio")
        for _ in range(_FRESH_TRIES):
            suggestion = member.study.ask()
            if suggestion is None:
                break
            point = member.space.complete(suggestion.params)
            if self._fresh(name, point):
                candidate = self._candidate(member, point, "tuned")
                self._suggestions[candidate.trial_id] = suggestion
                return candidate
            member.study.drop(suggestion)
        self._records[name].exhausted = True
        return None

    def _is_opening(self, name: str) -> bool:
        """Whether a family's first tuned candidate is still to come."""
        return self._count[name] <= 1

    def _fresh(self, name: str, params: Params) -> bool:
        """Whether these parameters were not tried yet."""
        return digest(name, dict(params)) not in self._seen

    def _candidate(self, member: Member, params: Params, origin: Origin) -> Candidate:
        """Number a candidate and give it its identity; the first two of a family are seen through."""
        name = member.family.name
        number = self._count[name]
        seed = seed_for(self._seed, "fit", name, number)
        candidate = Candidate(
            trial_id=member.identify(params, seed),
            family=name,
            params=params,
            origin=origin,
            number=number,
            seed=seed,
            patient=number < 2,
        )
        self._note(candidate)
        return candidate

    def _note(self, candidate: Candidate) -> None:
        """Count a candidate and remember its parameters."""
        self._count[candidate.family] = max(self._count[candidate.family], candidate.number + 1)
        self._seen.add(digest(candidate.family, dict(candidate.params)))

    def take_up(self, candidate: Candidate) -> bool:
        """Count a candidate of an earlier session of the same run as proposed.

        False, and nothing is counted, when it is not what would be fitted now: its family no longer takes part, or
        what decides the trial's identity, such as the version of a library, has changed since.
        """
        member = self._members.get(candidate.family)
        if member is None or member.identify(candidate.params, candidate.seed) != candidate.trial_id:
            return False
        self._note(candidate)
        move = (candidate.family, candidate.origin)
        if move in self._opening:
            self._opening.remove(move)
        if candidate.origin == "tuned":
            member.study.skip_ask()
        return True

    def learn(self, result: TrialResult) -> bool:
        """Take in a closed candidate; True when its family is given up for it."""
        candidate, record = result.candidate, self._records[result.candidate.family]
        suggestion = self._suggestions.pop(candidate.trial_id, None)
        study = self._members[candidate.family].study
        study.tell(suggestion, candidate.params, result.status, result.scores, label=candidate.trial_id)
        record.add(result, self._metric)
        return record.failures == MOST_FAILURES
