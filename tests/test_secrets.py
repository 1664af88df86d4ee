"""Passwords, tokens and signatures are shown nowhere and written nowhere; item 46 of what users get wrong."""

import contextlib
import gzip
import io
import logging
import os
import shutil
import sqlite3
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow_fixture
import postgres
import pytest
from conftest import table
from hypothesis import given
from hypothesis import strategies as st

from bench.secrets import MASK, redacted
from bench.spec import make_spec, read_config
from bench.store import read_json

server, empty_store = postgres.server, mlflow_fixture.empty_store
FRAME = table("binary")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann:s3cret@db.example.org/adult", "postgresql://***@db.example.org/adult"),
        ("postgresql://ann:p@ss@db/adult", "postgresql://***@db/adult"),
        ("postgresql://ann:p/w?a#d@ss@db/adult", "postgresql://***@db/adult"),
        ("postgresql://ann@db/adult?password=pw&x=1", "postgresql://***@db/adult?password=***&x=1"),
        ("POSTGRES://ann:s3cret@db", "POSTGRES://***@db"),
        ("redis+tls://:s3cret@db", "redis+tls://***@db"),
        ("https://ghp_token@github.com/x", "https://***@github.com/x"),
        ("https://ann:s3cret@host/package@2/data.csv", "https://***@2/data.csv"),
        ("https://ann:p/w@host/data.csv", "https://***@host/data.csv"),
        ("https://host/data.csv?token=abc&rows=5", "https://host/data.csv?token=***&rows=5"),
        ("https://host/d?X-Amz-Credential=AK%2F1&X-Amz-Signature=ab", "https://host/d?X-Amz-Credential=***&X-Amz-Signature=***"),
        ("https://host/d?X-Amz-Security-Token=ab+/=&a=1", "https://host/d?X-Amz-Security-Token=***&a=1"),
        ("https://acc.blob.core.windows.net/c/b?sv=1&sig=a%2Bb%3D", "https://acc.blob.core.windows.net/c/b?sv=1&sig=***"),
        ("https://host/d?key=AIza&x=1", "https://host/d?key=***&x=1"),
        ("s3://id:s3cret@bucket/key", "s3://***@bucket/key"),
        ("dblink('host=db password=s3cret', 'x')", "dblink('host=db password=***', 'x')"),
        ("password = 'my s3cret'", "password = ***"),
        ('sslpassword="my s3cret"', "sslpassword=***"),
        ("AccountName=a;AccountKey=abc/==;x", "AccountName=a;AccountKey=***;x"),
        ("aws_secret_access_key=abc session_token=def", "aws_secret_access_key=*** session_token=***"),
        ('{"source": "http://u:p@h/x", "to": "a@b.org"}', '{"source": "http://***@h/x", "to": "a@b.org"}'),
        ("two http://a:b@c and http://d:e@f", "two http://***@c and http://***@f"),
    ],
)  # fmt: skip
def test_secrets_are_blotted_out(text, expected):
    assert redacted(text) == expected
    assert redacted(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("adult", "data/adult.csv", "http://127.0.0.1:5000/", "sqlite:////home/x/mlflow.db", "ann@example.org", "{}"),
        *("https://cdn.example.org/npm/datasets@2/cars.json", "http://host:8080/@scope/data.csv?at=a@b"),
        *("sqlite:///home/a@b/file.db#t", "s3://bucket/day@noon/data.csv", "gs://anonymous@bucket/data.csv"),
        *("abfs://container@account.dfs.core.windows.net/data.csv", "design=1&tokens=2&key_id=3 sig_level=0.05"),
        "SELECT token_count, secret FROM t WHERE e = 'a@b.org' AND signature IS NULL",
    ],
)
def test_the_rest_is_left_alone(text):
    assert redacted(text) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\"'<>@ ", exclude_categories=("Z", "C")), min_size=1))
def test_any_password_is_blotted_out(password):
    assert redacted(f"postgresql://ann:{password}@db/x") == "postgresql://***@db/x"
    assert redacted(f"see https://ann:x{password}@host") == "see https://***@host"


def test_a_request_is_written_without_secrets_and_asks_for_them(tmp_path, cli):
    spec = make_spec(dataset="postgresql://ann:s3cret@db/x", query="SELECT dblink('password=t0ken')", families="dummy")
    path = tmp_path / "spec.yaml"
    path.write_text(spec.to_yaml())
    assert path.read_text().startswith("# *** stands for a password, token or signature, which is not kept.")
    again = make_spec(**read_config(path))
    assert (again.dataset, again.query) == ("postgresql://***@db/x", f"SELECT dblink('password={MASK}')")
    told = cli("run", "--config", path, "--no-track", "--engine", "local")
    assert told.code == 2
    assert "must hold the password, token or signature for which *** stands: spec.yaml keeps none" in told.err


def test_libraries_cannot_log_secrets(monkeypatch, cli, capfd):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    cli("--version")
    logging.getLogger("urllib3").warning("Retrying http://%s@host/?token=%s", "ann:s3cret", "t0ken")
    assert capfd.readouterr().err == "Retrying http://***@host/?token=***\n"


def test_unexpected_failures_show_no_secrets(monkeypatch, cli):
    def fails(*args, **kwargs):
        raise ZeroDivisionError("at https://ann:s3cret@host")

    monkeypatch.setattr("bench.sources.remote.read", fails)
    told = cli("check", "https://host/data.csv")
    assert told.err.startswith("error: bench failed unexpectedly: ZeroDivisionError: at https://***@host.")


# --- a whole run -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def guarded():
    """An http server with a table for ann alone."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers["Authorization"] == "Basic YW5uOnMzY3JldC9wQHNzIzE="
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(FRAME.write_csv().encode() if known else b"")

        def log_message(self, *args):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://ann:{postgres.SPELLED}@127.0.0.1:{web.server_port}/data.csv?token={postgres.SPELLED}"
    web.shutdown()
    web.server_close()


@contextlib.contextmanager
def in_postgresql():
    from adbc_driver_postgresql import dbapi

    address = os.environ["BENCH_TEST_SERVER"]
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS secrets")
        cursor.adbc_ingest("secrets", FRAME.to_arrow())
        connection.commit()
    yield f"{address}#secrets"


@contextlib.contextmanager
def in_sqlite():
    with sqlite3.connect("file.db") as connection:
        connection.execute("CREATE TABLE data (a, b, colour, y)")
        connection.executemany("INSERT INTO data VALUES (?, ?, ?, ?)", FRAME.rows())
    connection.close()
    yield f"sqlite:///file.db?password={postgres.SPELLED}"


def unpacked(path: Path) -> bytes:
    """The bytes of a file, and of what is compressed in it."""
    content = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content += b"".join(archive.read(name) for name in archive.namelist())
    return content + (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else b"")


@pytest.mark.parametrize("source", [in_postgresql, in_sqlite, guarded])
@pytest.mark.filterwarnings("ignore:::mlflow", "ignore:::alembic", "ignore:::sqlalchemy")
def test_a_whole_run_leaves_no_password_behind(source, request, tmp_path, empty_store, monkeypatch, cli):
    if source is in_postgresql:
        monkeypatch.setenv("BENCH_TEST_SERVER", request.getfixturevalue("server"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("bench.wrap_up._IMPORTANCE_SECONDS", 0.1)
    (tmp_path / "results").mkdir()
    shutil.copy(empty_store, tmp_path / "results/mlflow.db")
    with source() as address:
        query = ["--query", f"SELECT *, 'password={postgres.SPELLED}' AS p FROM data ORDER BY rowid"]
        words = ["run", "--dataset", address, *(query if source is in_sqlite else []), "--target", "y"]
        words += ["--engine", "local", "--trials", "2", "--families", "dummy,decision_tree"]
        words += ["--drop", "p"] if source is in_sqlite else []
        told = cli(*words)
        assert told.code == 0, told.err
        again = cli(*words)
    assert "This run is complete" in again.err
    (folder,) = [path for path in Path("results").iterdir() if (path / "spec.yaml").exists()]
    assert MASK in read_json(folder / "dataset.json")["source"]
    assert MASK in read_json(folder / "environment.json")["command"]
    assert (Path("results") / "mlartifacts").exists()
    shown = told.out + told.err + again.out + again.err + "".join(map(str, Path("results").rglob("*")))
    written = {
        path: unpacked(path) for path in [*Path("results").rglob("*"), *Path("cache").rglob("*")] if path.is_file()
    }
    assert len(written) > 20
    for secret in (postgres.PASSWORD, postgres.SPELLED, postgres.SPELLED.replace("%", "%25")):
        assert secret not in shown
        assert not [path for path, content in written.items() if secret.encode() in content]
