"""Runs of the installed command in a session of their own, so that every process a run starts can be told and ended."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

BENCH = Path(sys.executable).with_name("bench")
#: Columns of a leaderboard that are measured, and so differ from run to run.
COST = ("fit_seconds", "predict_seconds", "predict_seconds_per_1000", "peak_memory_mb")


def processes_of(session: int) -> dict[int, str]:
    """Processes of a session that are alive, with what they are called."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
    return found


class Command:
    """``bench`` with some arguments; stdout and stderr go to files, as they would to a user who looks later."""

    def __init__(self, *arguments: object, folder: Path, within: Sequence[str] = (), **environment: str) -> None:
        """Start it; ``folder`` is where it is started and is given what it prints, ``within`` a command that starts it.

        Families that this process discovers by PYTHONPATH are unknown to it, unless ``environment`` says so.
        """
        self.temporary = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))  # a short path, for the sockets below it
        folder.mkdir(parents=True, exist_ok=True)
        self._stdout, self._stderr = folder / "stdout.txt", folder / "stderr.txt"
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        variables = inherited | {"NO_COLOR": "1", "TMPDIR": str(self.temporary)} | environment
        with self._stdout.open("w") as out, self._stderr.open("w") as err:
            self.process = subprocess.Popen(
                [*within, BENCH, *map(str, arguments)],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text()

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    @property
    def alive(self) -> dict[int, str]:
        """Processes of the command, its own included."""
        return processes_of(self.process.pid)

    def named(self, word: str) -> list[int]:
        """Processes of the command with a word in their name."""
        return [process for process, name in self.alive.items() if word in name]

    def wait(self, seconds: float = 120) -> int:
        """Wait until the command has ended, and give its exit code."""
        return self.process.wait(seconds)

    def wait_until(self, condition, seconds: float = 90) -> None:
        """Wait until something holds while the command runs."""
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.stderr}"
            assert time.monotonic() < until, f"waited in vain: {self.stderr}"
            time.sleep(0.05)

    def wait_until_gone(self, seconds: float) -> dict[int, str]:
        """Wait until no process of the command is left; gives those that are."""
        until = time.monotonic() + seconds
        while (alive := self.alive) and time.monotonic() < until:
            time.sleep(0.1)
        return alive

    def signal_group(self, number: int) -> None:
        """Send a signal as a terminal does: to the command and to all that it started in its process group."""
        os.killpg(self.process.pid, number)

    def clean(self) -> None:
        """End what is left, by its number."""
        for process in self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(10)
        shutil.rmtree(self.temporary, ignore_errors=True)


@contextlib.contextmanager
def command(*arguments: object, folder: Path, within: Sequence[str] = (), **environment: str) -> Iterator[Command]:
    """Start ``bench``, and end all of it when the block is over."""
    started = Command(*arguments, folder=folder, within=within, **environment)
    try:
        yield started
    finally:
        started.clean()


def events(folder: Path, event: str) -> list[dict]:
    """Lines of one kind in a run's journal; a last line under way is left out."""
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [json.loads(line) for line in lines if line.endswith("\n")]
    return [line for line in whole if line["event"] == event]


def folds_by_workers(folder: Path, driver: int) -> list[dict]:
    """Folds that went well in another process than the driver."""
    return [fold for fold in events(folder, "fold") if fold["worker"] and not fold["worker"].endswith(f":{driver}")]


def board(folder: Path) -> pl.DataFrame:
    """A run's leaderboard without what is measured."""
    return pl.read_csv(folder / "leaderboard.csv", infer_schema_length=None).drop(COST)


def finished_folds(folder: Path) -> list[tuple[str, int]]:
    """Folds that went well, in whichever session."""
    return [(fold["trial_id"], fold["fold"]) for fold in events(folder, "fold") if fold["status"] == "ok"]


def leftovers(folder: Path) -> list[str]:
    """What only a search needs, or a write that was cut short has left."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return [name for name in names if name.endswith((".tmp", ".old")) or name == "cache"]
