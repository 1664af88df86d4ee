"""Runs of the installed command that are interrupted, killed, repeated and gone on with: what is done stays done."""

import json
import signal
import time
from pathlib import Path

import polars as pl
import pytest
from processes import board, command, events, finished_folds, folds_by_workers, leftovers
from ray_fixture import families_at_large  # noqa: F401 - a fixture

from bench.store import read_events

CHEAP = "dummy,naive_bayes,linear,knn,decision_tree"
#: A run that gives the same board wherever and however often it is carried out.
COUNTED = ("--dataset", "penguins", "--trials", 6, "--seed", 1, "--families", CHEAP)
#: What a run may take to end after a signal, on a machine that has other things to do.
SOON = 20


def run(*arguments: object) -> tuple[object, ...]:
    return ("run", "--no-track", *arguments)


def carry_out(*arguments: object, folder: Path, seconds: float = 240) -> Path:
    """Run to the end, and give the run folder."""
    with command(*run(*arguments), "--output", folder / "run", folder=folder) as started:
        code = started.wait(seconds)
        assert code == 0, started.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def by_ray(tmp_path_factory):
    """A counted run by the usual engine, just ended; with what it left behind."""
    folder = tmp_path_factory.mktemp("by_ray")
    with command(*run(*COUNTED), "--output", folder / "run", folder=folder) as started:
        code = started.wait()
        yield started, code, folder / "run"


def test_a_run_leaves_nothing_but_its_folder(by_ray):
    started, code, folder = by_ray
    assert code == 0, started.stderr
    assert folds_by_workers(folder, started.process.pid)
    assert started.wait_until_gone(2) == {}
    assert list(started.temporary.iterdir()) == []
    assert leftovers(folder) == []


def test_a_request_that_is_refused_is_answered_at_once_and_leaves_nothing(tmp_path):
    """Ray may be on its way by then, and is not waited for."""
    took = {}
    for engine in ("local", "ray"):
        begun = time.monotonic()
        asked = run("--dataset", "penguins", "--target", "nothing", "--engine", engine)
        with command(*asked, folder=tmp_path / engine) as started:
            assert started.wait() == 2
            took[engine] = time.monotonic() - begun
            assert "nothing" in started.stderr
            assert len(started.stderr.splitlines()) == 2  # the stage, and what is wrong
            assert started.wait_until_gone(3) == {}
            assert list(started.temporary.iterdir()) == []
    assert took["ray"] < took["local"] + 1.5


def test_nothing_of_ray_reaches_the_terminal(by_ray):
    started, _, folder = by_ray
    assert "ray" not in started.stderr.lower().replace(str(folder).lower(), "").replace("by_ray", "")
    assert started.stdout.startswith("log_loss (lower is better)")


def test_the_same_board_in_this_process(by_ray, tmp_path):
    _, _, folder = by_ray
    local = carry_out(*COUNTED, "--engine", "local", folder=tmp_path)
    assert board(local).equals(board(folder))


def test_a_run_that_is_done_is_answered_from_its_folder(by_ray):
    _, _, folder = by_ray
    before = (folder / "journal.jsonl").read_bytes()
    with command(*run(*COUNTED), "--output", folder, folder=folder.parent / "again") as again:
        assert again.wait(10) == 0
        assert again.stdout == by_ray[0].stdout
        assert "This run is complete" in again.stderr
    assert (folder / "journal.jsonl").read_bytes() == before


def searching(started, folder: Path, folds: int = 3) -> None:
    """Wait until workers have finished some folds."""
    started.wait_until(lambda: len(folds_by_workers(folder, started.process.pid)) >= folds)


def assert_reported(folder: Path) -> None:
    """The folder holds a valid board of what was finished, and is not marked as done."""
    found = json.loads((folder / "leaderboard.json").read_text())
    finished = {trial["trial_id"] for trial in events(folder, "trial") if trial["status"] == "ok"}
    single = {row["trial_id"] for row in found["rows"] if row["status"] == "ok" and row["family"] != "ensemble"}
    assert single == finished
    assert finished
    assert (folder / "report.html").exists()
    assert not (folder / "DONE").exists()


@pytest.fixture
def endless(tmp_path, families_at_large):  # noqa: F811
    """A search that goes on for long, and is ended when the test is over: ``(command, run folder)``."""
    arguments = run("--dataset", "penguins", "--budget", "10m", "--families", "dummy,polite")
    with command(*arguments, "--output", tmp_path / "run", folder=tmp_path, PYTHONPATH=families_at_large) as started:
        yield started, tmp_path / "run"


def test_an_interrupt_from_the_terminal_ends_with_a_board(endless):
    started, folder = endless
    searching(started, folder)
    started.signal_group(signal.SIGINT)
    began = time.monotonic()
    assert started.wait(SOON) == 130
    assert time.monotonic() - began < SOON
    assert_reported(folder)
    assert started.wait_until_gone(2) == {}
    assert list(started.temporary.iterdir()) == []
    assert leftovers(folder) == []
    assert started.stderr.count("stopping; a board of what is finished follows.") == 1
    assert "Traceback" not in started.stderr


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "tune"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_command_ends_with_a_board(engine, number, code, tmp_path, families_at_large):  # noqa: F811
    folder = tmp_path / "run"
    arguments = run("--dataset", "penguins", "--budget", "10m", "--families", "dummy,polite", "--engine", engine)
    with command(*arguments, "--output", folder, folder=tmp_path, PYTHONPATH=families_at_large) as started:
        searching(started, folder)
        started.process.send_signal(number)
        assert started.wait(SOON) == code
        assert_reported(folder)
        assert started.wait_until_gone(2) == {}
        assert leftovers(folder) == []
        assert "SIGTERM" not in started.stderr


@pytest.mark.slow
def test_sigterm_to_all_processes_ends_with_a_board(endless):
    """As ``timeout`` and batch systems send it; Ray's own processes do not survive it."""
    started, folder = endless
    searching(started, folder)
    started.signal_group(signal.SIGTERM)
    assert started.wait(SOON) == 143
    assert_reported(folder)
    assert started.wait_until_gone(10) == {}
    assert {fold["status"] for fold in events(folder, "fold")} <= {"ok", "timeout"}, "no fit is to blame"


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once(endless):
    started, folder = endless
    searching(started, folder)
    started.process.send_signal(signal.SIGINT)
    started.wait_until(lambda: "stopping" in started.stderr)
    started.process.send_signal(signal.SIGINT)
    assert started.wait(2) == 130
    assert started.wait_until_gone(5) == {}


@pytest.mark.slow
def test_an_interrupt_before_anything_is_finished(tmp_path):
    arguments = run("--dataset", "breast_cancer", "--budget", "60s", "--output", tmp_path / "run")
    with command(*arguments, folder=tmp_path) as started:
        started.wait_until(lambda: "== data" in started.stderr)
        started.process.send_signal(signal.SIGINT)
        assert started.wait(SOON) == 130
        assert started.wait_until_gone(2) == {}
        assert "Traceback" not in started.stderr


def candidates_on_board(folder: Path) -> set[str]:
    """Rows of the leaderboard that are no ensembles."""
    return set(board(folder).filter(pl.col("family") != "ensemble")["trial_id"])


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_any_other(tmp_path):
    counted = ("--dataset", "penguins", "--trials", 16, "--seed", 1, "--families", f"{CHEAP},lightgbm,extra_trees")
    folder = tmp_path / "run"
    for folds in (8, 25):
        with command(*run(*counted), "--output", folder, folder=tmp_path / str(folds)) as started:
            searching(started, folder, folds)
            started.process.send_signal(signal.SIGKILL)
            started.wait(5)
            with (folder / "journal.jsonl").open("a") as journal:
                journal.write('{"event": "fold", "at": 17')
            for name in (f".fold-0.{folds}.tmp", f".fold-1.{folds}.old"):
                (folder / "trials" / "killed" / name).mkdir(parents=True)
            (folder / f".board.csv.{folds}.tmp").touch()
    carry_out(*counted, folder=tmp_path)
    assert len(finished_folds(folder)) == len(set(finished_folds(folder))), "a finished fold was fitted again"
    assert len(list(read_events(folder))) == len((folder / "journal.jsonl").read_text().splitlines())
    undisturbed = carry_out(*counted, "--engine", "local", folder=tmp_path / "undisturbed")
    assert board(folder).equals(board(undisturbed))
    assert leftovers(folder) == []


@pytest.mark.slow
def test_a_killed_command_takes_its_processes_along(endless):
    started, folder = endless
    searching(started, folder)
    started.process.send_signal(signal.SIGKILL)
    started.wait(5)
    time.sleep(10)
    assert not [name for name in started.alive.values() if "Agent" not in name]
    assert started.wait_until_gone(70) == {}, "Ray's agents try for a minute to say that Ray is gone"


@pytest.mark.slow
def test_a_larger_budget_goes_on(tmp_path):
    asked = ("--dataset", "penguins", "--families", CHEAP, "--engine", "local")
    folder = carry_out(*asked, "--budget", "14s", folder=tmp_path)
    first, folds = candidates_on_board(folder), finished_folds(folder)
    carry_out(*asked, "--budget", "28s", folder=tmp_path)
    assert first < candidates_on_board(folder)
    assert len(finished_folds(folder)) == len(set(finished_folds(folder)))
    assert set(folds) < set(finished_folds(folder))
    began = time.monotonic()
    carry_out(*asked, "--budget", "20s", folder=tmp_path)
    assert time.monotonic() - began < 10, "the answer was there already"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_board_by_every_engine(tmp_path):
    asked = ("--dataset", "iris", "--trials", 12, "--seed", 1, "--folds", 5)
    ways = {
        "local": ("--engine", "local"),
        "one": ("--cpus", 1),
        "two": ("--cpus", 2),
        "again": ("--cpus", 2),
        "tune": ("--engine", "tune"),
    }
    boards = {name: board(carry_out(*asked, *how, folder=tmp_path / name)) for name, how in ways.items()}
    assert boards["local"].height >= 12
    assert [name for name in ways if not boards[name].equals(boards["local"])] == []


@pytest.mark.slow
def test_tune_survives_its_fits(tmp_path, families_at_large):  # noqa: F811
    folder = tmp_path / "run"
    arguments = run("--dataset", "penguins", "--budget", "60s", "--families", "dummy,crashes,hangs,polite")
    arguments += ("--engine", "tune", "--output", folder)
    with command(*arguments, folder=tmp_path, PYTHONPATH=families_at_large) as started:
        assert started.wait(120) == 0, started.stderr
        assert started.wait_until_gone(2) == {}
    family = {candidate["trial_id"]: candidate["family"] for candidate in events(folder, "candidate")}
    folds = {name: [f for f in events(folder, "fold") if family[f["trial_id"]] == name] for name in family.values()}
    assert {fold["status"] for fold in folds["polite"]} == {"ok"}
    assert {fold["status"] for fold in folds["crashes"]} == {"error"}
    assert {fold["status"] for fold in folds["hangs"]} <= {"error", "timeout"}
