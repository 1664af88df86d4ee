"""What several verbs share."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def process_seconds() -> float:
    """Seconds since this process was started; 0 where the kernel does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, uptime - ticks / os.sysconf("SC_CLK_TCK"))


def console(*, stderr: bool = False) -> "Console":
    """A rich console; wide enough for a table where the output is not a terminal. NO_COLOR takes bold away, too."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Console(
        file=stream, width=width, color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False
    )


def ago(seconds: float) -> str:
    """Spell a moment in seconds since the epoch as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
