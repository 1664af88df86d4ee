"""The stack of a fit that hangs or crashes in native code, kept in a file: its process has no time to tell.

What writes it is signal-safe and needs no interpreter: ``faulthandler`` of the standard library.
"""

import contextlib
import faulthandler
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_FATAL = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)
_LATE = re.compile(r"^Timeout \(", re.MULTILINE)


def stack_file(folder: Path, trial_id: str, fold: int) -> Path:
    """Where the stack, or the traceback, of a fold that failed lies in a run folder."""
    return folder / "trials" / trial_id / f"fold-{fold}.traceback.txt"


@contextlib.contextmanager
def stack_kept(path: Path, seconds: float = math.inf) -> Iterator[None]:
    """Have the stacks of all threads written to ``path`` where this process crashes while the block runs.

    Where the block takes longer than ``seconds``, they are written and the process ends, whatever holds it up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        faulthandler.enable(file)
        if math.isfinite(seconds):
            faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            if sys.__stderr__ is not None:
                faulthandler.enable(sys.__stderr__)
            else:
                faulthandler.disable()
    if path.stat().st_size == 0:
        path.unlink()


def read_end(path: Path) -> str:
    """How a process ended by the stack it left: ``hung``, the name of a crash, or nothing when it left none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    if found := _FATAL.search(text):
        return found.group(1).strip()
    return "hung" if _LATE.search(text) else ""
