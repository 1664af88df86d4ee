"""What travels from machines that do not share the run folder, the folders they work in, and the stacks they leave."""

import subprocess
import sys
import tempfile

import pytest

from bench import scratch
from bench.parcel import pack, unpack
from bench.scratch import Scratch
from bench.stacks import read_end, stack_file, stack_kept
from bench.store import building, intact


def test_what_a_fold_leaves_arrives_whole(tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    fold, recipe = there / "trials" / "a" / "fold-0", there / "recipes" / "trees-1" / "fold-0"
    for folder in (fold, recipe):
        with building(folder) as temporary:
            (temporary / "inner").mkdir()
            (temporary / "inner" / "model").write_bytes(b"\x00model")
            (temporary / "classes.txt").write_text("0 1")
    stack = stack_file(there, "a", 1)
    stack.write_text("traceback")
    parcel = pack(there, [fold, recipe, stack, there / "trials" / "a" / "gone"])
    unpack(parcel, here)
    unpack(parcel, here)
    assert pack(here, [here]) == parcel
    assert intact(here / "trials" / "a" / "fold-0")
    assert intact(here / "recipes" / "trees-1" / "fold-0")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_last_one_clears_the_scratch_folder_away(place):
    first, second = Scratch("run"), Scratch("run")
    assert first.folder == second.folder
    (first.folder / "encoded").touch()
    first.leave()
    assert (second.folder / "encoded").exists()
    second.leave()
    assert list(place.iterdir()) == []


def test_scratch_of_the_dead_is_cleared_by_the_next(place):
    code = "import os, tempfile; from bench.scratch import Scratch; Scratch('old'); os._exit(1)"
    subprocess.run([sys.executable, "-c", code], env={"TMPDIR": str(place), "PATH": ""}, check=False)
    assert (place / f"{scratch._PREFIX}old").is_dir()
    held = Scratch("new")
    assert {path.name for path in place.iterdir()} == {f"{scratch._PREFIX}new", f"{scratch._PREFIX}new.lock"}
    held.leave()


def test_a_fit_that_ends_well_leaves_no_stack(tmp_path):
    path = stack_file(tmp_path, "a", 0)
    with stack_kept(path, 60):
        pass
    assert not path.exists()
    assert read_end(path) == ""


@pytest.mark.parametrize(
    ("deed", "end"),
    [
        ("ctypes.string_at(0)", "Segmentation fault"),
        ("os.abort()", "Aborted"),
        ("ctypes.PyDLL(None).sleep(60)", "hung"),
        ("os.kill(os.getpid(), 9)", ""),
    ],
)
def test_the_stack_tells_how_a_process_ended(tmp_path, deed, end):
    path = stack_file(tmp_path, "a", 0)
    code = (
        "import ctypes, os, pathlib; from bench.stacks import stack_kept\n"
        f"with stack_kept(pathlib.Path({str(path)!r}), 1):\n    {deed}"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode != 0
    assert read_end(path) == end
    assert ("File " in path.read_text()) == bool(end)
