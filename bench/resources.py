"""What this process may really use, and holding a fit to what it was given."""

import contextlib
import functools
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import RequestError
from bench.memo import Memo

_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What the run may use: ``cpus`` counts cores, ``memory_bytes`` is a limit, ``gpus`` counts devices.

    ``cpus_why`` says which limit decided the number of cores.
    """

    cpus: int
    memory_bytes: int
    gpus: int
    cpus_why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Allotment:
    """What one fit was given: threads, a share of a GPU (0 for none) and the device to use (``cpu`` or ``cuda``).

    ``checkpoint`` is a folder of this fit alone, where it may keep its state so that it goes on after an interruption;
    whoever gave it removes it. ``memo`` keeps what fits of one process have in common, such as binned training rows.
    """

    cpus: int = 1
    gpu: float = 0.0
    device: str = "cpu"
    checkpoint: Path | None = None
    memo: Memo = field(default_factory=Memo, compare=False)


class Deadline:
    """A moment on the monotonic clock; ``Deadline(None)`` never comes."""

    def __init__(self, seconds: float | None) -> None:
        """Set the deadline ``seconds`` from now."""
        self._at = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left; infinite when there is no deadline, negative once it has passed."""
        return self._at - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether the moment has come."""
        return self.left <= 0


def shares(seconds: float | None, parts: int, *, most: int | None = None) -> Iterator[float]:
    """Divide a time among so many parts: each gets an equal share of what is left; infinite without a limit.

    With ``most``, a share is no smaller than if only so many were left: the first go before the last.
    """
    deadline = Deadline(seconds)
    for left in range(parts, 0, -1):
        yield max(0.0, deadline.left) / min(left, most or left)


def _read_number(path: Path, field: int = 0) -> int | None:
    """Read one whole number from a kernel file; None where it is absent or says ``max``."""
    try:
        text = path.read_text().split()[field]
    except (OSError, IndexError):
        return None
    return int(text) if text.lstrip("-").isdigit() else None


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups this process is in, by both versions: its own and all above it.

    A container may see its own group as the root, whatever the kernel says it is called; folders may be absent.
    """
    yield from (_CGROUP, _CGROUP / controller)
    with contextlib.suppress(OSError):
        for line in _OWN_GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            own = (_CGROUP / controller if controllers else _CGROUP) / path.lstrip("/")
            yield from (own, *(parent for parent in own.parents if _CGROUP in parent.parents))


def _cgroup_cpus() -> float | None:
    """The smallest CPU quota of this process's control groups, in cores; None without one."""
    quotas = []
    for group in _groups("cpu"):
        quota, period = _read_number(group / "cpu.max"), _read_number(group / "cpu.max", 1)
        if quota is None:
            quota, period = _read_number(group / "cpu.cfs_quota_us"), _read_number(group / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            quotas.append(quota / period)
    return min(quotas, default=None)


def available_cpus() -> tuple[int, str]:
    """Count the cores this process may use, and say which limit decided."""
    limits = {"cores of the machine": float(os.cpu_count() or 1)}
    if hasattr(os, "sched_getaffinity"):
        limits["CPU affinity"] = float(len(os.sched_getaffinity(0)))
    if (quota := _cgroup_cpus()) is not None:
        limits["cgroup quota"] = quota
    if (slurm := os.environ.get("SLURM_CPUS_PER_TASK", "")).isdigit():
        limits["SLURM_CPUS_PER_TASK"] = float(slurm)
    why = min(limits, key=lambda name: limits[name])
    return max(1, math.floor(limits[why])), why


def available_memory() -> int:
    """Bytes of memory this process may use: the machine's, or the control group's limit when that is smaller."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = (group / name for group in _groups("memory") for name in ("memory.max", "memory.limit_in_bytes"))
    return min([total, *(limit for limit in map(_read_number, files) if limit)])


def out_of_memory_kills() -> int:
    """How many processes the kernel has ended for want of memory since it was started; 0 where it does not tell."""
    with contextlib.suppress(OSError, StopIteration), open("/proc/vmstat") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def available_gpus() -> int:
    """Count NVIDIA devices without loading a library: the kernel's device files, narrowed by CUDA_VISIBLE_DEVICES."""
    devices = len([path for path in Path("/dev").glob("nvidia[0-9]*") if path.name[6:].isdigit()])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return devices
    return min(devices, len([part for part in visible.split(",") if part.strip() not in ("", "-1")]))


#: What the command itself takes, with Ray's own processes, and what each fit at once takes at least.
_COMMAND_BYTES, _SLOT_BYTES = 1_200_000_000, 700_000_000


def allotment_like(threads: int, device: str) -> Allotment:
    """What a fit was given that is to be done again, as far as this machine has it."""
    cuda = device == "cuda" and available_gpus() > 0
    cpus = min(threads, available_cpus()[0])
    return Allotment(cpus=cpus, gpu=float(cuda), device="cuda" if cuda else "cpu")


def machine(cpus: int | None = None, gpus: int | None = None, memory: int | None = None) -> Machine:
    """Find out what may be used; ``cpus``, ``gpus`` and ``memory`` (bytes) lower it.

    Where memory has room for fewer fits at once than there are cores, they are fewer.

    Raises:
        RequestError: more was asked for than there is.
    """
    found_cpus, why = available_cpus()
    found_gpus = available_gpus()
    if cpus is not None and cpus > found_cpus:
        raise RequestError(
            f"--cpus must be at most {found_cpus} here ({why}), got {cpus}. Leave --cpus out to use all of them."
        )
    if gpus is not None and gpus > found_gpus:
        raise RequestError(f"--gpus must be at most {found_gpus} here, got {gpus}. Leave --gpus out, or pass 0.")
    found_memory = available_memory()
    if memory is not None and memory > found_memory:
        raise RequestError(
            f"--memory must be at most {found_memory / 2**30:.1f}GiB here, got {memory / 2**30:.1f}GiB. "
            "Leave --memory out to use all of it."
        )
    memory = found_memory if memory is None else memory
    limits = {why if cpus is None else "--cpus": found_cpus if cpus is None else cpus}
    limits["memory"] = max(1, int((memory - _COMMAND_BYTES) // _SLOT_BYTES))
    why = min(limits, key=lambda name: limits[name])
    return Machine(cpus=limits[why], memory_bytes=memory, gpus=found_gpus if gpus is None else gpus, cpus_why=why)


def thread_environment(threads: int) -> dict[str, str]:
    """Environment variables that hold the numeric libraries of a new process to ``threads``."""
    return dict.fromkeys(_THREAD_VARIABLES, str(threads))


@contextlib.contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Hold BLAS and OpenMP of this process to ``threads`` while the block runs."""
    with _thread_pools(len(sys.modules)).limit(limits=threads):
        yield


@functools.lru_cache(maxsize=1)
def _thread_pools(modules: int) -> Any:
    """Find the libraries that have threads: anew once more modules are loaded, since it takes as long as small fits."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
