"""Jobs of a real Ray cluster on this machine, with a token, by the installed command."""

import json
import re
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cluster_of_one
import pytest
from processes import command

from bench.adapters import ray_jobs
from bench.adapters.ray_jobs import Jobs
from bench.errors import BenchError, RequestError

TOKEN = "0123456789abcdef" * 4
QUICK = ("--families", "dummy,linear", "--folds", 2, "--engine", "local", "--no-track")


@pytest.fixture(scope="module")
def cluster():
    with cluster_of_one.one_node(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture
def bench(cluster, tmp_path):
    """Gives ``bench(verb, *words)``: start a command that knows the cluster and its token."""

    def start(verb, *words, **environment):
        folder = tmp_path / f"{verb}-{len(list(tmp_path.iterdir()))}"
        known = {"RAY_API_SERVER_ADDRESS": cluster.address, "RAY_AUTH_TOKEN": TOKEN}
        return command(verb, *words, folder=folder, **known | environment)

    return start


def test_a_cluster_that_does_not_answer(cli):
    told = cli("submit", "--address", "127.0.0.1:1", "run", "--dataset", "penguins")
    assert told.code == 1
    assert "no Ray cluster answers at http://127.0.0.1:1 (ConnectionError)" in told.err
    assert "8265" in told.err


@pytest.mark.parametrize("address", ["ray://head:10001", "http://", "auto://x"])
def test_an_address_that_is_no_dashboards(cli, address):
    told = cli("status", "--address", address)
    assert told.code == 2
    assert f"--address must be that of the cluster's dashboard, such as http://head:8265, got {address!r}." in told.err


def test_an_address_is_spelled_in_full():
    shown = {Jobs(address).shown for address in ("head", "head:8265", "http://head:8265/")}
    assert shown == {"http://head:8265"}
    assert Jobs("https://ann:s3cret@proxy/ray").shown == "https://***@proxy/ray"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["rum"], "a command of bench must follow --, such as run; got 'rum'."),
        (["list"], "a command of bench must follow --, such as run; got ''."),
        (["run", "--tirals", "3"], "--tirals"),
        (["run", "--trials", "many"], "Invalid value for '--trials'"),
    ],
)
def test_a_command_is_checked_before_it_is_sent(cli, words, why):
    told = cli("submit", "--address", "127.0.0.1:1", *words)
    assert told.code == 2
    assert why in re.sub(r"[\s│]+", " ", told.err)


@pytest.fixture
def head(monkeypatch):
    """Gives ``head(*answers)``: a server that tells these states and logs of a job, in turn; None is a bad gateway."""
    monkeypatch.setattr(ray_jobs, "_POLL_SECONDS", 0.01)

    def serve(*answers):
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                state = left[0]
                if self.path.endswith("/logs"):
                    content = {"logs": left.pop(0)["logs"]}
                else:
                    content = {"submission_id": "j", "entrypoint": "bench run", **(state or {})}
                self.send_response(502 if state is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())
                if state is None:
                    left.pop(0)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return Jobs(f"127.0.0.1:{server.server_address[1]}")

    servers = []
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_following_tells_whole_lines_once_and_outlasts_a_break(head):
    jobs = head(
        {"status": "PENDING", "logs": ""},
        {"status": "RUNNING", "logs": "one\nread postgresql://ann:s3"},
        None,
        {"status": "RUNNING", "logs": "one\nread postgresql://ann:s3cret@db/x\n"},
        {"status": "SUCCEEDED", "logs": "one\nread postgresql://ann:s3cret@db/x\nlast"},
    )
    told = []
    job = jobs.follow("j", told.append)
    assert told == ["one", "read postgresql://***@db/x", "last"]
    assert (job.exit_code, job.command) == (0, "bench run")


def test_following_gives_up_a_cluster_that_is_gone(head, monkeypatch):
    monkeypatch.setattr(ray_jobs, "_PATIENCE_SECONDS", 0.0)
    with pytest.raises(BenchError, match="answered 502 to GET /api/jobs/j"):
        head(None, {"status": "SUCCEEDED", "logs": ""}).follow("j", print)


@pytest.mark.parametrize(
    ("status", "returned", "code"),
    [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("FAILED", -9, 137), ("FAILED", None, 1), ("STOPPED", None, 143)],
)
def test_exit_code_is_what_a_terminal_would_show(head, status, returned, code):
    told = {"status": status, "driver_exit_code": returned, "logs": ""}
    assert head(told).follow("j", print).exit_code == code


@pytest.mark.slow
def test_a_job_is_followed_and_ends_as_its_command_did(bench, cluster, tmp_path):
    asked = ("run", "--dataset", "penguins", "--trials", 2, *QUICK, "--output", tmp_path / "run")
    with bench("submit", *asked) as submitted:
        assert submitted.wait() == 0, submitted.stderr
    assert "linear" in submitted.stdout
    assert "best: " in submitted.stdout
    assert "succeeded" in submitted.stderr
    assert (tmp_path / "run" / "DONE").exists()
    with bench("submit", "--", "run", "--dataset", "nosuch", "--engine", "local") as wrong:
        assert wrong.wait() == 2
    assert "got 'nosuch'" in wrong.stdout
    with bench("status") as listed:
        assert listed.wait() == 0
    assert [word for word in listed.stdout.split() if word in ("succeeded", "failed")] == ["succeeded", "failed"]


@pytest.mark.slow
def test_an_interrupt_leaves_the_job_running_and_stop_ends_it_with_a_board(bench, tmp_path):
    asked = ("run", "--dataset", "penguins", "--budget", "10m", *QUICK, "--output", tmp_path / "run")
    with bench("submit", "--detach", *asked) as submitted:
        assert submitted.wait() == 0, submitted.stderr
    name = submitted.stdout.strip()
    with bench("status", name, "--follow") as following:
        following.wait_until(lambda: "linear_1" in following.stdout)
        following.signal_group(signal.SIGINT)
        assert following.wait(10) == 130
    assert f"bench stop {name} --address http://127.0.0.1:" in following.stderr
    with bench("status", name) as one:
        assert one.wait() == 0
    assert "running" in one.stdout
    with bench("stop", name) as stopped:
        assert stopped.wait(60) == 0
    assert stopped.stderr == f"job {name}: stopped\n"
    assert (tmp_path / "run" / "leaderboard.csv").exists()
    with bench("status", name, "--follow") as late:
        assert late.wait() == 143
    assert "best: " in late.stdout


@pytest.mark.slow
def test_secrets_of_a_command_are_in_no_list_and_no_log(bench, cluster):
    with bench("submit", "run", "--dataset", "postgresql://ann:s3cret@127.0.0.1:1/adult#t") as submitted:
        assert submitted.wait() == 2, submitted.stderr
    with bench("status") as listed:
        assert listed.wait() == 0
    assert "postgresql://***@127.0.0.1:1/adult#t" in listed.stdout
    assert "s3cret" not in submitted.stdout + submitted.stderr + listed.stdout
    logs = [path.read_text() for path in (cluster.folder / "session_latest" / "logs").rglob("job-driver-*.log")]
    assert any("BENCH_WORD" in log for log in logs)
    assert not any("s3cret" in log for log in logs)


@pytest.mark.slow
def test_a_token_is_asked_for(bench, tmp_path, monkeypatch):
    home = {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": ""}
    with bench("status", **home) as without:
        assert without.wait() == 2
    assert "asks for a token. It is taken from RAY_AUTH_TOKEN" in without.stderr
    with bench("status", RAY_AUTH_TOKEN="f" * 64) as wrong:
        assert wrong.wait() == 2
    assert "asks for another token" in wrong.stderr
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(f"{TOKEN}\n")
    with bench("status", **home) as by_file:
        assert by_file.wait() == 0, by_file.stderr


@pytest.mark.slow
def test_a_job_that_is_not_there(bench, cluster, monkeypatch):
    with bench("stop", "nosuch") as stopped:
        assert stopped.wait() == 2
    assert (
        f"there is no job 'nosuch' at {cluster.address}. `bench status` lists those that there are." in stopped.stderr
    )
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    with pytest.raises(RequestError, match="there is no job 'nosuch'"):
        Jobs(cluster.address).log("nosuch")
