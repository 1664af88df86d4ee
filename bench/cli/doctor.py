"""``bench doctor``: whether everything a run needs is here."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    output: Annotated[Path, typer.Option(help="Folder that runs would go to.")] = Path("results"),
    ray: Annotated[bool, typer.Option(help="Start Ray, too; takes some seconds.")] = True,
    gpu: Annotated[bool, typer.Option("--gpu", help="Compare fits on a GPU with those on the CPU; minutes.")] = False,
) -> None:
    """Check Python, libraries, CPUs, memory, GPUs, Ray and folders; exit code 1 when something is missing."""
    from rich.text import Text

    from bench.cli.tools import console
    from bench.environment import doctor as examine
    from bench.parity import gpu_checks
    from bench.text import printable

    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    failed, out = False, console()
    for check in chain(examine(output, start_ray=_try_ray if ray else None), gpu_checks() if gpu else ()):
        failed |= check.status == "error"
        line = Text(f"{check.status:8}", style=colours[check.status]).append(f"{check.name:20}", style="bold")
        out.print(line.append(printable(check.detail), style="default"))
        if check.status != "ok" and check.hint:
            out.print(f"{'':28}{printable(check.hint)}")
    raise typer.Exit(int(failed))


def _try_ray() -> None:
    """Start Ray as a run does, and stop it."""
    import threading

    from bench.adapters.ray_runtime import make_folder, ray_started
    from bench.resources import machine

    with ray_started(machine(), make_folder(), threading.Event()):
        pass
