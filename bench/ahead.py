"""What follows the search is imported during it, by the process that waits for its workers meanwhile.

To import what ensembles and their members need takes 2 to 5 s, in which no worker has anything to do once the search is
over, and the fits of weights would lose that much of their time.
"""

import contextlib
import importlib
import threading
from collections.abc import Sequence

from bench.candidate import Candidate
from bench.family import discover
from bench.trial import FoldResult, TrialResult

#: What combines candidates.
_COMBINING = ("scipy.optimize", "lightgbm")


class Ahead:
    """An observer of the search: imports what a family's models predict with once one of its candidates is whole.

    Baselines are hardly ever members of ensembles; what they need is left to whoever asks for it.
    """

    def __init__(self) -> None:
        """Nothing is imported yet."""
        self._begun: set[str] = set()

    def opened(self, candidate: Candidate) -> None:
        """Nothing to import yet."""

    def folded(self, result: FoldResult) -> None:
        """Nothing to import yet."""

    def closed(self, result: TrialResult) -> None:
        """Import, in a thread, what a family needs that has its first whole candidate."""
        family = discover()[result.candidate.family]
        if result.status != "ok" or family.baseline:
            return
        modules = [name for name in (*_COMBINING, *family.imports) if name not in self._begun]
        if modules:
            self._begun.update(modules)
            threading.Thread(target=_import, args=[modules], name="bench-importing", daemon=True).start()

    def benched(self, family: str, reason: str) -> None:
        """Nothing to import."""


def _import(modules: Sequence[str]) -> None:
    """Import modules; whoever needs one that cannot be imported will be told."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
