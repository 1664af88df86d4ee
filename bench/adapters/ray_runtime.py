"""A private Ray of this run's own: quiet, on the loopback, without a dashboard, gone with the process. Or a cluster's.

The only module that imports ray, when `import_ray` is first called: its settings must be made before, and it is
`RayThread` that waits for it.
"""

import atexit
import contextlib
import dataclasses
import functools
import importlib
import inspect
import logging
import os
import pkgutil
import secrets
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from bench.errors import ClusterError
from bench.problem import Problem
from bench.processes import goes_along
from bench.resources import Machine, thread_environment

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_TQDM": "0",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",  # signals are the command's own business
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
#: Beside these, where Ray is this run's own; a cluster has its own ways, which whoever joins it is told by their own
#: environment.
_PRIVATE = {
    "RAY_AUTH_MODE": "token",  # naming the mode keeps Ray from announcing it
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # whatever the system: Ray then listens on the loopback alone
}

#: Seconds past its deadline after which a fit is taken for hung and its worker is killed.
GRACE_SECONDS = 2.0
POLL_SECONDS = 0.2
_KNOCK_SECONDS = 10.0
_TRIES_TO_JOIN = 3
_OBJECT_STORE_BYTES = 256 * 2**20
#: What Ray starts for clusters, dashboards and forwarded logs, by the place it is found in. The processes would cost
#: 2 s of CPU at the start and 1 s of waiting at the end (Ray 2.60), and serve nobody; the listener prints on stdout.
_UNUSED = {
    "ray._private.node.Node": ("start_monitor", "start_log_monitor", "start_api_server"),
    "ray._private.worker": ("listen_error_messages",),
}
#: Two agents (of dashboards, and of environments that are packed for other machines) that Ray's node starts, waits for
#: and does not live without. What they import takes longer than all else that Ray does at its start, so that processes
#: which do nothing take their places, and the files that the node waits for are written for them: -1 says that there is
#: no such service, and nobody asks for the other.
_AGENT = ["/bin/sh", "-c", "exec tail --pid=$PPID -f /dev/null"]
_AGENT_PORTS = {
    "METRICS_AGENT_PORT_NAME": -1,
    "METRICS_EXPORT_PORT_NAME": -1,
    "DASHBOARD_AGENT_LISTEN_PORT_NAME": -1,
    "RUNTIME_ENV_AGENT_PORT_NAME": 1,
}
#: Ray's sockets lie below its folder, and the path of a socket has at most 107 characters.
_LONGEST_TEMPORARY_PATH = 24


def import_ray(*, private: bool = True) -> Any:
    """Import Ray, whose core reads its settings meanwhile; ``private`` says whether it will be this run's own."""
    if "ray" not in sys.modules:
        os.environ.update(_SETTINGS)
        if private:
            os.environ.update(_PRIVATE)
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    atexit.unregister(ray.shutdown)  # the thread that started Ray stops it, and no other
    return ray


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


def _replacements(stop: threading.Event, agents: bool) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Parts of Ray that are replaced while it starts, as far as this version has them: where, name, by what."""
    for path, names in _UNUSED.items():
        place = pkgutil.resolve_name(path)
        yield from ((place, name, lambda *_, **__: None) for name in names if name in vars(place))
    services, core = pkgutil.resolve_name("ray._private.services"), pkgutil.resolve_name("ray._raylet")
    if process := vars(services).get("start_ray_process"):
        yield services, process.__name__, functools.partial(_unless, stop, process)
    if agents:
        return
    utils = pkgutil.resolve_name("ray._private.utils")  # imports a web server to see which agents it has to start
    if hasattr(utils, "get_dashboard_dependency_error"):
        yield utils, "get_dashboard_dependency_error", lambda: None
    start = vars(services).get("start_raylet")
    build = vars(services).get("_build_python_executable_command_memory_profileable")
    if start and build and all(hasattr(core, name) for name in ("persist_port", *_AGENT_PORTS)):
        yield services, start.__name__, functools.partial(_start_without_agents, start, core)
        yield services, build.__name__, functools.partial(_command, build)


def _unless(stop: threading.Event, start: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """Start one more process of Ray, unless nobody wants it any longer."""
    if stop.is_set():
        raise InterruptedError("it was stopped while it started")
    return start(*args, **more)


def _start_without_agents(start: Callable[..., Any], core: Any, *args: Any, **more: Any) -> Any:
    """Start Ray's node when all that it waits for is there."""
    given = inspect.signature(start).bind(*args, **more).arguments
    for name, port in _AGENT_PORTS.items():
        core.persist_port(given["session_dir"], given["node_id"], getattr(core, name), port)
    return start(*args, **more)


def _command(build: Callable[..., list[str]], part: str, *args: Any, **more: Any) -> list[str]:
    """What starts a part of Ray: for an agent, what does nothing."""
    return _AGENT if part.endswith("_agent") else build(part, *args, **more)


@contextlib.contextmanager
def _without_unused_parts(stop: threading.Event, agents: bool) -> Iterator[None]:
    """Keep Ray from starting what nobody here would use, and anything at all once ``stop`` is set."""
    with contextlib.ExitStack() as undo:
        for place, name, replacement in list(_replacements(stop, agents)):
            undo.callback(setattr, place, name, vars(place)[name])
            setattr(place, name, replacement)
        yield


def make_folder() -> str:
    """Make a folder for Ray's files, for `ray_started`."""
    usual = tempfile.gettempdir()
    return goes_along(tempfile.mkdtemp(prefix="ray-", dir=usual if len(usual) <= _LONGEST_TEMPORARY_PATH else "/tmp"))


@contextlib.contextmanager
def ray_started(machine: Machine, folder: str, stop: threading.Event, *, agents: bool = False) -> Iterator[None]:
    """Have Ray on this machine, with what the run may use, while the block runs; ``folder`` is gone afterwards.

    Where ``stop`` is set before Ray is up, its start is broken off. ``agents`` says whether its node has its agents,
    which actors wait for that come with an environment of their own, as Tune's do.

    Its processes are held to one thread each, and end with the thread that started them.
    """
    ray = import_ray()
    logging.getLogger("ray").setLevel(logging.ERROR)
    pl.thread_pool_size()  # polars starts as many threads as the environment says: before it says so of others
    hidden = {} if machine.gpus else {"CUDA_VISIBLE_DEVICES": ""}
    try:
        with _environment(thread_environment(1) | hidden), _without_unused_parts(stop, agents):
            ray.init(
                address="local",
                num_cpus=machine.cpus,
                num_gpus=machine.gpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_OBJECT_STORE_BYTES,
                configure_logging=False,
                _temp_dir=folder,
            )
        try:
            yield
        finally:
            _shut_down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def ray_joined(address: str) -> Iterator[None]:
    """Be part of a cluster that is there while the block runs.

    Raises:
        ClusterError: it cannot be joined.
    """
    ray = import_ray(private=False)
    logging.getLogger("ray").setLevel(logging.ERROR)
    pl.thread_pool_size()
    try:
        _knock(address)
        _join(ray, address)
    except Exception as error:
        said = str(error).strip()
        reason = said.splitlines()[-1] if "Traceback" in said else " ".join(said.split())[:300]
        raise ClusterError(
            f"--address must lead to a Ray cluster, got {address!r}: {type(error).__name__}: {reason}. "
            "`ray status` on one of its nodes says whether it is up; pip install 'automl-bench[cluster]' brings what "
            "ray:// needs; without --address this machine is used."
        ) from error
    try:
        yield
    finally:
        _shut_down()


class _Core:
    """Stands before Ray's core: as soon as that is shut down there is none."""

    def __init__(self, core: Any) -> None:
        """Hand on to ``core``."""
        self._core: Any = core

    def __getattr__(self, name: str) -> Any:
        """Hand on what is asked of the core."""
        return getattr(self._core, name)

    def shutdown_driver(self) -> None:
        """Shut the core down, out of everybody's reach."""
        core, self._core = self._core, None
        core.shutdown_driver()


def _shut_down() -> None:
    """Stop Ray, while other threads may let go of what refers to its objects and actors.

    That tells the core, and a core that is shut down ends the whole process when it is told anything (Ray 2.60). Where
    there is no core, nobody is told.
    """
    worker = pkgutil.resolve_name("ray._private.worker").global_worker
    if hasattr(worker, "core_worker"):
        worker.core_worker = _Core(worker.core_worker)
    import_ray().shutdown()


def _join(ray: Any, address: str) -> None:
    """Join a cluster; the process that Ray starts for a client there now and then does not come up (Ray 2.60)."""
    for tries_left in reversed(range(_TRIES_TO_JOIN)):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except ConnectionAbortedError:
            if not tries_left:
                raise
        else:
            return


def _knock(address: str) -> None:
    """Find out whether anybody listens, for which Ray itself takes a minute; ``auto`` names no address to ask."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def only_on(node: str) -> Any:
    """Ray's strategy that places an actor or a task on one node."""
    import_ray()
    return importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(node, soft=False)


def import_tune() -> Any:
    """Import Ray Tune, which takes longer than Ray itself and is needed by one engine only."""
    import_ray()
    return importlib.import_module("ray.tune")


def share(problem: Problem) -> tuple[Any, Any]:
    """Put a problem into the object store once: the table as Arrow, which workers map instead of copying."""
    ray = import_ray()
    return ray.put(problem.without_features()), ray.put(problem.task.features.to_arrow())


def shared(problem: Problem, table: Any) -> Problem:
    """Put the two halves of a shared problem together again, in a worker."""
    features = pl.from_arrow(table)
    assert isinstance(features, pl.DataFrame)
    return dataclasses.replace(problem, task=dataclasses.replace(problem.task, features=features))
