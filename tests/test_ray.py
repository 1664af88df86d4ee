"""The engine of every run, on a Ray of its own: whatever a fit does to its worker, the search goes on."""

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import unruly
from conftest import small
from ray_fixture import MACHINE, engine, families_at_large  # noqa: F401 - fixtures
from search_fixture import Watcher, counted, make_family, make_space
from search_fixture import make_search as make_search_of

from bench.adapters import ray_pool, ray_runtime, ray_thread
from bench.adapters.ray_actors import RayEngine, _Held, _Running
from bench.adapters.ray_hosts import Host
from bench.adapters.ray_pool import Member, Pool
from bench.adapters.ray_worker import Delivery, Readiness
from bench.budget import Plan
from bench.candidate import Candidate
from bench.engine import LocalEngine
from bench.errors import ClusterError
from bench.resources import Deadline, Machine
from bench.search import Work
from bench.store import fold_folder
from bench.trial import FoldResult

FOLDS = 3


@pytest.fixture(scope="module")
def problem(tmp_path_factory, engine):  # noqa: F811
    """A problem that every search here works on; an engine's workers know one."""
    return small(tmp_path_factory.mktemp("ray") / "run", "binary")


_seeds = itertools.count()


def make_search(plan: Plan, *names: str, observers=(), seed: int | None = None):
    """A search among some of the families of `unruly`, whose candidates no other search here has."""
    families = tuple(make_family(name, order=place) for place, name in enumerate(names))
    seed = next(_seeds) if seed is None else seed
    return make_search_of(plan, families=families, n_folds=FOLDS, observers=observers, seed=seed)


def by_the_clock(seconds: float) -> Plan:
    window = Deadline(seconds)
    return Plan(slots=2, trials=None, search=window, total=window, window_seconds=seconds)


def outcomes(watcher: Watcher) -> dict[str, set[tuple[str, str]]]:
    """Status and reason of the folds of each family."""
    family = {candidate.trial_id: candidate.family for candidate in watcher.opened_}
    found: dict[str, set[tuple[str, str]]] = {}
    for fold in watcher.folded_:
        found.setdefault(family[fold.trial_id], set()).add((fold.status, fold.reason))
    return found


def test_same_results_as_in_this_process(engine, problem, tmp_path):  # noqa: F811
    by_ray, _ = make_search(counted(6), "polite", "nan", seed=1000)
    engine.run(by_ray, problem, threading.Event())
    here, _ = make_search(counted(6), "polite", "nan", seed=1000)
    LocalEngine(Machine(cpus=1, memory_bytes=2**30, gpus=0, cpus_why="told")).run(
        here, small(tmp_path / "run", "binary"), threading.Event()
    )
    told = [[(r.candidate, r.status, r.reason, r.scores) for r in search.results()] for search in (by_ray, here)]
    assert told[0] == told[1]
    assert {status for _, status, _, _ in told[0]} == {"ok", "error"}


def test_item_51_whatever_a_fit_does_is_its_own_outcome(engine, problem, capfd):  # noqa: F811
    names = ("crashes", "killed", "leaves", "raises", "hungry", "nan", "polite")
    search, watcher = make_search(counted(len(names)), *names)
    engine.run(search, problem, threading.Event())
    assert outcomes(watcher) == {
        "crashes": {("error", "its worker crashed (Segmentation fault), 2 times")},
        "killed": {("error", "its worker was killed, 6 times")},
        "leaves": {("error", "a fit must not end its process, and tried to")},
        "raises": {("error", "ValueError: made to fail")},
        "hungry": {("out_of_memory", "no memory was left for the fit")},
        "nan": {("error", "predictions must be finite, got NaN or infinity")},
        "polite": {("ok", "")},
    }
    assert capfd.readouterr() == ("", ""), "what Ray has to say about it must not reach the terminal"


def test_item_49_a_hanging_fit_is_killed_and_its_worker_replaced(engine, problem):  # noqa: F811
    stop = threading.Event()

    class Enough(Watcher):
        def closed(self, result):
            if result.candidate.family == "polite":
                stop.set()

    search, watcher = make_search(by_the_clock(16), "hangs", "polite", observers=(Enough(),))
    began = time.monotonic()
    engine.run(search, problem, stop)
    assert time.monotonic() - began < 16
    found = outcomes(watcher)
    assert found["polite"] == {("ok", "")}
    (status, reason), *_ = found["hangs"]
    assert status == "timeout"
    assert reason.startswith("hung past its ")
    assert reason.endswith(" s and was killed")
    hung = [candidate.trial_id for candidate in watcher.opened_ if candidate.family == "hangs"]
    notes = [note for trial in hung for note in (problem.folder / "trials" / trial).rglob(unruly.PROCESS)]
    assert notes
    assert not any(is_alive(int(note.read_text())) for note in notes)


def test_item_49_a_fit_that_hangs_in_a_counted_run_is_ended_at_the_limit_of_a_fit(engine, problem):  # noqa: F811
    search, watcher = make_search(counted(2, fit_limit=3.0), "hangs", "polite")
    began = time.monotonic()
    engine.run(search, problem, threading.Event())
    assert time.monotonic() - began < 3.0 + 10
    assert outcomes(watcher) == {
        "hangs": {("timeout", "hung past its 3.0 s and was killed")},
        "polite": {("ok", "")},
    }


def is_alive(process: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_item_47_a_family_that_fails_three_times_in_a_row_is_given_up(engine, problem):  # noqa: F811
    search, watcher = make_search(counted(12), "raises")
    engine.run(search, problem, threading.Event())
    assert watcher.benched_ == [("raises", "ValueError: made to fail")]
    assert len(watcher.closed_) == 4  # the batch in which that came out


def test_two_workers_share_a_gpu(engine, problem):  # noqa: F811
    search, watcher = make_search(counted(2), "gpu")
    engine.run(search, problem, threading.Event())
    seen = [
        json.loads((fold_folder(problem.folder, fold.trial_id, fold.fold) / unruly.SEEN).read_text())
        for fold in watcher.folded_
    ]
    assert {(given["device"], given["gpu"], given["visible"]) for given in seen} == {("cuda", 0.5, "0")}
    until, workers = time.monotonic() + 60, {fold.worker for fold in watcher.folded_}
    while len(workers) < 2:  # one may be taking the place of a worker that another test has ended
        assert time.monotonic() < until
        again, watcher = make_search(counted(2), "gpu")
        engine.run(again, problem, threading.Event())
        workers |= {fold.worker for fold in watcher.folded_}
    assert ray_runtime.import_ray().cluster_resources()["GPU"] == 1.0
    assert ray_runtime.import_ray().available_resources().get("GPU", 0.0) == 0.0


def test_fits_that_take_more_of_a_gpu_than_a_worker_has_get_it_and_wait_for_each_other(engine, problem):  # noqa: F811
    search, watcher = make_search(counted(2), "large", "gpu")
    engine.run(search, problem, threading.Event())
    assert outcomes(watcher) == {"large": {("ok", "")}, "gpu": {("ok", "")}}
    large = {candidate.trial_id for candidate in watcher.opened_ if candidate.family == "large"}
    folds = [fold for fold in watcher.folded_ if fold.trial_id in large]
    seen = [json.loads((fold_folder(problem.folder, f.trial_id, f.fold) / unruly.SEEN).read_text()) for f in folds]
    assert [given["gpu"] for given in seen] == pytest.approx([2 / 3] * len(folds))
    fits = [(f, span) for f in watcher.folded_ for span in f.spans if span.name == "fit"]
    for fold in folds:
        (fit,) = (span for span in fold.spans if span.name == "fit")
        beside = [o for o, span in fits if o is not fold and span.start < fit.end and fit.start < span.end]
        assert not beside, "a half beside two thirds"


@pytest.mark.parametrize(("waited", "waits"), [(19.0, False), (21.0, True)])
def test_what_has_waited_for_long_goes_before_what_would_take_its_place(waited, waits, families_at_large):  # noqa: F811
    def work(family):
        candidate = Candidate(trial_id=family, family=family, params={}, origin="default", number=0, seed=0)
        return Work(candidate=candidate, fold=0, seconds=None)

    idle = RayEngine(MACHINE)
    idle._held = [_Held(work("large"), since=time.monotonic() - waited)]
    assert idle._is_due(work("gpu")) == waits
    assert not idle._is_due(work("polite")), "it takes nothing of a GPU"
    assert idle._is_due(work("gpu"), time.monotonic() - 1) == waits, "nor may one that waits for less long"
    assert not idle._is_due(work("gpu"), time.monotonic() - 30)


def test_fits_under_way_are_given_up_when_the_run_is_stopped(engine, problem):  # noqa: F811
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    search, watcher = make_search(counted(1), "hangs")
    began = time.monotonic()
    engine.run(search, problem, stop)
    assert time.monotonic() - began < 5
    assert watcher.folded_ == []
    again, watcher = make_search(counted(1), "polite")
    engine.run(again, problem, threading.Event())
    assert outcomes(watcher) == {"polite": {("ok", "")}}


def test_a_cluster_that_has_lost_all_machines_is_given_up(monkeypatch):
    host = Host(node="a", name="a", cpus=1, gpus=0, memory_bytes=2**30)
    alive = [host]
    monkeypatch.setattr(ray_pool, "hosts_alive", lambda: tuple(alive))
    monkeypatch.setattr(ray_pool, "_LOOK_SECONDS", 0.0)
    pool = Pool(MACHINE, address="auto", cpus=None, gpus=None)
    pool._hosts = {"a": host}
    pool.settle([])
    alive.clear()
    pool.settle([])  # another may come
    monkeypatch.setattr(ray_pool, "_DYING_SECONDS", 0.0)
    with pytest.raises(ClusterError, match="a machine of the cluster must be there for fits"):
        pool.settle([])


def test_fit_that_was_promised_a_gpu_fails_when_no_machine_has_one_any_longer(engine, problem, monkeypatch):  # noqa: F811
    """It is not done without: on which device it is fitted is part of what a candidate is."""
    assert engine.capacity().gpus == 1
    monkeypatch.setattr(Pool, "capacity", replace(MACHINE, gpus=0))
    monkeypatch.setattr(Pool, "has_gpu", lambda pool: False)
    search, watcher = make_search(counted(2), "gpu", "polite")
    engine.run(search, problem, threading.Event())
    assert outcomes(watcher) == {"gpu": {("error", "no machine with a GPU is left")}, "polite": {("ok", "")}}


class _Actor:
    """Stands in for a worker that is never there."""


@pytest.fixture
def joined(monkeypatch):
    """A pool of a cluster with one machine of three cores, whose workers are pretended."""
    host = Host(node="a", name="a", cpus=3, gpus=0, memory_bytes=2**30)
    monkeypatch.setattr(ray_pool, "hosts_alive", lambda: (host,))
    monkeypatch.setattr(ray_pool, "import_ray", lambda: SimpleNamespace(kill=lambda actor: None))
    pool = Pool(MACHINE, address="auto", cpus=None, gpus=None)
    pool._hosts = {"a": host}

    def start(host, gpu):
        pool._members.add(Member(actor=_Actor(), host=host, gpu=gpu))

    monkeypatch.setattr(pool, "_start", start)
    pool._fill()
    return pool


def test_a_machine_whose_other_cores_are_taken_goes_on_with_those_that_it_gives(joined, monkeypatch, caplog):
    monkeypatch.setattr(ray_pool, "_DYING_SECONDS", -1.0)
    waiting, *at_work = joined._members
    for member in at_work:
        member.ready = Readiness(process=7)
    joined._not_started(waiting, "not ready after 120 s")
    assert joined._members == set(at_work)
    assert joined.capacity.cpus == 2
    assert "No more workers start on a (not ready after 120 s) than the 2 that are at work there" in caplog.text


def test_a_machine_where_no_worker_starts_is_left_out(joined, monkeypatch):
    monkeypatch.setattr(ray_pool, "_DYING_SECONDS", -1.0)
    with pytest.raises(ClusterError, match="workers must start on at least one machine"):
        joined._not_started(next(iter(joined._members)), "its process dies before it is ready")


def test_a_machine_that_is_gone_may_come_again_before_the_cluster_is_given_up(joined):
    joined._hosts.clear()
    joined._not_started(next(iter(joined._members)), "its process dies before it is ready")


def test_a_worker_without_a_gpu_makes_room_for_one_that_has_it(joined, monkeypatch):
    """As after the memory ran out and the heaviest worker had the GPU."""
    host = replace(joined._hosts["a"], gpus=1)
    for member in joined._members:
        member.host = host
    joined._hosts = {"a": host}
    joined._idle = list(joined._members)
    assert not joined.has_gpu()
    joined._fill()
    assert joined.has_gpu()
    assert len(joined._members) == 3


def test_a_machine_with_a_full_disk_is_left_out_and_the_fit_is_tried_elsewhere(engine, joined, monkeypatch):  # noqa: F811
    host, candidate = (
        joined._hosts["a"],
        Candidate(trial_id="t", family="polite", params={}, origin="default", number=0, seed=0),
    )
    work = Work(candidate=candidate, fold=0, seconds=None)
    member = next(iter(joined._members))
    member.ready = Readiness(process=7, own_disk=True)
    idle = RayEngine(MACHINE)
    monkeypatch.setattr(idle, "_pool", joined)
    monkeypatch.setattr(joined, "_hosts", {"a": host, "b": replace(host, node="b", name="b")})
    result = FoldResult.failed("t", 0, "error", "OSError: [Errno 28] No space left on device")
    running = _Running(work=work, member=member, gpu=0.0, prepared=None)
    assert idle._taken_in(running, Delivery(result=result, parcel={})) is None
    assert [held.work for held in idle._held] == [work]
    assert list(joined._hosts) == ["b"]
    others = [other for other in joined._members if other.host == host]
    assert member not in others
    for other in others:  # which were at a fit meanwhile
        joined.give(other)
    assert {other.host.node for other in joined._members} == {"b"}
    assert not joined.has_idle


@pytest.mark.parametrize(("gpus", "visible"), [(0, ""), (1, "5")])
def test_without_gpus_no_process_of_ray_sees_one(gpus, visible, monkeypatch, engine):  # noqa: F811
    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    ray = ray_runtime.import_ray()
    monkeypatch.setattr(ray, "init", lambda **_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    here = Machine(cpus=1, memory_bytes=2**30, gpus=gpus, cpus_why="told")
    with ray_runtime.ray_started(here, ray_runtime.make_folder(), threading.Event()):
        pass
    assert seen == [visible]


@pytest.fixture
def another(monkeypatch, engine):  # noqa: F811
    """An engine of its own, while Ray is up already: two that start at once would replace its parts for each other."""
    assert engine._ray._settled.wait(60)
    monkeypatch.setattr(ray_thread, "_one_at_a_time", threading.Lock())
    made = RayEngine(MACHINE)
    yield made
    made.close()
    made._ray._thread.join()


def test_where_ray_does_not_start_this_process_takes_over(another, make_small, monkeypatch, caplog, families_at_large):  # noqa: F811
    def fail(**_):
        raise RuntimeError("no room for Ray\nand much more")

    monkeypatch.setattr(ray_runtime.import_ray(), "init", fail)
    another.start()
    search, watcher = make_search(counted(2), "polite", "raises")
    with caplog.at_level(logging.WARNING):
        another.run(search, make_small(), threading.Event())
    assert outcomes(watcher) == {"polite": {("ok", "")}, "raises": {("error", "ValueError: made to fail")}}
    assert [record.message for record in caplog.records] == [
        "Ray did not start (no room for Ray); going on in this process, as with --engine local."
    ]


def test_where_no_worker_starts_this_process_takes_over(engine, make_small, monkeypatch, caplog):  # noqa: F811
    def dies(*_):
        raise ClusterError("workers must start on at least one machine.")

    monkeypatch.setattr(Pool, "settle", dies)
    search, watcher = make_search(counted(2), "polite", "raises")
    with caplog.at_level(logging.WARNING):
        engine.run(search, make_small(), threading.Event())
    assert outcomes(watcher) == {"polite": {("ok", "")}, "raises": {("error", "ValueError: made to fail")}}
    assert {fold.worker.rpartition(":")[2] for fold in watcher.folded_ if fold.worker} == {str(os.getpid())}
    assert "workers must start on at least one machine. Going on in this process" in caplog.text


def test_where_ray_takes_too_long_this_process_takes_over(another, make_small, monkeypatch, caplog, families_at_large):  # noqa: F811
    monkeypatch.setattr(ray_thread, "_START_SECONDS", 0.5)
    search, watcher = make_search(counted(1), "polite")
    with ray_thread._one_at_a_time:  # as held by another run of this process
        another.start()
        another.run(search, make_small(), threading.Event())
    assert outcomes(watcher) == {"polite": {("ok", "")}}
    assert "it takes more than 0 s" in caplog.text


def test_baselines_do_not_wait_for_ray(another, make_small, families_at_large):  # noqa: F811
    """They run in this process, and the others only where they can be killed."""
    stop = threading.Event()

    class Enough(Watcher):
        def folded(self, result):
            if len(self.folded_) == FOLDS - 1:
                threading.Timer(0.5, stop.set).start()
            super().folded(result)

    watcher = Enough()
    families = (make_family("polite", order=0, baseline=True), make_family("nan", order=1))
    spaces = {family.name: make_space(family.name) for family in families}
    search, _ = make_search_of(counted(4), families=families, n_folds=FOLDS, spaces=spaces, observers=(watcher,))
    with ray_thread._one_at_a_time:
        another.start()
        another.run(search, make_small(), stop)
    assert {fold.worker.rpartition(":")[2] for fold in watcher.folded_} == {str(os.getpid())}
    assert [result.candidate.family for result in watcher.closed_] == ["polite"]


def test_the_first_baseline_is_run_here_though_ray_is_up(engine, problem):  # noqa: F811
    """So that there is something to report before a worker has imported anything."""
    families = (make_family("polite", order=0, baseline=True), make_family("gpu", order=1, baseline=True))
    spaces = {family.name: make_space(family.name) for family in families}
    search, watcher = make_search_of(counted(2), families=families, n_folds=FOLDS, spaces=spaces, seed=next(_seeds))
    assert engine._ray._settled.wait(60)
    engine.run(search, problem, threading.Event())
    family = {candidate.trial_id: candidate.family for candidate in watcher.opened_}
    here = {(family[f.trial_id], f.worker.endswith(f":{os.getpid()}")) for f in watcher.folded_}
    assert here == {("polite", True), ("gpu", False)}


def test_results_tell_what_workers_did_and_when(engine, problem):  # noqa: F811
    search, watcher = make_search(counted(2), "polite")
    began = time.time()
    engine.run(search, problem, threading.Event())
    assert {fold.status for fold in watcher.folded_} == {"ok"}
    for fold in watcher.folded_:
        steps = [span.name for span in fold.spans]
        assert steps[-5:] == ["encode", "fit", "predict", "score", "store"]
        fit = fold.spans[-4]
        assert began < fit.start < time.time()
        assert abs(fit.seconds - fold.fit_seconds) < 0.1


def test_threads_of_ray_are_held_to_one_and_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with ray_runtime._environment({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}):
        assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("1", "1")
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_what_refers_to_objects_may_be_let_go_while_ray_is_shut_down():
    """A reference tells Ray's core that it goes; one that is shut down already would end the process there and then."""
    code = """
import threading
from bench.adapters.ray_runtime import import_ray
from bench.adapters.ray_thread import RayThread
from bench.resources import machine
up = threading.Event()
thread = RayThread(machine(), then=up.set)
thread.start()
assert up.wait(60)
ray = import_ray()
kept = ray.put(0)
references = [ray.ObjectRef(kept.binary()) for _ in range(500_000)]
thread.stop()
while thread._thread.is_alive():
    del references[-1:]
print("alive")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert told.stdout == "alive\n", told.stderr
