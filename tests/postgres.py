"""A PostgreSQL server of Debian's packages, for a test session: on a free port, in a temporary folder."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USER, PASSWORD = "ann", "s3cret/p@ss#1"
#: As it is spelled in an address.
SPELLED = "s3cret%2Fp%40ss%231"


def binaries() -> Path | None:
    """Where initdb and postgres are: on the path, or where Debian puts them."""
    places = [Path(found).resolve().parent for name in ("initdb", "postgres") if (found := shutil.which(name))]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start a server and give its address, with the password; stop it at the end."""
    found = binaries()
    if found is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    # pytest's own folders are closed to other users, and PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    server = "nobody" if os.geteuid() == 0 else getpass.getuser()
    as_server = ["setpriv", f"--reuid={server}", "--clear-groups"] if os.geteuid() == 0 else []
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    shutil.chown(folder, server)
    port = free_port()

    def call(*words: str | Path) -> None:
        done = subprocess.run([*as_server, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=UTC"
    try:
        passwords = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
        call(found / "initdb", "-D", folder / "data", "-U", USER, *passwords, "-E", "UTF8", "--locale=C", "--no-sync")
        # its output goes to a file: pg_ctl's pipe would stay open as long as the server
        call(found / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://{USER}:{SPELLED}@127.0.0.1:{port}/postgres"
        finally:
            call(found / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a running server, its password in it."""
    pytest.importorskip("adbc_driver_postgresql", reason="the extra [sql] is not installed")
    with running() as address:
        yield address
