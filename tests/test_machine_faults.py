"""Machines that fall short: full disks, no network, few files, clocks that jump, folders that cannot be written to.

Each by a real command in real circumstances: file systems of a few megabytes, namespaces of its own, limits of the
kernel. What needs root is skipped without.
"""

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from processes import board, command, events, finished_folds, folds_by_workers

CHEAP = "dummy,naive_bayes,linear,knn,decision_tree"
RUN = ("run", "--no-track", "--dataset", "penguins", "--seed", 1, "--families", CHEAP)
COUNTED = (*RUN, "--trials", 6)


@functools.cache
def namespaces() -> bool:
    """Whether this process may make namespaces and mount file systems in them."""
    told = subprocess.run(["unshare", "-mn", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return told.returncode == 0


needs_root = pytest.mark.skipif("not namespaces()", reason="only root may mount file systems and make namespaces")


#: Some tests hide what temporary folders hold from the command, which could not be there itself.
elsewhere = pytest.mark.skipif(
    sys.prefix.startswith(("/tmp/", "/var/tmp/")), reason="what is tested lies in a temporary folder"
)


def after(*preparations: str, unshare: str = "-m") -> tuple[str, ...]:
    """What starts a command in a namespace of its own, in which something was done before."""
    return ("unshare", unshare, "sh", "-ec", "; ".join([*preparations, 'exec "$@"']), "sh")


def limited(limit: str) -> tuple[str, ...]:
    """What starts a command under a limit of the shell's."""
    return ("sh", "-ec", f'ulimit {limit}; exec "$@"', "sh")


def told(*arguments: object, folder: Path, code: int = 0, seconds: float = 120, **how) -> str:
    """Carry out a command to its end: what it told."""
    with command(*arguments, folder=folder, **how) as started:
        assert started.wait(seconds) == code, started.stderr
        assert "Traceback" not in started.stderr
        assert started.wait_until_gone(5) == {}
        return started.stderr


def size(folder: Path) -> int:
    """Kilobytes that a folder takes."""
    return int(subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True).stdout.split()[0])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    told(*COUNTED, "--engine", "local", "--output", folder / "run", folder=folder)
    return folder / "run"


@pytest.fixture
def disk(tmp_path):
    """Gives ``disk(kilobytes)``: a folder on a disk of that size; the same, larger, when it is called again."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kilobytes: int) -> Path:
        options = f"size={kilobytes}k" + (",remount" if os.path.ismount(folder) else "")
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)


# --- item 56: no room -------------------------------------------------------------------------------------------------


def assert_stopped_cleanly(err: str, folder: Path) -> None:
    """The command said what is full, and left a journal of whole lines in which no candidate is to blame."""
    assert re.search(rf"error: the run's folder {folder} must have room, .*Free are [\d,]+ MB in {folder}, ", err)
    assert "the same command again: it goes on where it was left" in err
    journal = folder / "journal.jsonl"
    for line in journal.read_bytes().splitlines(keepends=True) if journal.exists() else []:
        assert line.endswith(b"\n")
        json.loads(line)
    assert [fold["reason"] for fold in events(folder, "fold") if fold["status"] != "ok"] == []


@needs_root
@pytest.mark.parametrize(
    ("engine", "share"),
    [("local", 0.3), *(pytest.param(e, s, marks=pytest.mark.slow) for e, s in (("local", 0.8), ("ray", 0.5)))],
)
def test_item_56_disk_full(disk, undisturbed, tmp_path, engine, share):
    folder = disk(int(share * size(undisturbed))) / "run"
    asked = (*COUNTED, "--engine", engine, "--output", folder)
    err = told(*asked, folder=tmp_path / "first", code=1)
    assert_stopped_cleanly(err, folder)
    done = finished_folds(folder)
    disk(20 * size(undisturbed))
    told(*asked, folder=tmp_path / "again")
    assert finished_folds(folder)[: len(done)] == done
    assert sorted(finished_folds(folder)) == sorted(finished_folds(undisturbed))
    assert board(folder).equals(board(undisturbed))


@needs_root
def test_item_56_a_disk_without_any_room(disk, tmp_path):
    folder = disk(64)
    with contextlib.suppress(OSError), (folder / "filled").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    (folder / "filled").rename(folder / ".filled")
    err = told(*COUNTED, "--engine", "local", "--output", folder / "run", folder=tmp_path, code=1)
    assert "No space left on device" in err
    assert "search" not in err


def test_item_56_files_that_may_not_grow(undisturbed, tmp_path):
    """Quotas and limits: what may be written is less than what is free."""
    folder = tmp_path / "run"
    err = told(*COUNTED, "--engine", "local", "--output", folder, folder=tmp_path, code=1, within=limited("-f 40"))
    assert_stopped_cleanly(err, folder)
    assert "File too large" in err
    told(*COUNTED, "--engine", "local", "--output", folder, folder=tmp_path)
    assert board(folder).equals(board(undisturbed))


# --- item 57: folders that cannot be written to -----------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("output", [(), ("--output", "run")])
def test_item_57_read_only_folder(tmp_path, output):
    where = tmp_path / "place"
    where.mkdir()
    within = after(f"mount -t tmpfs -o ro tmpfs {where}", f"cd {where}")
    err = told(*COUNTED, *output, folder=tmp_path / "told", code=2, within=within)
    assert re.search(
        rf"error: the output folder must be writable, got '{where}/.*': Read-only file system.*--output", err
    )
    assert "== search" not in err


# --- item 60: the clock -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_item_60_clock_jumps(tmp_path, seconds):
    """Neither a budget nor what is left of it for the same command later takes notice."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading, time\n"
        "if sys.argv[0].endswith('bench'):\n"
        "    clock, begun = time.time, time.monotonic()\n"
        f"    time.time = lambda: clock() + ({seconds} if time.monotonic() > begun + 3 else 0)\n"
    )
    asked = (*RUN, "--engine", "local", "--output", tmp_path / "run")
    begun = time.monotonic()
    told(*asked, "--budget", "9s", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert 3.5 < time.monotonic() - begun < 12
    moments = [event["at"] for event in events(tmp_path / "run", "fold")]
    assert abs(max(moments) - min(moments)) > 80_000, "the clock has jumped while folds were fitted"
    before = len(finished_folds(tmp_path / "run"))
    begun = time.monotonic()
    told(*asked, "--budget", "19s", folder=tmp_path)
    assert 3 < time.monotonic() - begun < 13, "as long as the larger budget has left"
    assert len(finished_folds(tmp_path / "run")) > before
    assert max(event["spent"] for event in events(tmp_path / "run", "session")) < 22


# --- item 61: places that libraries count on --------------------------------------------------------------------------

FULL = "dd if=/dev/zero of=/tmp/filled bs=4k 2>/dev/null || true"
SMALL_TMP = ("mount -t tmpfs -o size=64k,noexec tmpfs /tmp", FULL, "export TMPDIR=/tmp")
PLACES = {
    "full and noexec /tmp, no home": after(*SMALL_TMP, "unset HOME"),
    "all at once": after(
        *SMALL_TMP, "mount -t tmpfs -o size=64k tmpfs /dev/shm", "mount -t tmpfs -o ro tmpfs /mnt", "export HOME=/mnt"
    ),
}


@needs_root
@elsewhere
@pytest.mark.parametrize(
    ("place", "engine"),
    [
        ("full and noexec /tmp, no home", "local"),
        pytest.param("all at once", "ray", marks=pytest.mark.slow),
    ],
)
def test_item_61_places_that_cannot_be_used(undisturbed, place, engine):
    with TemporaryDirectory(dir="/var/tmp") as name:  # away from what is mounted over
        folder = Path(name) / "run"
        asked = (*COUNTED, "--engine", engine, "--output", folder)
        with command(*asked, folder=Path(name), within=PLACES[place]) as started:
            assert started.wait() == 0, started.stderr
            assert engine == "local" or folds_by_workers(folder, started.process.pid)
            assert started.wait_until_gone(5) == {}
        assert board(folder).equals(board(undisturbed))


# --- items 62 and 63: what is never done ------------------------------------------------------------------------------

WATCH = """
import os, sys
def _watch(event, arguments):
    if event.startswith(("socket.", "os.fork")):
        with open({path!r}, "a") as file:
            print(os.getpid(), event, arguments, file=file)
sys.addaudithook(_watch)
"""


@pytest.fixture
def watched(tmp_path):
    """Folder for PYTHONPATH that has every Python process write down its forks and sockets, and where it does."""
    (tmp_path / "site").mkdir()
    path = tmp_path / "watched.txt"
    path.touch()
    (tmp_path / "site" / "sitecustomize.py").write_text(WATCH.format(path=str(path)))
    return str(tmp_path / "site"), path


def test_item_62_the_watch_sees_forks(watched):
    site, path = watched
    code = "import os; os.fork() or os._exit(0); import socket; socket.socket()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": site}, check=True)
    assert {line.split()[1] for line in path.read_text().splitlines()} == {"os.fork", "socket.__new__"}


@pytest.mark.slow
def test_item_62_nothing_forks(watched, tmp_path):
    """A fork of a process with threads (OpenMP's, torch's) waits for locks that nobody lets go of."""
    site, path = watched
    asked = (*RUN[:-1], f"{CHEAP},lightgbm,extra_trees", "--trials", 8)
    told(*asked, "--output", tmp_path / "run", folder=tmp_path, PYTHONPATH=site)
    assert "os.fork" not in path.read_text()


def test_item_63_importing_opens_no_socket(watched):
    site, path = watched
    code = "import bench; bench.run; bench.load_dataset; bench.load_run; import bench.cli.app, bench.spine"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": site}, check=True)
    assert path.read_text() == ""


@needs_root
@pytest.mark.parametrize(
    ("engine", "loopback"),
    [("local", "down"), pytest.param("ray", "up", marks=pytest.mark.slow)],
)
def test_item_63_no_network_and_few_open_files(undisturbed, tmp_path, engine, loopback):
    within = after(f"ip link set lo {loopback}", "ulimit -n 128", unshare="-n")
    err = told(*COUNTED, "--engine", engine, "--output", tmp_path / "run", folder=tmp_path, within=within)
    assert board(tmp_path / "run").equals(board(undisturbed))
    assert "Ray did not start" not in err
    assert "Only 128 files may be open at once, which may be too few; `ulimit -n 4096` allows more." in err


# --- item 66 and limits: what there is too little of ------------------------------------------------------------------


def test_the_limit_of_open_files_is_raised_as_far_as_allowed(tmp_path):
    code = (
        "import resource; from bench.environment import allow_files;"
        "print(allow_files() == '', resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    shell = ["sh", "-c", 'ulimit -Sn 100 && ulimit -Hn 2000 && exec "$@"', "sh", sys.executable, "-c", code]
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split() == ["True", "2000"]


@needs_root
@elsewhere
def test_item_66_no_place_for_ray(undisturbed):
    within = after("for place in /tmp /var/tmp; do mount -t tmpfs -o ro tmpfs $place; done")
    with TemporaryDirectory(dir="/dev/shm", prefix="a-long-name-for-sockets-") as name:
        err = told(*COUNTED, "--output", Path(name) / "run", folder=Path(name), within=within)
        assert re.search(r"Ray did not start \(.*Read-only file system.*\); going on in this process", err)
        assert board(Path(name) / "run").equals(board(undisturbed))


@needs_root
@pytest.mark.slow
def test_item_66_ray_cannot_start(undisturbed, tmp_path):
    """Its server ends as soon as it is started; Ray waits for it for half a minute."""
    from importlib.util import find_spec

    server = Path(find_spec("ray").origin).parent / "core" / "src" / "ray" / "gcs" / "gcs_server"
    within = after(f"mount --bind /bin/false {server}")
    err = told(*COUNTED, "--output", tmp_path / "run", folder=tmp_path, within=within)
    assert re.search(r"Ray did not start \(.+\); going on in this process, as with --engine local\.", err)
    assert board(tmp_path / "run").equals(board(undisturbed))


# --- item 70: warnings ------------------------------------------------------------------------------------------------


def test_item_70_a_flood_of_warnings_is_counted(tmp_path):
    """Each fit warns a thousand times: of that, the run tells one line."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys, warnings\n"
        "class ConvergenceWarning(UserWarning): pass\n"
        "def find_spec(name, path=None, target=None):\n"
        "    if name == 'bench.trial':\n"
        "        import bench.families.naive_bayes as module\n"
        "        fit = module.NaiveBayesEstimator.fit\n"
        "        def noisy(self, *a, **k):\n"
        "            for _ in range(1000): warnings.warn('does not converge', ConvergenceWarning)\n"
        "            return fit(self, *a, **k)\n"
        "        module.NaiveBayesEstimator.fit = noisy\n"
        "class Finder: find_spec = staticmethod(find_spec)\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    asked = ("run", "--no-track", "--dataset", "penguins", "--trials", 2, "--families", "dummy,naive_bayes")
    asked += ("--folds", 2, "--repeats", 1, "--engine", "local", "--output", tmp_path / "run")
    err = told(*asked, folder=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert "Fits raised warnings, which journal.jsonl counts by fold: naive_bayes (2,000 ConvergenceWarning)." in err
    assert err.count("ConvergenceWarning") == 1
    counted = [fold["warned"] for fold in events(tmp_path / "run", "fold")]
    assert counted.count({"ConvergenceWarning": 1000}) == 2
