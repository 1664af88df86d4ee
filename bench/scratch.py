"""A folder that the workers of one machine share for a run whose own folder they do not see; gone with the last."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

_PREFIX = "bench-scratch-"


class Scratch:
    """One worker's hold on the folder."""

    def __init__(self, token: str) -> None:
        """Open the folder of the run with this ``token``, and clear away those whose workers are all gone."""
        place = Path(tempfile.gettempdir())
        self.folder = place / f"{_PREFIX}{token}"
        self._lock = _hold(_lock_of(self.folder))
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for other in place.glob(f"{_PREFIX}*.lock"):
            _clear(other.with_suffix(""))

    def leave(self) -> None:
        """Let go; the last one clears the folder away."""
        self._lock.close()
        _clear(self.folder)


def _lock_of(folder: Path) -> Path:
    """Held by all who use a folder: shared as long as they live, however they end."""
    return folder.with_name(f"{folder.name}.lock")


def _hold(path: Path) -> IO[str]:
    """Hold a lock file, together with others; one that was deleted meanwhile is made anew."""
    while True:
        file = path.open("a")
        fcntl.flock(file, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()


def _clear(folder: Path) -> None:
    """Delete a folder that nobody holds."""
    path = _lock_of(folder)
    with contextlib.suppress(OSError), path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
        path.unlink()
