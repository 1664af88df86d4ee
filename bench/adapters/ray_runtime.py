"""A private Ray of this run's own: quiet, on the loopback, without a dashboard, gone with the process.

The only module that imports ray; others take it from here, since its settings must be made before.
"""

import atexit
import contextlib
import dataclasses
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from bench.engine import LocalEngine, do
from bench.problem import Problem
from bench.resources import Allotment, Machine, thread_environment
from bench.search import Search

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",  # naming the mode keeps Ray from announcing it
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_TQDM": "0",
}
os.environ.update(_SETTINGS)
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

import ray  # noqa: E402 - its core reads the settings above while it is imported
from ray import tune  # noqa: E402

__all__ = ["GRACE_SECONDS", "POLL_SECONDS", "RayThread", "ray", "share", "shared", "start_ray", "tune"]
_LOGGER = logging.getLogger("bench.engine")
#: Seconds past its deadline after which a fit is taken for hung and its worker is killed.
GRACE_SECONDS = 2.0
POLL_SECONDS = 0.2
_OBJECT_STORE_BYTES = 256 * 2**20


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables while processes are started that inherit them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def start_ray(machine: Machine) -> None:
    """Start Ray on this machine with what the run may use; its processes are held to one thread each."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    with _environment(thread_environment(1)):
        ray.init(
            address="local",
            num_cpus=machine.cpus,
            num_gpus=machine.gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
            configure_logging=False,
        )


class RayThread:
    """Starts Ray, keeps it and stops it, all in one thread: Ray's processes end with the thread that started them."""

    def __init__(self, machine: Machine, then: Callable[[], None]) -> None:
        """Prepare to start Ray with what ``machine`` allows; ``then`` is called in the thread once Ray is up."""
        self._machine, self._then = machine, then
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="ray", daemon=True)
        #: Set once Ray has started, or has failed to; ``failure`` then says why.
        self.settled = threading.Event()
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin to start Ray; returns at once."""
        self._thread.start()
        atexit.register(self._thread.join)

    def stop(self) -> None:
        """Have Ray stopped as soon as it is up; returns at once."""
        self._stop.set()

    def is_up(self, search: Search, problem: Problem, stop: threading.Event) -> bool:
        """Run baselines in this process until Ray has started; False when there is nothing left to do with it.

        Where Ray does not start, all of the search is carried out in this process, and that is said.
        """
        while not self.settled.is_set() and not stop.is_set():
            if (work := search.next(baselines_only=True)) is None:
                self.settled.wait(POLL_SECONDS)
            else:
                search.tell(do(work, problem, Allotment()))
        if self.failure is not None:
            reason = str(self.failure).partition("\n")[0]
            _LOGGER.warning("Ray did not start (%s); going on in this process, as with --engine local.", reason)
            LocalEngine(self._machine).run(search, problem, stop)
            return False
        return not stop.is_set()

    def _live(self) -> None:
        try:
            start_ray(self._machine)
            self._then()
        except BaseException as failure:  # the engine goes on without Ray and says why
            self.failure = failure
            return
        finally:
            self.settled.set()
        self._stop.wait()
        ray.shutdown()


def share(problem: Problem) -> tuple[Any, Any]:
    """Put a problem into the object store once: the table as Arrow, which workers map instead of copying."""
    return ray.put(problem.without_features()), ray.put(problem.task.features.to_arrow())


def shared(problem: Problem, table: Any) -> Problem:
    """Put the two halves of a shared problem together again, in a worker."""
    features = pl.from_arrow(table)
    assert isinstance(features, pl.DataFrame)
    return dataclasses.replace(problem, task=dataclasses.replace(problem.task, features=features))
