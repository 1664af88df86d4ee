"""What can be afforded: how many fits at once, how long the search may take, what is kept back for what follows."""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from bench.resources import Deadline, Machine
from bench.spec import RunSpec

#: Candidates of a counted run are proposed in batches of this size, whatever the number of workers, so that what is
#: proposed depends on whole batches of results and on nothing that is measured.
BATCH = 4
#: By the trace, ensembles, board, predictor, report and tracking take 2.5 s of CPU on 48,842 rows (58 folds).
_RESERVE_SHARE = 0.04
_RESERVE_SECONDS = (6.0, 45.0)
_RESERVE_PER_MILLION_CELLS = 1.0
#: What ensembles take to learn from a million probabilities of several classes, and from how many they learn.
_RESERVE_PER_MILLION_PROBABILITIES = 6.0
_MOST_PROBABILITIES = 700_000
#: A fit of a counted run, in which no time is up, is taken for hung after so many seconds.
_FIT_LIMIT_SECONDS = 3600.0
#: What follows the search may take so long once a signal has come in.
_HURRY_SECONDS = 7.5
_LAST_SECONDS = 3.0
#: Of a budget, for fitting what was chosen on all rows, where that is asked for.
_REFIT_SHARE = 0.15


class Until(Deadline):
    """A deadline that comes soon once ``stop`` is set, at any time."""

    def __init__(self, seconds: float | None = None, stop: threading.Event | None = None) -> None:
        """Set the deadline ``seconds`` from now."""
        super().__init__(seconds)
        self._stop = stop or threading.Event()
        self._hurried: Deadline | None = None

    @property
    def left(self) -> float:
        """Seconds left."""
        if self._hurried is None and self._stop.is_set():
            self._hurried = Deadline(_HURRY_SECONDS)
        return min(super().left, math.inf if self._hurried is None else self._hurried.left)

    @property
    def pressing(self) -> bool:
        """Whether ``stop`` was set, and what is left is needed for what has to be written in any case."""
        return self._stop.is_set() and self.left < _LAST_SECONDS


#: A moment that does not come.
NEVER = Until()


def within(until: Deadline, shares: Iterator[float]) -> Iterator[float]:
    """Shares of a time, as long as there is so much left until a moment when each is asked for."""
    return (min(share, max(0.0, until.left)) for share in shares)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How a run is spent. ``trials`` is None in a run that stops by the clock; ``search`` ends the search then.

    A fit that takes longer than ``fit_limit`` seconds is taken for hung.

    ``total`` is the moment at which the command should be over, but for what is fitted again on all rows: soon, in a
    counted run, too, once it was told to stop.
    """

    slots: int
    trials: int | None
    search: Deadline
    total: Until
    window_seconds: float
    fit_limit: float = math.inf

    @property
    def counted(self) -> bool:
        """Whether the run ends after so many trials, whatever the clock says."""
        return self.trials is not None


def plan(
    spec: RunSpec, machine: Machine, stop: threading.Event, *, spent: float, cells: int, probabilities: int = 0
) -> Plan:
    """Divide the budget.

    Args:
        spec: the request; its ``budget`` is what the whole command may take.
        machine: what the run may use.
        stop: when set, what is left has to be over soon.
        spent: seconds already gone, in this command since its start and in earlier ones of the same run.
        cells: rows times columns, which scoring and reporting grow with.
        probabilities: rows times classes, where these are more than two, which ensembles grow with.
    """
    slots = max(1, machine.cpus)
    if spec.budget is None:
        return Plan(
            slots=slots,
            trials=spec.trials,
            search=Deadline(None),
            total=Until(None, stop),
            window_seconds=0.0,
            fit_limit=spec.fit_limit or _FIT_LIMIT_SECONDS,
        )
    low, high = _RESERVE_SECONDS
    reserve = min(max(low, _RESERVE_SHARE * spec.budget), high) + _RESERVE_PER_MILLION_CELLS * cells / 1e6
    reserve += _RESERVE_PER_MILLION_PROBABILITIES * min(probabilities, _MOST_PROBABILITIES) / 1e6
    left = spec.budget - spent - (_REFIT_SHARE * spec.budget if spec.refit else 0.0)
    window = max(0.0, left - min(reserve, 0.5 * spec.budget))
    return Plan(
        slots=slots,
        trials=None,
        search=Deadline(window),
        total=Until(max(0.0, left), stop),
        window_seconds=window,
        fit_limit=spec.fit_limit or math.inf,
    )
