"""A world without fits to watch the brain in: tiny families, folds whose scores are chosen, a clock to turn."""

import heapq
import itertools
import math
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.budget import Plan
from bench.candidate import Candidate
from bench.family import ALL_TASKS, Family
from bench.identity import digest, seed_for
from bench.metric import get_metric
from bench.proposals import Member, Proposals
from bench.resources import Deadline
from bench.search import Past, Search, Work
from bench.space import Parameter, Space
from bench.study import FamilyStudy, Outcomes
from bench.trial import FoldResult, TrialResult

RMSE = get_metric("rmse")
FOLDS = 5


def make_family(name: str, *, order: int = 10, baseline: bool = False) -> Family:
    def never(*_: object) -> None:
        raise AssertionError("nothing is fitted here")

    return Family(
        name=name,
        summary=name,
        tasks=ALL_TASKS,
        recipe="trees",
        build=never,
        load=never,
        libraries=(),
        order=order,
        baseline=baseline,
    )


def make_space(name: str, *, portfolio: Sequence[dict[str, float]] = (), searched: bool = True) -> Space:
    x = Parameter(name="x", type="float", low=0.0, high=1.0)
    return Space(
        family=name,
        parameters=(x,) if searched else (),
        defaults={"x": 0.5} if searched else {},
        portfolio=tuple(portfolio),
    )


def make_proposals(
    families: Sequence[Family],
    *,
    spaces=None,
    sampler="tpe",
    metric=RMSE,
    seed=0,
    library="1.0",
    steps=(1,),
    guess=0.0,
    timed=False,
):
    """Families that are not baselines search one number ``x``, unless ``spaces`` has another space for them."""
    folder = Path(tempfile.mkdtemp(prefix="bench-test-"))
    outcomes = Outcomes(folder / "optuna.journal")
    members = []
    for family in families:
        space = (spaces or {}).get(family.name) or make_space(family.name, searched=not family.baseline)
        study = FamilyStudy(
            space,
            maximize=metric.greater_is_better,
            sampler=sampler,
            seed=seed_for(seed, "study", family.name),
            outcomes=outcomes,
        )

        def identify(params, fit_seed, rows, name=family.name):
            return digest(name, dict(params), fit_seed, rows, library)

        members.append(Member(family=family, space=space, study=study, identify=identify, cost=family.cost))
    proposals = Proposals(members, metric=metric, seed=seed, timed=timed, steps=steps, guess=guess)
    weakref.finalize(proposals, shutil.rmtree, folder, ignore_errors=True)
    return proposals


FAMILIES = (
    make_family("naive", order=0, baseline=True),
    make_family("trees", order=1),
    make_family("boost", order=2),
    make_family("lines", order=3),
)


def fold_result(candidate: Candidate, fold: int, score: float | None, *, status="ok", busy=1.0) -> FoldResult:
    if score is None:
        return FoldResult.failed(candidate.trial_id, fold, status, "it broke", busy_seconds=busy)
    return FoldResult(
        trial_id=candidate.trial_id, fold=fold, status="ok", score=score, scores={"rmse": score}, busy_seconds=busy
    )


class CountedDeadline(Deadline):
    """Passes after so many looks at it: a deadline that comes at the same step each time."""

    def __init__(self, looks: int) -> None:
        super().__init__(None)
        self.looks = looks

    @property
    def passed(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@dataclass
class Turned:
    """A clock that stands still until it is turned."""

    now: float = 0.0


class Until(Deadline):
    """A deadline by a turned clock."""

    def __init__(self, clock: Turned, at: float) -> None:
        super().__init__(None)
        self._clock, self._moment = clock, at

    @property
    def left(self) -> float:
        return self._moment - self._clock.now


def counted(trials: int, *, slots: int = 2, fit_limit: float = math.inf) -> Plan:
    never = Deadline(None)
    return Plan(slots=slots, trials=trials, search=never, total=never, window_seconds=0.0, fit_limit=fit_limit)


def timed(clock: Turned, window: float, *, total: float | None = None, slots: int = 1) -> Plan:
    over = Until(clock, window + 10 if total is None else total)
    return Plan(slots=slots, trials=None, search=Until(clock, window), total=over, window_seconds=window)


@dataclass
class Watcher:
    """An observer that keeps what it is told."""

    opened_: list[Candidate] = field(default_factory=list)
    folded_: list[FoldResult] = field(default_factory=list)
    closed_: list[TrialResult] = field(default_factory=list)
    benched_: list[tuple[str, str]] = field(default_factory=list)

    def opened(self, candidate: Candidate) -> None:
        self.opened_.append(candidate)

    def folded(self, result: FoldResult) -> None:
        self.folded_.append(result)

    def closed(self, result: TrialResult) -> None:
        self.closed_.append(result)

    def benched(self, family: str, reason: str) -> None:
        self.benched_.append((family, reason))


def make_search(plan: Plan, *, families=FAMILIES, past: Iterable[Past] = (), observers=(), n_folds=FOLDS, **asked):
    """A search with a watcher as its first observer: ``(search, watcher)``."""
    watcher = Watcher()
    search = Search(
        make_proposals(families, timed=not plan.counted, **asked),
        metric=asked.get("metric", RMSE),
        n_folds=n_folds,
        plan=plan,
        observers=(watcher, *observers),
        past=past,
    )
    return search, watcher


Answer = Callable[[Candidate, int], FoldResult]


def drive(search: Search, answer: Answer, *, slots: int = 1, rng: np.random.Generator | None = None) -> None:
    """Work until the brain is through; of ``slots`` fits under way a random one ends next, or the oldest."""
    running: list[Work] = []
    while True:
        while len(running) < slots and (work := search.next()) is not None:
            running.append(work)
        if not running:
            return
        work = running.pop(0 if rng is None else int(rng.integers(len(running))))
        search.tell(answer(work.candidate, work.fold))


def drive_timed(search: Search, clock: Turned, seconds: Callable[[Candidate], float], *, slots: int = 1) -> None:
    """Work by a turned clock: a fit takes ``seconds(candidate)``, or is cut off where it may not take as long."""
    running: list[tuple[float, int, Work]] = []
    ticket = itertools.count()
    while True:
        while len(running) < slots and (work := search.next()) is not None:
            assert work.seconds is not None
            heapq.heappush(running, (clock.now + min(seconds(work.candidate), work.seconds), next(ticket), work))
        if not running:
            return
        clock.now, _, work = heapq.heappop(running)
        needed = seconds(work.candidate)
        if needed > work.seconds:
            late = fold_result(work.candidate, work.fold, None, status="timeout", busy=work.seconds)
            search.tell(late)
        else:
            search.tell(fold_result(work.candidate, work.fold, smooth(work.candidate, work.fold), busy=needed))


def smooth(candidate: Candidate, fold: int) -> float:
    """A score with an optimum in ``x`` that differs by family, and noise that is shared by a fold."""
    level = {"naive": 1.0, "trees": 0.3, "boost": 0.2, "lines": 0.5}.get(candidate.family, 0.4)
    best = {"trees": 0.2, "boost": 0.8}.get(candidate.family, 0.6)
    noise = seed_for(candidate.seed, "noise", fold) % 1000 / 1e5
    return level + (float(candidate.params.get("x", best)) - best) ** 2 + 0.01 * fold + noise
