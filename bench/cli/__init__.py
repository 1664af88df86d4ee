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

from bench.cli.app import app
from bench.errors import BenchError
from bench.secrets import redacted

#: Those that write for MLflow, and that are still starting Ray.
_OUR_THREADS = ("bench-mlflow", "bench-ray-starting")


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
    """Exit; at once where a thread of ours is still at work, since it may be inside a library that aborts then."""
    if any(thread.daemon and thread.name in _OUR_THREADS for thread in threading.enumerate()):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(leaving.code if isinstance(leaving.code, int) else 1)
    raise leaving
