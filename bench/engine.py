"""Engines drive the brain: they take work from a `Search`, have it done, and tell what came of it."""

import contextlib
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from bench.errors import SkipError
from bench.family import discover, warm_up
from bench.memo import Memo
from bench.problem import Problem
from bench.resources import Allotment, Machine
from bench.search import Search, Work
from bench.trial import FoldResult, run_fold

#: Share of the memory that holds binned training rows and the like.
_MEMO_SHARE = 0.1
#: More fits share no GPU: each has a context of some hundred megabytes, and they wait for each other.
_MOST_A_GPU = 4


class Engine(Protocol):
    """Carries out a search. An engine never decides what is fitted; it only keeps hands busy."""

    def start(self) -> None:
        """Begin to get ready; returns at once."""
        ...

    def capacity(self) -> Machine:
        """What all fits together may use; may wait until that is known.

        Raises:
            ClusterError: it is to be that of a cluster, which cannot be joined or serves no fits.
        """
        ...

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work until the brain has nothing more to hand out, or until ``stop`` is set."""
        ...

    def close(self) -> None:
        """Let go of workers and memory; returns at once, and what is left over ends with the process.

        Called at the end of the search, and again when the command ends, however it does.
        """
        ...


@contextlib.contextmanager
def at_work(engine: Engine) -> Iterator[None]:
    """Start an engine, and close it when the block is over, however it ends."""
    engine.start()
    try:
        yield
    finally:
        engine.close()


def fits_a_gpu(gpus: int, slots: int) -> int:
    """How many of ``slots`` fits at once share a GPU; 1 where there is none."""
    return min(_MOST_A_GPU, math.ceil(slots / gpus)) if gpus else 1


def uses_gpu(family: str, machine: Machine) -> bool:
    """Whether fits of a family are given a share of a GPU."""
    return machine.gpus > 0 and discover()[family].takes_gpu


def gpu_share(machine: Machine, slots: int) -> float:
    """What each of ``slots`` fits at once has of a GPU: such a share that all of them fit on the GPUs there are.

    A fit uses one GPU at most. Rounded down to 4 digits, as finely as Ray counts.
    """
    if not machine.gpus:
        return 0.0
    fits_a_gpu = math.ceil(slots / machine.gpus)
    return math.floor(10_000 / fits_a_gpu) / 10_000


def allotment_for(family: str, machine: Machine, slots: int) -> Allotment:
    """What a fit of a family is given: one thread, and a share of a GPU if there is one that it can use."""
    if uses_gpu(family, machine):
        return Allotment(cpus=1, gpu=gpu_share(machine, slots), device="cuda")
    return Allotment(cpus=1)


def memo_bytes(machine: Machine) -> int:
    """How much each of the fits at once may keep for those that follow."""
    return int(_MEMO_SHARE * machine.memory_bytes / machine.cpus)


def prepare(family: str) -> None:
    """Import what a family's fits need, before the clock of one runs; that something is missing, the fit will tell."""
    with contextlib.suppress(SkipError):
        warm_up(discover()[family])


def do(work: Work, problem: Problem, allotment: Allotment) -> FoldResult:
    """Carry out one piece of work in this process."""
    return run_fold(problem, work.candidate, work.fold, allotment=allotment, seconds=work.seconds, lent=work.lent)


class LocalEngine:
    """Fits one after the other in this process: for tests, debuggers and machines where Ray cannot start."""

    def __init__(self, machine: Machine) -> None:
        """Use what ``machine`` allows."""
        self._machine = replace(machine, cpus=1, cpus_why="--engine local")

    def start(self) -> None:
        """Nothing to get ready."""

    def capacity(self) -> Machine:
        """This machine, and one of its cores."""
        return self._machine

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work in this thread."""
        memo = Memo(memo_bytes(self._machine))
        while not stop.is_set() and (work := search.next()) is not None:
            allotment = replace(allotment_for(work.candidate.family, self._machine, 1), memo=memo)
            search.tell(do(work, problem, allotment))

    def close(self) -> None:
        """Nothing to let go of."""
