"""A run folder in an object store: ``--output s3://bucket/runs/adult``, ``gs://…`` or ``az://…``.

The command works on a copy in its cache; workers put what a fold leaves into the store themselves. Every few seconds,
and at the end, what else has changed in the copy follows. Whoever opens the run elsewhere gets a copy of their own.
"""

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.errors import BenchError, StoreError
from bench.identity import digest
from bench.parcel import Parcel
from bench.secrets import redacted
from bench.sources.cache import cache_folder
from bench.sources.objects import open_at, telling
from bench.store import replacing

logger = logging.getLogger("bench.mirror")

SCHEMES = ("s3", "gs", "az", "abfs", "abfss")
_LOCK, _JOURNAL = "lock.json", "journal.jsonl"
#: How often the store is brought up to date, and after how long without it a holder is taken for gone.
_SECONDS, _GONE_SECONDS = 10.0, 60.0
_TRANSFERS = 16


def is_remote(reference: str) -> bool:
    """Whether a run folder is one in an object store."""
    return reference.partition("://")[0] in SCHEMES


def below(place: str, name: str) -> str:
    """Where a folder within another one is; what an address ends in to say more than where, stays its end."""
    if not is_remote(place):
        return str(Path(place) / name)
    path, mark, options = place.partition("?")
    return f"{path.rstrip('/')}/{name}{mark}{options}"


def copy_of(address: str) -> Path:
    """Where the copy of a folder in an object store lies on this machine, whether there is one or not."""
    return cache_folder() / "runs" / digest(address.rstrip("/"))


def local_folder(reference: str) -> Path:
    """The folder of a run, wherever it is: a path as it is, a copy of one in an object store.

    Raises:
        StoreError: there is no run, or the store cannot be read.
    """
    if not is_remote(reference):
        return Path(reference)
    mirror = Mirror(reference)
    if not mirror.pull():
        raise StoreError(redacted(f"{reference} must be a run folder that `bench run` wrote; nothing is there."))
    return mirror.folder


@contextlib.contextmanager
def held_folder(reference: str) -> Iterator[Path]:
    """The folder of a run, for what changes it while the block runs: a copy of one in an object store, which follows.

    Raises:
        StoreError: another command holds it, or the store cannot be reached.
    """
    if not is_remote(reference):
        yield Path(reference)
        return
    mirror = Mirror(reference)
    with mirror.held():
        yield mirror.folder


class Mirror:
    """The store's folder and its copy on this machine."""

    def __init__(self, address: str, *, whole: bool = True) -> None:
        """Look at the folder at ``address``, or only at the files right in it; its copy lies in the cache."""
        self.address, self._whole = address.rstrip("/"), whole
        self.folder = copy_of(address)
        with self._telling():
            self._system, self._root = open_at(self.address)
        self._known: dict[str, tuple[int, int]] = {}
        self._pool = ThreadPoolExecutor(_TRANSFERS, thread_name_prefix="bench-mirror")
        self._coming: list[Future[None]] = []
        self._over = threading.Event()

    def __reduce__(self) -> tuple[type["Mirror"], tuple[str]]:
        return Mirror, (self.address,)  # each process looks for itself

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Have what the store refuses told as what it means for a run folder."""
        try:
            with telling(self.address):
                yield
        except BenchError as error:
            raise StoreError(f"--output must be a folder that can be written: {error}") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run while the block runs: bring the copy up to date before, the store during and after it.

        Raises:
            StoreError: another command holds it, or the store cannot be reached.
        """
        self._refuse_held()
        self._hold()
        self.pull()
        left = threading.Event()
        renewing = self._repeated(self._hold, left)
        keeping = self._repeated(self.push, self._over)
        try:
            yield
        finally:
            self._over.set()
            keeping.join()
            try:
                self.push()  # which may take longer than a lock is good for
            finally:
                left.set()
                renewing.join()
            with telling(self.address):
                self._system.delete_file(f"{self._root}/{_LOCK}")

    def _refuse_held(self) -> None:
        """Say who holds the run, if anybody does; a lock that was not renewed for long is that of a killed command."""
        lock = self._read(_LOCK)
        if lock is None:
            return
        held = json.loads(lock)
        ours = held["host"] == socket.gethostname()
        alive = Path(f"/proc/{held['process']}").exists() if ours else time.time() < held["at"] + _GONE_SECONDS
        if alive and held["process"] != os.getpid():
            raise StoreError(
                f"{redacted(self.address)} is in use by process {held['process']} on {held['host']}. "
                "Wait for it, or choose another folder."
            )

    def _hold(self) -> None:
        lock = {"process": os.getpid(), "host": socket.gethostname(), "at": time.time()}
        self._write(_LOCK, json.dumps(lock).encode())

    def _repeated(self, do: Callable[[], None], over: threading.Event) -> threading.Thread:
        """Have something done every few seconds until it is ``over``; what fails is tried again."""

        def keep_on() -> None:
            while not over.wait(_SECONDS):
                try:
                    do()
                except (BenchError, OSError) as error:
                    logger.warning("%s The run goes on, and it is tried again.", error)

        thread = threading.Thread(target=keep_on, name="bench-mirror", daemon=True)
        thread.start()
        return thread

    def put(self, parcel: Parcel) -> None:
        """Write files into the store."""
        for transfer in [self._pool.submit(self._write, name, content) for name, content in parcel.items()]:
            transfer.result()

    def receive(self, names: Iterable[str]) -> None:
        """Take note of files that a worker has put into the store, and have those copied that are not here yet."""
        states = {name: _state(self.folder / name) for name in names}
        self._known |= {name: state for name, state in states.items() if state is not None}
        self.expect(name for name, state in states.items() if state is None)

    def expect(self, names: Iterable[str]) -> None:
        """Have files of the store copied, side by side; `settle` waits for them."""
        self._coming = [transfer for transfer in self._coming if not transfer.done() or transfer.exception()]
        self._coming += [self._pool.submit(self._fetch, name) for name in names]

    def settle(self) -> None:
        """Wait for what is under way.

        Raises:
            StoreError: a file did not arrive.
        """
        coming, self._coming = self._coming, []
        for transfer in coming:
            transfer.result()

    def pull(self) -> bool:
        """Copy what is only in the store; False where there is nothing.

        What belongs to a fold never changes. Other files are taken from the store where its journal is the longer
        one, of a run that went on elsewhere, or where there is no journal.
        """
        there = self._listed()
        mine = self.folder / _JOURNAL
        behind = _JOURNAL not in there or there[_JOURNAL] > (mine.stat().st_size if mine.exists() else 0)
        wanted = [
            name
            for name in there
            if name != _LOCK and ((behind and not _of_fold(name)) or not (self.folder / name).exists())
        ]
        self.expect(wanted)
        self.settle()
        ours = {name: _state(self.folder / name) for name in there if _of_fold(name)}
        self._known |= {name: state for name, state in ours.items() if state is not None and state[0] == there[name]}
        return bool(there)

    def push(self) -> None:
        """Copy what has changed here since the last time, and delete there what is gone here.

        Raises:
            StoreError: the store cannot be written to.
        """
        before = set(self._known)  # first: what arrives meanwhile is not gone
        now = {name: _state(self.folder / name) for name in _names(self.folder)}
        changed = [name for name, state in now.items() if state is not None and self._known.get(name) != state]
        sent = [(name, self._pool.submit(self._send, name)) for name in changed]
        for name, transfer in sent:
            transfer.result()
            self._known[name] = now[name] or (0, 0)
        for name in before - now.keys():
            with telling(self.address), contextlib.suppress(FileNotFoundError):
                self._system.delete_file(f"{self._root}/{name}")
            del self._known[name]

    def _send(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # gone since it was seen
            self._write(name, (self.folder / name).read_bytes())

    def _fetch(self, name: str) -> None:
        content = self._read(name)
        if content is None:
            raise StoreError(f"{redacted(self.address)}/{name} must be there, and is not.")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        self._known[name] = _state(path) or (0, 0)

    def _write(self, name: str, content: bytes) -> None:
        with self._telling(), self._system.open_output_stream(f"{self._root}/{name}") as stream:
            stream.write(content)

    def _read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        try:
            with self._telling(), self._system.open_input_stream(f"{self._root}/{name}") as stream:
                content: bytes = stream.read()
                return content
        except StoreError as error:
            if isinstance(getattr(error.__cause__, "__context__", None), FileNotFoundError):
                return None
            raise

    def _listed(self) -> dict[str, int]:
        """Files in the store with their sizes."""
        from pyarrow import fs

        with self._telling():
            infos: list[Any] = self._system.get_file_info(
                fs.FileSelector(self._root, recursive=self._whole, allow_not_found=True)
            )
        prefix = len(self._root) + 1
        return {info.path[prefix:]: info.size for info in infos if info.type == fs.FileType.File}


def _of_fold(name: str) -> bool:
    """Whether a file is part of a finished fold."""
    return name.startswith(("trials/", "recipes/"))


def _names(folder: Path) -> Iterator[str]:
    """Files of a run folder that are more than its own search's, by their path below it."""
    for place, inner, names in os.walk(folder):  # which bears folders that go meanwhile
        where = Path(place).relative_to(folder)
        inner[:] = [name for name in inner if not name.startswith(".") and (where / name).as_posix() != "cache"]
        yield from ((where / name).as_posix() for name in names if not name.startswith("."))


def _state(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None where it is gone."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns
