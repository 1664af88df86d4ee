"""The run folder: one owner, whole files, a journal that survives being torn."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import StoreError
from bench.release import version
from bench.store import (
    FORMAT,
    SUMS,
    RunStore,
    building,
    fold_folder,
    read_events,
    read_json,
    read_predictions,
    replacing,
    storage_fault,
    write_json,
    write_predictions,
    write_text,
)


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "run", "abc")
    yield store
    store.close()


def test_a_second_owner_is_told_who_holds_the_folder(store):
    with pytest.raises(StoreError, match=rf"is in use by process {os.getpid()} on \S+\. Wait for it"):
        RunStore(store.folder, "abc")


def test_another_process_is_refused_too(store):
    code = f"from pathlib import Path; from bench.store import RunStore; RunStore(Path({str(store.folder)!r}), 'abc')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"is in use by process {os.getpid()}" in done.stderr


def test_a_closed_folder_opens_again_with_what_it_held(tmp_path):
    for number in range(3):
        store = RunStore(tmp_path / "run", "abc")
        assert [event["number"] for event in store.events()] == list(range(number))
        store.append({"number": number})
        store.close()


def test_a_refused_folder_is_let_go(tmp_path):
    RunStore(tmp_path, "abc").close()
    with pytest.raises(StoreError, match=r"another run \(identity\.json says abc, this one is xyz\).*--output"):
        RunStore(tmp_path, "xyz")
    RunStore(tmp_path, "abc").close()


def test_a_broken_identity_is_told_and_the_folder_let_go(tmp_path):
    (tmp_path / "identity.json").write_text("{")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"identity\.json must be a file written by `bench run`"):
            RunStore(tmp_path, "abc")


def test_a_folder_with_other_things_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"must be new, empty or of the same run; .* holds 'thesis\.tex'"):
        RunStore(tmp_path, "abc")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("leftover", [".lock", ".identity.json.77.tmp", ".DS_Store"])
def test_hidden_leftovers_do_not_make_a_folder_foreign(tmp_path, leftover):
    (tmp_path / leftover).write_text("process 77 on elsewhere")
    RunStore(tmp_path, "abc").close()
    assert read_json(tmp_path / "identity.json") == {"identity": "abc", "format": FORMAT, "bench": version()}


@pytest.mark.parametrize("inside", ["", "run"])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path, inside):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"the output folder must be writable, got '.*file.*': .*--output"):
        RunStore(tmp_path / "file" / inside, "abc")


def test_a_journal_that_cannot_be_opened_is_told(tmp_path):
    RunStore(tmp_path, "abc").close()
    (tmp_path / "journal.jsonl").unlink()
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(StoreError, match="must be writable"):
        RunStore(tmp_path, "abc")


# --- the journal --------------------------------------------------------------------------------------------------


def test_events_are_on_disk_at_once(store):
    store.append({"event": "fold", "score": np.float64(0.5), "n": np.int64(3), "bad": float("nan"), "t": (1, 2)})
    assert list(read_events(store.folder)) == [{"event": "fold", "score": 0.5, "n": 3, "bad": None, "t": [1, 2]}]


@pytest.mark.parametrize("text", ["Größe", "a\nb\r\u2028c", "file-\udcff.csv", "日本"])
def test_any_text_comes_back(store, text):
    store.append({"reason": text})
    store.append({"reason": "next"})
    assert [event["reason"] for event in store.events()] == [text, "next"]


@given(cut=st.integers(1, 200), text=st.text(max_size=20))
def test_a_torn_last_line_is_dropped_and_the_next_append_is_clean(tmp_path_factory, cut, text):
    folder = tmp_path_factory.mktemp("torn")
    store = RunStore(folder, "abc")
    for number in range(4):
        store.append({"number": number, "text": text})
    store.close()
    journal = folder / "journal.jsonl"
    content = journal.read_bytes()
    journal.write_bytes(content[: max(0, len(content) - cut)])
    whole = [{"number": number, "text": text} for number in range(journal.read_bytes().count(b"\n"))]
    assert list(read_events(folder)) == whole
    store = RunStore(folder, "abc")
    assert list(store.events()) == whole
    store.append({"number": "after"})
    assert list(store.events()) == [*whole, {"number": "after"}]
    store.close()


def test_a_folder_without_a_journal_has_no_events(tmp_path):
    assert list(read_events(tmp_path)) == []


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": float("nan"), "b": [float("inf"), -float("inf"), 1.5]}, {"a": None, "b": [None, None, 1.5]}),
        ({1: np.float32(0.5), "n": np.int8(3), "t": np.bool_(True)}, {"1": 0.5, "n": 3, "t": True}),
        ([np.float64("nan"), (1, "x"), None], [None, [1, "x"], None]),
        ({"name": "Ü\udcff"}, {"name": "Ü\udcff"}),
    ],
)
def test_json_comes_back_with_null_for_what_it_cannot_spell(tmp_path, content, expected):
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == expected


def test_json_is_readable_for_people(tmp_path):
    write_json(tmp_path / "x.json", {"name": "Größe"})
    assert "Größe" in (tmp_path / "x.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, "", "{", "\xff"])
def test_reading_a_broken_file_says_which(tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_text(content, encoding="latin-1")
    with pytest.raises(StoreError, match=r"x\.json must be a file written by `bench run`; reading it failed"):
        read_json(tmp_path / "x.json")


_CUT_SHORT = """
import resource, sys
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    {write}
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "write", ["np.save(sys.argv[1], np.zeros(2000))", "open(sys.argv[1], 'wb').write(bytes(9000))"]
)
def test_a_write_cut_short_is_the_fault_of_the_disk_however_it_is_told(tmp_path, write):
    told = subprocess.run(
        [sys.executable, "-c", _CUT_SHORT.format(write=write), tmp_path / "written.npy"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told
    assert storage_fault(told)


def test_replacing_leaves_the_old_content_when_the_block_fails(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]


def fill(folder: Path, content: str) -> None:
    with building(folder) as temporary:
        (temporary / "model").write_text(content)


def test_building_leaves_the_old_folder_when_the_block_fails(tmp_path):
    folder = tmp_path / "deep" / "fold-0"
    fill(folder, "old")
    with pytest.raises(RuntimeError), building(folder) as temporary:
        (temporary / "model").write_text("half")
        raise RuntimeError
    assert (folder / "model").read_text() == "old"
    fill(folder, "new")
    assert (folder / "model").read_text() == "new"
    assert [entry.name for entry in folder.parent.iterdir()] == ["fold-0"]


def test_building_takes_no_notice_of_what_a_killed_process_left(tmp_path):
    folder = tmp_path / "fold-0"
    fill(folder, "old")
    for suffix in ("tmp", "old"):
        leftover = tmp_path / f".fold-0.{os.getpid()}.{suffix}"
        leftover.mkdir()
        (leftover / "junk").write_text("x")
    fill(folder, "new")
    assert {path.name for path in tmp_path.rglob("*")} == {"fold-0", "model", SUMS}
    assert (folder / "model").read_text() == "new"


def test_building_where_another_process_was_first_is_fine(tmp_path):
    folder = tmp_path / "fold-0"
    with building(folder) as temporary:
        (temporary / "model").write_text("same")
        folder.mkdir()
        (folder / "model").write_text("same")
    assert (folder / "model").read_text() == "same"
    assert [entry.name for entry in tmp_path.iterdir()] == ["fold-0"]


def _fill_often(folder: Path) -> None:
    for _ in range(100):
        fill(folder, "same")


def test_concurrent_builders_do_not_disturb_each_other(tmp_path):
    folder = tmp_path / "fold-0"
    other = multiprocessing.get_context("spawn").Process(target=_fill_often, args=(folder,))
    other.start()
    while other.is_alive():
        fill(folder, "same")
    other.join()
    assert other.exitcode == 0
    assert (folder / "model").read_text() == "same"
    assert [entry.name for entry in tmp_path.iterdir()] == ["fold-0"]


def test_a_built_folder_that_is_not_there_in_the_end_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), building(tmp_path / "fold-0") as temporary:
        temporary.rmdir()


def test_predictions_come_back(tmp_path):
    folder = fold_folder(tmp_path, "abc", 3)
    assert folder == tmp_path / "trials" / "abc" / "fold-3"
    folder.mkdir(parents=True)
    valid, test = np.random.default_rng(0).random((5, 2)), np.empty((0, 2))
    write_predictions(folder, valid=valid, test=test)
    again = read_predictions(folder)
    assert np.array_equal(again[0], valid)
    assert again[1].shape == (0, 2)
