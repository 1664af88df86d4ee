"""The thread that Ray lives in: started while data are loaded, stopped when the search is over."""

import atexit
import contextlib
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable

from bench.adapters.ray_runtime import POLL_SECONDS, import_ray, make_folder, ray_joined, ray_started
from bench.engine import LocalEngine, do
from bench.errors import BenchError, ClusterError
from bench.problem import Problem
from bench.processes import descendants
from bench.resources import Allotment, Machine
from bench.search import Search

_LOGGER = logging.getLogger("bench.engine")
_START_SECONDS = 60.0
#: How long a start that nobody waits for any longer may take to see that, before its processes are killed.
_BREAK_OFF_SECONDS = 0.5
_one_at_a_time = threading.Lock()


class RayThread:
    """Starts Ray, keeps it and stops it, all in one thread: Ray's processes end with the thread that started them."""

    def __init__(
        self,
        machine: Machine,
        then: Callable[[], None],
        *,
        address: str | None = None,
        linger: float = 0.0,
        agents: bool = False,
    ) -> None:
        """Prepare to start Ray with what ``machine`` allows; ``then`` is called in the thread once Ray is up.

        With ``address``, the cluster there is joined instead. Ray stays up for ``linger`` seconds more once it may go.
        ``agents``: see `ray_started`.
        """
        self._machine, self._then, self._linger, self._agents = machine, then, linger, agents
        self._address = address
        self._settled, self._stop = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="bench-ray-starting", daemon=True)

    def start(self) -> None:
        """Begin to start Ray; returns at once."""
        try:
            self._folder = make_folder()
        except OSError as failure:
            self._failure = failure
            self._settle()
            return
        self._thread.start()
        atexit.register(self._end)

    def stop(self) -> None:
        """Have Ray stopped as soon as it is up; returns at once."""
        self._stop.set()

    def require(self) -> None:
        """Wait for a cluster, which nothing can take the place of, to be joined.

        Raises:
            ClusterError: it cannot be joined, or cannot serve.
        """
        if self._address is None:
            return
        if not self._settled.wait(_START_SECONDS):
            self._failure = TimeoutError(f"it takes more than {_START_SECONDS:.0f} s")
        if isinstance(self._failure, BenchError):
            raise self._failure
        if self._failure is not None:
            raise ClusterError(f"the Ray cluster at {self._address!r} must answer: {self._failure}") from self._failure

    def _end(self) -> None:
        """Wait until Ray is gone; one that is still coming up, for a command that failed early, is put an end to."""
        self._stop.set()
        self._thread.join(None if self._settled.is_set() else _BREAK_OFF_SECONDS)
        if not self._thread.is_alive():
            return
        for process in list(descendants(os.getpid(), self._thread.native_id)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def is_up(self, search: Search, problem: Problem, stop: threading.Event) -> bool:
        """Run baselines in this process until Ray has started; False when there is nothing left to do with it.

        The first is run here in any case, so that there soon is something to report. Where Ray does not start, all of
        the search is carried out in this process, and that is said.
        """
        last_moment = time.monotonic() + _START_SECONDS
        while not stop.is_set() and not (self._settled.is_set() and any(r.status == "ok" for r in search.results())):
            if (work := search.next(baselines_only=True)) is not None:
                search.tell(do(work, problem, Allotment()))
            elif self._settled.is_set():
                break
            elif not self._settled.wait(POLL_SECONDS) and time.monotonic() > last_moment:
                self._failure = TimeoutError(f"it takes more than {_START_SECONDS:.0f} s")
                break
        if self._failure is not None:
            self.require()
            reason = str(self._failure).partition("\n")[0]
            _LOGGER.warning("Ray did not start (%s); going on in this process, as with --engine local.", reason)
            LocalEngine(self._machine).run(search, problem, stop)
            return False
        return not stop.is_set()

    def _ray(self) -> contextlib.AbstractContextManager[None]:
        """Ray while it is needed: the cluster's, or our own."""
        if self._address is not None:
            return ray_joined(self._address)
        return ray_started(self._machine, self._folder, self._stop, agents=self._agents)

    def _live(self) -> None:
        with _one_at_a_time:
            try:
                import_ray(private=self._address is None)
                if self._stop.is_set():
                    return
                with self._ray():
                    self._then()
                    self._settle()
                    self._stop.wait()
                    time.sleep(self._linger)
            except BaseException as failure:  # the engine goes on without Ray and says why
                self._failure = failure
            finally:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._settle()

    def _settle(self) -> None:
        """Note that Ray is up or will not be: by its name the command sees that it may not leave this thread alone."""
        self._thread.name = "bench-ray"
        self._settled.set()
