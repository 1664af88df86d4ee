"""A worker: a process of its own, on any machine, that fits one fold at a time."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.adapters.ray_runtime import GRACE_SECONDS, shared
from bench.engine import do, prepare
from bench.errors import StoreError
from bench.family import discover
from bench.fold_data import recipe_folder
from bench.gpu import gpu_bytes, visible_gpu
from bench.memo import Memo
from bench.parcel import Parcel, pack
from bench.problem import Problem
from bench.processes import process_seconds
from bench.recipes import Features
from bench.resources import Allotment
from bench.scratch import Scratch
from bench.search import Work
from bench.stacks import stack_file, stack_kept
from bench.store import fold_folder
from bench.trace import Recorder
from bench.trial import FoldResult

#: A fit that hangs ends its own process, stack and all, before the driver, which is told less, kills it.
_OWN_GRACE_SECONDS = GRACE_SECONDS / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a worker is told of its run: the ``token`` of a file in the run folder, and bytes for its memo."""

    token: str
    memo_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What came of a fit, with its files where the worker could not put them into the folder of the run itself.

    ``stored`` names those that it has put into an object store instead.
    """

    result: FoldResult
    parcel: Parcel
    stored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """A worker that has the problem: the number of its process, and the GPU that it sees, with its bytes of memory.

    ``own_disk`` says that it writes to its machine's disk, not to the folder of the run.
    """

    process: int = 0
    gpu: str = ""
    gpu_bytes: int = 0
    own_disk: bool = False


def token_file(folder: Path, token: str) -> Path:
    """What the driver writes into the run folder, and a worker sees who shares it."""
    return folder / "cache" / f".seen-{token}"


class Worker:
    """Fits folds; the spans of a result tell what the worker did since the one before, too."""

    def __init__(self) -> None:
        """Note when the process was started."""
        self._recorder = Recorder()
        self._recorder.begin("process", "start-up", at=time.time() - process_seconds())
        self._recorder.end()
        self._preparing_seconds = 0.0
        self._scratch: Scratch | None = None
        self._sent: set[Path] = set()

    def load(self, problem: Problem, table: Any, terms: Terms) -> Readiness:
        """Take in the problem that all fits share, and find out whether this machine shares the folder of the run."""
        self._problem, self._memo = shared(problem, table), Memo(terms.memo_bytes)
        if not token_file(problem.folder, terms.token).exists():
            self._scratch = Scratch(terms.token)
            self._problem = replace(self._problem, folder=self._scratch.folder)
        self._preparing_seconds = 0.0
        gpu = visible_gpu()
        size = gpu_bytes(gpu) if gpu else 0
        return Readiness(process=os.getpid(), gpu=gpu, gpu_bytes=size, own_disk=self._scratch is not None)

    def prepare(self, families: Sequence[str]) -> None:
        """Import what the fits of families need."""
        begun = time.monotonic()
        for family in families:
            self._recorder.begin(f"import {family}", "start-up")
            prepare(family)
        self._recorder.end()
        self._preparing_seconds += time.monotonic() - begun

    def fit(self, work: Work, allotment: Allotment) -> Delivery:
        """Carry out one piece of work."""
        before, self._recorder = self._recorder.spans(), Recorder()
        work, self._preparing_seconds = work.begun_after(self._preparing_seconds), 0.0
        stack = stack_file(self._problem.folder, work.candidate.trial_id, work.fold)
        with stack_kept(stack, work.hung_after + _OWN_GRACE_SECONDS):
            try:
                result = do(work, self._problem, replace(allotment, memo=self._memo))
            except SystemExit:
                reason = "a fit must not end its process, and tried to"
                result = FoldResult.failed(work.candidate.trial_id, work.fold, "error", reason)
        result = replace(result, spans=(*before, *result.spans))
        return self._delivery(result, work, stack)

    def _delivery(self, result: FoldResult, work: Work, stack: Path) -> Delivery:
        """Hand over what a fit has left: through the folder that all share, an object store, or with the result.

        What the store does not take goes to the driver as well, which brings the store up to date later.
        """
        if self._problem.store is None:
            return Delivery(result=result, parcel=self._parcel(work, stack) if self._scratch else {})
        parcel = self._parcel(work, stack)
        try:
            self._problem.store.put(parcel)
        except StoreError:
            return Delivery(result=result, parcel=parcel)
        return Delivery(result=result, parcel={}, stored=tuple(parcel))

    def _parcel(self, work: Work, stack: Path) -> Parcel:
        """Pack what a fold has left, and its recipe the first time."""
        candidate, folder = work.candidate, self._problem.folder
        features = Features.of(candidate.params)
        recipe = recipe_folder(folder, discover()[candidate.family].recipe, work.fold, features, candidate.rows)
        parts: Iterable[Path] = {fold_folder(folder, candidate.trial_id, work.fold), stack, recipe} - self._sent
        if recipe.is_dir():
            self._sent.add(recipe)
        return pack(folder, parts)

    def leave(self) -> None:
        """Clear away what this machine keeps of the run, if nobody else here needs it."""
        if self._scratch is not None:
            self._scratch.leave()
