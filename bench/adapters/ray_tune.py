"""The same brain as a Ray Tune experiment: one Tune trial is one fit, run by one class that never raises.

``--engine tune``, for clusters on which people follow Tune. Its controller takes several times as long a fit as the
actors of `bench.adapters.ray_actors` (figures in ARCHITECTURE.md), so that those are the default.
"""

import faulthandler
import gc
import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.adapters.ray_runtime import GRACE_SECONDS, import_tune, shared
from bench.adapters.ray_thread import RayThread
from bench.engine import allotment_for, do, gpu_share, memo_bytes, prepare
from bench.memo import Memo
from bench.problem import Problem
from bench.resources import Machine
from bench.search import Search, Work
from bench.trial import FoldResult

if TYPE_CHECKING:
    from ray import tune
else:
    tune = import_tune()

_WORK, _RESULT = "work", "result"
#: Tune leaves its actors to end by themselves. Where Ray is stopped under them, Ray's core may end this process (exit
#: code 1, without a word) as it finds nobody to report their ends to.
_LINGER_SECONDS = 3.0


class FoldTrainable(tune.Trainable):  # type: ignore[misc]
    """Fits one piece of work a trial; its process is used again for the next."""

    def setup(self, config: dict[str, Any], problem: Any = None, table: Any = None, machine: Any = None) -> None:
        """Take in the problem, once a process, and the first piece of work."""
        self._problem, self._machine, self._memo = shared(problem, table), machine, Memo(memo_bytes(machine))
        self._work: Work = config[_WORK]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take in the next piece of work."""
        self._work = new_config[_WORK]
        return True

    def step(self) -> dict[str, Any]:
        """Carry out the work; whatever the fit does is in the result."""
        allotment = allotment_for(self._work.candidate.family, self._machine, self._machine.cpus)
        allotment = replace(allotment, memo=self._memo)
        prepare(self._work.candidate.family)
        if math.isfinite(self._work.hung_after):  # Tune ends no fit that hangs, so the process ends itself
            faulthandler.dump_traceback_later(self._work.hung_after + GRACE_SECONDS, exit=True)
        try:
            return {_RESULT: do(self._work, self._problem, allotment), "done": True}
        finally:
            faulthandler.cancel_dump_traceback_later()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Give nothing to save: what a fit leaves is in the run folder."""
        return {}


class BrainSearcher(tune.search.Searcher):  # type: ignore[misc]
    """Hands Tune what the brain hands out, and tells the brain what Tune reports."""

    def __init__(self, search: Search, stop: threading.Event) -> None:
        """Stand between ``search`` and Tune until ``stop`` is set."""
        super().__init__(metric=None, mode=None)
        self._search, self._stop = search, stop
        self._running: dict[str, Work] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its searcher to resume from; a run resumes from its own journal

    def suggest(self, trial_id: str) -> Any:
        """Give the next piece of work; None while there is none, FINISHED when there will be none."""
        work = None if self._stop.is_set() else self._search.next()
        if work is None:
            return None if self._running else tune.search.Searcher.FINISHED
        self._running[trial_id] = work
        return {_WORK: work}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the brain; a trial without a result lost its process."""
        work = self._running.pop(trial_id)
        found = (result or {}).get(_RESULT)
        if found is None:
            found = FoldResult.failed(work.candidate.trial_id, work.fold, "error", "the worker died")
        self._search.tell(found)


class UntilStopped(tune.Stopper):  # type: ignore[misc]
    """Ends the experiment, fits under way included, once ``stop`` is set."""

    def __init__(self, stop: threading.Event) -> None:
        """Watch ``stop``."""
        self._stop = stop

    def __getstate__(self) -> dict[str, Any]:
        return {}  # saved with the searcher, and as little needed

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Leave it to each trial when it ends."""
        return False

    def stop_all(self) -> bool:
        """Whether to end all trials."""
        return self._stop.is_set()


class TuneEngine:
    """Runs the brain under Tune's controller; baselines run in this process while Ray starts."""

    def __init__(self, machine: Machine) -> None:
        """Use what ``machine`` allows."""
        self._machine = machine
        self._ray = RayThread(machine, then=lambda: None, linger=_LINGER_SECONDS, agents=True)

    def start(self) -> None:
        """Start Ray in a thread."""
        self._ray.start()

    def capacity(self) -> Machine:
        """What was said at the start; Tune finds room for it."""
        self._ray.require()
        return self._machine

    def run(self, search: Search, problem: Problem, stop: threading.Event) -> None:
        """Work as one Tune experiment until the brain is through; without Tune where Ray does not start."""
        if not self._ray.is_up(search, problem, stop):
            return
        trainable = tune.with_parameters(
            FoldTrainable,
            problem=problem.without_features(),
            table=problem.task.features.to_arrow(),
            machine=self._machine,
        )
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": gpu_share(self._machine, self._machine.cpus)}),
            tune_config=tune.TuneConfig(
                search_alg=BrainSearcher(search, stop),
                num_samples=-1,
                max_concurrent_trials=self._machine.cpus,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="tune", storage_path=str(problem.folder / "cache"), verbose=0, stop=UntilStopped(stop)
            ),
        )
        tuner.fit()
        del tuner, trainable
        gc.collect()  # what refers to Ray's objects must not outlive Ray

    def close(self) -> None:
        """Have Ray stopped; the process waits for that when it ends."""
        self._ray.stop()
