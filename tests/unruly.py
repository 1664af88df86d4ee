"""A package of model families that misbehave, each in its own way; `installed` makes it one that `bench` discovers."""

import ctypes
import functools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.family import ENTRY_POINTS, Family
from bench.needs import nothing


def _hang() -> None:
    """Never come back from native code, which holds the interpreter's lock."""
    ctypes.PyDLL(None).sleep(3600)


def _crash() -> None:
    ctypes.string_at(0)


def _be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave() -> None:
    sys.exit("a family must not end the process")


def _raise() -> None:
    raise ValueError("made to fail")


def _run_out_of_memory() -> None:
    np.empty(2**50)


def _grow() -> None:
    """Take 4 GiB, bit by bit."""
    held = []
    for _ in range(64):
        held.append(np.ones(2**23))
        time.sleep(0.05)


def _take_its_time() -> None:
    time.sleep(0.2)


def _behave() -> None:
    return None


#: What each family does when it is fitted; ``nan`` predicts what cannot be scored, ``polite`` and ``gpu`` just work,
#: and ``large`` is a ``gpu`` that takes two thirds of its memory.
DEEDS: dict[str, Callable[[], None]] = {
    "hangs": _hang,
    "crashes": _crash,
    "killed": _be_killed,
    "leaves": _leave,
    "raises": _raise,
    "hungry": _run_out_of_memory,
    "grows": _grow,
    "nan": _behave,
    "polite": _behave,
    "gpu": _behave,
    "large": _take_its_time,
}
#: Bytes of memory of the GPU that the tests pretend.
GPU_BYTES = 900 * 2**20
#: Files that tell what a fit was given, beside its model, and in which process it is, in its checkpoint.
SEEN, PROCESS = "seen.json", "process"


class Unruly:
    """Does its deed and then learns class shares, a little off for each value of its parameter."""

    def __init__(self, name, settings):
        self._name, self._settings = name, settings

    def fit(self, X, y, *, valid, allotment, deadline):
        self._seen = {
            "device": allotment.device,
            "gpu": allotment.gpu,
            "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }
        allotment.checkpoint.mkdir(parents=True, exist_ok=True)
        (allotment.checkpoint / PROCESS).write_text(str(os.getpid()))
        DEEDS[self._name]()
        shutil.rmtree(allotment.checkpoint)
        shares = np.bincount(y, minlength=self._settings.n_classes) + self._settings.params["x"]
        self._shares = np.full_like(shares, np.nan) if self._name == "nan" else shares / shares.sum()

    def predict(self, X):
        return np.tile(self._shares, (len(X.values), 1))

    def save(self, folder):
        np.save(folder / "shares.npy", self._shares)
        (folder / SEEN).write_text(json.dumps(self._seen))

    @classmethod
    def load(cls, folder):
        loaded = cls("polite", None)
        loaded._shares = np.load(folder / "shares.npy")
        return loaded


FAMILIES = {
    name: Family(
        name=name,
        summary=name,
        tasks=frozenset({"binary", "multiclass"}),
        recipe="trees",
        build=functools.partial(Unruly, name),
        load=Unruly.load,
        libraries=(),
        order=1,
        uses_gpu=name in ("gpu", "large"),
        gpu_memory=(lambda size, params: GPU_BYTES * 2 / 3) if name == "large" else nothing,
        space=Path(__file__).with_name(f"{name}.yaml"),
    )
    for name in DEEDS
}
globals().update(FAMILIES)


def installed(folder: Path) -> Path:
    """Make ``folder`` a place for PYTHONPATH from which these families are discovered."""
    folder.mkdir()
    shutil.copy(__file__, folder / "unruly.py")
    for name in FAMILIES:
        text = f"family: {name}\nparams:\n  x: {{type: float, low: 0.1, high: 10.0}}\ndefaults: {{x: 1.0}}\n"
        (folder / f"{name}.yaml").write_text(text)
    about = folder / "unruly-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly\nVersion: 1.0\n")
    points = "\n".join(f"{name} = unruly:{name}" for name in FAMILIES)
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{points}\n")
    return folder
