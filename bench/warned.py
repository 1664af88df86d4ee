"""Python's warnings, counted instead of shown: fits of bad parameters warn by the thousand."""

import contextlib
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count warnings by the names of their categories while the block runs, and show none."""
    counts: Counter[str] = Counter()

    def count(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        counts[category.__name__] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = count
        yield counts
