"""Starting a run: choosing engine and tracker for a request."""

import threading
from pathlib import Path
from typing import Any

from bench.engine import Engine, LocalEngine
from bench.errors import RunFailedError
from bench.journal import seconds_spent
from bench.progress import Progress
from bench.resources import Machine, machine
from bench.result import Run
from bench.session import Clock
from bench.spec import RunSpec
from bench.spine import Tools, run
from bench.store import read_events
from bench.trace import Recorder
from bench.track import NullTracker, Tracker


def make_engine(spec: RunSpec, here: Machine) -> Engine:
    """The engine that a request names."""
    if spec.engine == "local":
        return LocalEngine(here)
    if spec.engine == "tune":
        from bench.adapters.ray_tune import TuneEngine

        return TuneEngine(here)
    from bench.adapters.ray_actors import RayEngine

    return RayEngine(here, spec.families)


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
    here = machine(spec.cpus, spec.gpus)
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
    finished = run(spec, tools, data)
    if spec.refit and not finished.interrupted:
        _refit(finished.folder, spec, tools)
    return finished


def _refit(folder: Path, spec: RunSpec, tools: Tools) -> None:
    """Fit what predicts on all rows, where there is time; where there is not, the bag of fold models stays."""
    from bench.refit import FOLDER, refit

    spent = max(tools.clock.seconds, seconds_spent(read_events(folder)))
    tools.progress.stage("refit")
    try:
        refit(
            folder,
            None,
            tools.progress.note,
            cpus=tools.machine.cpus,
            seconds=None if spec.budget is None else spec.budget - spent,
        )
        tools.progress.note(f"Fitted on all rows: {folder / FOLDER}. Scores are those of the fold models.")
    except RunFailedError as error:
        tools.progress.note(str(error))
