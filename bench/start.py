"""Starting a run: choosing engine and tracker for a request."""

import threading
from typing import Any

from bench.engine import Engine, LocalEngine
from bench.environment import allow_files
from bench.progress import Progress
from bench.resources import Machine, machine
from bench.result import Run
from bench.session import Clock
from bench.spec import RunSpec
from bench.spine import Tools, run
from bench.trace import Recorder
from bench.track import NullTracker, Tracker


def make_engine(spec: RunSpec, here: Machine) -> Engine:
    """The engine that a request names."""
    if spec.engine == "local":
        return LocalEngine(here)
    if spec.engine == "tune":
        from bench.adapters.ray_runtime import import_ray

        import_ray()
        from bench.adapters.ray_tune import TuneEngine

        return TuneEngine(here)
    from bench.adapters.ray_actors import RayEngine

    return RayEngine(here, spec.families, address=spec.address, cpus=spec.cpus, gpus=spec.gpus)


def make_tracker(spec: RunSpec) -> Tracker:
    """MLflow, unless the request does without."""
    if not spec.track:
        return NullTracker()
    from bench.adapters.mlflow import MlflowTracker

    return MlflowTracker()


def execute(
    spec: RunSpec,
    *,
    progress: Progress,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    command: str = "",
    data: Any = None,
) -> Run:
    """Carry out a request with the engine and tracker it asks for.

    Args:
        spec: the request.
        progress: where progress is shown.
        stop: ends the search early when set.
        clock: when the command began; now, by default.
        command: how the user would start the run again.
        data: a frame that takes the place of ``spec.dataset``.

    Raises:
        BenchError: see `bench.errors`.
    """
    clock = clock or Clock()
    stages = Recorder()
    stages.begin("start-up", "start-up", at=clock.started_at)
    if few := allow_files():
        progress.note(few)
    here = machine() if spec.address else machine(spec.cpus, spec.gpus, spec.memory)
    tools = Tools(
        machine=here,
        engine=make_engine(spec, here),
        tracker=make_tracker(spec),
        progress=progress,
        stop=stop or threading.Event(),
        clock=clock,
        stages=stages,
        command=command,
    )
    return run(spec, tools, data)
