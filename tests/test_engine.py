"""The engine in this process, and what every engine shares: shares of GPUs, preparing, closing."""

import threading
from dataclasses import replace

import pytest
import spies
from hypothesis import given
from hypothesis import strategies as st
from search_fixture import counted, make_family, make_space
from search_fixture import make_search as make_search_of

from bench import engine as engines
from bench.engine import LocalEngine, allotment_for, at_work, gpu_share, prepare
from bench.resources import Allotment, Machine

PLAIN = Machine(cpus=2, memory_bytes=2**30, gpus=0, cpus_why="told")


def machine(**changes) -> Machine:
    return replace(PLAIN, **changes)


@given(slots=st.integers(1, 300), gpus=st.integers(1, 16))
def test_all_fits_find_room_on_the_gpus(slots, gpus):
    share = gpu_share(machine(gpus=gpus), slots)
    assert 0 < share <= 1
    assert share == round(share, 4)
    a_gpu = int(10_000 // round(share * 10_000))  # Ray counts in ten thousandths, and divides no fit among GPUs
    assert a_gpu * gpus >= slots


@pytest.mark.parametrize(
    ("gpus", "slots", "share"),
    [(0, 4, 0.0), (1, 1, 1.0), (1, 2, 0.5), (2, 3, 0.5), (1, 3, 0.3333), (1, 6, 0.1666), (4, 2, 1.0)],
)
def test_gpu_share(gpus, slots, share):
    assert gpu_share(machine(gpus=gpus), slots) == share


def discovers(monkeypatch, *families) -> None:
    monkeypatch.setattr(engines, "discover", lambda: {family.name: family for family in families})


def test_allotment_with_a_gpu(monkeypatch):
    discovers(monkeypatch, spies.family(spies.Spy, name="nets", uses_gpu=True), spies.family(spies.Spy, name="trees"))
    with_gpu, without = machine(gpus=1), machine()
    assert allotment_for("nets", with_gpu, 2) == Allotment(cpus=1, gpu=0.5, device="cuda")
    assert allotment_for("trees", with_gpu, 2) == Allotment(cpus=1, gpu=0.0, device="cpu")
    assert allotment_for("nets", without, 2) == Allotment(cpus=1, gpu=0.0, device="cpu")


def test_one_fit_after_the_other_is_one_core():
    assert LocalEngine(machine(cpus=8)).capacity().cpus == 1


def test_preparing_imports_and_leaves_complaints_to_the_fit(monkeypatch):
    lacking = spies.family(spies.Spy, name="lacking", imports=("no_such_library",))
    broken = spies.family(spies.Spy, name="broken", imports=("spies.no_such_module_either",))
    discovers(monkeypatch, lacking, broken)
    prepare("lacking")
    prepare("broken")


class Noted:
    """An engine that notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def start(self) -> None:
        self.asked.append("start")

    def run(self, search, problem, stop) -> None:
        self.asked.append("run")

    def close(self) -> None:
        self.asked.append("close")


def test_at_work_closes_whatever_happens():
    noted = Noted()
    with pytest.raises(ZeroDivisionError), at_work(noted):
        raise ZeroDivisionError
    assert noted.asked == ["start", "close"]


@pytest.fixture
def local(monkeypatch, make_small):
    """Gives ``work(stop)``: a counted search over a family of spies, worked through in this process."""
    seen = spies.watch(monkeypatch, name="spy")
    spy = make_family("spy")
    discovers(monkeypatch, spy)
    problem = make_small()
    search, watcher = make_search_of(counted(3), families=(spy,), spaces={"spy": make_space("spy")}, n_folds=3)

    def work(stop: threading.Event):
        LocalEngine(PLAIN).run(search, problem, stop)
        return seen, watcher

    return work


def test_local_engine_works_until_the_brain_is_through(local):
    seen, watcher = local(threading.Event())
    assert len(watcher.closed_) == 3
    assert {result.status for result in watcher.folded_} == {"ok"}
    assert len(seen) == len(watcher.folded_)
    assert all(spy.allotment.cpus == 1 for spy in seen)


def test_local_engine_stops(local, monkeypatch):
    stop = threading.Event()

    class Stopping(spies.Spy):
        def fit(self, *given, **named):
            super().fit(*given, **named)
            stop.set()

    spies.register(monkeypatch, spies.family(Stopping))
    _, watcher = local(stop)
    assert len(watcher.folded_) == 1
    assert not watcher.closed_
