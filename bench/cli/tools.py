"""What several verbs share."""

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> "Console":
    """A rich console; wide enough for a table where the output is not a terminal. NO_COLOR takes bold away, too."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Console(
        file=stream, width=width, color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False
    )


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table on stdout."""
    from rich.table import Table

    from bench.text import printable

    table = Table(*columns)
    for row in rows:
        table.add_row(*map(printable, row))
    console().print(table)


def tell(sentence: str) -> None:
    """Print a sentence on stderr, beside what a verb gives out."""
    from bench.text import printable

    print(printable(sentence), file=sys.stderr)


def ago(seconds: float) -> str:
    """Spell a moment in seconds since the epoch as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
