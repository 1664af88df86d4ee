"""Progress in a terminal: stage, time left, counts and the best score by family, drawn live."""

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.audit import Finding
from bench.budget import Plan
from bench.candidate import Candidate
from bench.cli.tools import console
from bench.metric import Metric
from bench.progress import LineProgress, NullProgress, Progress
from bench.text import printable
from bench.trial import FoldResult, TrialResult

_COLOURS = {"info": "blue", "warning": "yellow", "blocking": "red"}


class TerminalProgress(NullProgress):
    """A live display below the lines that stay."""

    def __init__(self, out: Console, title: str = "") -> None:
        """Draw on ``out``, which must be a terminal; ``title`` stands before the stage."""
        self._out = out
        self._title = f"{printable(title)}  " if title else ""
        self._lock = threading.RLock()
        self._started = time.monotonic()
        self._stage = "starting"
        self._plan: Plan | None = None
        self._metric: Metric | None = None
        self._folds = 0
        self._open: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._families: dict[str, tuple[int, float | None]] = {}
        self._live = Live(get_renderable=self._draw, console=out, refresh_per_second=4, transient=True)
        self._live.start()

    def _draw(self) -> Group:
        """Draw what is known now."""
        with self._lock:
            head = Text(f"{time.monotonic() - self._started:5.0f} s  ", style="dim").append(
                self._title + self._stage, style="bold cyan"
            )
            if self._plan is not None and self._plan.trials is None:
                head.append(f"  {max(0.0, self._plan.total.left):.0f} s left")
            if self._plan is None:
                return Group(head)
            counts = [f"{self._counts['ok']} done", f"{len(self._open)} running", f"{self._counts['pruned']} pruned"]
            failed = sum(count for status, count in self._counts.items() if status not in ("ok", "pruned"))
            head.append("  " + ", ".join([*counts, f"{failed} failed"]) + f"; {self._folds} folds")
            return Group(head, self._table()) if self._families else Group(head)

    def _table(self) -> Table:
        """The best score of each family so far, best first."""
        assert self._metric is not None
        metric = self._metric
        table = Table("family", "candidates", f"best {metric.name}", box=None, padding=(0, 2))
        key = {
            name: metric.error(best) if best is not None else float("inf") for name, (_, best) in self._families.items()
        }
        for name in sorted(self._families, key=lambda name: (key[name], name)):
            count, best = self._families[name]
            table.add_row(name, str(count), "" if best is None else f"{best:.5g}")
        return table

    def stage(self, name: str) -> None:
        """Show that a stage begins."""
        with self._lock:
            self._stage = name

    def note(self, sentence: str) -> None:
        """Keep a decision on the screen."""
        self._out.print(Text("  " + printable(sentence), style="dim"))

    def finding(self, finding: Finding) -> None:
        """Keep a finding on the screen."""
        line = Text(f"  {finding.severity} ", style=_COLOURS[finding.severity])
        self._out.print(line.append(f"[{finding.code}] {printable(finding.text)}", style="default"))

    def searching(self, plan: Plan, metric: Metric) -> None:
        """Show how much time is left from now on."""
        with self._lock:
            self._plan, self._metric = plan, metric

    def opened(self, candidate: Candidate) -> None:
        """Count a candidate as running."""
        with self._lock:
            self._open[candidate.trial_id] = candidate.name

    def folded(self, result: FoldResult) -> None:
        """Count a fold."""
        with self._lock:
            self._folds += 1

    def closed(self, result: TrialResult) -> None:
        """Count a candidate and keep its family's best."""
        with self._lock:
            self._open.pop(result.candidate.trial_id, None)
            self._counts[result.status] += 1
            count, best = self._families.get(result.candidate.family, (0, None))
            better = best is None or (self._metric is not None and self._metric.better(result.mean, best))
            if result.status == "ok" and better:
                best = result.mean
            self._families[result.candidate.family] = count + 1, best

    def benched(self, family: str, reason: str) -> None:
        """Keep on the screen that a family was given up."""
        self.note(
            f"{family} is given up: its last candidates failed ({reason}). Leave it out with --families=-{family}."
        )

    def close(self) -> None:
        """Take the live display away."""
        self._live.stop()


@contextlib.contextmanager
def progress_for(*, quiet: bool, title: str = "") -> Iterator[Progress]:
    """Give the display that fits where stderr goes: none, live, or plain lines; below a line with the title."""
    out = console(stderr=True)
    if title and not quiet:
        out.print(Text(printable(title), style="bold"))
    progress: Progress
    if quiet:
        progress = NullProgress()
    elif out.is_terminal and os.environ.get("TERM") != "dumb":
        progress = TerminalProgress(out, title)
    else:
        progress = LineProgress(sys.stderr)
    try:
        yield progress
    finally:
        progress.close()
