"""The same bits from the same seed: random state, threads and algorithms of torch while a block runs."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from bench.resources import Allotment


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Hold torch to ``count`` threads while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def reproducible(seed: int, allotment: Allotment) -> Iterator[None]:
    """Run a block from a seed, on the threads given, with deterministic algorithms; put everything back afterwards.

    With one thread the same seed gives the same bits.
    """
    on_gpu = allotment.device == "cuda"
    if on_gpu:
        # cuBLAS reads it once, when its handle is made; without it deterministic algorithms raise.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    was = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic  # its one setting is unknown to type checkers
    filled = memory.fill_uninitialized_memory
    devices = [torch.cuda.current_device()] if on_gpu else []
    with torch.random.fork_rng(devices=devices), threads(allotment.cpus):
        torch.set_deterministic_debug_mode("error")  # the other way to say so imports torch's compiler first
        memory.fill_uninitialized_memory = False
        try:
            torch.manual_seed(seed)
            yield
        finally:
            torch.set_deterministic_debug_mode(was)
            memory.fill_uninitialized_memory = filled
