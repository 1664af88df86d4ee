"""The plug-in contract: what a model family owes, and how families are found.

A family is one module in `bench.families` (or behind the entry point group ``bench.families``) that exports
``FAMILY``, and one file ``search_spaces/<name>.yaml``. Its module imports nothing heavy at its top: the library is
imported inside ``build`` or the estimator's methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bench.metric import Array, TaskKind
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline
from bench.space import Params

ALL_TASKS: frozenset[TaskKind] = frozenset({"binary", "multiclass", "regression"})
CLASSIFICATION: frozenset[TaskKind] = frozenset({"binary", "multiclass"})


class DeadlineReached(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by an estimator whose fit was cut short, so that it must not be scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All that an estimator is built from. ``metric`` names what a fit may stop early on."""

    params: Params
    kind: TaskKind
    n_classes: int
    metric: str
    seed: int


class Estimator(Protocol):
    """What is fitted on one fold. It never sees the rows that it is scored on."""

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit on training rows.

        ``y`` holds class codes 0..n_classes-1, each of which occurs, or values. ``valid`` is a slice of the training
        rows to watch for early stopping, None for families that do not ask for one. Stay within ``allotment``.

        Raises:
            DeadlineReached: the deadline passed before the fit was whole.
        """
        ...

    def predict(self, X: Encoded) -> Array:
        """Predict probabilities [n_rows, n_classes] (rows sum to 1), or values [n_rows] in regression; float64."""
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted estimator into an existing folder, in the library's own format and never as a pickle."""
        ...

    @classmethod
    def load(cls, folder: Path) -> "Estimator":
        """Read back what ``save`` wrote; predicts the same to the last bit."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """A kind of model. ``version`` is part of a trial's identity: raise it whenever fits come out otherwise.

    ``order`` ranks families: the cheap and strong come first. ``baseline`` families run before all others, in the
    driver, with their defaults. ``watches`` asks for a slice of the training rows for early stopping. ``libraries``
    names the distributions whose versions decide a fit. ``max_rows`` (of training rows) is where the family stops
    being affordable; beyond it, it is skipped with that reason.
    """

    name: str
    summary: str
    tasks: frozenset[TaskKind]
    recipe: Literal["trees", "linear", "nets"]
    build: Callable[[Settings], Estimator]
    load: Callable[[Path], Estimator]
    libraries: tuple[str, ...]
    order: int
    baseline: bool = False
    watches: bool = False
    uses_gpu: bool = False
    version: int = 1
    max_rows: int | None = None
