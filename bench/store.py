"""The run folder: an append-only journal, predictions, models; written so that a kill leaves it valid.

Files get a temporary name and are renamed; the journal's last line may be torn and is then dropped. One process owns a
folder at a time. Workers write only below ``trials/`` and ``cache/``, each a folder of its own.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.errors import StoreError
from bench.metric import Array

PREDICTIONS = "predictions.npz"
_IDENTITY = "identity.json"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; it takes the place of ``path`` when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes the place of ``folder`` when the block ends well."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    _remove(temporary, replaced)  # of a killed process that had the same number
    temporary.mkdir(parents=True)
    try:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, replaced)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.is_dir():  # else another process put the same content there meanwhile
                raise
    finally:
        _remove(temporary, replaced)


def _remove(*folders: Path) -> None:
    """Delete folders, whether they are there or not."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what is left below ``folder`` of writes that a kill cut short; nobody may be writing there."""
    for left in [*folder.rglob(".*.tmp"), *folder.rglob(".*.old")]:
        if left.is_dir():
            _remove(left)
        else:
            left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; what UTF-8 cannot spell (of odd file names) is written as ``\\udcNN``."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all; numbers that JSON has no spelling for become null."""
    write_text(path, json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Replace NaN and infinities by None, numpy scalars by Python's, in nested plain values."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def read_json(path: Path) -> Any:
    """Read a JSON file of the run folder.

    Raises:
        StoreError: the file is absent or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} must be a file written by `bench run`; reading it failed: {error}") from error


class RunStore:
    """One run folder, opened for writing by one process."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Open or make ``folder`` for the run with this identity.

        Raises:
            StoreError: it cannot be written to, belongs to another run, or another process holds it.
        """
        self.folder = folder
        with contextlib.ExitStack() as on_failure:
            self._lock = on_failure.enter_context(hold(folder, identity))
            with _writable(folder):
                (folder / "trials").mkdir(exist_ok=True)
                self._journal = _open_journal(folder / "journal.jsonl")
            on_failure.pop_all()

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one line to the journal; it survives the end of this process at once."""
        self._journal.write(json.dumps(_finite(event), allow_nan=False) + "\n")
        self._journal.flush()

    def events(self) -> Iterator[dict[str, Any]]:
        """Read the journal, oldest line first."""
        return read_events(self.folder)

    def close(self) -> None:
        """Let go of the folder."""
        self._journal.close()
        self._lock.close()


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """Read a run folder's journal; a torn last line is left out."""
    with contextlib.suppress(FileNotFoundError), (folder / "journal.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def hold(folder: Path, identity: str) -> IO[str]:
    """Open or make ``folder`` for what has this identity; held by this process until what is returned is closed.

    Raises:
        StoreError: it cannot be written to, belongs to another run, or another process holds it.
    """
    with contextlib.ExitStack() as on_failure, _writable(folder):
        _refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = on_failure.enter_context(_lock(folder))
        _claim(folder, identity)
        on_failure.pop_all()
        return lock


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Tell the user where ``folder`` cannot be written to while the block runs."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the output folder must be writable, got {str(folder)!r}: {error.strerror or error}. "
            "Choose another one with --output."
        ) from error


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds other things than a run, before anything is made in it."""
    if not folder.exists() or (folder / _IDENTITY).exists():
        return
    names = sorted(entry.name for entry in folder.iterdir())
    # A run that begins in another process has not yet got more than ``trials`` and hidden files.
    if foreign := [name for name in names if name != "trials" and not name.startswith(".")]:
        raise StoreError(
            f"the output folder must be new, empty or of the same run; {folder} holds {foreign[0]!r}. "
            "Choose another folder with --output."
        )


def _claim(folder: Path, identity: str) -> None:
    """Mark a new folder as this run's; refuse one of another run."""
    path = folder / _IDENTITY
    if not path.exists():
        write_json(path, {"identity": identity})
    elif (found := read_json(path).get("identity")) != identity:
        raise StoreError(
            f"{folder} belongs to another run (identity {found}, this one is {identity}): its dataset, metric or "
            "another setting that decides results differs. Choose another folder with --output."
        )


def _lock(folder: Path) -> IO[str]:
    """Hold the folder's lock file, or say who does."""
    file = (folder / ".lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise StoreError(f"{folder} is in use by {holder}. Wait for it, or choose another folder.") from error
    file.seek(0)
    file.truncate()
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file


def _open_journal(path: Path) -> IO[str]:
    """Open the journal for appending, after cutting off a torn last line."""
    if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    return path.open("a", encoding="utf-8")


def fold_folder(folder: Path, trial_id: str, fold: int) -> Path:
    """Where one fold's predictions and model lie."""
    return folder / "trials" / trial_id / f"fold-{fold}"


def write_predictions(folder: Path, *, valid: Array, test: Array) -> None:
    """Write one fold's predictions for its validation rows and for the sealed test rows (maybe none)."""
    with (folder / PREDICTIONS).open("wb") as file:
        np.savez(file, valid=valid, test=test)


def read_predictions(folder: Path) -> tuple[Array, Array]:
    """Read what `write_predictions` wrote: ``(valid, test)``."""
    with np.load(folder / PREDICTIONS, allow_pickle=False) as arrays:
        return arrays["valid"], arrays["test"]
