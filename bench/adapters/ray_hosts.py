"""The machines that fits run on: which there are, what Ray may use of them, and whether their software is ours."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.adapters.ray_runtime import import_ray, only_on
from bench.environment import software
from bench.errors import ClusterError
from bench.resources import Machine, thread_environment

#: What a node may take to start a process and say what is installed there.
_CHECK_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A machine: Ray's id of its node (None for a private Ray's only one), its name, what fits may use of it."""

    node: str | None
    name: str
    cpus: int
    gpus: int
    memory_bytes: int

    def options(self, *, cpus: float, gpus: float = 0.0) -> dict[str, Any]:
        """Options of a remote class or function that is to run here, with so much of it."""
        held: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus}
        if self.node is None:
            return held
        return held | {
            "scheduling_strategy": only_on(self.node),
            "runtime_env": {"env_vars": thread_environment(1)},
        }


def this_host(machine: Machine) -> Host:
    """The machine that a private Ray has been started on."""
    return Host(node=None, name="this machine", cpus=machine.cpus, gpus=machine.gpus, memory_bytes=machine.memory_bytes)


def hosts_alive() -> tuple[Host, ...]:
    """Machines of the cluster that are up and have a core for fits, in an order that stays."""
    alive = [node for node in import_ray().nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    return tuple(
        Host(
            node=node["NodeID"],
            name=node["NodeManagerHostname"] or node["NodeManagerAddress"],
            cpus=int(node["Resources"]["CPU"]),
            gpus=int(node["Resources"].get("GPU", 0)),
            memory_bytes=int(node["Resources"].get("memory", 0)),
        )
        for node in sorted(alive, key=lambda node: str(node["NodeID"]))
    )


def ask_software(host: Host) -> Any:
    """Have a host say what is installed there; gives Ray's reference to the answer, for `difference`."""
    return import_ray().remote(**host.options(cpus=0), max_retries=0)(software).remote()


def difference(host: Host, answer: Any) -> str:
    """Say how a host's software differs from ours, given a reference to its answer; empty when it does not."""
    ray = import_ray()
    try:
        theirs: Mapping[str, str] = ray.get(answer, timeout=_CHECK_SECONDS)
    except ray.exceptions.GetTimeoutError:
        return f"{host.name} did not start a process within {_CHECK_SECONDS:.0f} s"
    except ray.exceptions.RayError as error:
        reason = " ".join(str(getattr(error, "cause", None) or error).split())[-200:]
        return f"{host.name} cannot run bench: {reason}"
    ours = software()
    unlike = [f"{name} {theirs.get(name, 'none')} (here {v})" for name, v in ours.items() if theirs.get(name) != v]
    return f"{host.name} has {', '.join(unlike)}" if unlike else ""


def require_alike(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """Check that all machines of a cluster have our versions, so that a result is the same wherever it is fitted.

    Raises:
        ClusterError: a machine differs, or there is none.
    """
    asked = [(host, ask_software(host)) for host in hosts]
    if not asked:
        raise ClusterError("the Ray cluster must have a machine with a CPU for fits, got none that is alive.")
    if unlike := [text for host, answer in asked if (text := difference(host, answer))]:
        raise ClusterError(
            f"all machines of the cluster must have the versions of {socket.gethostname()}, from which the run is "
            f"led; {'; '.join(unlike)}. Install the same there; bench installs nothing on other machines."
        )
    return tuple(host for host, _ in asked)
