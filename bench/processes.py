"""What the kernel tells of this process and of those that it started, and how to end all of them at once."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_DYING_SECONDS = 1.0
#: Folders that go with this process, even where it is ended at once.
_temporary: set[str] = set()


def process_seconds() -> float:
    """Seconds since this process was started; 0 where the kernel does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, uptime - ticks / os.sysconf("SC_CLK_TCK"))


def descendants(process: int, thread: int | None = None) -> Iterator[int]:
    """Processes that a process, or one thread of it, started, and those that they started, where the kernel tells."""
    for task in Path(f"/proc/{process}/task").glob(f"{'*' if thread is None else thread}/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from descendants(child)


def memory_of(process: int) -> int:
    """Bytes of memory that a process holds, what it shares with others divided among them; 0 where it is gone."""
    with contextlib.suppress(OSError, StopIteration, ValueError), open(f"/proc/{process}/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return 0


def resident_memory(process: int) -> int:
    """Bytes of memory that a process holds, what it shares counted in full: quick to ask, and never too little."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def goes_along(folder: str) -> str:
    """Note a temporary folder that is to be removed with this process; gives it back."""
    _temporary.add(folder)
    return folder


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone after the block, and where the process ends in its midst."""
    folder = goes_along(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _temporary.discard(folder)


def clear_temporary(until: float) -> None:
    """Remove the temporary folders that are left, to which others may still write until a moment (monotonic)."""
    for folder in list(_temporary):
        while os.path.isdir(folder) and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)


def end_at_once(code: int) -> None:
    """End this process, and with it all that it started and its temporary folders."""
    ours = list(descendants(os.getpid()))
    for process in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    last_moment = time.monotonic() + _DYING_SECONDS
    while any(map(resident_memory, ours)) and time.monotonic() < last_moment:
        time.sleep(0.005)  # the dying may still write into the folders
    clear_temporary(last_moment)
    os._exit(code)
