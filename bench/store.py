"""The run folder: an append-only journal, predictions, models; written so that a kill leaves it valid.

Files get a temporary name and are renamed. Each line of the journal ends with its checksum, and a built folder holds
the SHA-256 of its files: what is torn or damaged is told from what is whole, and made again. One process owns a folder
at a time. Workers write only below ``trials/`` and ``cache/``, each a folder of its own.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.errors import StorageFullError, StoreError
from bench.identity import file_digest
from bench.metric import Array
from bench.release import version

#: Marks a folder whose request is answered, and holds the checksums of the answer.
DONE = "DONE"
PREDICTIONS = "predictions.npz"
#: Names a built folder's files with their SHA-256, as ``sha256sum`` does.
SUMS = "SHA256SUMS"
#: What a run folder's files look like; told in identity.json, so that no other version of bench goes on with it.
FORMAT = 1
_IDENTITY = "identity.json"
_SUM = ', "sum": "'
#: The journal reaches the disk itself this often, in seconds: what a power failure may cost.
_SYNC_SECONDS = 1.0
#: What is said, by any library, where the fault is the disk's and nobody else's: by operating systems, and by numpy
#: of an array of which a part was written.
_STORAGE_FAULT = re.compile(
    r"no space left on device|disk quota exceeded|file too large|read-only file system|\d requested and \d+ written",
    re.IGNORECASE,
)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; it takes the place of ``path`` when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def building(folder: Path, *, sums: bool = True) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes the place of ``folder`` when the block ends well.

    With ``sums`` it gets a file of checksums, for `intact`.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    _remove(temporary, replaced)  # of a killed process that had the same number
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if sums:
            write_sums(temporary)
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, replaced)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.is_dir():  # else another process put the same content there meanwhile
                raise
    finally:
        _remove(temporary, replaced)


def write_sums(folder: Path) -> None:
    """Write down the checksums of all files of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMS)
    lines = [f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: Path) -> dict[str, str]:
    """Read a built folder's checksums, by file; empty where it has none."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: told for told, _, name in (line.partition("  ") for line in lines)}


def intact(folder: Path, *names: str) -> bool:
    """Whether files of a built folder are what was written there: those named, or all of them."""
    sums = read_sums(folder)
    try:
        return bool(sums) and all(sums.get(name) == file_digest(folder / name) for name in names or sums)
    except OSError:
        return False


def storage_fault(text: str) -> bool:
    """Whether an error, by what it says, is the fault of what files are written to."""
    return _STORAGE_FAULT.search(text) is not None


def storage_full(folder: Path, reason: str) -> StorageFullError:
    """Make the error that ends a run whose folder cannot be written to any longer."""
    places = {f"{place}": shutil.disk_usage(place).free for place in (folder, Path(tempfile.gettempdir()))}
    free = ", ".join(f"{free / 1e6:,.0f} MB in {place}" for place, free in places.items())
    return StorageFullError(
        f"the run's folder {folder} must have room, but writing failed: {reason}. Free are {free}. Make room, and run "
        "the same command again: it goes on where it was left."
    )


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
        """Open or make ``folder`` for the run with this identity; ``damaged`` counts lines its journal has lost.

        Raises:
            StoreError: it cannot be written to, belongs to another run or version, or another process holds it.
        """
        self.folder = folder
        self._synced = 0.0
        with contextlib.ExitStack() as on_failure:
            self._lock = on_failure.enter_context(hold(folder, identity))
            with _writable(folder):
                (folder / "trials").mkdir(exist_ok=True)
                self._journal, self.damaged = _open_journal(folder / "journal.jsonl")
            on_failure.pop_all()

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one line to the journal, whole or not at all; it survives the end of this process at once."""
        line = journal_line(event)
        size = os.fstat(self._journal.fileno()).st_size
        try:
            while line:
                line = line[self._journal.write(line) :]
        except OSError:
            self._journal.truncate(size)
            raise
        if time.monotonic() > self._synced + _SYNC_SECONDS:
            os.fsync(self._journal.fileno())
            self._synced = time.monotonic()

    def events(self) -> Iterator[dict[str, Any]]:
        """Read the journal, oldest line first; lines that are damaged are left out."""
        return read_events(self.folder)

    def close(self) -> None:
        """Let go of the folder."""
        self._journal.close()
        self._lock.close()


def journal_line(event: Mapping[str, Any]) -> bytes:
    """Spell an event as a line of the journal, which ends with its checksum."""
    text = json.dumps(_finite(event), allow_nan=False)[:-1]
    return f'{text}{_SUM}{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """Read a run folder's journal; lines that are torn or damaged are left out."""
    with contextlib.suppress(FileNotFoundError), (folder / "journal.jsonl").open("rb") as lines:
        yield from (event for line in lines if (event := _event(line)) is not None)


def _event(line: bytes) -> dict[str, Any] | None:
    """Read a line, if it is as it was written."""
    text, _, told = line.rpartition(_SUM.encode())
    if told != f'{zlib.crc32(text):08x}"}}\n'.encode():
        return None
    event: dict[str, Any] = json.loads(text + b"}")
    return event


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
        if folder.is_dir() and storage_fault(str(error)) and os.access(folder, os.W_OK):
            raise storage_full(folder, str(error)) from error
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
        write_json(path, {"identity": identity, "format": FORMAT, "bench": version()})
        return
    found = read_json(path)
    if not isinstance(found, dict) or not {"identity"} <= found.keys():
        raise StoreError(f"{path} must say which run the folder holds, got {str(found)[:80]!r}. Choose another folder.")
    if (form := found.get("format", 0)) != FORMAT:
        raise StoreError(
            f"{folder} was written by bench {found.get('bench', 'of an earlier version')} in format {form}; bench "
            f"{version()} goes on with format {FORMAT} only. Choose another folder with --output, or use that version."
        )
    if found["identity"] != identity:
        raise StoreError(
            f"{folder} belongs to another run ({path.name} says {found['identity']}, this one is {identity}): its "
            "dataset, metric or another setting that decides results differs. Choose another folder with --output."
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


def _open_journal(path: Path) -> tuple[FileIO, int]:
    """Open the journal for appending, without lines that are torn or damaged; of these, the whole ones are counted."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if _event(line) is not None]
    if len(whole) < len(lines):
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(whole))
    return FileIO(path, "a"), sum(line.endswith(b"\n") for line in lines) - len(whole)


def fold_folder(folder: Path, trial_id: str, fold: int) -> Path:
    """Where one fold's predictions and model lie."""
    return folder / "trials" / trial_id / f"fold-{fold}"


def mark_done(folder: Path, request: Mapping[str, Any], files: Iterable[str]) -> None:
    """Mark a request as answered by files of the folder; those that are not there are no part of the answer."""
    sums = {name: file_digest(folder / name) for name in files if (folder / name).exists()}
    write_json(folder / DONE, {**request, "files": sums})


def check_answer(folder: Path) -> None:
    """Check that the files of an answer are those that were written.

    Raises:
        StoreError: one is not.
    """
    if not (folder / DONE).exists():
        return
    done = read_json(folder / DONE)
    sums = done.get("files") if isinstance(done, dict) else None
    if not isinstance(sums, dict):
        raise StoreError(f"{folder / DONE} must list the files of an answer. Run the same `bench run` again.")
    for name, told in sums.items():
        if not (folder / name).is_file() or file_digest(folder / name) != told:
            raise StoreError(
                f"{folder / name} is missing or was altered since it was written. Run the same `bench run` again."
            )


def write_predictions(folder: Path, *, valid: Array, test: Array) -> None:
    """Write one fold's predictions for its validation rows and for the sealed test rows (maybe none)."""
    with (folder / PREDICTIONS).open("wb") as file:
        np.savez(file, valid=valid, test=test)


def read_predictions(folder: Path) -> tuple[Array, Array]:
    """Read what `write_predictions` wrote: ``(valid, test)``.

    Raises:
        StoreError: it is not there any longer, or damaged.
    """
    try:
        with np.load(folder / PREDICTIONS, allow_pickle=False) as arrays:
            return arrays["valid"], arrays["test"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise StoreError(
            f"{folder / PREDICTIONS} must be as it was written, but reading it failed: {error}. "
            "Run the same `bench run` again."
        ) from error
