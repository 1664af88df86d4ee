"""The report of a run: one self-contained HTML page and one markdown file, drawn only from plain files in its folder.

::

    write_report(folder)
     files       RunFiles      the folder read once: typed, cleaned of control characters, tolerant of what is absent
     panels/     PANELS        one entry a panel: its name, its title, a function from RunFiles to HTML or None
     charts/     Markup        inline SVG, drawn here; nothing is fetched and nothing is drawn in the browser
     html        report.html   the page around the panels
     markdown    report.md     the same run in words and tables
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import RequestError

__all__ = ["write_check", "write_report"]


def _write(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_report(folder: Path) -> None:
    """Write ``report.html`` and ``report.md`` into a run folder; what the folder lacks is said to be absent.

    Raises:
        StoreError: ``dataset.json`` or ``leaderboard.json`` is missing or is not a JSON object.
    """
    from bench.report.files import read_run_files
    from bench.report.html import render_html
    from bench.report.markdown import render_markdown

    run = read_run_files(folder)
    _write(folder / "report.html", render_html(run))
    _write(folder / "report.md", render_markdown(run))


def write_check(file: Path, known: Mapping[str, Any]) -> None:
    """Write the page of `bench check`: ``known`` holds what `bench.audit.Audit.to_dict` gives, and ``dataset``.

    Raises:
        RequestError: the file cannot be written.
    """
    from bench.report.files import check_files
    from bench.report.html import render_check

    text = render_check(check_files(known))
    try:
        _write(file, text)
    except OSError as error:
        raise RequestError(
            f"--html must name a file that can be written, got {str(file)!r}: {error.strerror}."
        ) from error
