"""A GPU's memory: how much there is of it, and what a fit took."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

_ASK_SECONDS = 10.0
#: When the driver is first asked what a fit holds, and how much later each time than before: boosting has all that it
#: takes soon, and a question is a process of its own.
_FIRST_SECONDS, _LATER = 0.5, 2.0


def visible_gpu() -> str:
    """The first GPU that this process may use, as ``CUDA_VISIBLE_DEVICES`` spells it; empty without one."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()


def gpu_bytes(gpu: str) -> int:
    """Bytes of memory of a GPU, by number or UUID; 0 where ``nvidia-smi`` does not tell."""
    return next((_bytes(told) for told in _asked(gpu, "--query-gpu=memory.total")), 0)


def part_of_free(share: float) -> float:
    """Which part of what is free of its GPU's memory a process may take to have a ``share`` of all of it.

    The share itself where ``nvidia-smi`` does not tell.
    """
    lines = _asked(visible_gpu(), "--query-gpu=memory.total,memory.free")
    total, free = map(_bytes, lines[0].split(",")) if lines and lines[0].count(",") == 1 else (0, 0)
    return share * total / free if total and free else share


def _held_bytes(gpu: str) -> int:
    """Bytes that this process holds of a GPU; 0 where ``nvidia-smi`` does not tell, or numbers processes otherwise."""
    told = (line.split(",") for line in _asked(gpu, "--query-compute-apps=pid,used_gpu_memory"))
    return sum(_bytes(line[-1]) for line in told if line[0].strip() == str(os.getpid()))


def _asked(gpu: str, query: str) -> list[str]:
    """What ``nvidia-smi`` tells of a GPU, line by line; nothing where it cannot be asked."""
    command = ["nvidia-smi", f"--id={gpu}", query, "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True).stdout
        return told.splitlines()
    return []


def _bytes(told: str) -> int:
    """Read a number of MiB; 0 for anything else."""
    return int(told) * 2**20 if told.strip().isdigit() else 0


class GpuUse:
    """The most that this process held of its GPU while a block ran, in ``bytes``; 0 where nobody knows.

    By PyTorch's account where it was used, else by the driver's, which includes what CUDA itself takes.
    """

    def __init__(self) -> None:
        """Begin with what PyTorch keeps, which is not the block's."""
        self.bytes, self._told, self._over = 0.0, 0, threading.Event()
        self._before = _reserved()

    def watch(self) -> None:
        """Ask the driver now and then, until the block is over."""
        pause = _FIRST_SECONDS
        while not self._over.wait(pause):
            self._told = max(self._told, _held_bytes(visible_gpu()))
            pause *= _LATER

    def end(self) -> None:
        """Note what it was, and have PyTorch give back what it keeps for later."""
        self._over.set()
        peak = _release()
        self.bytes = peak if peak > self._before else float(self._told)


@contextlib.contextmanager
def gpu_use(device: str) -> Iterator[GpuUse]:
    """Watch what a block takes of a GPU, if it runs on one."""
    use = GpuUse()
    if device != "cuda":
        yield use
        return
    threading.Thread(target=use.watch, name="gpu-use", daemon=True).start()
    try:
        yield use
    finally:
        use.end()


def _cuda() -> Any:
    """PyTorch's part for GPUs, where this process has used it already."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _reserved() -> float:
    """Bytes that PyTorch has of a GPU."""
    return float(cuda.memory_reserved()) if (cuda := _cuda()) is not None else 0.0


def _release() -> float:
    """Have PyTorch give back what it keeps of a GPU for later; returns the most bytes that it had since the last time.

    0 where that fails, as it does in a process whose GPU has failed before.
    """
    if (cuda := _cuda()) is None:
        return 0.0
    with contextlib.suppress(Exception):
        peak = float(cuda.max_memory_reserved())
        cuda.empty_cache()
        cuda.reset_peak_memory_stats()
        return peak
    return 0.0
