"""``bench doctor``: whether everything a run needs is here."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    output: Annotated[Path, typer.Option(help="Folder that runs would go to.")] = Path("results"),
    ray: Annotated[bool, typer.Option(help="Start Ray, too; takes some seconds.")] = True,
) -> None:
    """Check Python, libraries, CPUs, memory, GPUs, Ray and folders; exit code 1 when something is missing."""
    from rich.text import Text

    from bench.cli.tools import console
    from bench.environment import doctor as examine
    from bench.text import printable

    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    checks = examine(output, start_ray=_try_ray if ray else None)
    out = console()
    for check in checks:
        line = Text(f"{check.status:8}", style=colours[check.status]).append(f"{check.name:20}", style="bold")
        out.print(line.append(printable(check.detail), style="default"))
        if check.status != "ok" and check.hint:
            out.print(f"{'':28}{printable(check.hint)}")
    raise typer.Exit(int(any(check.status == "error" for check in checks)))


def _try_ray() -> None:
    """Start Ray as a run does, and stop it."""
    import threading

    from bench.adapters.ray_runtime import make_folder, ray_started
    from bench.resources import machine

    with ray_started(machine(), make_folder(), threading.Event()):
        pass
