"""Runs on a Ray cluster of several raylets whose machines do not see the folder of the run; nodes and workers die."""

import os
import random
import signal
import threading
from pathlib import Path

import cluster as clusters
import network
import pytest
from processes import board, command, events, folds_by_workers
from test_survival import CHEAP, carry_out, finished_folds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ASKED = ("run", "--no-track", "--dataset", "penguins", "--seed", 1, "--families", f"{CHEAP},lightgbm,extra_trees")
#: What is best of all families takes a moment a candidate; without it a run lasts until machines have gone and come.
SHORT, LONG = ("--trials", 8), ("--trials", 24, "--families", "dummy,naive_bayes,lightgbm,extra_trees")


@pytest.fixture(scope="module")
def hidden(tmp_path_factory) -> Path:
    """Where runs go: no node sees what lies here."""
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="module")
def cluster(hidden):
    """Two nodes of one core."""
    with clusters.started(client=True) as started:
        for _ in range(2):
            started.add(cpus=1, hide=hidden)
        started.wait_for(2)
        yield started


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Boards by this process alone, by the number of trials."""
    boards = {}

    def make(asked):
        if asked not in boards:
            folder = tmp_path_factory.mktemp("undisturbed")
            boards[asked] = board(carry_out(*ASKED[2:], *asked, "--engine", "local", folder=folder))
        return boards[asked]

    return make


def on(cluster, *arguments, folder, address=None, **more):
    """`bench` as it joins the cluster."""
    more |= {name: value for name, value in cluster.environment.items() if name.startswith("RAY_")}
    asked = (*ASKED, *arguments, "--address", address or cluster.address, "--output", folder / "run")
    return command(*asked, folder=folder, **more)


def scratch(cluster) -> list[str]:
    return [path.name for path in cluster.folder.glob("bench-scratch-*")]


def test_a_cluster_without_a_shared_folder_gives_the_same_board(cluster, hidden, undisturbed):
    folder = hidden / "plain"
    with on(cluster, *SHORT, folder=folder) as started:
        assert started.wait(300) == 0, started.stderr
        assert len({fold["worker"] for fold in folds_by_workers(folder / "run", started.process.pid)}) == 2
        assert "2 CPUs (2 machines of the cluster)" in started.stderr
    assert board(folder / "run").equals(undisturbed(SHORT))
    assert (folder / "run" / "predictor").is_dir()
    assert scratch(cluster) == []


def test_four_workers_give_the_same_board(cluster, hidden, undisturbed):
    folder = hidden / "four"
    third = cluster.add(cpus=2, hide=hidden)
    cluster.wait_for(4)
    with on(cluster, *LONG, folder=folder) as started:
        assert started.wait(300) == 0, started.stderr
        assert len({fold["worker"] for fold in folds_by_workers(folder / "run", started.process.pid)}) == 4
        assert "4 CPUs (3 machines of the cluster)" in started.stderr
    cluster.remove(third)
    cluster.wait_for(2)
    assert board(folder / "run").equals(undisturbed(LONG))


def test_a_command_that_is_no_node_of_the_cluster(cluster, hidden, undisturbed):
    folder = hidden / "client"
    with on(cluster, *SHORT, folder=folder, address=cluster.client) as started:
        assert started.wait(300) == 0, started.stderr
        assert len({fold["worker"] for fold in folds_by_workers(folder / "run", started.process.pid)}) == 2
    assert board(folder / "run").equals(undisturbed(SHORT))
    assert scratch(cluster) == []


def test_what_such_a_command_needs_is_named(cluster, tmp_path):
    (tmp_path / "grpc.py").write_text("raise ImportError('No module named grpc')")
    with on(cluster, *SHORT, folder=tmp_path, address=cluster.client, PYTHONPATH=str(tmp_path)) as started:
        assert started.wait(60) == 1
    assert "ray[client]" in started.stderr
    assert "pip install 'automl-bench[cluster]' brings what ray:// needs" in started.stderr


def test_cpus_are_so_many_of_the_cluster(cluster, hidden, undisturbed):
    folder = hidden / "one"
    with on(cluster, *SHORT, "--cpus", 1, folder=folder) as started:
        assert started.wait(300) == 0, started.stderr
        assert len({fold["worker"] for fold in folds_by_workers(folder / "run", started.process.pid)}) == 1
    assert board(folder / "run").equals(undisturbed(SHORT))


def test_item_67_a_node_is_lost_and_another_comes(cluster, hidden, undisturbed):
    folder = hidden / "lost"
    with on(cluster, *LONG, folder=folder) as started:
        run = folder / "run"
        started.wait_until(lambda: len(folds_by_workers(run, started.process.pid)) > 20)
        cluster.remove(cluster.nodes[1])
        started.wait_until(lambda: "has left the cluster" in started.stderr)
        cluster.add(cpus=1, hide=hidden)
        started.wait_until(lambda: "has joined the cluster" in started.stderr)
        assert started.wait(300) == 0, started.stderr
        workers = {fold["worker"] for fold in folds_by_workers(run, started.process.pid)}
        assert len(workers) >= 3
    assert {fold["status"] for fold in events(run, "fold")} == {"ok"}
    assert len(finished_folds(run)) == len(set(finished_folds(run)))
    assert board(run).equals(undisturbed(LONG))


def test_item_67_a_host_is_cut_off(hidden, undisturbed):
    """Its processes live on, and nobody hears of them any longer."""
    if not network.is_possible():
        pytest.skip("needs root, and `ip` that makes network namespaces")
    folder = hidden / "cut"
    with network.joined(2) as (address, hosts), clusters.started(address) as cluster:
        for host in hosts:
            cluster.add(cpus=1, hide=hidden, host=host)
        cluster.wait_for(2)
        with on(cluster, *LONG, folder=folder) as started:
            run = folder / "run"
            started.wait_until(lambda: len(folds_by_workers(run, started.process.pid)) > 20)
            hosts[0].cut()
            assert started.wait(300) == 0, started.stderr
            assert "has left the cluster" in started.stderr
            assert len({fold["worker"] for fold in folds_by_workers(run, started.process.pid)}) >= 2
    assert {fold["status"] for fold in events(run, "fold")} == {"ok"}
    assert board(run).equals(undisturbed(LONG))


def test_item_50_workers_are_killed_all_the_time(cluster, hidden, undisturbed):
    folder, over, killed = hidden / "killed", threading.Event(), []
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)

    def folds_done():
        return len(folds_by_workers(folder / "run", started.process.pid))

    def kill():
        done = 0
        while not over.wait(2):
            workers, now = cluster.workers(), folds_done()
            if workers and now > done:  # where a worker takes longer than that to start, none would ever be through
                done = now
                killed.append(draw.choice(workers))
                os.kill(killed[-1], signal.SIGKILL)

    with on(cluster, *LONG, folder=folder) as started:
        started.wait_until(lambda: folds_done() > 5)
        killing = threading.Thread(target=kill)
        killing.start()
        code = started.wait(400)
        over.set()
        killing.join()
        assert code == 0, started.stderr
    assert len(killed) >= 3
    assert {fold["status"] for fold in events(folder / "run", "fold")} == {"ok"}
    assert board(folder / "run").equals(undisturbed(LONG))


def test_a_machine_with_other_versions_is_named(cluster, hidden, tmp_path):
    about = tmp_path / "scikit_learn-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scikit-learn\nVersion: 0.1\n")
    odd = cluster.add(cpus=1, PYTHONPATH=str(tmp_path))
    cluster.wait_for(3)
    with on(cluster, *SHORT, folder=hidden / "odd") as started:
        assert started.wait(120) == 1
        assert "has scikit-learn 0.1 (here 1." in started.stderr
        assert "bench installs nothing on other machines" in started.stderr
        assert "Traceback" not in started.stderr
    cluster.remove(odd)
    cluster.wait_for(2)


def test_an_address_where_nobody_answers(tmp_path):
    with command(*ASKED, *SHORT, "--address", "127.0.0.1:1", folder=tmp_path) as started:
        assert started.wait(90) == 1
        assert "--address must lead to a Ray cluster, got '127.0.0.1:1'" in started.stderr
        assert "Traceback" not in started.stderr
