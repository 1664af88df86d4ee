"""The workers of a run: started on the machines there are, ready, at work, and replaced when they are gone."""

import logging
import math
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.adapters.ray_hosts import Host, ask_software, difference, hosts_alive, require_alike, this_host
from bench.adapters.ray_runtime import POLL_SECONDS, import_ray, share
from bench.adapters.ray_worker import Readiness, Terms, Worker, token_file
from bench.admission import WORKER_BYTES
from bench.engine import fits_a_gpu, memo_bytes
from bench.errors import ClusterError
from bench.problem import Problem
from bench.processes import descendants, memory_of, resident_memory
from bench.resources import Machine

logger = logging.getLogger("bench.engine")

#: What a worker may take to start, and to import what a family needs: no fit's fault, but not to be waited for forever.
PREPARING_SECONDS = 120.0
#: A machine is given up where so many workers in a row say why they cannot start, or die for so long before they do.
_MOST_FAILED_STARTS = 3
_DYING_SECONDS = 60.0
#: How often machines that have come or gone are looked for.
_LOOK_SECONDS = 1.0
_LEAVING_SECONDS = 2.0
#: What Ray's own processes take; of the memory, the share that is reckoned with, since it is weighed only now and then:
#: more often where less than a quarter of it is left.
_RAY_BYTES = 350_000_000
_USABLE = 0.95
_WEIGH_SECONDS, _WEIGH_SOON_SECONDS = 0.3, 0.05
_NEARLY_FULL = 0.75


@dataclass(kw_only=True, eq=False, slots=True)
class Member:
    """A worker, where it is, its share of a GPU, the families it is prepared for; a preparation may be under way.

    ``ready`` is what it has told of itself.
    """

    actor: Any
    host: Host
    gpu: float
    ready: Readiness = field(default_factory=Readiness)
    born: float = field(default_factory=time.monotonic)
    families: set[str] = field(default_factory=set)
    preparing: Any = None

    @property
    def place(self) -> tuple[Host, str]:
        """Its machine, and its GPU there."""
        return self.host, self.ready.gpu if self.gpu else ""

    def prepare(self, families: Iterable[str]) -> None:
        """Have it import what fits of these families need, if it has not yet."""
        if fresh := [family for family in families if family not in self.families]:
            self.families.update(fresh)
            self.preparing = self.actor.prepare.remote(fresh)


class Pool:
    """Keeps a worker for every core that the run may use; as many of them as fit there share the GPUs."""

    def __init__(self, machine: Machine, *, address: str | None, cpus: int | None, gpus: int | None) -> None:
        """Use this ``machine``, or with ``address`` those of a cluster, ``cpus`` cores and ``gpus`` devices at most."""
        self._machine, self.joined = machine, address is not None
        self._cpus = machine.cpus if cpus is None and not self.joined else cpus
        self._gpus = machine.gpus if gpus is None and not self.joined else gpus
        self._hosts: dict[str | None, Host] = {}
        self._asked: dict[Any, Host] = {}
        self._starting: dict[Any, Member] = {}
        self._waiting: list[Member] = []
        self._members: set[Member] = set()
        self._idle: list[Member] = []
        self._failed: Counter[str | None] = Counter()
        self._dying: dict[str | None, float] = {}
        self._refused: set[str | None] = set()
        self._most: dict[str | None, int] = {}
        self._looked = 0.0
        self._weigh_at = 0.0
        #: Seconds after which it is time to look at the pool again.
        self.patience = POLL_SECONDS
        self._peopled = math.inf
        self._load: tuple[Any, Any, Terms] | None = None

    def open(self, likely: Sequence[str]) -> None:
        """Start the workers, the first of which import what ``likely`` families need; Ray is up.

        Raises:
            ClusterError: a machine of the cluster has other versions than this one, or there is none.
        """
        for host in require_alike(hosts_alive()) if self.joined else [this_host(self._machine)]:
            self._hosts[host.node] = host
        self._fill()
        for member in self._members:
            member.prepare(likely)
            member.preparing = None  # it counts as part of the start

    @property
    def capacity(self) -> Machine:
        """What all fits together may use."""
        if not self.joined:
            return self._machine
        hosts, slots = self._hosts.values(), self._slots()
        return Machine(
            cpus=max(1, sum(slots.values())),
            memory_bytes=sum(host.memory_bytes for host in hosts) or self._machine.memory_bytes,
            gpus=int(min(sum(host.gpus for host in hosts), math.inf if self._gpus is None else self._gpus)),
            cpus_why=f"{len(hosts)} machines of the cluster" if self._cpus is None else "--cpus",
        )

    def room(self, host: Host) -> float:
        """Bytes of memory that a machine has for fits, beside its workers and, where it is ours, this command."""
        workers = sum(member.host == host for member in self._members)
        command = 0.0 if self.joined else resident_memory(os.getpid()) + _RAY_BYTES
        return _USABLE * host.memory_bytes - workers * WORKER_BYTES - command

    def overfull(self) -> bool:
        """Whether this command and all that it started hold more memory than they may; not asked of a cluster."""
        if self.joined or time.monotonic() < self._weigh_at:
            return False
        ours, limit = [os.getpid(), *descendants(os.getpid())], _USABLE * self._machine.memory_bytes
        held = sum(map(resident_memory, ours))
        if held > _NEARLY_FULL * limit:
            held = sum(map(memory_of, ours))
        nearly = held > _NEARLY_FULL * limit
        self.patience = _WEIGH_SOON_SECONDS if nearly else POLL_SECONDS
        self._weigh_at = time.monotonic() + (_WEIGH_SOON_SECONDS if nearly else _WEIGH_SECONDS)
        return held > limit

    def shrink(self) -> None:
        """Do with one worker less from now on, as long as there are two."""
        self._cpus = max(1, len(self._members) - 1)

    @property
    def size(self) -> int:
        """How many workers there are, or will soon be."""
        return len(self._members)

    def load(self, problem: Problem) -> None:
        """Give all workers, those to come included, the problem that fits share."""
        token = secrets.token_hex(8)
        note = token_file(problem.folder, token)
        note.parent.mkdir(exist_ok=True)
        note.touch()
        self._fill()
        self._load = (*share(problem), Terms(token=token, memo_bytes=memo_bytes(self.capacity)))
        waiting, self._waiting = [*self._waiting, *self._idle, *self._starting.values()], []
        self._idle, self._starting = [], {}
        for member in waiting:
            self._hand_over(member)

    def _hand_over(self, member: Member) -> None:
        """Give a worker the problem; it is ready once it has taken it in."""
        assert self._load is not None
        member.born = time.monotonic()
        self._starting[member.actor.load.remote(*self._load)] = member

    def _slots(self) -> dict[str | None, int]:
        """How many workers each machine is to have."""
        left, slots = math.inf if self._cpus is None else self._cpus, {}
        for node, host in self._hosts.items():
            slots[node] = int(min(host.cpus, self._most.get(node, host.cpus), left))
            left -= slots[node]
        return slots

    def _fill(self) -> None:
        """Start workers where some are missing."""
        gpus_left = math.inf if self._gpus is None else self._gpus
        for node, slots in self._slots().items():
            host = self._hosts[node]
            here = [member for member in self._members if member.host == host]
            gpus = int(min(host.gpus, gpus_left))
            gpus_left -= gpus
            a_gpu = fits_a_gpu(gpus, slots)
            with_gpu = min(slots, gpus * a_gpu) - sum(member.gpu > 0 for member in here)
            if with_gpu > 0 and len(here) >= slots and (spare := self._without_gpu(host)) is not None:
                self.end(spare)
                here.remove(spare)
            for place in range(slots - len(here)):
                self._start(host, math.floor(10_000 / a_gpu) / 10_000 if place < with_gpu else 0.0)

    def _without_gpu(self, host: Host) -> Member | None:
        """An idle worker of a machine that has no part of its GPUs."""
        return next((member for member in self._idle if member.host == host and not member.gpu), None)

    def _start(self, host: Host, gpu: float) -> None:
        """Start a worker process; what is asked of it waits until it is up."""
        actor = import_ray().remote(**host.options(cpus=1, gpus=gpu))(Worker).remote()
        member = Member(actor=actor, host=host, gpu=gpu)
        self._members.add(member)
        if self._load is None:
            self._waiting.append(member)
        else:
            self._hand_over(member)

    def take(self, *, gpu: bool, fits: Callable[[Member], bool]) -> Member | None:
        """Take an idle worker where a fit ``fits``, one with a GPU or rather one without; None while there is none."""
        roomy: dict[tuple[Host, str], bool] = {}
        fitting = [member for member in reversed(self._idle) if member.gpu > 0 or not gpu]
        for member in sorted(fitting, key=lambda member: member.gpu):
            if member.place not in roomy:
                roomy[member.place] = fits(member)
            if roomy[member.place]:
                self._idle.remove(member)
                return member
        return None

    def give(self, member: Member) -> None:
        """Take a worker back that is through with its fit, unless its machine is done without by now."""
        if member.host.node in self._refused:
            self.end(member)
        else:
            self._idle.append(member)

    def drop(self, member: Member) -> None:
        """Put an end to a worker, and start another in its place."""
        self.end(member)
        self._fill()

    def end(self, member: Member) -> None:
        """Put an end to a worker, for good."""
        import_ray().kill(member.actor)
        self._members.discard(member)
        if member in self._idle:
            self._idle.remove(member)

    def gpu_share(self, place: tuple[Host, str]) -> float:
        """What fits of a place may have of its GPU together: all of it, or on a cluster what its workers were given."""
        return sum(member.gpu for member in self._members if member.place == place) if self.joined else 1.0

    @property
    def has_idle(self) -> bool:
        """Whether a worker is free."""
        return bool(self._idle)

    def has_gpu(self) -> bool:
        """Whether a worker with a GPU is there, or on its way."""
        return any(member.gpu > 0 for member in self._members)

    @property
    def pending(self) -> Iterator[Any]:
        """References to what the pool waits for."""
        yield from self._starting
        yield from self._asked

    def settle(self, done: Sequence[Any]) -> None:
        """Take note of workers that are ready or did not start, and of machines that have come or gone.

        Raises:
            ClusterError: workers start nowhere.
        """
        for reference in done:
            if (member := self._starting.pop(reference, None)) is not None:
                self._ready(reference, member)
            elif (host := self._asked.pop(reference, None)) is not None:
                self._admit(host, reference)
        for reference, member in list(self._starting.items()):
            if time.monotonic() > member.born + PREPARING_SECONDS:
                del self._starting[reference]
                self._not_started(member, f"not ready after {PREPARING_SECONDS:.0f} s")
        if self.joined and time.monotonic() > self._looked + _LOOK_SECONDS:
            self._look()

    def _ready(self, reference: Any, member: Member) -> None:
        """Put a worker that has taken the problem in among the idle ones."""
        ray = import_ray()
        try:
            member.ready = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            self._failed[member.host.node] += 1
            self._not_started(member, f"{type(error.cause).__name__}: {error.cause}")
        except ray.exceptions.RayError:
            self._not_started(member, "its process dies before it is ready")
        else:
            self._failed[member.host.node] = 0
            self._dying.pop(member.host.node, None)
            self._idle.append(member)

    def _not_started(self, member: Member, reason: str) -> None:
        """Give a machine up on which no worker starts; of one that has some, others may have the rest of the cores.

        Machines that are gone are `_look`'s to judge.
        """
        host, now = member.host, time.monotonic()
        node, at_work = host.node, [other for other in self._members if other.host == host and other.ready.process]
        lost = self._failed[node] >= _MOST_FAILED_STARTS or now > self._dying.setdefault(node, now) + _DYING_SECONDS
        if lost and at_work:
            told = "No more workers start on %s (%s) than the %d that are at work there."
            logger.warning(told, host.name, reason, len(at_work))
            self._most[node] = len(at_work)
        elif lost and node in self._hosts:
            self.refuse(host, f"no worker starts there ({reason})")
        self.drop(member)
        if lost and not self._hosts and not self._asked:
            raise ClusterError(f"workers must start on at least one machine; the last try ended with: {reason}.")

    def refuse(self, host: Host, reason: str) -> None:
        """Do without a machine from now on."""
        logger.warning("%s is left out: %s.", host.name, reason)
        self._refused.add(host.node)
        self._hosts.pop(host.node, None)
        for member in [member for member in self._idle if member.host == host]:
            self.end(member)

    def _look(self) -> None:
        """Let go of machines that are gone, and check those that have come.

        Raises:
            ClusterError: none has been there for long.
        """
        self._looked = time.monotonic()
        alive = {host.node: host for host in hosts_alive()}
        for node in [node for node in self._hosts if node not in alive]:
            gone = self._hosts.pop(node)
            logger.warning("%s has left the cluster; its fits are done elsewhere.", gone.name)
            for member in [member for member in self._idle if member.host == gone]:
                self.drop(member)
        if self._hosts or self._asked:
            self._peopled = self._looked
        elif self._looked > self._peopled + _DYING_SECONDS:
            raise ClusterError(f"a machine of the cluster must be there for fits, got none for {_DYING_SECONDS:.0f} s.")
        known = {*self._hosts, *self._refused, *(host.node for host in self._asked.values())}
        for node in alive.keys() - known:
            self._asked[ask_software(alive[node])] = alive[node]

    def _admit(self, host: Host, answer: Any) -> None:
        """Use a machine that has come, if its software is ours."""
        if unlike := difference(host, answer):
            logger.warning("A machine that has joined the cluster is left out: %s.", unlike)
            self._refused.add(host.node)
            return
        logger.warning("%s has joined the cluster, with %d CPUs.", host.name, host.cpus)
        self._hosts[host.node] = host
        self._fill()

    def close(self) -> None:
        """Have idle workers on machines that keep files of their own clear these away."""
        if self.joined and self._idle:
            left = [member.actor.leave.remote() for member in self._idle]
            import_ray().wait(left, num_returns=len(left), timeout=_LEAVING_SECONDS)
