"""Commands as jobs of a Ray cluster, by the HTTP interface of the cluster's dashboard.

Nothing of Ray is needed where jobs are submitted from. What the interface answers is described in Ray's documentation
under "Ray Jobs REST API". A cluster that asks for a token is given the one that Ray itself would use.
"""

import contextlib
import functools
import os
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from bench.errors import BenchError, RequestError
from bench.secrets import redacted
from bench.text import printable

#: Where Ray's dashboard listens unless it was told otherwise.
_PORT = 8265
#: The key in a job's metadata under which the command stands without its secrets.
_COMMAND = "bench"
#: Seconds to wait for a connection, and for an answer.
_TIMEOUTS = (10.0, 60.0)
#: Ray kills what does not end within this time after `Jobs.stop`; a run needs some of it to write its board.
_STOP_SECONDS = 30
#: For how long a cluster may not answer, while a job is followed, before that is an error.
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 1.0
#: Each look at a log fetches all of it: long ones are looked at less often, to keep to so many bytes a second.
_LOG_BYTES_A_SECOND = 1e6
#: As a shell says that SIGTERM ended a command, which is how Ray stops a job.
_STOPPED = 143


class _PassingError(BenchError):
    """The cluster does not answer, which may pass."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the cluster says of a job, without secrets; moments are seconds since the epoch."""

    name: str
    status: str
    command: str
    message: str
    began: float | None
    ended: float | None
    returned: int | None

    @property
    def is_over(self) -> bool:
        """Whether the job will not change any more."""
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED")

    @property
    def exit_code(self) -> int:
        """The code that the command would have ended with in a terminal; 1 where it could not even be started."""
        if self.returned is not None:
            return self.returned if self.returned >= 0 else 128 - self.returned
        return {"SUCCEEDED": 0, "STOPPED": _STOPPED}.get(self.status, 1)


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, address: str) -> None:
        """Name the cluster: HOST, HOST:PORT, or the address of its dashboard.

        Raises:
            RequestError: the address is none of a dashboard.
        """
        self.address = _url(address)
        self._session = requests.Session()

    def submit(self, words: Sequence[str]) -> str:
        """Have a command carried out on the cluster's head node, and give the job's name.

        Words that hold a secret travel as environment variables, so that neither the cluster's lists nor its logs spell
        them out.

        Raises:
            BenchError: the cluster does not answer, or does not take the job.
        """
        secrets = {f"BENCH_WORD_{n}": word for n, word in enumerate(words) if redacted(word) != word}
        names = {word: f'"${name}"' for name, word in secrets.items()}
        request = {
            "entrypoint": " ".join(names.get(word) or shlex.quote(word) for word in words),
            "runtime_env": {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_SECONDS), **secrets}},
            "metadata": {_COMMAND: shlex.join(map(redacted, words))},
        }
        return str(self._ask("POST", "/api/jobs/", json=request).json()["submission_id"])

    def list(self) -> list[Job]:
        """All jobs that were submitted to the cluster, the oldest first.

        Raises:
            BenchError: the cluster does not answer.
        """
        answer = self._ask("GET", "/api/jobs/").json()
        jobs = [_job(facts) for facts in answer if facts.get("submission_id")]
        return sorted(jobs, key=lambda job: job.began or time.time())

    def find(self, name: str) -> Job:
        """Look one job up.

        Raises:
            RequestError: there is no such job.
            BenchError: the cluster does not answer.
        """
        return _job(self._ask("GET", f"/api/jobs/{name}", of=name).json())

    def log(self, name: str) -> str:
        """What a job's command has printed so far.

        Raises:
            RequestError: there is no such job.
            BenchError: the cluster does not answer.
        """
        return str(self._ask("GET", f"/api/jobs/{name}/logs", of=name).json()["logs"] or "")

    def stop(self, name: str) -> Job:
        """Ask a job to end, as SIGTERM asks a command, and wait until it has.

        Raises:
            RequestError: there is no such job.
            BenchError: the cluster does not answer.
        """
        self._ask("POST", f"/api/jobs/{name}/stop", of=name)
        return self.follow(name, lambda _: None)

    def follow(self, name: str, tell: Callable[[str], None]) -> Job:
        """Wait until a job is over, and hand on meanwhile the lines that it prints, without their secrets.

        Raises:
            RequestError: there is no such job.
            BenchError: the cluster has not answered for minutes.
        """
        told, answered = 0, time.monotonic()
        while True:
            log = ""
            try:
                job = self.find(name)  # before its log, so that the log of a job that is over is whole
                log = self.log(name)
                answered = time.monotonic()
            except _PassingError:
                if time.monotonic() > answered + _PATIENCE_SECONDS:
                    raise
            else:
                whole = log if job.is_over else log[: log.rfind("\n") + 1]
                for line in whole[told:].splitlines():
                    tell(redacted(line))
                told = max(told, len(whole))
                if job.is_over:
                    return job
            time.sleep(max(_POLL_SECONDS, len(log) / _LOG_BYTES_A_SECOND))

    def _ask(self, method: str, path: str, *, of: str = "", **more: Any) -> requests.Response:
        """Ask the cluster; ``of`` is the job that the question is about."""
        answer = self._send(method, path, **more)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and (token := _token()):
            self._session.auth = functools.partial(_signed, token)
            answer = self._send(method, path, **more)
        if answer.ok:
            return answer
        what = " ".join(printable(redacted(answer.text)).split())[-500:]
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            which = "a" if answer.status_code == HTTPStatus.UNAUTHORIZED else "another"
            raise RequestError(
                f"the cluster at {self.shown} asks for {which} token. It is taken from RAY_AUTH_TOKEN, the file that "
                "RAY_AUTH_TOKEN_PATH names, or ~/.ray/auth_token."
            )
        if of and answer.status_code == HTTPStatus.NOT_FOUND:
            raise RequestError(f"there is no job {of!r} at {self.shown}. `bench status` lists those that there are.")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise RequestError(f"{self.shown} is not the dashboard of a Ray cluster, which --address must name.")
        kind = _PassingError if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else BenchError
        raise kind(f"the cluster at {self.shown} answered {answer.status_code} to {method} {path}: {what}")

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            return self._session.request(method, self.address + path, timeout=_TIMEOUTS, **more)
        except requests.RequestException as error:
            why = type(error).__name__
            raise _PassingError(
                f"no Ray cluster answers at {self.shown} ({why}). --address takes that of its dashboard, which listens "
                f"on port {_PORT} of the head node unless told otherwise and needs `ray[default]` there."
            ) from None

    @property
    def shown(self) -> str:
        """The address, without its secrets."""
        return redacted(self.address)


def _signed(token: str, request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Show a token with a request."""
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _url(address: str) -> str:
    """Spell the address of a dashboard in full."""
    url = urlsplit(address if "://" in address else f"http://{address}")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise RequestError(
            f"--address must be that of the cluster's dashboard, such as http://head:{_PORT}, got "
            f"{redacted(address)!r}."
        )
    port = f":{_PORT}" if url.port is None and "://" not in address else ""
    return f"{url.scheme}://{url.netloc}{port}{url.path}".rstrip("/")


def _token() -> str:
    """The token that Ray would use here; empty where there is none."""
    if token := os.environ.get("RAY_AUTH_TOKEN", ""):
        return token
    with contextlib.suppress(OSError, RuntimeError):
        path = os.environ.get("RAY_AUTH_TOKEN_PATH")
        return Path(path or Path.home() / ".ray" / "auth_token").read_text(encoding="utf-8").strip()
    return ""


def _job(facts: dict[str, Any]) -> Job:
    """Read what the cluster says of one job."""
    began, ended = (facts.get(key) for key in ("start_time", "end_time"))
    return Job(
        name=str(facts["submission_id"]),
        status=str(facts["status"]),
        command=redacted((facts.get("metadata") or {}).get(_COMMAND) or str(facts["entrypoint"])),
        message=redacted(facts.get("message") or ""),
        began=began / 1000 if began else None,
        ended=ended / 1000 if ended else None,
        returned=facts.get("driver_exit_code"),
    )
