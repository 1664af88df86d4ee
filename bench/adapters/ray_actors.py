"""The engine of every run: a pool of Ray actors under the brain, one fit at a time each.

Ray Tune's controller costs several times as much a fit (figures in ARCHITECTURE.md) and cannot end a fit that hangs,
so the hot path is here: hand out, wait, tell. An actor lives as long as the run; one that dies or overruns is replaced.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.adapters.ray_runtime import GRACE_SECONDS, POLL_SECONDS, RayThread, import_ray, share, shared
from bench.engine import allotment_for, do, gpu_share, memo_bytes, prepare
from bench.errors import RequestError
from bench.family import select
from bench.memo import Memo
from bench.problem import Problem
from bench.processes import process_seconds
from bench.resources import Allotment, Machine
from bench.search import Search, Work
from bench.trace import Recorder
from bench.trial import FoldResult, Status

#: What a worker may take to start, and to import what a family needs: no fit's fault, but not to be waited for forever.
_PREPARING_SECONDS = 120.0
#: Families that cost more (see `Family`) may never be tried in a short run: their imports wait until one is.
_LIKELY_COST = 15.0


class Worker:
    """Fits folds in a process of its own; the spans of a result tell what the worker did since the one before, too."""

    def __init__(self) -> None:
        """Note when the process was started."""
        self._recorder = Recorder()
        self._recorder.begin("process", "start-up", at=time.time() - process_seconds())
        self._recorder.end()

    def load(self, problem: Problem, table: Any, memo_bytes: int) -> None:
        """Take in the problem that all fits share; ``memo_bytes`` may be kept of what they have in common."""
        self._problem, self._memo = shared(problem, table), Memo(memo_bytes)

    def prepare(self, families: Sequence[str]) -> None:
        """Import what the fits of families need."""
        for family in families:
            self._recorder.begin(f"import {family}", "start-up")
            prepare(family)
        self._recorder.end()

    def fit(self, work: Work, allotment: Allotment) -> FoldResult:
        """Carry out one piece of work."""
        before, self._recorder = self._recorder.spans(), Recorder()
        result = do(work, self._problem, replace(allotment, memo=self._memo))
        return replace(result, spans=(*before, *result.spans))


@dataclass(kw_only=True, slots=True)
class _Member:
    """A worker of the pool, the families it is prepared for, and a preparation that may still be under way."""

    actor: Any
    families: set[str] = field(default_factory=set)
    preparing: Any = None

    def prepare(self, families: Iterable[str]) -> None:
        """Have it import what fits of these families need, if it has not yet."""
        if fresh := [family for family in families if family not in self.families]:
            self.families.update(fresh)
            self.preparing = self.actor.prepare.remote(fresh)


@dataclass(kw_only=True, slots=True)
class _Running:
    """A fit under way: what it is, on which worker, and when it is overdue.

    ``prepared`` is the worker's preparation while that is not over, which is when the fit's own time begins.
    """

    work: Work
    member: _Member
    prepared: Any
    overdue_at: float = 0.0

    def __post_init__(self) -> None:
        self.wait_from_now()

    def wait_from_now(self) -> None:
        """Reckon from now on when the fit, or the preparation for it, is overdue."""
        if self.prepared is not None:
            seconds = _PREPARING_SECONDS
        else:
            seconds = float("inf") if self.work.seconds is None else self.work.seconds + GRACE_SECONDS
        self.overdue_at = time.monotonic() + seconds


class RayEngine:
    """Keeps one actor a core busy; runs baselines in this process while Ray starts."""

    def __init__(self, machine: Machine, families: Sequence[str] = ()) -> None:
        """Use what ``machine`` allows; workers are prepared for the families that the request names."""
        self._machine, self._families = machine, families
        self._ray = RayThread(machine, then=self._fill_pool)
        self._idle: list[_Member] = []
        self._fresh: list[_Member] = []
        self._running: dict[Any, _Running] = {}

    def start(self) -> None:
        """Start Ray in a thread."""
        self._ray.start()

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work with the pool until the brain is through; with this process alone where Ray does not start."""
        if self._ray.is_up(search, problem, stop):
            self._problem = share(problem)
            self._work(search, stop)

    def _work(self, search: Search, stop: threading.Event) -> None:
        """Hand out, wait, tell, until there is nothing more; what is under way when ``stop`` is set is given up."""
        while not stop.is_set():
            self._hand_out(search)
            if not self._running:
                return
            self._collect(search, stop)
        while self._running:
            _, running = self._running.popitem()
            import_ray().kill(running.member.actor)

    def _hand_out(self, search: Search) -> None:
        """Give every free worker something to do, as long as there is anything."""
        while len(self._running) < self._machine.cpus and (work := search.next()) is not None:
            member, family = self._member(), work.candidate.family
            member.prepare([family])
            prepared, member.preparing = member.preparing, None
            reference = member.actor.fit.remote(work, allotment_for(family, self._machine, self._machine.cpus))
            self._running[reference] = _Running(work=work, member=member, prepared=prepared)

    def _fill_pool(self) -> None:
        """Start one worker process a core, and have each import what the families need that are likely to be tried."""
        self._fresh = [self._new_member() for _ in range(self._machine.cpus)]
        with contextlib.suppress(RequestError):  # a request that names no family is refused when the data are there
            likely = [family.name for family in select(self._families) if family.cost <= _LIKELY_COST]
            for member in self._fresh:
                member.prepare(likely)

    def _new_member(self) -> _Member:
        """Start a worker process; what is asked of it waits until it is up."""
        gpus = gpu_share(self._machine, self._machine.cpus)
        return _Member(actor=import_ray().remote(num_cpus=1, num_gpus=gpus)(Worker).remote())

    def _member(self) -> _Member:
        """Take an idle worker, or give the problem to a fresh one."""
        if self._idle:
            return self._idle.pop()
        member = self._fresh.pop() if self._fresh else self._new_member()
        member.actor.load.remote(*self._problem, memo_bytes(self._machine))
        return member

    def _collect(self, search: Search, stop: threading.Event) -> None:
        """Wait until something ends, tell of every fit that did, and kill the workers of those that are overdue."""
        ray = import_ray()
        preparing = [running.prepared for running in self._running.values() if running.prepared is not None]
        done, _ = ray.wait([*self._running, *preparing], num_returns=1, timeout=POLL_SECONDS)
        if stop.is_set():  # whoever stopped this process may have ended the workers as well: no fault of their fits
            return
        for reference, running in list(self._running.items()):
            if reference in done:
                del self._running[reference]
                search.tell(self._outcome(reference, running))
            elif running.prepared in done:
                running.prepared = None
                running.wait_from_now()
            elif time.monotonic() > running.overdue_at:
                del self._running[reference]
                ray.kill(running.member.actor)
                search.tell(_overdue(running))

    def _outcome(self, reference: Any, running: _Running) -> FoldResult:
        """Fetch a result; the death of a worker is one, too."""
        ray = import_ray()
        try:
            result: FoldResult = ray.get(reference)
        except ray.exceptions.OutOfMemoryError:
            return _failed(running.work, "out_of_memory", "its worker was killed, since the machine's memory ran out")
        except ray.exceptions.RayTaskError as error:
            return _failed(running.work, "error", f"its worker failed: {type(error.cause).__name__}: {error.cause}")
        except ray.exceptions.RayError:  # its text tells identifiers, and lists what may have happened
            return _failed(running.work, "error", "its worker died: killed, or crashed in native code")
        self._idle.append(running.member)
        return result

    def close(self) -> None:
        """Have Ray stopped; the process waits for that when it ends."""
        self._ray.stop()


def _overdue(running: _Running) -> FoldResult:
    """Make the result of a fit whose worker had to be killed."""
    seconds = running.work.seconds or 0.0
    if running.prepared is not None:
        reason = f"its worker was not ready after {_PREPARING_SECONDS:.0f} s and was killed"
        return _failed(running.work, "error", reason)
    return _failed(running.work, "timeout", f"hung past its {seconds:.1f} s and was killed", busy_seconds=seconds)


def _failed(work: Work, status: Status, reason: str, *, busy_seconds: float = 0.0) -> FoldResult:
    """Make the result of a fit whose worker is gone."""
    return FoldResult.failed(work.candidate.trial_id, work.fold, status, reason, busy_seconds=busy_seconds)
