"""A Ray cluster of one node on this machine with its dashboard, of which no process is left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster import free_port

BIN = Path(sys.executable).parent
#: Names an environment variable by which all that was started with it is told, whatever session it is in.
MARK = "BENCH_TEST_CLUSTER"


def clean_environment(mark: str, **more: str) -> dict[str, str]:
    """This process's environment without Ray's settings; commands of this environment are found."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return inherited | {"PATH": path, "NO_COLOR": "1", "RAY_USAGE_STATS_ENABLED": "0", MARK: mark} | more


def marked(mark: str) -> dict[int, str]:
    """Processes that are alive and were started with a mark, with what they are called."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            process = int(folder.name)
            if f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                found[process] = (folder / "cmdline").read_text().replace("\0", " ").strip()
    return found


def end_marked(mark: str) -> None:
    """End all processes of a mark, by their numbers."""
    while alive := marked(mark):
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A cluster that runs: its dashboard, and the folder that its commands are carried out in."""

    address: str
    folder: Path


@contextlib.contextmanager
def one_node(**environment: str) -> Iterator[Cluster]:
    """Start a head node; ``environment`` says how, such as RAY_AUTH_MODE."""
    folder = Path(tempfile.mkdtemp(prefix="rc-", dir="/tmp"))
    port = free_port()
    options = {
        "port": 0,
        "node-ip-address": "127.0.0.1",
        "dashboard-port": port,
        "dashboard-agent-listen-port": free_port(),
        "ray-client-server-port": free_port(),
        "min-worker-port": 0,
        "max-worker-port": 0,
        "temp-dir": folder,
        "num-cpus": 1,
        "object-store-memory": 100 * 2**20,
    }
    words = [BIN / "ray", "start", "--head", "--include-dashboard=true", *(f"--{k}={v}" for k, v in options.items())]
    mark = str(folder)
    try:
        done = subprocess.run(
            words, cwd=folder, env=clean_environment(mark, **environment), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield Cluster(address=f"http://127.0.0.1:{port}", folder=folder)
    finally:
        end_marked(mark)
        shutil.rmtree(folder, ignore_errors=True)
