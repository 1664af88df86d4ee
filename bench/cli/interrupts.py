"""SIGINT and SIGTERM: the first asks the run to stop and report what it has, the second ends the process.

So does time: what has not come to an end some seconds after the first is ended.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Self

from bench.errors import BenchError
from bench.processes import end_at_once

_NOTICE = b"stopping; a board of what is finished follows. Interrupt again to end at once.\n"
_LATE = b"ended before all was written; the same command goes on.\n"
#: What may follow the first signal, in seconds; a little more than plans allow for.
_LAST_SECONDS = 9.0
_INSIST_SECONDS = 1.0
_SHOW_CURSOR = b"\x1b[?25h\n"  # which a live display has hidden


class Interrupts:
    """Turns the first signal into ``stop`` while the block runs; ``exit_code`` is 128 plus the signal's number.

    A block that fails after a signal ends the process with that code: too little was finished for a board.
    """

    def __init__(self) -> None:
        """Nothing has come in yet."""
        self.stop = threading.Event()
        self.exit_code = 0
        self._told: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="bench-interrupts", daemon=True).start()
        self._handled = _handled(self._handle, signal.SIGINT, signal.SIGTERM)
        self._handled.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._told.put(None)
        self._handled.__exit__(kind, error, trace)
        if self.exit_code and isinstance(error, BenchError):
            print("stopped before there was anything to report; the same command goes on.", file=sys.stderr)
            raise SystemExit(self.exit_code) from error

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Stop, or end; written past ``sys.stderr``, which may be in the midst of a line of its own."""
        if self.stop.is_set():
            _end(128 + number)
        self.exit_code = 128 + number
        self.stop.set()
        self._told.put(self.exit_code)
        with contextlib.suppress(OSError):
            os.write(2, _NOTICE)

    def _watch(self) -> None:
        """Once a signal has come in, see to it that the block comes to an end."""
        if (code := self._told.get()) is None:
            return
        try:
            self._told.get(timeout=_LAST_SECONDS)
        except queue.Empty:
            with contextlib.suppress(OSError):
                os.write(2, _LATE)
            _end(code)


@contextlib.contextmanager
def leaving_when_interrupted() -> Iterator[None]:
    """While the block runs, either signal raises `SystemExit`, so that scratch is cleared away."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled(leave, signal.SIGINT, signal.SIGTERM):
        yield


@contextlib.contextmanager
def insisting() -> Iterator[None]:
    """While the block runs, SIGINT raises `KeyboardInterrupt` in it, and again until the block is left.

    Python swallows one that comes while it is within a finaliser or a callback of the collector.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, _INSIST_SECONDS)
        raise KeyboardInterrupt

    with _handled(interrupt, signal.SIGINT, signal.SIGALRM):
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """Have signals handled while the block runs, and then as before."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _end(code: int) -> None:
    """End this process at once, and with it all that it started."""
    with contextlib.suppress(OSError):
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)
    end_at_once(code)
