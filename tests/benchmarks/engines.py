"""Fold results a second through each engine, under the same brain, with folds that do next to nothing.

    python tests/benchmarks/engines.py --engine actors|tune|local [--trials 40]

Every candidate is the family `dummy` on 10 folds of 150 rows: what is timed is proposing, handing out, carrying out,
storing and telling. The first candidate, which starts the workers, is not counted.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

from bench.adapters.ray_actors import RayEngine
from bench.adapters.ray_tune import TuneEngine
from bench.budget import Plan
from bench.dataset import load_dataset
from bench.engine import Engine, LocalEngine
from bench.family import discover
from bench.identity import digest
from bench.journal import Journal
from bench.problem import Problem, make_problem
from bench.progress import NullProgress
from bench.proposals import Member, Proposals
from bench.resources import Deadline, machine
from bench.search import Search
from bench.space import Parameter, Space
from bench.split import make_splits
from bench.store import RunStore
from bench.study import FamilyStudy, Outcomes
from bench.task import make_task
from bench.trial import FoldResult


class Stopwatch(NullProgress):
    """Notes when each fold is told."""

    def __init__(self) -> None:
        """No fold yet."""
        self.told: list[float] = []

    def folded(self, result: FoldResult) -> None:
        """Note one more fold."""
        assert result.status == "ok", result.reason
        self.told.append(time.perf_counter())


def make_search(problem: Problem, trials: int, store: RunStore, watch: Stopwatch) -> Search:
    """A search over one parameter that the family does not look at."""
    space = Space(
        family="dummy",
        parameters=(Parameter(name="unused", type="float", low=0.0, high=1.0),),
        defaults={},
        portfolio=(),
    )
    study = FamilyStudy(
        space, maximize=True, sampler="tpe", seed=0, outcomes=Outcomes(problem.folder / "optuna.journal")
    )

    def identify(params: object, seed: int) -> str:
        return digest(str(params), seed)

    family = discover()["dummy"]
    member = Member(family=family, space=space, study=study, identify=identify)
    never = Deadline(None)
    plan = Plan(slots=machine().cpus, trials=trials, search=never, total=never, window_seconds=0.0)
    return Search(
        Proposals([member], metric=problem.task.metric, seed=0, timed=False),
        metric=problem.task.metric,
        n_folds=len(problem.splits.folds),
        plan=plan,
        observers=(Journal(store), watch),
    )


def measure(name: str, engine: Engine, trials: int) -> float:
    """Fold results a second in one run with an engine."""
    dataset = load_dataset("iris")
    task = make_task(dataset, metric="log_loss")
    splits = make_splits(task, test_size=0.2, folds=10, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "run", "benchmark")
        sealed = task.sealed(splits.test)
        problem = make_problem(sealed, splits, fingerprint=dataset.fingerprint, seed=0, folder=store.folder)
        watch = Stopwatch()
        search = make_search(problem, trials, store, watch)
        engine.start()
        time.sleep(0 if isinstance(engine, LocalEngine) else 15)  # Ray is up before the first fold is asked for
        engine.run(search, problem, threading.Event())
        engine.close()
        store.close()
    warm = len(splits.folds) * 4
    rate = (len(watch.told) - warm) / (watch.told[-1] - watch.told[warm - 1])
    print(f"{name:12} {len(watch.told):5} folds  {rate:8.1f} folds a second  {1000 / rate:7.1f} ms a fold", flush=True)
    return rate


def main() -> None:
    """Measure one engine, since Ray is started once a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--engine", choices=["actors", "tune", "local"], required=True)
    arguments = parser.parse_args()
    here = machine()
    engines: dict[str, Engine] = {"actors": RayEngine(here), "tune": TuneEngine(here), "local": LocalEngine(here)}
    measure(arguments.engine, engines[arguments.engine], arguments.trials)


if __name__ == "__main__":
    main()
