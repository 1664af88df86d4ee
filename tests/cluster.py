"""Ray clusters of real raylets on this machine; each node a session of processes of its own, which can be ended."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from network import Host
from processes import processes_of

RAY = Path(sys.executable).with_name("ray")
PYTHON = sys.executable


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Cluster:
    """A head without cores, and nodes that come and go.

    `address` is where commands join it, `client` where they do without being one of its nodes, if it is to have that.
    """

    def __init__(self, address: str = "127.0.0.1", *, client: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="c-", dir="/tmp"))
        self.address = f"{address}:{free_port()}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self.environment |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment |= {"RAY_health_check_period_ms": "500", "RAY_health_check_timeout_ms": "1000"}
        self.nodes: list[subprocess.Popen] = []
        head = ["--head", "--port", self.address.rpartition(":")[2], "--include-dashboard=false"]
        head += ["--node-ip-address", address, "--temp-dir", str(self.folder)]
        if client:
            port = free_port()
            self.client = f"ray://{address}:{port}"
            head += ["--ray-client-server-port", str(port)]
        self._start(*head, cpus=0, gpus=0, hide=None, host=None, more={})
        self.wait_for(0)

    def add(
        self, *, cpus: int = 2, gpus: int = 0, hide: Path | None = None, host: Host | None = None, **more: str
    ) -> subprocess.Popen:
        """Start a node, which sees nothing of what lies below ``hide`` and has ``more`` in its environment.

        It is on this machine, or on a ``host`` of `network`.
        """
        node = self._start("--address", self.address, cpus=cpus, gpus=gpus, hide=hide, host=host, more=more)
        until = time.monotonic() + 90
        while "Ray runtime started" not in self._log(node).read_text():  # two at once would take the same sockets
            assert node.poll() is None, self.logs()
            assert time.monotonic() < until, self.logs()
            time.sleep(0.1)
        return node

    def _log(self, node: subprocess.Popen) -> Path:
        return self.folder / f"node-{self.nodes.index(node)}.log"

    def _start(
        self, *how: str, cpus: int, gpus: int, hide: Path | None, host: Host | None, more: dict[str, str]
    ) -> subprocess.Popen:
        command = [str(RAY), "start", *how, "--block", "--num-cpus", str(cpus), "--num-gpus", str(gpus)]
        command += ["--object-store-memory", str(80 * 2**20), "--disable-usage-stats"]
        if hide is not None:
            hidden = f'mount -t tmpfs none "{hide}" && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", hidden, "sh", *command]
        if host is not None:
            command = [*host.within, *command, "--node-ip-address", host.address]
        with (self.folder / f"node-{len(self.nodes)}.log").open("w") as log:
            node = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment | {"TMPDIR": str(self.folder)} | more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.nodes.append(node)
        return node

    def wait_for(self, cpus: int, seconds: float = 90) -> None:
        """Wait until the cluster has so many cores."""
        code = (
            f"import ray; ray.init({self.address!r}, logging_level='ERROR', log_to_driver=False); "
            "print('cores', int(ray.cluster_resources().get('CPU', 0)))"
        )
        until = time.monotonic() + seconds
        while True:
            told = subprocess.run(
                [PYTHON, "-c", code], env=self.environment, capture_output=True, text=True, cwd=self.folder, check=False
            )
            if f"cores {cpus}" in told.stdout:
                return
            assert time.monotonic() < until, told.stdout + told.stderr + self.logs()
            time.sleep(0.5)

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("node-*.log")))

    def remove(self, node: subprocess.Popen) -> None:
        """End a node as a power cut does: all of its processes at once."""
        for process in processes_of(node.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        node.wait(10)

    def workers(self) -> list[int]:
        """Processes of workers that have been given something to do."""
        alive = (process for node in self.nodes for process in processes_of(node.pid).items())
        return [process for process, name in alive if name.startswith("ray::Worker")]

    def close(self) -> None:
        for node in reversed(self.nodes):
            self.remove(node)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def started(address: str = "127.0.0.1", *, client: bool = False) -> Iterator[Cluster]:
    """A cluster while the block runs, whose head is at an address of this machine; see `Cluster`."""
    cluster = Cluster(address, client=client)
    try:
        yield cluster
    finally:
        cluster.close()
