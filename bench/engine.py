"""Engines drive the brain: they take work from a `Search`, have it done, and tell what came of it."""

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Protocol

from bench.errors import SkipError
from bench.family import discover, warm_up
from bench.problem import Problem
from bench.resources import Allotment, Machine
from bench.search import Search, Work
from bench.trial import FoldResult, run_fold


class Engine(Protocol):
    """Carries out a search. An engine never decides what is fitted; it only keeps hands busy."""

    def start(self) -> None:
        """Begin to get ready; returns at once."""
        ...

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work until the brain has nothing more to hand out, or until ``stop`` is set."""
        ...

    def close(self) -> None:
        """Let go of workers and memory; returns at once, and what is left over ends with the process."""
        ...


@contextlib.contextmanager
def at_work(engine: Engine) -> Iterator[None]:
    """Start an engine, and close it when the block is over, however it ends."""
    engine.start()
    try:
        yield
    finally:
        engine.close()


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
    if machine.gpus and discover()[family].uses_gpu:
        return Allotment(cpus=1, gpu=gpu_share(machine, slots), device="cuda")
    return Allotment(cpus=1)


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
        self._machine = machine

    def start(self) -> None:
        """Nothing to get ready."""

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work in this thread."""
        while not stop.is_set() and (work := search.next()) is not None:
            search.tell(do(work, problem, allotment_for(work.candidate.family, self._machine, 1)))

    def close(self) -> None:
        """Nothing to let go of."""
