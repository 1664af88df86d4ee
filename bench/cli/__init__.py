"""The command line: one file a verb. Messages go to stderr, results to stdout.

Exit codes: 0 done; 1 the run failed, or the audit of `bench check` blocks; 2 the request or the data is wrong; 130 and
143 interrupted by SIGINT and SIGTERM.
"""

import logging
import os
import sys

from bench.cli.app import app
from bench.errors import BenchError


def main() -> None:
    """Run the command and exit with its code."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
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

    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(code)
