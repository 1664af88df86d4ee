"""The engine of every run: a pool of Ray actors under the brain, one fit at a time each.

Ray Tune's controller costs several times as much a fit (figures in ARCHITECTURE.md) and cannot end a fit that hangs,
so the hot path is here: hand out, wait, tell. An actor lives as long as the run; one that dies or overruns is replaced.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from bench.adapters.ray_runtime import GRACE_SECONDS, POLL_SECONDS, RayThread, ray, share, shared
from bench.engine import allotment_for, do
from bench.problem import Problem
from bench.resources import Allotment, Machine
from bench.search import Search, Work
from bench.trial import FoldResult, Status


class Worker:
    """Fits folds in a process of its own."""

    def load(self, problem: Problem, table: Any) -> None:
        """Take in the problem that all fits share."""
        self._problem = shared(problem, table)

    def fit(self, work: Work, allotment: Allotment) -> FoldResult:
        """Carry out one piece of work."""
        return do(work, self._problem, allotment)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """A fit under way: what it is, on which actor, and when it is overdue."""

    work: Work
    actor: Any
    overdue_at: float


class RayEngine:
    """Keeps one actor a core busy; runs baselines in this process while Ray starts."""

    def __init__(self, machine: Machine) -> None:
        """Use what ``machine`` allows."""
        self._machine = machine
        self._ray = RayThread(machine, then=self._fill_pool)
        self._idle: list[Any] = []
        self._fresh: list[Any] = []
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
        """Hand out, wait, tell, until there is nothing more."""
        while not stop.is_set():
            self._hand_out(search)
            if not self._running:
                return
            self._collect(search)

    def _hand_out(self, search: Search) -> None:
        """Give every free actor work, as long as there is any; make actors when more are needed."""
        while len(self._running) < self._machine.cpus and (work := search.next()) is not None:
            actor = self._actor()
            allotment = allotment_for(work.candidate.family, self._machine, self._machine.cpus)
            overdue = float("inf") if work.seconds is None else time.monotonic() + work.seconds + GRACE_SECONDS
            reference = actor.fit.remote(work, allotment)
            self._running[reference] = _Running(work=work, actor=actor, overdue_at=overdue)

    def _fill_pool(self) -> None:
        """Start one worker process a core, so that they are up when the baselines are through."""
        self._fresh = [self._new_actor() for _ in range(self._machine.cpus)]

    def _new_actor(self) -> Any:
        """Start a worker process; what is asked of it waits until it is up."""
        gpus = self._machine.gpus / self._machine.cpus
        return ray.remote(num_cpus=1, num_gpus=gpus)(Worker).remote()

    def _actor(self) -> Any:
        """Take an idle worker, or give the problem to a fresh one."""
        if self._idle:
            return self._idle.pop()
        actor = self._fresh.pop() if self._fresh else self._new_actor()
        actor.load.remote(*self._problem)
        return actor

    def _collect(self, search: Search) -> None:
        """Wait for a fit to end, tell of all that did, and kill those that are overdue."""
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=POLL_SECONDS)
        for reference in done:
            running = self._running.pop(reference)
            search.tell(self._outcome(reference, running))
        for reference, running in list(self._running.items()):
            if time.monotonic() > running.overdue_at:
                del self._running[reference]
                ray.kill(running.actor)
                reason = f"hung past its {running.work.seconds:.1f} s and was killed"
                search.tell(_failed(running.work, "timeout", reason, busy_seconds=running.work.seconds or 0.0))

    def _outcome(self, reference: Any, running: _Running) -> FoldResult:
        """Fetch a result; the death of a worker is one, too."""
        try:
            result: FoldResult = ray.get(reference)
        except ray.exceptions.OutOfMemoryError:
            return _failed(running.work, "out_of_memory", "the worker was killed for its memory")
        except ray.exceptions.RayError as error:
            return _failed(running.work, "error", f"the worker died: {' '.join(str(error).split())[:160]}")
        self._idle.append(running.actor)
        return result

    def close(self) -> None:
        """Have Ray stopped; the process waits for that when it ends."""
        self._ray.stop()


def _failed(work: Work, status: Status, reason: str, *, busy_seconds: float = 0.0) -> FoldResult:
    """Make the result of a fit whose worker is gone."""
    return FoldResult.failed(work.candidate.trial_id, work.fold, status, reason, busy_seconds=busy_seconds)
