"""What can go wrong, and how the command ends.

::

    BenchError                  exit code 1
    ├── RequestError            exit code 2   a flag, a name or a combination of them is wrong
    ├── DataError               exit code 2   the data cannot be used as it is
    │   └── AuditBlockedError   exit code 2   the audit found what would make every score a lie
    ├── StoreError              exit code 2   the output folder cannot be used
    │   └── StorageFullError    exit code 1   what the output folder lies on cannot be written to any longer
    ├── ClusterError            exit code 1   the Ray cluster cannot be joined, or its machines do not fit
    ├── RunFailedError          exit code 1   the run was sound, yet nothing usable came out
    └── TrackingError           exit code 1   what keeps record of runs cannot be reached, or refuses

    SkipError                   not an error of the user's: this family cannot run here, for a stated reason

Every message says what must hold, what was got and what to do.
"""

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """The root of every error that is told to the user without a traceback."""

    exit_code = 1


class RequestError(BenchError):
    """A flag, a name or a combination of them is wrong."""

    exit_code = 2


class DataError(BenchError):
    """The data cannot be used as it is."""

    exit_code = 2


class AuditBlockedError(DataError):
    """The audit found what would make every score a lie."""


class StoreError(BenchError):
    """The output folder cannot be used."""

    exit_code = 2


class ClusterError(BenchError):
    """The Ray cluster cannot be joined, or its machines do not fit."""


class StorageFullError(StoreError):
    """What the output folder lies on cannot be written to any longer."""

    exit_code = 1


class RunFailedError(BenchError):
    """The run was sound, yet nothing usable came out of it."""


class TrackingError(BenchError):
    """What keeps record of runs cannot be reached, or refuses."""


class SkipError(Exception):
    """A family cannot run here; its text is the reason that is shown."""


def choices(names: Iterable[str]) -> str:
    """Join names for the end of a message: ``a, b, c``."""
    return ", ".join(sorted(names))


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of ``names`` are spelled like ``name``, as a sentence to end a message with; empty when none is."""
    by_lower = {candidate.lower(): candidate for candidate in names if candidate != name}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(by_lower[hit]) for hit in close)}?" if close else ""
