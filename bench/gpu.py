"""A GPU's memory: how much there is of it, and what a fit took."""

import contextlib
import os
import subprocess
import sys
from typing import Any

_ASK_SECONDS = 10.0


def visible_gpu() -> str:
    """The first GPU that this process may use, as ``CUDA_VISIBLE_DEVICES`` spells it; empty without one."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()


def gpu_bytes(gpu: str) -> int:
    """Bytes of memory of a GPU, by number or UUID; 0 where ``nvidia-smi`` does not tell."""
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError, IndexError):
        told = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True).stdout
        return int(told.split()[0]) * 2**20
    return 0


def _cuda() -> Any:
    """PyTorch's part for GPUs, where this process has used it already."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def release_gpu() -> float:
    """Give back what PyTorch keeps of a GPU for later; returns the most bytes that it had since the last time."""
    if (cuda := _cuda()) is None:
        return 0.0
    peak = float(cuda.max_memory_reserved())
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    return peak
