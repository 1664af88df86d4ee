"""A command's hold on its folder: where it is, and whether it holds the answer."""

import threading
import time
from dataclasses import replace

import polars as pl
import pytest
from conftest import table

from bench.dataset import load_dataset
from bench.errors import StoreError
from bench.given_splits import from_names
from bench.journal import Journal
from bench.resources import Machine
from bench.session import Clock, kind_of_test, machine_notes, open_session, run_folder, seal_test
from bench.spec import make_spec
from bench.split import make_splits
from bench.store import DONE, RunStore
from bench.task import make_task


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(table("binary"))


@pytest.fixture(scope="module")
def task(dataset):
    return make_task(dataset, target="y", metric="log_loss")


@pytest.fixture
def hold(dataset, task, tmp_path):
    """Open a session: ``with hold(trials=3) as session``."""

    def hold(*, folder=tmp_path / "run", test=None, data=dataset, stop=None, **asked):
        spec = make_spec(dataset="frame", output=str(folder), **asked)
        return open_session(spec, data, test, task, stop or threading.Event(), Clock())

    return hold


def answer(session):
    session.finish(Journal(session.store))


@pytest.mark.parametrize(
    ("first", "then", "answered"),
    [
        ({"budget": "10m"}, {"budget": "10m"}, True),
        ({"budget": "10m"}, {"budget": "5m"}, True),
        ({"budget": "10m"}, {"budget": "11m"}, False),
        ({"trials": 5}, {"trials": 5}, True),
        ({"trials": 5}, {"trials": 6}, False),
        ({"trials": 5}, {"trials": 4}, False),
        ({"trials": 5}, {"budget": "5m"}, False),
        ({"budget": "10m"}, {"trials": 5}, False),
    ],
)
def test_a_folder_answers_the_same_request_or_a_shorter_one(hold, first, then, answered):
    with hold(**first) as session:
        assert not session.answered
        answer(session)
    with hold(**then) as session:
        assert session.answered == answered


def test_an_interrupted_session_leaves_no_answer(hold):
    stop = threading.Event()
    with hold(trials=5, stop=stop) as session:
        stop.set()
        answer(session)
        assert not (session.folder / DONE).exists()
    with hold(trials=5) as session:
        assert not session.answered


def test_an_answer_is_taken_back(hold):
    with hold(trials=5) as session:
        answer(session)
    with hold(trials=9) as session:
        session.begin()
    with hold(trials=5) as session:
        assert not session.answered


def test_the_cache_goes_when_the_session_ends(hold):
    with hold(trials=5) as session:
        (session.folder / "cache" / "x").mkdir(parents=True)
        answer(session)
        assert not (session.folder / "cache").exists()


@pytest.mark.parametrize("broken", [False, True])
def test_the_folder_is_let_go_however_the_block_ends(hold, broken):
    class Broken(Exception):  # noqa: N818 - any
        pass

    try:
        with hold(trials=5) as session:
            folder = session.folder
            with pytest.raises(StoreError, match="is in use by"), hold(trials=5):
                pass
            if broken:
                raise Broken
    except Broken:
        assert broken
    RunStore(folder, read_identity(folder)).close()


def read_identity(folder):
    return (folder / "identity.json").read_text().split('"')[3]


def test_time_and_candidates_of_earlier_sessions_are_known(hold):
    with hold(trials=5) as session:
        assert (session.past, session.spent) == ((), 0.0)
        Journal(session.store, taken=40.0).end()
    with hold(trials=5) as session:
        assert session.spent == pytest.approx(40, abs=5)


@pytest.mark.parametrize("same", [{"trials": 9}, {"cpus": 1}, {"engine": "local"}, {"track": False}])
def test_what_is_only_carried_out_otherwise_is_the_same_run(hold, same):
    with hold(trials=5):
        pass
    with hold(**{"trials": 5} | same) as session:
        assert session.folder.name == "run"


@pytest.mark.parametrize("other", [{"seed": 1}, {"folds": 4}, {"families": "knn"}, {"test_size": 0.3}])
def test_what_decides_results_makes_another_run(hold, other):
    with hold(trials=5):
        pass
    with pytest.raises(StoreError, match="belongs to another run"), hold(trials=5, **other):
        pass


def test_other_data_or_another_test_set_makes_another_run(hold, dataset):
    with hold(trials=5):
        pass
    other = load_dataset(table("binary", seed=1))
    for changed in ({"data": other}, {"test": other}):
        with pytest.raises(StoreError, match="belongs to another run"), hold(trials=5, **changed):
            pass


def test_a_run_has_a_telling_name_of_its_own(dataset):
    spec = make_spec(dataset="d")
    name = run_folder(spec, dataset, "my.module:f 1", "0123456789abcdef").name
    assert name.endswith("-my-module-f-1-01234567")
    assert run_folder(make_spec(dataset="d", output="x/y"), dataset, "rmse", "01").as_posix() == "x/y"


@pytest.mark.parametrize(("test_size", "kind"), [(0.2, "sealed"), (0.0, "none")])
def test_test_labels_are_put_away(hold, task, test_size, kind):
    splits = make_splits(task, test_size=test_size, folds=3, seed=0)
    assert kind_of_test(task, splits) == kind
    with hold(trials=5) as session:
        sealed = seal_test(session, task, splits)
        assert (session.folder / "sealed").exists() == (kind == "sealed")
        assert len(sealed.y) == len(task.y)
        if kind == "sealed":
            assert (sealed.y[splits.test] != task.y[splits.test]).all()


def test_the_clock_counts_from_the_start_of_the_process():
    clock = Clock(before=30.0)
    assert clock.seconds == pytest.approx(30.0, abs=1)
    assert clock.started_at == pytest.approx(time.time() - 30.0, abs=1)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"trials": 5}, "Stops after 5 candidates and is reproducible; --budget stops by the clock."),
        ({"budget": "90s"}, "Stops 90 s after its start; --budget sets another time, --trials a count."),
    ],
)
def test_limits_are_told_with_the_options_that_overrule_them(asked, sentence):
    machine = Machine(cpus=3, memory_bytes=2**32, gpus=0, cpus_why="CPU affinity")
    notes = machine_notes(machine, make_spec(dataset="d", **asked), "rmse")
    assert notes[:2] == (
        "3 CPUs (CPU affinity), one a fit; --cpus sets fewer.",
        "4.0 GiB of memory; --memory sets less.",
    )
    assert notes[2] == sentence
    assert notes[-1] == "Judged by rmse, as is usual here; --metric sets another."
    assert "--metric" not in " ".join(machine_notes(machine, make_spec(dataset="d", metric="rmse", **asked), "rmse"))


def test_what_given_splits_hold_is_part_of_the_identity(dataset, task, tmp_path):
    def folder(names):
        made = replace(task, given=from_names(pl.Series(names * 40), "file 'folds.csv'"))
        spec = make_spec(dataset="frame", splits="folds.csv")
        with open_session(spec, dataset, None, made, threading.Event(), Clock()) as session:
            return session.folder.name

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert folder(["a", "b", "b"]) == folder(["a", "b", "b"]) != folder(["a", "a", "b"])
