"""The sealed test labels: put away at the split, looked at by the leaderboard alone, each look counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.metric import Array
from bench.store import replacing

_LABELS = "test_labels.npy"
_LOOKS = "looks.jsonl"


def seal(folder: Path, labels: Array) -> None:
    """Put the labels of the test rows away in the run folder."""
    vault = folder / "sealed"
    vault.mkdir(exist_ok=True)
    with replacing(vault / _LABELS) as temporary, temporary.open("wb") as file:
        np.save(file, labels, allow_pickle=False)


def look(folder: Path, purpose: str) -> Array:
    """Read the labels, and write down that and why they were read."""
    vault = folder / "sealed"
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "purpose": purpose}
    with (vault / _LOOKS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    labels: Array = np.load(vault / _LABELS, allow_pickle=False)
    return labels


def looks(folder: Path) -> Iterator[dict[str, str]]:
    """All looks so far, oldest first."""
    path = folder / "sealed" / _LOOKS
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
