"""SIGINT and SIGTERM: the first asks the run to stop and report what it has, the second ends the process."""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """Turns the first signal into ``stop`` while the block runs; ``exit_code`` is 128 plus the signal's number."""

    def __init__(self) -> None:
        """Nothing has come in yet."""
        self.stop = threading.Event()
        self.exit_code = 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_set():
            os._exit(128 + number)
        self.exit_code = 128 + number
        self.stop.set()
        print("stopping; a board of what is finished follows. Interrupt again to end at once.", file=sys.stderr)
