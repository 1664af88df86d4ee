"""The engine of every run: a pool of Ray actors under the brain, one fit at a time each.

Ray Tune's controller costs several times as much a fit (figures in ARCHITECTURE.md) and cannot end a fit that hangs,
so the hot path is here: hand out, wait, tell. An actor lives as long as the run; one that dies or overruns is replaced.
"""

import contextlib
import logging
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.adapters.ray_pool import PREPARING_SECONDS, Member, Pool
from bench.adapters.ray_runtime import GRACE_SECONDS, POLL_SECONDS, import_ray
from bench.adapters.ray_thread import RayThread
from bench.adapters.ray_worker import Delivery
from bench.admission import Admission, Packing
from bench.candidate import Candidate
from bench.engine import LocalEngine, allotment_for, do, uses_gpu
from bench.errors import ClusterError, RequestError
from bench.family import select
from bench.parcel import unpack
from bench.problem import Problem
from bench.processes import memory_of
from bench.resources import Allotment, Machine, out_of_memory_kills
from bench.search import Search, Work
from bench.stacks import read_end, stack_file
from bench.store import storage_fault
from bench.trial import FoldResult, Status

logger = logging.getLogger("bench.engine")

#: Families that cost more (see `Family`) may never be tried in a short run: their imports wait until one is.
_LIKELY_COST = 15.0
#: Fits that wait for memory for so long go before all others that would take it.
_PATIENCE_SECONDS = 20.0
#: What libraries say of a GPU that has failed, in a process of which it will fail again.
_GPU_FAILED = re.compile("cuda ?error", re.IGNORECASE)
#: Shares of a GPU are counted in ten thousandths, rounded down.
_ROUNDING = 1e-6
#: How often a fit is tried whose process was killed, by whomever, or crashed of itself.
_MOST_KILLED, _MOST_CRASHED = 6, 2


@dataclass(kw_only=True, eq=False, slots=True)
class _Running:
    """A fit under way: what it is, on which worker, what it was given of a GPU, and when it is overdue.

    ``prepared`` is the worker's preparation while that is not over, which is when the fit's own time begins.
    """

    work: Work
    member: Member
    gpu: float
    prepared: Any
    overdue_at: float = 0.0

    def __post_init__(self) -> None:
        self.wait_from_now()

    def wait_from_now(self) -> None:
        """Reckon from now on when the fit, or the preparation for it, is overdue."""
        seconds = self.work.hung_after + GRACE_SECONDS if self.prepared is None else PREPARING_SECONDS
        self.overdue_at = time.monotonic() + seconds


@dataclass(frozen=True, eq=False, slots=True)
class _Held:
    """A fit that waits for a worker, or for memory, and since when."""

    work: Work
    since: float = field(default_factory=time.monotonic)


class RayEngine:
    """Keeps one actor a core busy, here or on a cluster; runs baselines in this process while Ray starts."""

    def __init__(
        self,
        machine: Machine,
        families: Sequence[str] = (),
        *,
        address: str | None = None,
        cpus: int | None = None,
        gpus: int | None = None,
    ) -> None:
        """Use what ``machine`` allows; workers are prepared for the families that the request names.

        With ``address``, the machines of that cluster are used instead, ``cpus`` and ``gpus`` of them at most.
        """
        self._machine, self._families = machine, families
        self._pool = Pool(machine, address=address, cpus=cpus, gpus=gpus)
        self._ray = RayThread(machine, then=self._open_pool, address=address)
        self._running: dict[Any, _Running] = {}
        self._held: list[_Held] = []
        self._deaths: Counter[tuple[str, int]] = Counter()
        self._kills = out_of_memory_kills()
        self._promised: Machine | None = None

    def start(self) -> None:
        """Start Ray in a thread, or join the cluster."""
        self._ray.start()

    def capacity(self) -> Machine:
        """What all fits together may use; for a cluster that is known once it is joined.

        Whether there are GPUs is part of what trials are known by: machines that come or go later change nothing of it.
        """
        self._ray.require()
        self._promised = self._pool.capacity
        return self._promised

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work with the pool until the brain is through; with this process alone where Ray does not start."""
        if self._ray.is_up(search, problem, stop):
            self._problem, self._admission, self._packing = problem, Admission(problem), Packing(problem)
            try:
                self._pool.load(problem)
                self._work(search, stop)
                self._pool.close()
            except ClusterError as error:
                logger.warning("%s Going on in this process, as with --engine local.", error)
                self._go_on_here(search, problem, stop)
            if problem.store is not None:
                problem.store.settle()

    def _open_pool(self) -> None:
        """Start the workers, which import what the families need that are likely to be tried."""
        likely: list[str] = []
        with contextlib.suppress(RequestError):  # a request that names no family is refused when the data are there
            likely = [family.name for family in select(self._families) if family.cost <= _LIKELY_COST]
        self._pool.open(likely)

    def _work(self, search: Search, stop: threading.Event) -> None:
        """Hand out, wait, tell, until there is nothing more; what is under way when ``stop`` is set is given up."""
        self._held = []
        while not stop.is_set():
            through = self._hand_out(search)
            if through and not self._running:
                return
            self._collect(search, stop)
        while self._running:
            _, running = self._running.popitem()
            self._pool.end(running.member)

    def _go_on_here(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Carry out the rest of the search in this process, what is under way first."""
        begun = [held.work for held in self._held] + [running.work for running in self._running.values()]
        self._held, self._running = [], {}
        for work in begun:
            if not stop.is_set() and (wanted := search.renewed(work)) is not None:
                search.tell(do(wanted, problem, allotment_for(wanted.candidate.family, self._machine, 1)))
        LocalEngine(self._machine).run(search, problem, stop)

    def _hand_out(self, search: Search) -> bool:
        """Give free workers something to do; True once nothing is left to hand out, unless what runs leads to more."""
        for held in list(self._held):
            if not self._is_due(held.work, held.since) and self._begin(search, held.work, renew=True):
                self._held.remove(held)
        while self._pool.has_idle and len(self._held) < self._pool.size:
            if (work := search.next()) is None:
                return not self._held
            if self._is_due(work) or not self._begin(search, work):
                self._held.append(_Held(work))
        return search.over and not self._held

    def _begin(self, search: Search, work: Work, *, renew: bool = False) -> bool:
        """Have a fit done, or find that nobody wants it any longer; False where it has to wait for a worker."""
        gpu = self._uses_gpu(work)
        if gpu and not self._pool.has_gpu():
            search.tell(_failed(work, "error", "no machine with a GPU is left"))
            return True
        if (wanted := search.renewed(work) if renew else work) is None:
            return True
        if (member := self._pool.take(gpu=gpu, fits=partial(self._admits, work.candidate, gpu))) is None:
            return False
        self._kills = out_of_memory_kills()
        share = self._gpu_share(wanted.candidate, member) if gpu else 0.0
        allotment = Allotment(cpus=1, gpu=share, device="cuda") if gpu else Allotment(cpus=1)
        member.prepare([wanted.candidate.family])
        prepared, member.preparing = member.preparing, None
        reference = member.actor.fit.remote(wanted, allotment)
        self._running[reference] = _Running(work=wanted, member=member, gpu=share, prepared=prepared)
        return True

    def _uses_gpu(self, work: Work) -> bool:
        """Whether a fit is given a share of a GPU."""
        return uses_gpu(work.candidate.family, self._promised or self._pool.capacity)

    def _is_due(self, work: Work, since: float = math.inf) -> bool:
        """Whether others have waited for so long that a fit that waits ``since`` then must not go before them."""
        begun = min(since, time.monotonic() - _PATIENCE_SECONDS)
        return any(held.since < begun and self._uses_gpu(held.work) == self._uses_gpu(work) for held in self._held)

    def _admits(self, candidate: Candidate, gpu: bool, member: Member) -> bool:
        """Whether a worker's machine, and its GPU, has room for a fit beside those that it is at."""
        beside = [running for running in self._running.values() if running.member.host == member.host]
        candidates = [running.work.candidate for running in beside]
        if not self._admission.admits(candidate, room=self._pool.room(member.host), beside=candidates):
            return False
        taken = sum(running.gpu for running in beside if running.member.place == member.place)
        left = self._pool.gpu_share(member.place) - taken
        return not gpu or self._gpu_share(candidate, member) <= left + _ROUNDING

    def _gpu_share(self, candidate: Candidate, member: Member) -> float:
        """What a fit is given of a worker's GPU: the worker's share of it, or as much more as the fit takes."""
        most, total = self._pool.gpu_share(member.place), member.ready.gpu_bytes
        return self._packing.share(candidate, least=member.gpu, most=most, total=total)

    def _relieve(self, search: Search, done: Set[Any]) -> None:
        """Where memory runs out, end the fit that holds most of it, which is tried again unless it was alone.

        Those that are ``done`` let go of it by themselves.
        """
        busy = {reference: running for reference, running in self._running.items() if reference not in done}
        if not busy or not self._pool.overfull():
            return
        reference, running = max(busy.items(), key=lambda item: memory_of(item[1].member.ready.process))
        del self._running[reference]
        held, alone = memory_of(running.member.ready.process), not self._running
        self._admission.exceeded(running.work.candidate, self._pool.room(running.member.host))
        self._pool.shrink()
        self._pool.drop(running.member)
        if alone:
            limit = self._pool.capacity.memory_bytes / 2**30
            reason = f"its worker held {held / 2**30:.1f} GiB when all that may be used, {limit:.1f} GiB, was"
            search.tell(_failed(running.work, "out_of_memory", reason))
        else:
            self._held.append(_Held(running.work))

    def _collect(self, search: Search, stop: threading.Event) -> None:
        """Wait until something ends, tell of every fit that did, and kill the workers of those that are overdue."""
        done = self._ended()
        if stop.is_set():  # whoever stopped this process may have ended the workers as well: no fault of their fits
            return
        self._relieve(search, done)
        self._pool.settle([reference for reference in done if reference not in self._running])
        for reference, running in list(self._running.items()):
            if reference in done:
                del self._running[reference]
                if (result := self._outcome(reference, running)) is not None:
                    search.tell(result)
            elif running.prepared in done:
                running.prepared = None
                running.wait_from_now()
            elif time.monotonic() > running.overdue_at:
                del self._running[reference]
                self._pool.drop(running.member)
                search.tell(_overdue(running))

    def _ended(self) -> set[Any]:
        """Wait a moment for something to end; gives the references of all that has by then."""
        ray = import_ray()
        preparing = [running.prepared for running in self._running.values() if running.prepared is not None]
        awaited = [*self._running, *preparing, *self._pool.pending]
        if not awaited:
            time.sleep(POLL_SECONDS)
            return set()
        done, rest = ray.wait(awaited, num_returns=1, timeout=self._pool.patience)
        if done and rest:
            done += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return set(done)

    def _outcome(self, reference: Any, running: _Running) -> FoldResult | None:
        """Fetch a result; the death of a worker is one, too, unless the fit is tried again."""
        ray, work = import_ray(), running.work
        try:
            delivery: Delivery = ray.get(reference)
        except ray.exceptions.OutOfMemoryError:
            self._pool.drop(running.member)
            self._admission.exceeded(work.candidate, self._pool.room(running.member.host))
            return _failed(work, "out_of_memory", "its worker was killed, since the machine's memory ran out")
        except ray.exceptions.RayTaskError as error:
            self._pool.give(running.member)
            return _failed(work, "error", f"its worker failed: {type(error.cause).__name__}: {error.cause}")
        except ray.exceptions.RayError:  # its text tells identifiers, and lists what may have happened
            self._pool.drop(running.member)
            return self._death(running)
        return self._taken_in(running, delivery)

    def _taken_in(self, running: _Running, delivery: Delivery) -> FoldResult | None:
        """Take over what a fit has left; nothing of one that found its machine's disk full, and is tried on another."""
        result, member = delivery.result, running.member
        if result.status == "error" and member.ready.own_disk and storage_fault(result.reason):
            self._pool.refuse(member.host, f"its disk is not to be written to ({result.reason})")
            self._pool.drop(member)
            self._held.append(_Held(running.work))
            return None
        if running.gpu and result.status == "error" and _GPU_FAILED.search(result.reason):
            self._pool.drop(member)  # whose GPU may fail from now on, whatever is asked of it
        else:
            self._pool.give(member)
        self._learn(running, result)
        unpack(delivery.parcel, self._problem.folder)
        if self._problem.store is not None:
            self._problem.store.receive(delivery.stored)
        return result

    def _learn(self, running: _Running, result: FoldResult) -> None:
        """Take note of the memory that a fit took, ours and a GPU's."""
        candidate = running.work.candidate
        self._admission.learn(candidate, result.peak_memory_mb * 1e6)
        self._packing.learn(candidate, result.gpu_memory_mb * 1e6)
        if running.gpu and result.status == "out_of_memory":
            self._packing.exceeded(candidate, running.gpu * running.member.ready.gpu_bytes)

    def _death(self, running: _Running) -> FoldResult | None:
        """Judge a worker's death by the stack that it left; one that was killed is no fault of its fit."""
        work = running.work
        end = read_end(stack_file(self._problem.folder, work.candidate.trial_id, work.fold))
        if end == "hung" or time.monotonic() > running.overdue_at - GRACE_SECONDS:
            return _overdue(running)
        if not end and not self._pool.joined and self._memory_ran_out():
            self._admission.exceeded(work.candidate, self._pool.room(running.member.host))
            return _failed(work, "out_of_memory", "its worker was killed, since the machine's memory ran out")
        key = work.candidate.trial_id, work.fold
        self._deaths[key] += 1
        if self._deaths[key] < (_MOST_CRASHED if end else _MOST_KILLED):
            self._held.append(_Held(work))
            return None
        reason = f"its worker crashed ({end})" if end else "its worker was killed"
        return _failed(work, "error", f"{reason}, {self._deaths[key]} times")

    def _memory_ran_out(self) -> bool:
        """Whether the kernel has ended a process for want of memory since this was asked last."""
        before, self._kills = self._kills, out_of_memory_kills()
        return self._kills > before

    def close(self) -> None:
        """Have Ray stopped; the process waits for that when it ends."""
        self._ray.stop()


def _overdue(running: _Running) -> FoldResult:
    """Make the result of a fit whose worker had to be killed."""
    if running.prepared is not None:
        reason = f"its worker was not ready after {PREPARING_SECONDS:.0f} s and was killed"
        return _failed(running.work, "error", reason)
    seconds = running.work.hung_after
    return _failed(running.work, "timeout", f"hung past its {seconds:.1f} s and was killed", busy_seconds=seconds)


def _failed(work: Work, status: Status, reason: str, *, busy_seconds: float = 0.0) -> FoldResult:
    """Make the result of a fit whose worker is gone."""
    return FoldResult.failed(work.candidate.trial_id, work.fold, status, reason, busy_seconds=busy_seconds)
