"""Where the time of a run goes: spans of the command's stages and of every fold, read from the run's own journal.

A span is noted where the time passes: stages by the command, steps of a fold by its worker. `read_trace` puts them on
one clock and lays them out by process; `Trace.to_chrome` is what chrome://tracing and Perfetto open.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from bench.store import read_events, write_json

Category = Literal[
    "start-up", "load", "audit", "search", "encode", "fit", "predict", "harness", "wrap-up", "track", "idle"
]
DRIVER = "driver"
#: Shorter waits of a worker are the engine's turn, and no idleness worth a span.
_LEAST_IDLE_SECONDS = 0.001
_WORK: tuple[Category, ...] = ("fit", "predict")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Something that took time; ``start`` is in seconds since the epoch.

    ``lane`` is the process that it happened in, filled in when a trace is laid out.
    """

    name: str
    category: Category
    start: float
    seconds: float
    lane: str = ""

    @property
    def end(self) -> float:
        """When it was over."""
        return self.start + self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the lane."""
        return {"name": self.name, "category": self.category, "start": self.start, "seconds": self.seconds}


def this_process() -> str:
    """How this process is called in journals."""
    return f"{os.uname().nodename}:{os.getpid()}"


class Recorder:
    """Notes one thing after the other: each span ends where the next one begins."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._done: list[Span] = []
        self._open: tuple[str, Category, float] | None = None
        self._listener: Callable[[Span], None] = self._done.append

    def begin(self, name: str, category: Category, *, at: float | None = None) -> None:
        """End what is under way and begin the next; ``at`` is when, by default now."""
        at = time.time() if at is None else at
        self.end(at=at)
        self._open = name, category, at

    def end(self, *, at: float | None = None) -> None:
        """End what is under way, if anything is."""
        if self._open is None:
            return
        (name, category, start), self._open = self._open, None
        seconds = max(0.0, (time.time() if at is None else at) - start)
        self._listener(Span(name=name, category=category, start=start, seconds=seconds))

    def tell(self, listener: Callable[[Span], None]) -> None:
        """Hand over all spans so far, and from now on each as it ends."""
        self._listener = listener
        for span in self._done:
            listener(span)

    def spans(self) -> tuple[Span, ...]:
        """End what is under way and give all spans that nobody was told of."""
        self.end()
        return tuple(self._done)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """The spans of one command, in the order of their starts; waiting of workers during the search is ``idle``."""

    spans: tuple[Span, ...]
    workers: int
    folds: int

    def _staged(self, category: Category) -> tuple[float, float]:
        """From when to when the command was in stages of a category; ``(0, 0)`` where it never was."""
        found = [span for span in self.spans if span.lane == DRIVER and span.category == category]
        return (found[0].start, found[-1].end) if found else (0.0, 0.0)

    @property
    def started_at(self) -> float:
        """When the command began."""
        return self.spans[0].start if self.spans else 0.0

    @property
    def search(self) -> tuple[float, float]:
        """When the search began and ended."""
        return self._staged("search")

    def shares(self) -> dict[Category, float]:
        """Shares of workers times the search's length, by category; what is left is ``idle``."""
        begun, ended = self.search
        whole = self.workers * (ended - begun)
        spent: dict[Category, float] = {}
        for span in self.spans:
            if span.category not in ("search", "idle") and (within := _overlap(span, begun, ended)) > 0:
                spent[span.category] = spent.get(span.category, 0.0) + within
        shares = {category: seconds / whole for category, seconds in spent.items()} if whole else {}
        return shares | {"idle": max(0.0, 1.0 - sum(shares.values()))}

    @property
    def at_work(self) -> float:
        """Share of workers times the search's length that went into fitting and predicting."""
        shares = self.shares()
        return sum(shares.get(category, 0.0) for category in _WORK)

    @property
    def first_fold_seconds(self) -> float | None:
        """From the command's beginning to the first fit of a worker; None where there was none."""
        fits = [span.start for span in self.spans if span.category == "fit" and span.lane != DRIVER]
        return min(fits) - self.started_at if fits else None

    @property
    def first_score_seconds(self) -> float | None:
        """From the command's beginning to the first fold that was stored, mostly a baseline's; None without one."""
        stored = [span.end for span in self.spans if span.category == "harness"]
        return min(stored) - self.started_at if stored else None

    @property
    def wrap_up_seconds(self) -> float:
        """From the end of the search to the end of the last stage."""
        return max((span.end for span in self.spans), default=0.0) - self.search[1]

    @property
    def harness_seconds(self) -> float:
        """What a fold cost beyond fit and predict: encoding, scoring, storing, and waiting for what comes next.

        Counted by worker, from its first fit to the end of its last fold; imports of libraries are left out.
        """
        total = 0.0
        for lane in {span.lane for span in self.spans} - {DRIVER}:
            own = [span for span in self.spans if span.lane == lane and span.category != "idle"]
            begun = min((span.start for span in own if span.category == "fit"), default=None)
            if begun is not None:
                left_out = sum(_overlap(s, begun, s.end) for s in own if s.category in (*_WORK, "start-up"))
                total += max(span.end for span in own) - begun - left_out
        return total / max(1, self.folds)

    def to_chrome(self) -> dict[str, Any]:
        """The trace event format: complete events, a row a process, in microseconds since the command began."""
        lanes = {lane: row for row, lane in enumerate(dict.fromkeys(span.lane for span in self.spans))}
        names = [
            {"ph": "M", "name": "thread_name", "pid": 1, "tid": row, "args": {"name": lane}}
            for lane, row in lanes.items()
        ]
        events = [
            {
                "ph": "X",
                "name": span.name,
                "cat": span.category,
                "pid": 1,
                "tid": lanes[span.lane],
                "ts": round((span.start - self.started_at) * 1e6),
                "dur": round(span.seconds * 1e6),
            }
            for span in self.spans
        ]
        return {"traceEvents": names + events, "displayTimeUnit": "ms"}

    def to_text(self) -> str:
        """What the spans add up to, in a few lines."""
        begun, ended = self.search
        shares = ", ".join(f"{name} {share:.1%}" for name, share in sorted(self.shares().items(), key=lambda s: -s[1]))
        stages = [span for span in self.spans if span.lane == DRIVER and span.start >= ended]
        after = ", ".join(f"{span.name} {span.seconds:.1f}" for span in stages)
        first, scored = _seconds(self.first_fold_seconds), _seconds(self.first_score_seconds)
        window = f"{self.workers} workers x {ended - begun:.1f} s of search"
        return (
            f"fit and predict: {self.at_work:.1%} of {window} ({shares})\n"
            f"first fold of a worker after {first}, first score after {scored}\n"
            f"from the end of the search: {self.wrap_up_seconds:.1f} s ({after})\n"
            f"beyond fit and predict: {self.harness_seconds:.4f} s a fold, over {self.folds} folds"
        )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _overlap(span: Span, begun: float, ended: float) -> float:
    """Seconds of a span that lie between two moments."""
    return max(0.0, min(span.end, ended) - max(span.start, begun))


def make_trace(events: Iterable[Mapping[str, Any]]) -> Trace:
    """Lay out the last command of a journal, or what there is of it: the command's process is the lane ``driver``."""
    names: dict[str, str] = {}
    session: list[Mapping[str, Any]] = []
    begin: Mapping[str, Any] = {}
    for event in events:
        if event.get("event") == "session" and event.get("phase") == "begin":
            begin, session = event, []
        elif event.get("event") == "candidate":
            names[str(event.get("trial_id"))] = str(event.get("name"))
        else:
            session.append(event)
    folds = [event for event in session if event.get("event") == "fold"]
    stages = [span for event in session if event.get("event") == "stage" for span in _read([event], DRIVER)]
    lanes = {str(begin.get("worker")): DRIVER}
    steps = []
    for fold in folds:
        lane = lanes.setdefault(str(fold.get("worker")), f"worker {len(lanes)}")
        of = f"{names.get(str(fold.get('trial_id')), '')}, fold {fold.get('fold')}"
        steps += [replace(span, name=f"{span.name} {of}") for span in _read(fold.get("spans"), lane)]
    spans = (*stages, *steps)
    workers = begin.get("workers")
    trace = Trace(spans=spans, workers=workers if isinstance(workers, int) else 1, folds=len(folds))
    idle = _idle(spans, *trace.search)
    return replace(trace, spans=tuple(sorted([*spans, *idle], key=lambda span: (span.start, -span.seconds))))


def _read(entries: Any, lane: str) -> Iterator[Span]:
    """Read spans, leaving out what is none: a journal may be of another version."""
    kinds = {"name": str, "category": str, "start": float, "seconds": float}
    for entry in entries if isinstance(entries, (list, tuple)) else ():
        if isinstance(entry, Mapping) and all(isinstance(entry.get(name), kind) for name, kind in kinds.items()):
            yield Span(**{name: entry[name] for name in kinds}, lane=lane)


def _idle(spans: Iterable[Span], begun: float, ended: float) -> Iterator[Span]:
    """Gaps between the spans of each worker, until the end of the search."""
    by_lane = sorted((span for span in spans if span.lane != DRIVER), key=lambda span: (span.lane, span.start))
    for lane, own in groupby(by_lane, key=lambda span: span.lane):
        free_at: float | None = None
        for start, end in [*((span.start, span.end) for span in own), (ended, ended)]:
            if free_at is not None and begun <= free_at and start - free_at > _LEAST_IDLE_SECONDS:
                yield Span(name="idle", category="idle", start=free_at, seconds=start - free_at, lane=lane)
            free_at = max(end, free_at or end)


def write_trace(folder: Path) -> Trace:
    """Write ``trace.json`` into a run folder, from its journal."""
    trace = make_trace(read_events(folder))
    write_json(folder / "trace.json", trace.to_chrome())
    return trace
