"""Checkpoints: the state of an unfinished fit in one file, so that it goes on to the same result."""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

_FILE = "fit.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a fit goes on from: tensors by name, and plain values for JSON."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class Checkpoint:
    """One file in a folder of the fit's own. ``key`` tells what is fitted: a file with another one is not taken up."""

    def __init__(self, folder: Path, key: str) -> None:
        """Keep the state in ``folder``, which is made when there is something to write."""
        self._path = folder / _FILE
        self._key = key

    def write(self, state: State) -> None:
        """Replace the file as a whole: whoever is interrupted here leaves the older one behind."""
        from safetensors.torch import save_file

        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".partial")
        save_file(state.tensors, unfinished, metadata={"key": self._key, "values": json.dumps(state.values)})
        os.replace(unfinished, self._path)

    def read(self) -> State | None:
        """Read the state back; None where there is none, or none that is whole and of this fit."""
        from safetensors import SafetensorError, safe_open

        if not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("key") != self._key:
                    return None
                # Copies, because the file's tensors are not aligned as torch's own are.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        except SafetensorError:
            return None
        return State(tensors=tensors, values=json.loads(metadata["values"]))

    def remove(self) -> None:
        """Remove the file of a fit that is done, and its folder where that holds nothing else."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()
