"""What may happen to the command itself: killed at any moment, signalled, doubled, its files damaged.

Numbers of items are those of the list of faults that the tests of files, types and splits count by, too.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import table
from processes import board, command, events, finished_folds, folds_by_workers, leftovers, processes_of
from ray_fixture import families_at_large  # noqa: F401 - a fixture

from bench.leaderboard import load_leaderboard
from bench.store import FORMAT, read_events

CHEAP = "dummy,naive_bayes,linear,knn,decision_tree"
COUNTED = ("run", "--dataset", "penguins", "--trials", 8, "--seed", 1, "--families", CHEAP, "--engine", "local")
#: What a signal leaves a run.
SOON = 10


def carry_out(folder: Path, *more: object, code: int = 0, **how) -> str:
    """Run the counted request to its end, and give what it told."""
    with command(*COUNTED, "--no-track", *more, "--output", folder, folder=folder.parent / "told", **how) as started:
        assert started.wait() == code, started.stderr
        assert "Traceback" not in started.stderr
        assert started.wait_until_gone(3) == {}
        return started.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a counted run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    carry_out(folder)
    return folder


@pytest.fixture
def copy(undisturbed, tmp_path) -> Path:
    """A copy of it, to be damaged; models of the predictor are the trials' own files, as in the original."""
    subprocess.run(["cp", "-a", undisturbed, tmp_path / "run"], check=True)
    return tmp_path / "run"


# --- item 54: killed ------------------------------------------------------------------------------------------------

#: Stages by what tells that they have begun: a line on stderr, or a stage before it in the journal.
TOLD = ("data", "audit", "search", "ensembles", "leaderboard", "predictor", "analysis", "report")
WRITTEN = {"tracking": "report", "finish": "tracking"}
#: Seconds into a stage, at most.
WITHIN = {"data": 0.4, "audit": 0.1, "search": 1.5, "predictor": 0.2, "report": 0.1, "finish": 0.0}


def in_stage(started, folder: Path, stage: str, before: int) -> bool:
    """Whether a command is in a stage, or past it; ``before`` counts the stages that others have written down."""
    if stage in TOLD:
        return f"== {stage}" in started.stderr
    return any(event["name"] == WRITTEN[stage] for event in events(folder, "stage")[before:])


#: Which runs are killed where, one after the other: twenty moments, each stage twice but for those of tracked runs.
KILLED = (
    ("data", "search", "leaderboard", "analysis", "tracking"),
    ("audit", "ensembles", "predictor", "report", "finish"),
    ("data", "search", "search", "ensembles", "predictor"),
    ("audit", "search", "leaderboard", "analysis", "report"),
)


def killed_in(stage: str, seconds: float, asked: tuple, folder: Path, place: Path) -> bool:
    """Start the command and kill it so many seconds into a stage; False where it was quicker than that."""
    before = len(events(folder, "stage"))
    with command(*asked, "--output", folder, folder=place) as started:
        while started.process.poll() is None and not in_stage(started, folder, stage, before):
            time.sleep(0.002)
        time.sleep(seconds)
        started.process.kill()
        return started.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("engine", "killed"), [("local", KILLED), ("ray", KILLED[1:3])])
def test_item_54_killed_at_twenty_moments_of_every_stage_and_ten_beside_ray(engine, killed, undisturbed, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)
    moments = random.Random(seed)
    landed = []
    for number, stages in enumerate(killed):
        folder, place = tmp_path / f"run-{number}", tmp_path / f"told-{number}"
        asked = (*COUNTED, "--engine", engine, *(() if stages[-1] in WRITTEN else ("--no-track",)))
        for stage in stages:
            seconds = moments.uniform(0, WITHIN.get(stage, 0.05))
            landed += [stage] if killed_in(stage, seconds, asked, folder, place) else []
            damage(folder, moments)
            assert len(finished_folds(folder)) == len(set(finished_folds(folder))), f"seed {seed}: fitted twice"
        with command(*asked, "--output", folder, folder=place) as started:
            assert started.wait() == 0, f"seed {seed}: {started.stderr}"
        assert sorted(finished_folds(folder)) == sorted(finished_folds(undisturbed)), f"seed {seed}"
        assert board(folder).equals(board(undisturbed)), f"seed {seed}"
        assert len(list(read_events(folder))) == len((folder / "journal.jsonl").read_bytes().splitlines())
        assert leftovers(folder) == []
    print("landed", landed)
    assert len(landed) >= 0.9 * sum(map(len, killed)), landed  # the last stage takes a few milliseconds


def damage(folder: Path, moments: random.Random) -> None:
    """Leave behind what a kill may: a torn line, half of a file under its temporary name, half of a fold."""
    if not (folder / "journal.jsonl").exists() or (folder / "DONE").exists():
        return
    if moments.random() < 0.5:
        with (folder / "journal.jsonl").open("a") as journal:
            journal.write('{"event": "fold", "at": 17')
    (folder / f".leaderboard.json.{moments.randrange(10**5)}.tmp").write_text('{"rows": [')
    (folder / "trials" / "gone" / f".fold-0.{moments.randrange(10**5)}.tmp").mkdir(parents=True)


# --- item 58: two commands ------------------------------------------------------------------------------------------


def test_item_58_a_second_command_is_told_who_holds_the_folder(tmp_path):
    folder = tmp_path / "run"
    asked = (*COUNTED[:4], 400, *COUNTED[5:], "--no-track")
    with command(*asked, "--output", folder, folder=tmp_path / "first") as first:
        first.wait_until(lambda: finished_folds(folder))
        with command(*asked, "--output", folder, folder=tmp_path / "second") as second:
            assert second.wait() == 2
        assert f"{folder} is in use by process {first.process.pid} on {os.uname().nodename}" in second.stderr
        before = len(finished_folds(folder))
        first.wait_until(lambda: len(finished_folds(folder)) > before)
        first.process.kill()
        first.wait()
        assert (folder / ".lock").read_text().startswith(f"process {first.process.pid} ")
        with command(*asked, "--output", folder, folder=tmp_path / "third") as third:  # a stale lock is taken over
            third.wait_until(lambda: len(finished_folds(folder)) > before + 20)


# --- item 59: damage ------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """Turn a bit in the middle of a file, in place, so that hard links to it change, too."""
    with path.open("r+b") as file:
        middle = path.stat().st_size // 2
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 1]))


def found(folder: Path, pattern: str) -> Path:
    """The first file of a pattern, in which a kind of row may stand for its id."""
    ids = {row["origin"]: row["trial_id"] for row in load_leaderboard(folder).frame.to_dicts()}
    pattern = pattern.replace("/ensemble/", f"/{ids['ensemble']}/").replace("/candidate/", f"/{ids['baseline']}/")
    return min(folder.glob(pattern))


#: What is damaged, and what the next command tells of it.
DAMAGE = {
    "journal.jsonl": "journal.jsonl, 1 lines were damaged; what they told of is done again",
    "leaderboard.json": "leaderboard.json is missing or was altered since it was written. The answer is made again",
    "targets.npy": "targets.npy is missing or was altered",
    "sealed/test_labels.npy": "test_labels.npy is missing or was altered",
    "predictor/manifest.json": "manifest.json is missing or was altered",
    "predictor/trials/*/fold-2/model*": "was fitted again: its models had been evicted .*, or damaged",
    "predictor/recipes/*/fold-2/recipe*": "was fitted again",
    "trials/candidate/fold-3/predictions.npz": "Predictions of 1 folds below .* are damaged or gone; they are fitted",
    "trials/ensemble/fold-3/predictions.npz": "predictions.npz must be as it was written, .* The answer is made again",
    "DONE": "was altered|must be a file|must list",
}


@pytest.mark.parametrize(
    "pattern", [pytest.param(name, marks=() if name == "journal.jsonl" else pytest.mark.slow) for name in DAMAGE]
)
def test_item_59_a_bit_that_turned_is_found_and_made_good(cli, copy, undisturbed, pattern):
    flip(found(copy, pattern))
    told = cli(*COUNTED, "--no-track", "--output", copy)
    assert told.code == 0
    assert re.search(DAMAGE[pattern], told.err)
    assert board(copy).equals(board(undisturbed))
    assert "This run is complete" in cli(*COUNTED, "--no-track", "--output", copy).err


@pytest.mark.parametrize(
    "line", [b"garbage", b'{"event": "fold"}', b"[1]", b'{"event": "candidate", "at": 1}', b"\xff\xfe\x00", b""]
)
def test_item_59_a_line_of_garbage_in_the_journal(cli, copy, line):
    lines = (copy / "journal.jsonl").read_bytes().split(b"\n")
    lines[len(lines) // 2] = line
    (copy / "journal.jsonl").write_bytes(b"\n".join(lines))
    assert len(list(read_events(copy))) == len(lines) - 2
    told = cli("report", copy)
    assert told.code == 0, told.err


@pytest.mark.parametrize("verb", ["predict", "leaderboard"])
def test_item_59_other_commands_name_the_damaged_file(cli, copy, verb, tmp_path):
    (tmp_path / "rows.csv").write_text("island\nBiscoe\n")
    damaged = {"predict": "predictor/predictor.json", "leaderboard": "sealed/test_labels.npy"}[verb]
    flip(copy / damaged)
    words = {
        "predict": [tmp_path / "rows.csv", "--output", tmp_path / "told.csv"],
        "leaderboard": ["--metric", "brier"],
    }
    told = cli(verb, copy, *words[verb])
    assert (told.code, Path(damaged).name in told.err) == (2, True)
    assert "altered since it was written. Run the same `bench run` again." in told.err


# --- items 68 and 69: versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "bench"), [(FORMAT + 1, "9.9.0"), (None, None)])
def test_item_68_a_folder_of_another_version_is_refused_with_both(copy, form, bench):
    path = copy / "identity.json"
    content = json.loads(path.read_text())
    del content["format"], content["bench"]
    path.write_text(json.dumps(content | ({"format": form, "bench": bench} if form else {})))
    before = sorted(copy.rglob("*"))
    told = carry_out(copy, code=2)
    assert f"was written by bench {bench or 'of an earlier version'} in format {form or 0}; bench " in told
    assert "Choose another folder with --output" in told
    assert sorted(copy.rglob("*")) == before


def test_item_69_another_version_of_a_library_is_told(copy, caplog):
    from bench.identity import file_digest
    from bench.predictor import load_predictor

    load_predictor(copy)
    assert caplog.text == ""
    path, manifest = copy / "predictor" / "predictor.json", copy / "predictor" / "manifest.json"
    content = json.loads(path.read_text())
    assert {"bench", "numpy", "polars"} < content["versions"].keys()
    content["versions"] |= {"numpy": "1.0.0", "no-such-library": "3.1"}
    path.write_text(json.dumps(content))
    files = json.loads(manifest.read_text())
    files["files"]["predictor.json"] = file_digest(path)
    manifest.write_text(json.dumps(files))
    load_predictor(copy)
    assert "was fitted with numpy 1.0.0 (here " in caplog.text
    assert "no-such-library 3.1 (here not installed)" in caplog.text


# --- item 55: signals -----------------------------------------------------------------------------------------------


def sockets_of(session: int) -> set[str]:
    """Sockets that processes of a session listen on, in all families."""
    told = subprocess.run(["ss", "-Hlnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line for line in told if any(f"pid={process}," in line for process in processes_of(session))}


def shared() -> set[str]:
    """Segments of shared memory."""
    return set(os.listdir("/dev/shm"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("times", [1, 2])
def test_item_55_a_signal_leaves_nothing_behind(number, code, times, tmp_path, families_at_large):  # noqa: F811
    folder, before = tmp_path / "run", shared()
    asked = ("run", "--no-track", "--dataset", "penguins", "--budget", "10m", "--families", "dummy,polite")
    with command(*asked, "--output", folder, folder=tmp_path, PYTHONPATH=families_at_large) as started:
        started.wait_until(lambda: len(folds_by_workers(folder, started.process.pid)) >= 3)
        if shutil.which("ss"):
            assert sockets_of(started.process.pid)
        assert list(started.temporary.iterdir())
        began = time.monotonic()
        for _ in range(times):
            started.process.send_signal(number)
            started.wait_until(lambda: "stopping" in started.stderr) if times == 2 else None
        assert started.wait(SOON) == code
        assert time.monotonic() - began < (SOON if times == 1 else 3)
        assert (folder / "leaderboard.csv").exists() or times == 2
        assert started.wait_until_gone(5) == {}
        if shutil.which("ss"):
            assert sockets_of(started.process.pid) == set()
        assert list(started.temporary.iterdir()) == []
        assert shared() <= before


@pytest.mark.slow
def test_item_55_what_follows_the_search_is_cut_short(tmp_path):
    """A counted run has no clock that would end a stage: its ensembles take 15 s here, undisturbed."""
    table("multiclass", rows=13_000).write_parquet(tmp_path / "large.parquet")
    asked = ("run", "--no-track", "--dataset", tmp_path / "large.parquet", "--target", "y", "--trials", 24)
    asked += ("--engine", "local", "--families", "dummy,naive_bayes,decision_tree", "--folds", 20)
    with command(*asked, "--metric", "f1_macro", "--output", tmp_path / "run", folder=tmp_path) as started:
        started.wait_until(lambda: "== ensembles" in started.stderr)
        began = time.monotonic()
        started.process.send_signal(signal.SIGINT)
        assert started.wait(30) == 130
        assert time.monotonic() - began < SOON
        assert (tmp_path / "run" / "leaderboard.csv").exists()
        assert (tmp_path / "run" / "report.html").exists()
        assert "ended before all was written" not in started.stderr


def test_item_55_what_takes_too_long_after_a_signal_is_ended():
    code = """
import os, signal, time
from bench.cli import interrupts
interrupts._LAST_SECONDS = 0.5
with interrupts.Interrupts():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""
    begun = time.monotonic()
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert told.returncode == 143
    assert time.monotonic() - begun < 10
    assert told.stderr.splitlines()[-1] == "ended before all was written; the same command goes on."


def test_an_interrupt_within_a_finaliser_is_not_lost():
    code = """
import os, signal, time
from bench.cli.interrupts import insisting
class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
try:
    with insisting():
        Interrupted()
        time.sleep(30)
except KeyboardInterrupt:
    print("left")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert told.stdout == "left\n"
    assert "Exception ignored" in told.stderr
