"""The command line: one file a verb. Messages go to stderr, results to stdout.

Exit codes: 0 done; 1 the run failed, the audit of `bench check` blocks, or `bench reproduce` predicts otherwise; 2 the
request or the data is wrong; 130 and 143 interrupted by SIGINT and SIGTERM.
"""

import atexit
import faulthandler
import logging
import os
import sys
import threading
import time

from bench.cli.app import app
from bench.errors import BenchError
from bench.processes import clear_temporary
from bench.secrets import redacted

_CLEARING_SECONDS = 0.5


class _Redacting(logging.Formatter):
    """Keeps secrets out of what libraries log, too."""

    def format(self, record: logging.LogRecord) -> str:
        """Spell a record."""
        return redacted(super().format(record))


def main() -> None:
    """Run the command and exit with its code."""
    log = logging.StreamHandler()
    log.setFormatter(_Redacting("%(message)s"))
    logging.basicConfig(handlers=[log], level=logging.WARNING)
    if sys.stderr is sys.__stderr__:
        faulthandler.enable()  # a crash in a library's native code leaves a stack
    try:
        _carry_out()
    except SystemExit as leaving:
        _leave(leaving)


def _carry_out() -> None:
    """Run the command; whatever goes wrong ends with a message and a code."""
    try:
        app()
    except BenchError as error:
        fail(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("BENCH_DEBUG"):
            raise
        fail(f"bench failed unexpectedly: {type(error).__name__}: {error}. BENCH_DEBUG=1 shows the traceback.", 1)


def fail(message: str, code: int) -> None:
    """Say what went wrong and end the process."""
    from bench.text import printable

    print(f"error: {printable(redacted(message))}", file=sys.stderr)
    sys.exit(code)


def _leave(leaving: SystemExit) -> None:
    """Exit, at once unless a thread has to be waited for.

    To take apart what a run has loaded takes the interpreter seconds, and a daemon of ours that is still at work, such
    as the one that writes for MLflow, may be inside a library that aborts then.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if not all(thread.daemon for thread in others) or not isinstance(leaving.code, int | None):
        raise leaving
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    clear_temporary(time.monotonic() + _CLEARING_SECONDS)
    os._exit(leaving.code or 0)
