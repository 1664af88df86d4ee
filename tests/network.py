"""Hosts in network namespaces of this machine, each with an address of its own, on one bridge; needs root."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A namespace, and how its command lines begin; `cut` takes it off the network."""

    name: str
    address: str

    @property
    def within(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        ip("link", "set", f"{self.name}o", "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def is_possible() -> bool:
    """Whether this process may make namespaces, bridges and cables between them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with joined(1):
            return True
    except subprocess.CalledProcessError:
        return False


@contextlib.contextmanager
def joined(count: int) -> Iterator[tuple[str, list[Host]]]:
    """This machine's address on a bridge, and hosts that are on it as well."""
    mark, net = f"b{os.getpid() % 100_000}", f"10.213.{os.getpid() % 250}"
    with contextlib.ExitStack() as undo:
        ip("link", "add", mark, "type", "bridge")
        undo.callback(ip, "link", "delete", mark)
        ip("address", "add", f"{net}.1/24", "dev", mark)
        ip("link", "set", mark, "up")
        hosts = []
        for number in range(count):
            host = Host(name=f"{mark}h{number}", address=f"{net}.{number + 2}")
            ip("netns", "add", host.name)
            undo.callback(ip, "netns", "delete", host.name)
            ip("link", "add", f"{host.name}o", "type", "veth", "peer", "name", "eth0", "netns", host.name)
            undo.callback(ip, "link", "delete", f"{host.name}o")
            ip("link", "set", f"{host.name}o", "master", mark)
            ip("link", "set", f"{host.name}o", "up")
            for words in (("address", "add", f"{host.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
                ip("-netns", host.name, *words)
            ip("-netns", host.name, "link", "set", "lo", "up")
            hosts.append(host)
        yield f"{net}.1", hosts
