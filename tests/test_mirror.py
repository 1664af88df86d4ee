"""Runs whose folder is in an object store: a local S3, and copies that belong to different machines."""

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import cluster as clusters
import pytest
from processes import board, command, events, folds_by_workers
from spies import candidate
from test_survival import CHEAP, carry_out, finished_folds, searching

from bench import mirror as mirror_module
from bench.adapters.ray_worker import Terms, Worker
from bench.errors import StoreError
from bench.mirror import Mirror, is_remote, local_folder
from bench.resources import Allotment
from bench.search import Work

ASKED = ("--dataset", "penguins", "--seed", 1, "--families", CHEAP)


@pytest.fixture
def machine(s3, tmp_path, monkeypatch):
    """Gives ``machine(name)``: from then on, this is another machine, with a cache of its own."""
    s3("ready", b"")

    def move(name):
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path / name))

    move("one")
    return move


def test_what_is_a_store():
    assert is_remote("s3://bucket/run")
    assert not is_remote("results/s3")
    assert local_folder("results/run") == Path("results/run")


def test_what_changes_follows_and_what_goes_is_deleted(machine):
    mirror = Mirror("s3://bucket/plain")
    (mirror.folder / "trials" / "a" / "fold-0").mkdir(parents=True)
    (mirror.folder / "trials" / "a" / "fold-0" / "model").write_text("model")
    (mirror.folder / "journal.jsonl").write_text("one\n")
    (mirror.folder / ".lock").touch()
    (mirror.folder / "cache").mkdir()
    (mirror.folder / "cache" / "large").touch()
    mirror.push()
    machine("two")
    copy = Mirror("s3://bucket/plain/")
    assert copy.pull()
    assert copy.folder != mirror.folder
    assert {path.relative_to(copy.folder).as_posix() for path in copy.folder.rglob("*") if path.is_file()} == {
        "trials/a/fold-0/model",
        "journal.jsonl",
    }
    (mirror.folder / "journal.jsonl").write_text("one\ntwo\n")
    shutil.rmtree(mirror.folder / "trials")
    mirror.push()
    machine("three")
    assert Mirror("s3://bucket/plain").pull()
    assert not (Mirror("s3://bucket/plain").folder / "trials").exists()
    copy.pull()
    assert (copy.folder / "journal.jsonl").read_text() == "one\ntwo\n"


def test_a_shorter_journal_takes_no_longer_ones_place(machine):
    mirror = Mirror("s3://bucket/ahead")
    mirror.folder.mkdir(parents=True)
    (mirror.folder / "journal.jsonl").write_text("one\n")
    mirror.push()
    (mirror.folder / "journal.jsonl").write_text("one\ntwo\n")  # and then this machine was cut off
    assert Mirror("s3://bucket/ahead").pull()
    assert (mirror.folder / "journal.jsonl").read_text() == "one\ntwo\n"


def test_what_arrives_while_the_store_is_brought_up_to_date_stays(machine, monkeypatch):
    mirror = Mirror("s3://bucket/meanwhile")
    mirror.folder.mkdir(parents=True)
    (mirror.folder / "journal.jsonl").touch()
    names = mirror_module._names

    def arrives(folder):
        yield from list(names(folder))
        mirror._write("trials/a/fold-0/model", b"model")  # a worker's, which shares this folder
        (folder / "trials" / "a" / "fold-0").mkdir(parents=True)
        (folder / "trials" / "a" / "fold-0" / "model").write_bytes(b"model")
        mirror.receive(["trials/a/fold-0/model"])

    monkeypatch.setattr(mirror_module, "_names", arrives)
    mirror.push()
    assert mirror._read("trials/a/fold-0/model") == b"model"


def test_folders_that_go_while_files_are_listed_are_passed_over(machine, monkeypatch):
    """Workers rename the folder of every fold once it is whole."""
    mirror = Mirror("s3://bucket/renamed")
    for name in ("trials/a/fold-0", "trials/b/fold-0"):
        (mirror.folder / name).mkdir(parents=True)
        (mirror.folder / name / "model").write_text("model")
    relative_to = Path.relative_to

    def going(path, *others):
        shutil.rmtree(mirror.folder / "trials" / "b", ignore_errors=True)
        return relative_to(path, *others)

    monkeypatch.setattr(Path, "relative_to", going)
    assert [name for name in mirror_module._names(mirror.folder) if "/b/" not in name] == ["trials/a/fold-0/model"]


def test_a_store_is_told_once_of_folds_that_it_has(machine, monkeypatch):
    mirror = Mirror("s3://bucket/once")
    (mirror.folder / "trials" / "a" / "fold-0").mkdir(parents=True)
    (mirror.folder / "trials" / "a" / "fold-0" / "model").write_text("model")
    (mirror.folder / "journal.jsonl").write_text("one\n")
    mirror.push()
    again, sent = Mirror("s3://bucket/once"), []
    monkeypatch.setattr(again, "_write", lambda name, content: sent.append(name))
    assert again.pull()
    again.push()
    assert sent == ["journal.jsonl"]


def test_the_lock_is_renewed_while_much_is_sent(machine, monkeypatch):
    monkeypatch.setattr(mirror_module, "_SECONDS", 0.05)
    mirror, renewed, sent = Mirror("s3://bucket/slow"), [], []
    hold = mirror._hold
    monkeypatch.setattr(mirror, "_hold", lambda: (renewed.append(time.monotonic()), hold()))

    def send_much():
        begun, until = len(renewed), time.monotonic() + 20
        while len(renewed) < begun + 3 and time.monotonic() < until:
            time.sleep(0.01)
        sent.append(len(renewed) - begun)

    with mirror.held():
        monkeypatch.setattr(mirror, "push", send_much)
    assert sent == [3]
    assert mirror._read("lock.json") is None


def test_what_fails_while_a_run_is_held_is_tried_again(machine, monkeypatch, caplog):
    monkeypatch.setattr(mirror_module, "_SECONDS", 0.05)
    mirror, tried = Mirror("s3://bucket/again"), []

    def fail_once():
        tried.append(None)
        if len(tried) == 1:
            raise FileNotFoundError("gone")

    monkeypatch.setattr(mirror, "push", fail_once)
    with mirror.held():
        until = time.monotonic() + 20
        while len(tried) < 3 and time.monotonic() < until:
            time.sleep(0.01)
    assert len(tried) >= 3
    assert "The run goes on, and it is tried again" in caplog.text


def test_a_run_is_held_by_one_command(machine):
    first, second = Mirror("s3://bucket/held"), Mirror("s3://bucket/held")
    with first.held():
        lock = json.loads(second._read("lock.json"))
        second._write("lock.json", json.dumps(lock | {"process": lock["process"] + 1, "host": "elsewhere"}).encode())
        with pytest.raises(StoreError, match=r"s3://bucket/held is in use by process \d+ on elsewhere"), second.held():
            pass
        second._write("lock.json", json.dumps(lock | {"at": time.time() - 3600, "host": "elsewhere"}).encode())
        with second.held():
            pass
        first._hold()
    assert second._read("lock.json") is None


def test_what_is_not_there_is_told(machine):
    with pytest.raises(StoreError, match="s3://bucket/nothing must be a run folder"):
        local_folder("s3://bucket/nothing")
    with pytest.raises(StoreError, match="no-such-bucket"):
        Mirror("s3://no-such-bucket/run").put({"journal.jsonl": b""})


def test_a_run_in_a_store_is_read_and_gone_on_with_elsewhere(machine, cli, tmp_path):
    asked = ("run", *ASKED, "--no-track", "--engine", "local", "--output", "s3://bucket/runs/one")
    told = cli(*asked, "--trials", 4)
    assert told.code == 0, told.err
    assert "predict: bench predict s3://bucket/runs/one DATA" in told.err
    machine("two")
    assert cli("leaderboard", "s3://bucket/runs/one").out in told.out
    again = cli(*asked, "--trials", 6)
    assert again.code == 0, again.err
    folder = local_folder("s3://bucket/runs/one")
    assert len(finished_folds(folder)) == len(set(finished_folds(folder)))
    assert board(folder).equals(board(carry_out(*ASKED, "--trials", 6, "--engine", "local", folder=tmp_path)))
    machine("three")
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year\nDream,40,18,190,3700,male,2007\n"
    )
    told = cli("predict", "s3://bucket/runs/one", rows, "--output", tmp_path / "told.csv")
    assert told.code == 0, told.err
    for verb in ("reproduce", "refit", "sync"):
        more = ("--uri", f"sqlite:///{tmp_path}/mlflow.db") if verb == "sync" else ()
        told = cli(verb, "s3://bucket/runs/one", *more)
        assert told.code == 0, told.err
    machine("four")
    assert [path.name for path in (local_folder("s3://bucket/runs/one") / "refit").iterdir()] != []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_run_goes_on_on_another_machine(machine, tmp_path):
    asked = ("run", "--no-track", *ASKED, "--trials", 24, "--output", "s3://bucket/runs/killed")
    first, second = tmp_path / "one", tmp_path / "two"
    with command(*asked, folder=tmp_path / "a", BENCH_CACHE=str(first)) as started:
        (here,) = [Mirror("s3://bucket/runs/killed").folder]
        searching(started, here, 20)
        time.sleep(11)  # until the store has been brought up to date
        started.process.send_signal(signal.SIGKILL)
    known = set(finished_folds(here))
    machine("two")
    with command(*asked, folder=tmp_path / "b", BENCH_CACHE=str(second)) as started:
        assert started.wait(200) == 0, started.stderr
    there = local_folder("s3://bucket/runs/killed")
    assert len(set(finished_folds(there)) & known) > 0
    assert len(finished_folds(there)) == len(set(finished_folds(there)))
    assert board(there).equals(board(carry_out(*ASKED, "--trials", 24, "--engine", "local", folder=tmp_path / "c")))


def test_what_the_store_does_not_take_comes_with_the_result(machine, make_small):
    problem = replace(make_small("binary"), store=Mirror("s3://no-such-bucket/run"))
    worker = Worker()
    worker.load(problem.without_features(), problem.task.features.to_arrow(), Terms(token="t", memo_bytes=0))
    delivery = worker.fit(Work(candidate=candidate("dummy"), fold=0, seconds=None), Allotment())
    assert (delivery.result.status, delivery.stored) == ("ok", ())
    assert f"trials/{delivery.result.trial_id}/fold-0/predictions.npz" in delivery.parcel
    worker.leave()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_of_a_cluster_write_there_themselves(machine, tmp_path):
    cloud = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    hidden = tmp_path / "one"
    hidden.mkdir()
    with clusters.started() as cluster:
        cluster.add(cpus=1, hide=hidden, **cloud)
        cluster.wait_for(1)
        asked = ("run", "--no-track", *ASKED, "--trials", 8, "--output", "s3://bucket/runs/cluster")
        with command(*asked, "--address", cluster.address, folder=tmp_path / "a", RAY_AUTH_MODE="disabled") as started:
            assert started.wait(200) == 0, started.stderr
            folder = Mirror("s3://bucket/runs/cluster").folder
            assert folds_by_workers(folder, started.process.pid)
    assert {fold["status"] for fold in events(folder, "fold")} == {"ok"}
    machine("two")
    assert board(local_folder("s3://bucket/runs/cluster")).equals(board(folder))
