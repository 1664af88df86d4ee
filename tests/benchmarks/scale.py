"""How many workers one driver keeps busy, and what a long search costs it.

    python tests/benchmarks/scale.py hot [--folds 10000] [--nodes 4] [--cpus 4]
    python tests/benchmarks/scale.py linear [--seconds 30]

``hot`` sends folds that fit nothing, with predictions of real shape (10,000 rows of two classes, two folds), through
the brain, the engine, the store and the journal to the workers of a cluster of raylets on this machine. It prints, for
windows of trials, fold results a second, milliseconds that the brain takes a trial to propose and to be told, the
driver's CPU and its memory a trial. ``linear`` sends fits that sleep for half a second to 1, 2 and 4 raylets of two
cores, and prints which share of the slots was asleep between the first result and the last.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
import cluster as clusters
import noop

from bench.adapters.ray_actors import RayEngine
from bench.budget import Plan
from bench.dataset import load_dataset
from bench.family import discover, select
from bench.journal import Journal
from bench.problem import Problem, make_problem
from bench.processes import resident_memory
from bench.progress import NullProgress
from bench.resources import Deadline, Machine, machine
from bench.roster import make_proposals
from bench.search import Search, Work
from bench.spec import RunSpec
from bench.split import make_splits
from bench.store import RunStore
from bench.task import make_task
from bench.trial import FoldResult, TrialResult

ROWS, FOLDS = 10_000, 2
WINDOWS = (100, 1000, 5000)


class Timed(Search):
    """Adds up the seconds that the brain takes."""

    asking = telling = 0.0

    def next(self, *, baselines_only: bool = False) -> Work | None:
        """Hand out work, timed."""
        begun = time.perf_counter()
        work = super().next(baselines_only=baselines_only)
        self.asking += time.perf_counter() - begun
        return work

    def tell(self, result: FoldResult) -> None:
        """Take a result in, timed."""
        begun = time.perf_counter()
        super().tell(result)
        self.telling += time.perf_counter() - begun


class Watch(NullProgress):
    """Notes the state of the driver whenever a candidate is closed, and stops the search after enough of them."""

    def __init__(self, trials: int) -> None:
        """Stop after ``trials``."""
        self.trials, self.stop, self.search = trials, threading.Event(), None
        self.states: list[tuple[float, ...]] = []
        self.folds: list[FoldResult] = []

    def folded(self, result: FoldResult) -> None:
        """Note a fold."""
        assert result.status == "ok", result.reason
        self.folds.append(result)

    def closed(self, result: TrialResult) -> None:
        """Note a candidate."""
        search: Any = self.search
        memory = resident_memory(os.getpid())
        self.states.append((time.perf_counter(), time.process_time(), search.asking, search.telling, memory))
        if len(self.states) >= self.trials:
            self.stop.set()


@contextmanager
def problem_at(folder: Path) -> Iterator[tuple[Problem, RunStore]]:
    """A table of two classes, with its folds, in a run folder."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=ROWS), "y": rng.choice(["no", "yes"], ROWS)})
    dataset = load_dataset(frame)
    task = make_task(dataset, target="y", metric="log_loss")
    splits = make_splits(task, test_size=0.2, folds=FOLDS, repeats=1, seed=0)
    store = RunStore(folder / "run", "benchmark")
    sealed = task.sealed(splits.test)
    yield make_problem(sealed, splits, fingerprint=dataset.fingerprint, seed=0, folder=store.folder), store
    store.close()


def searched(cluster: clusters.Cluster, families: list[str], watch: Watch, folder: Path) -> Machine:
    """Carry a search out on a cluster, as far as ``watch`` lets it."""
    with problem_at(folder) as (problem, store):
        engine = RayEngine(machine(), families, address=cluster.address)
        engine.start()
        hands, never = engine.capacity(), Deadline(10**6)
        spec = RunSpec(dataset="", budget=10**6)
        plan = Plan(slots=hands.cpus, trials=None, search=never, total=never, window_seconds=10.0**6)
        watch.search = Timed(
            make_proposals(problem, select(families), spec, hands),
            metric=problem.task.metric,
            n_folds=FOLDS,
            plan=plan,
            observers=(Journal(store), watch),
        )
        engine.run(watch.search, problem, watch.stop)
        engine.close()
        engine._ray._thread.join()
    return hands


@contextmanager
def cluster_of(nodes: int, cpus: int, packages: Path) -> Iterator[clusters.Cluster]:
    """A cluster that knows the families of `noop`."""
    with clusters.started() as cluster:
        for _ in range(nodes):
            cluster.add(cpus=cpus, PYTHONPATH=str(packages))
        cluster.wait_for(nodes * cpus)
        yield cluster


def hot(folds: int, nodes: int, cpus: int, scratch: Path) -> None:
    """The hot path, and how it grows with the history."""
    watch = Watch(folds // FOLDS)
    with cluster_of(nodes, cpus, scratch / "packages") as cluster:
        begun = time.perf_counter()
        searched(cluster, [f"noop{i}" for i in range(noop.STUDIES)], watch, scratch)
    states = np.array(watch.states)
    whole = states[-1, 0] - states[0, 0]
    print(
        f"{len(watch.folds)} folds, {len(states)} trials, {states[-1, 0] - begun:.0f} s; {os.cpu_count()} cores in all"
    )
    print(f"sustained: {FOLDS * len(states) / whole:.1f} results a second")
    print("| trials | results a second | ask, ms a trial | tell, ms a trial | driver's CPU | memory, KB a trial |")
    print("|---|---|---|---|---|---|")
    for at in WINDOWS:
        last, first = min(at, len(states)) - 1, max(0, min(at, len(states)) - max(90, at // 10))
        span = states[last] - states[first]
        n = last - first
        grown = 1e-3 * (states[last, 4] - states[min(50, last), 4]) / max(1, last - 50)
        print(
            f"| {first + 1}-{last + 1} | {FOLDS * n / span[0]:.1f} | {1e3 * span[2] / n:.1f} | {1e3 * span[3] / n:.1f} "
            f"| {span[1] / span[0]:.0%} | {grown:.0f} |"
        )


def linear(seconds: float, scratch: Path) -> None:
    """Slots kept busy by 1, 2 and 4 raylets."""
    print("| raylets | slots | fits | busy |\n|---|---|---|---|")
    for nodes in (1, 2, 4):
        watch = Watch(int(seconds * nodes * 2 / noop.SLEEP / FOLDS))
        folder = scratch / str(nodes)
        folder.mkdir()
        with cluster_of(nodes, 2, scratch / "packages") as cluster:
            hands = searched(cluster, ["sleeper"], watch, folder)
        ends = np.array([fold.finished_at for fold in watch.folds])
        window = ends.max() - ends.min()
        asleep = sum(fold.fit_seconds for fold in watch.folds[1:])
        print(f"| {nodes} | {hands.cpus} | {len(ends)} | {asleep / (window * hands.cpus):.1%} |", flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hot", "linear"])
    parser.add_argument("--folds", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    os.environ.update(RAY_AUTH_MODE="disabled")
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        packages = str(noop.installed(scratch / "packages"))
        sys.path.insert(0, packages)
        del sys.modules["noop"]
        discover.cache_clear()
        if arguments.what == "hot":
            hot(arguments.folds, arguments.nodes, arguments.cpus, scratch)
        else:
            linear(arguments.seconds, scratch)


if __name__ == "__main__":
    main()
