"""Where a run takes place: what is written into ``environment.json``, and the checks of ``bench doctor``.

Versions are read from the metadata of distributions; no library is imported, but for torch where there is a GPU.
"""

import contextlib
import hashlib
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from bench.processor import processor
from bench.release import DISTRIBUTION, ROOT, project, version
from bench.resources import Machine, available_cpus, available_gpus, available_memory

_NAME = re.compile(r"^\s*([A-Za-z0-9._-]+)")
_GIBIBYTE = 2**30
_MIN_MEMORY, _MIN_DISK, _MIN_SHARED_MEMORY = 2 * _GIBIBYTE, 1 * _GIBIBYTE, _GIBIBYTE // 4
_MIN_FILES = 4096
#: Variables that make numeric libraries compute otherwise. Those for threads do not: each fit is held to its own.
_VARIABLES = (
    *("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "MKL_ENABLE_INSTRUCTIONS"),
    *("MKL_CBWR", "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "CUBLAS_WORKSPACE_CONFIG"),
    "NVIDIA_TF32_OVERRIDE",
)
#: Below so many, a run gets by without Ray at best.
_FEW_FILES = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One finding of `doctor`: ``detail`` says what is, ``hint`` what to do (empty when all is well)."""

    name: str
    status: Literal["ok", "warning", "error"]
    detail: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A library that the package needs: its name, and the versions that fit as the package states them."""

    name: str
    specifier: str


def versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the installed ones among these distributions, by name."""
    found = {}
    for name in sorted(set(names)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def requirements() -> tuple[Requirement, ...]:
    """Libraries that the package needs, extras left out."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = project().get("dependencies", [])
    needed = [line for line in lines if "extra ==" not in line]
    parsed = [(match.group(1), line[match.end() :]) for line in needed if (match := _NAME.match(line))]
    return tuple(
        Requirement(name=name, specifier=re.sub(r"^\[[^]]*\]", "", rest).split(";")[0].strip()) for name, rest in parsed
    )


def software() -> dict[str, str]:
    """Versions of all that a fit comes out of: Python, this package, the libraries that it needs."""
    libraries = versions(requirement.name for requirement in requirements())
    return {"python": platform.python_version(), "bench": version(), **libraries}


def environment(machine: Machine, libraries: Iterable[str] = ()) -> dict[str, Any]:
    """Describe where the run takes place, as plain values for JSON; ``libraries`` are told beside those needed."""
    return {
        "bench": version(),
        "git_commit": git_commit(),
        "git_changes": git_changes(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "blas": blas(),
        "cpu_model": processor().model,
        "cpu_features": list(processor().features),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "cpus": machine.cpus,
        "cpus_why": machine.cpus_why,
        "memory_bytes": machine.memory_bytes,
        "gpus": machine.gpus,
        "gpu_models": _gpu_models()[: machine.gpus],
        "libraries": versions([*(requirement.name for requirement in requirements()), *libraries]),
    }


def git_commit(root: Path = ROOT) -> str | None:
    """Commit of the checkout that the code runs from, with ``-dirty`` where files differ; None outside of one."""
    return _git(root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*").decode().strip() or None


def git_changes(root: Path = ROOT) -> str | None:
    """Hash of how the checkout's files differ from its commit; None where they do not, or outside of one."""
    changes = _git(root, "diff", "HEAD")
    return hashlib.sha256(changes).hexdigest()[:16] if changes else None


def _git(root: Path, *arguments: str) -> bytes:
    """What git answers about a checkout; nothing outside of one."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        return b""
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return b""


def blas() -> str | None:
    """The linear algebra that NumPy computes with: its name, version and the kernels chosen for this processor."""
    import numpy  # noqa: F401 - only what is loaded can be asked
    from threadpoolctl import threadpool_info

    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    own = [library for library in found if "numpy" in library["filepath"]]  # SciPy may bring another
    for library in own or found:
        parts = (library["internal_api"], library["version"], library.get("architecture"))
        return " ".join(str(part) for part in parts if part)
    return None


def allow_files() -> str:
    """Let this process open as many files as a run may need, as far as it is allowed to; a sentence where it is not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MIN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MIN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most >= _FEW_FILES:
        return ""
    return f"Only {most} files may be open at once, which may be too few; `ulimit -n {_MIN_FILES}` allows more."


def doctor(output: Path, *, start_ray: Callable[[], None] | None = None) -> tuple[Check, ...]:
    """Check what a run needs: Python, libraries, hardware, folders, limits; and that Ray starts, when told how.

    ``start_ray`` starts and stops Ray, in seconds, and raises when it cannot.
    """
    checks = [_check_python(), *map(_check_library, requirements()), _check_cpus(), _check_memory(), _check_gpus()]
    checks += [
        _check_folder("output folder", output, "Choose another one with --output."),
        _check_folder("cache folder", _cache_folder(), "Set BENCH_CACHE to a folder with room.", needed=False),
        _check_folder("temporary folder", Path(tempfile.gettempdir()), "Set TMPDIR to a folder with room."),
        _check_shared_memory(),
        _check_home(),
        _check_open_files(),
    ]
    if start_ray is not None:
        checks.append(_check_ray(start_ray))
    return tuple(checks)


def _gpu_models() -> list[str]:
    """Names of the NVIDIA devices, as the driver lists them."""
    models = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with contextlib.suppress(OSError):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            models += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return models


def _fits(found: str, specifier: str) -> bool:
    """Whether a version is within a range; taken for granted where nothing can read the range."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return SpecifierSet(specifier).contains(found, prereleases=True)


def _check_python() -> Check:
    try:
        wanted = str(metadata.metadata(DISTRIBUTION)["Requires-Python"])
    except (metadata.PackageNotFoundError, KeyError):
        wanted = str(project().get("requires-python", ""))
    found = platform.python_version()
    if _fits(found, wanted):
        return Check(name="python", status="ok", detail=f"{found} at {sys.executable}")
    hint = f"Make an environment with Python {wanted}."
    return Check(name="python", status="error", detail=f"{found} at {sys.executable}, must be {wanted}", hint=hint)


def _check_library(requirement: Requirement) -> Check:
    wanted = f"{requirement.name}{requirement.specifier}"
    hint = f"pip install '{wanted}'"
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Check(name=requirement.name, status="error", detail="is not installed", hint=hint)
    if _fits(found, requirement.specifier):
        return Check(name=requirement.name, status="ok", detail=found)
    detail = f"{found}, must be {requirement.specifier}"
    return Check(name=requirement.name, status="error", detail=detail, hint=hint)


def _check_cpus() -> Check:
    cpus, why = available_cpus()
    return Check(name="cpus", status="ok", detail=f"{cpus} of {os.cpu_count()} may be used, decided by: {why}")


def _check_memory() -> Check:
    memory = available_memory()
    detail = f"{memory / _GIBIBYTE:.1f} GiB may be used"
    if memory >= _MIN_MEMORY:
        return Check(name="memory", status="ok", detail=detail)
    hint = f"Give the process at least {_MIN_MEMORY // _GIBIBYTE} GiB, or run with --cpus 1."
    return Check(name="memory", status="warning", detail=detail, hint=hint)


def _check_gpus() -> Check:
    gpus = available_gpus()
    if gpus == 0:
        return Check(name="gpus", status="ok", detail="none, or none that CUDA_VISIBLE_DEVICES lets through")
    models = ", ".join(_gpu_models()[:gpus]) or f"{gpus} devices"
    try:
        import torch

        usable = torch.cuda.is_available()
    except Exception as error:
        return Check(name="gpus", status="warning", detail=f"{models}; torch fails: {error}", hint="Reinstall torch.")
    if usable:
        return Check(name="gpus", status="ok", detail=f"{models}; torch {torch.__version__} can use them")
    hint = "Install a build of torch for the CUDA version of the driver, or pass --gpus 0."
    return Check(
        name="gpus", status="warning", detail=f"{models}; torch {torch.__version__} cannot use them", hint=hint
    )


def _cache_folder() -> Path:
    """Where fetched datasets are kept; a place that cannot be, where there is neither a home nor another name."""
    from bench.sources.cache import cache_folder

    try:
        return cache_folder()
    except RuntimeError:
        return Path(os.devnull) / "cache"


def _check_folder(name: str, folder: Path, hint: str, *, needed: bool = True) -> Check:
    """Write and remove a file in the folder, or in the nearest one above it that exists."""
    places = (folder.absolute(), *folder.absolute().parents)
    existing = next(place for place in places if os.path.lexists(place))
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        detail = f"{folder} cannot be written to: {error.strerror}"
        return Check(name=name, status="error" if needed else "warning", detail=detail, hint=hint)
    detail = f"{folder}, {free / _GIBIBYTE:.1f} GiB free"
    if free >= _MIN_DISK:
        return Check(name=name, status="ok", detail=detail)
    return Check(name=name, status="warning", detail=detail, hint=f"Make room for {_MIN_DISK // _GIBIBYTE} GiB. {hint}")


def _check_shared_memory() -> Check:
    """Look at the place that Ray keeps shared arrays in."""
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return Check(name="shared memory", status="ok", detail="no /dev/shm on this system; files are used")
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / _GIBIBYTE:.2f} GiB free"
    if free >= _MIN_SHARED_MEMORY and os.access(folder, os.W_OK):
        return Check(name="shared memory", status="ok", detail=detail)
    hint = "In a container, start it with --shm-size=1g; smaller works, slower, through files."
    return Check(name="shared memory", status="warning", detail=detail, hint=hint)


def _check_home() -> Check:
    hint = "Set HOME to a folder that can be written to; libraries keep settings and caches there."
    try:
        home = Path.home()
    except RuntimeError:
        return Check(name="home", status="warning", detail="cannot be found", hint=hint)
    if not home.is_dir():
        return Check(name="home", status="warning", detail=f"{home} is not there", hint=hint)
    return _check_folder("home", home, hint, needed=False)


def _check_open_files() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _MIN_FILES:
        return Check(name="open files", status="ok", detail=f"limit {soft}")
    hint = f"Raise it with `ulimit -n {_MIN_FILES}`; Ray holds many connections."
    return Check(name="open files", status="warning", detail=f"limit {soft}", hint=hint)


def _check_ray(start_ray: Callable[[], None]) -> Check:
    try:
        start_ray()
    except Exception as error:
        reason = str(error).strip().splitlines()
        detail = f"cannot start: {type(error).__name__}: {reason[0] if reason else 'no reason given'}"
        return Check(name="ray start", status="error", detail=detail, hint="Pass --engine local to do without Ray.")
    return Check(name="ray start", status="ok", detail="starts and stops")
