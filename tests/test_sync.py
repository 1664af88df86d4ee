"""``bench sync``: what MLflow lacks of a run is sent once, from the run folder, whatever kept it from being sent."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow_fixture
import pytest
from mlflow_fixture import client_of, runs_of
from processes import board, command, events

from bench.store import hold

pytestmark = mlflow_fixture.QUIET
empty_store, folder = mlflow_fixture.empty_store, mlflow_fixture.folder

ASKED = ("--dataset", "wine", "--trials", 3, "--folds", 2, "--families", "dummy,naive_bayes,linear")
EXPERIMENT = "bench/wine/log_loss"
EVERYTHING = "sent 3 trials, outcome, files, dataset, models"


@pytest.fixture
def place(folder, monkeypatch):
    """The folder that holds runs, with an empty store; importances get no time."""
    monkeypatch.setattr("bench.wrap_up._IMPORTANCE_SECONDS", 0.0)
    return folder.parent


def start(cli, run: Path, *more: object):
    return cli("run", *ASKED, "--engine", "local", "--quiet", "--output", run, *more)


def assert_recorded(run: Path, *, status: str = "FINISHED") -> None:
    """The store has all of the run, and has it once."""
    client = client_of(run)
    (parent,), children = runs_of(run, EXPERIMENT)
    experiment = parent.info.experiment_id
    assert len(client.search_runs([experiment])) == 1 + len(children)
    ended = {event["trial_id"]: event["status"] for event in events(run, "trial")}
    assert {name: child.data.tags["bench.status"] for name, child in children.items()} == ended
    assert {child.info.status for child in children.values()} == {"FINISHED"}
    best = json.loads((run / "leaderboard.json").read_text())["rows"][0]
    assert parent.info.status == status
    assert parent.data.metrics["cv_mean"] == best["cv_mean"]
    assert [point.value for point in client.get_metric_history(parent.info.run_id, "cv_mean")] == [best["cv_mean"]]
    assert (parent.data.params["trials"], parent.data.params["target"]) == ("3", "target")
    began, done = events(run, "session")[0]["at"], (run / "DONE").stat().st_mtime
    assert 1000 * began - 1 <= parent.info.start_time <= parent.info.end_time
    assert parent.info.end_time == pytest.approx(1000 * done, abs=60_000)
    files = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert {"spec.yaml", "leaderboard.csv", "report.html"} <= files
    assert [entry.dataset.name for entry in parent.inputs.dataset_inputs] == ["wine"]
    models = client.search_logged_models([experiment])
    assert sorted(model.name for model in models) == ["best", "ensemble"]
    assert {str(model.status) for model in models} == {"READY"}
    assert {output.model_id for output in parent.outputs.model_outputs} == {model.model_id for model in models}


def test_a_run_that_was_tracked_lacks_nothing(cli, place):
    assert start(cli, place / "run").code == 0
    assert_recorded(place / "run")
    told = cli("sync", place / "run")
    assert (told.code, told.err) == (0, f"{place / 'run'}: nothing was missing\n")
    assert told.out == f"mlflow ui --backend-store-uri sqlite:///{place / 'mlflow.db'}\n"
    assert_recorded(place / "run")


def test_a_run_made_without_tracking_is_sent_whole_and_once(cli, place):
    assert start(cli, place / "run", "--no-track").code == 0
    assert not (place / "run" / "mlflow.json").exists()
    told = cli("sync", place / "run")
    assert (told.code, told.err) == (0, f"{place / 'run'}: {EVERYTHING}\n")
    assert_recorded(place / "run")
    assert cli("sync", place / "run").err == f"{place / 'run'}: nothing was missing\n"
    assert_recorded(place / "run")

    client = client_of(place / "run")
    (parent,), before = runs_of(place / "run", EXPERIMENT)
    gone, *_ = before.values()
    client.delete_run(gone.info.run_id)
    client.set_terminated(parent.info.run_id, status="RUNNING")
    (place / "run" / "report.md").write_text("another")
    assert cli("sync", place / "run").err == f"{place / 'run'}: sent 1 trial, outcome, files\n"
    assert_recorded(place / "run")
    _, after = runs_of(place / "run", EXPERIMENT)
    assert {run.info.run_id for run in before.values()} - {run.info.run_id for run in after.values()} == {
        gone.info.run_id
    }

    elsewhere = f"sqlite:///{place / 'elsewhere.db'}"
    shutil.copy(place / "mlflow.db", place / "elsewhere.db")
    with contextlib.closing(sqlite3.connect(place / "elsewhere.db", isolation_level=None)) as store:
        store.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    assert cli("sync", place / "run", "--uri", elsewhere).err == f"{place / 'run'}: {EVERYTHING}\n"
    for uri in (elsewhere, f"sqlite:///{place / 'mlflow.db'}"):
        assert cli("sync", place / "run", "--uri", uri).err == f"{place / 'run'}: nothing was missing\n"
    assert_recorded(place / "run")


def test_models_that_were_left_unfinished_are_logged_once(cli, place, monkeypatch):
    from mlflow import MlflowClient

    assert start(cli, place / "run", "--no-track").code == 0
    with monkeypatch.context() as patch:
        upload = MlflowClient.log_model_artifacts
        uploads = []

        def fail_second(self, *args):
            uploads.append(args)
            if len(uploads) == 2:
                raise ConnectionError("connection reset")
            upload(self, *args)

        patch.setattr(MlflowClient, "log_model_artifacts", fail_second)
        told = cli("sync", place / "run")
    assert told.code == 1
    assert (
        "still lacks models: ConnectionError: connection reset. It took 3 trials, outcome, files, dataset" in told.err
    )
    assert cli("sync", place / "run").err == f"{place / 'run'}: sent models\n"
    assert_recorded(place / "run")


class Failing(http.server.BaseHTTPRequestHandler):
    """Answers every request with 500."""

    def fail(self) -> None:
        self.send_response(500)
        self.end_headers()
        self.wfile.write(b"the database is gone")

    do_GET = do_POST = do_PUT = do_PATCH = fail  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def bad_store(kind: str, place: Path, patch: pytest.MonkeyPatch):
    """Have a store that is ``down``, ``silent``, answers ``500`` or is a database that is ``locked``."""
    with contextlib.ExitStack() as stack:
        if kind == "locked":
            lock = stack.enter_context(contextlib.closing(sqlite3.connect(place / "mlflow.db", isolation_level=None)))
            lock.execute("BEGIN EXCLUSIVE")
            yield
            return
        if kind == "500":
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            port = server.server_port
        elif kind == "silent":
            port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        else:
            port = 9
        patch.setenv("MLFLOW_TRACKING_URI", f"http://ann:s3cret@127.0.0.1:{port}")
        yield
        patch.delenv("MLFLOW_TRACKING_URI")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("down", "Connection refused"),
        pytest.param("500", "too many 500 error responses", marks=pytest.mark.slow),
        pytest.param("silent", "it gave no answer within 2 s", marks=pytest.mark.slow),
        pytest.param("locked", "it gave no answer within 2 s", marks=pytest.mark.slow),
    ],
)
def test_item_64_mlflow_down_then_sync(cli, place, monkeypatch, caplog, kind, reason):
    """The run goes on as without tracking, and what is missing is recorded later, once."""
    monkeypatch.setattr("bench.adapters.mlflow._OPENING_SECONDS", 20.0 if kind == "500" else 2.0)
    with bad_store(kind, place, monkeypatch):
        told = start(cli, place / "run")
        assert told.code == 0
        (warning,) = [entry.getMessage() for entry in caplog.records if entry.name == "bench.track"]
        assert f"`bench sync {place / 'run'}` sends what is missing" in warning
        told = cli("sync", place / "run")
        assert (told.code, told.out) == (1, "")
        assert "still lacks 3 trials, outcome, files, dataset, models" in told.err
        assert reason in told.err
        assert "s3cret" not in told.err + caplog.text
    if kind == "locked":
        time.sleep(2)  # the thread that waits for the lock, in this process that has not ended, gets its turn
    assert cli("sync", place / "run").code == 0
    assert_recorded(place / "run")
    assert cli("sync", place / "run").err == f"{place / 'run'}: nothing was missing\n"
    assert start(cli, place / "calm", "--no-track").code == 0
    assert board(place / "run").equals(board(place / "calm"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda run: run.rmdir(), "must be the folder of a run whose search has begun"),
        (lambda run: (run / "identity.json").write_text("{}"), "must be the folder of a run whose search has begun"),
    ],
    ids=["absent", "a suite"],
)
def test_what_is_no_run_is_refused(cli, folder, make, message):
    make(folder)
    told = cli("sync", folder)
    assert told.code == 2
    assert message in told.err


def test_a_run_under_way_is_left_alone(cli, binary, tmp_path):
    shutil.copytree(binary.folder, tmp_path / "run")
    identity = json.loads((tmp_path / "run" / "identity.json").read_text())["identity"]
    with hold(tmp_path / "run", identity):
        told = cli("sync", tmp_path / "run")
    assert told.code == 2
    assert "is in use by process" in told.err


def listening(port: int) -> bool:
    """Whether a server answers."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.slow
def test_a_server_that_is_started_later_gets_runs_that_were_killed_and_that_ended(tmp_path):
    """Real processes: a run while nobody listens, one that is killed, then MLflow's own server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    whole, killed = tmp_path / "results" / "whole", tmp_path / "results" / "killed"
    environment = {"MLFLOW_TRACKING_URI": uri}
    with command("run", *ASKED, "--output", whole, folder=tmp_path, **environment) as started:
        assert started.wait(200) == 0
        assert f"`bench sync {whole}` sends what is missing" in started.stderr
    endless = ("--dataset", "wine", "--budget", "10m", "--engine", "local", "--families", "dummy,naive_bayes,linear")
    with command("run", *endless, "--output", killed, folder=tmp_path, **environment) as started:
        started.wait_until(lambda: len(events(killed, "trial")) > 5)
        started.process.kill()
        started.wait(5)
    with command("sync", whole, killed, folder=tmp_path / "down", **environment) as started:
        assert started.wait() == 1
        assert "Traceback" not in started.stderr
    serve = ("server", "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--port", str(port))
    stores = ("--artifacts-destination", tmp_path / "server", "--host", "127.0.0.1", "--workers", "1")
    with (
        (tmp_path / "server.log").open("w") as log,
        subprocess.Popen(
            [Path(sys.executable).with_name("mlflow"), *serve, *stores],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            start_new_session=True,
        ) as server,
    ):
        try:
            until = time.monotonic() + 120
            while not listening(port):
                assert time.monotonic() < until, (tmp_path / "server.log").read_text()
                time.sleep(0.5)
            with command("sync", whole, killed, folder=tmp_path / "up", **environment) as started:
                assert started.wait(200) == 0, started.stderr
                assert started.stderr.splitlines()[0] == f"{whole}: {EVERYTHING}"
                assert started.stdout.count(f"{uri}/#/experiments/") == 2
            with command("sync", whole, killed, folder=tmp_path / "again", **environment) as started:
                assert started.wait(200) == 0, started.stderr
                assert started.stderr.count("nothing was missing") == 2
            check = (
                "import json, sys; from mlflow import MlflowClient; client = MlflowClient(sys.argv[1]);"
                f"found = client.search_runs([client.get_experiment_by_name('{EXPERIMENT}').experiment_id]);"
                "print(json.dumps([[run.info.status, run.data.tags.get('mlflow.parentRunId'), run.info.run_id]"
                " for run in found]))"
            )
            answer = subprocess.run([sys.executable, "-c", check, uri], capture_output=True, text=True, check=True)
            runs = json.loads(answer.stdout)
            parents = {run_id: status for status, parent, run_id in runs if parent is None}
            children = [sum(parent == one for _, parent, _ in runs) for one in parents]
            assert sorted(parents.values()) == ["FINISHED", "KILLED"]
            assert sorted(children) == sorted([3, len({event["trial_id"] for event in events(killed, "trial")})])
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, 15)
