"""The plug-in contract: what a model family owes, and how families are found.

A family is one module in `bench.families` (or behind the entry point group ``bench.families``) that exports
``FAMILY``, and one file ``search_spaces/<name>.yaml``. Its module imports nothing heavy at its top: the library is
imported inside ``build`` or the estimator's methods.
"""

import functools
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np

from bench.data import shipped
from bench.errors import BenchError, RequestError, SkipError, choices, nearest
from bench.metric import Array, TaskKind
from bench.needs import Memory, nothing, usual
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline
from bench.space import Params, Space, load_space

Growth = Literal["outputs", "values", "rows", "rows squared"]
ALL_TASKS: frozenset[TaskKind] = frozenset({"binary", "multiclass", "regression"})
CLASSIFICATION: frozenset[TaskKind] = frozenset({"binary", "multiclass"})
ENTRY_POINTS = "bench.families"


class DeadlineReached(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by an estimator whose fit was cut short, so that it must not be scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All that an estimator is built from. ``metric`` names what a fit may stop early on.

    ``rounds`` are how many to take where fits on other rows have told it, and no rows are watched; None to find out.
    ``ended_at`` is after how many to stop as if time were over, for a fit that is made again.
    """

    params: Params
    kind: TaskKind
    n_classes: int
    metric: str
    seed: int
    rounds: int | None = None
    ended_at: int | None = None


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
            DeadlineReached: the deadline passed before the fit was whole, or, where `Family.borrows` and rows are
                watched, before there was anything worth keeping.
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

    ``order`` ranks families: the cheap and strong come first. ``cost`` is about how long a default fit takes, in
    default fits of LightGBM for one output on the same rows, and ``cost_grows`` what it is to be multiplied by: the
    classes of a multiclass task, five where values are predicted, the thousands of rows, or their square; both foretell
    what a family would take before its first fit. ``behind`` foretells what it would reach: how much worse than the
    best family's its default is, as a share of that one's error, in the mean of several tables
    (``tests/benchmarks/portfolio.py``). ``baseline`` families run before all others, in the driver, with their
    defaults. ``watches`` asks for a slice of the training rows for early stopping; ``borrows`` says that the estimator
    tells the ``rounds`` it kept, takes those of other folds in their stead, and keeps the best of what it has when its
    time is over, telling after how many rounds it ``ended_at`` that. ``libraries`` names the distributions
    whose versions decide a fit, ``imports`` the modules that are imported before the clock of a first fit starts.
    ``uses_gpu`` says whether fits take a GPU, or finds out, where there is one, whether the installed build of the
    library can, ``fills_gpu`` that a fit takes all of the memory there that it is given. ``max_rows`` (of training
    rows) is where the family stops being affordable; beyond it, it is skipped with that reason. ``memory`` foretells
    the bytes that a fit takes (see `bench.needs`), ``gpu_memory`` those that it takes of a GPU. ``space`` is the file
    of a third party's search space, called ``<name>.yaml``; None for ``search_spaces/<name>.yaml``.
    """

    name: str
    summary: str
    tasks: frozenset[TaskKind]
    recipe: Literal["trees", "linear", "nets", "blank"]
    build: Callable[[Settings], Estimator]
    load: Callable[[Path], Estimator]
    libraries: tuple[str, ...]
    order: int
    imports: tuple[str, ...] = ()
    cost: float = 1.0
    cost_grows: Growth | None = None
    behind: float = 0.2
    baseline: bool = False
    watches: bool = False
    borrows: bool = False
    uses_gpu: bool | Callable[[], bool] = False
    fills_gpu: bool = False
    version: int = 1
    max_rows: int | None = None
    memory: Memory = usual
    gpu_memory: Memory = nothing
    space: Path | None = None

    @property
    def takes_gpu(self) -> bool:
        """Whether fits take a GPU where there is one; may import the library."""
        return self.uses_gpu() if callable(self.uses_gpu) else self.uses_gpu


def target_range(y: Array, margin: float = 0.05) -> tuple[float, float]:
    """Where predictions of a regression may lie: the range of the training target, widened by a part of itself."""
    lowest, highest = float(np.min(y)), float(np.max(y))
    more = margin * (highest - lowest)
    return lowest - more, highest + more


def warm_up(family: Family) -> None:
    """Import what a family's fits need.

    Raises:
        SkipError: a library is not installed.
    """
    for module in family.imports:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise SkipError(f"needs {error.name}, which is not installed: pip install {error.name}") from error


@functools.cache
def discover() -> Mapping[str, Family]:
    """Find all families, by name, the cheap and strong first.

    Raises:
        BenchError: a family's module cannot be imported or exports no `Family`, or two families have one name.
    """
    found: dict[str, tuple[str, Family]] = {}
    for origin, load in (*_packaged(), *_installed()):
        family = _loaded(origin, load)
        if family.name in found:
            raise BenchError(
                f"A family's name must be unique, got {family.name!r} from both {found[family.name][0]} and {origin}. "
                "Rename one of them or uninstall it."
            )
        found[family.name] = (origin, family)
    ranked = sorted((family for _, family in found.values()), key=lambda family: (family.order, family.name))
    return MappingProxyType({family.name: family for family in ranked})


def get_family(name: str) -> Family:
    """Find the family of a stored model.

    Raises:
        BenchError: it is not installed here.
    """
    if name not in (families := discover()):
        raise BenchError(f"Family {name!r} must be installed, as a model of it is asked for. Install its package.")
    return families[name]


def _packaged() -> Iterator[tuple[str, Callable[[], object]]]:
    """Name the modules of `bench.families`, each with a call that imports it and takes its ``FAMILY``."""
    package = importlib.import_module("bench.families")
    for module in pkgutil.iter_modules(package.__path__, "bench.families."):
        if not module.name.rpartition(".")[2].startswith("_"):
            yield module.name, functools.partial(_exported, module.name)


def _exported(module: str) -> object:
    """Import a module and take its ``FAMILY``."""
    return importlib.import_module(module).FAMILY


def _installed() -> Iterator[tuple[str, Callable[[], object]]]:
    """Name what other packages offer as ``package.module:FAMILY`` in the entry point group ``bench.families``."""
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        yield f"entry point {point.name!r} ({point.value})", point.load


def _loaded(origin: str, load: Callable[[], object]) -> Family:
    """Load one family, whatever its author did."""
    try:
        family = load()
    except Exception as error:
        raise BenchError(
            f"Every family must load, yet {origin} failed: {type(error).__name__}: {error}. Repair or uninstall it."
        ) from error
    if not isinstance(family, Family):
        raise BenchError(f"{origin} must export a bench.family.Family, got {type(family).__name__}.")
    return family


def select(expressions: Sequence[str]) -> tuple[Family, ...]:
    """Choose families for ``--families``, in their own order.

    Each expression is a list of names joined by commas. Names alone choose those families; names with a minus before
    them leave those out, of all families or of those named; no names choose all.

    Raises:
        RequestError: a name is unknown, or nothing is left.
    """
    families = discover()
    terms = [term for text in expressions for term in map(str.strip, text.split(",")) if term]
    wanted = {term for term in terms if not term.startswith("-")}
    unwanted = {term[1:].strip() for term in terms if term.startswith("-")}
    _check_known(sorted(wanted | unwanted), families)
    chosen = tuple(family for name, family in families.items() if name in (wanted or families) and name not in unwanted)
    if not chosen:
        raise RequestError(
            f"--families must leave at least one family, got {','.join(terms)!r}. Choose among: {choices(families)}."
        )
    return chosen


def _check_known(names: Iterable[str], families: Mapping[str, Family]) -> None:
    """Refuse names that no family has."""
    for name in names:
        if name not in families:
            raise RequestError(
                f"--families must name known families, got {name!r}.{nearest(name, families)} "
                f"Choose among: {choices(families)}."
            )


def space_of(family: Family) -> Space:
    """Read the search space of a family.

    Raises:
        BenchError: the file is missing, or breaks the format that `bench.space` describes.
    """
    path = family.space or shipped("search_spaces") / f"{family.name}.yaml"
    if not path.is_file():
        raise BenchError(f"Family {family.name!r} must have a search space, got no file {path.name} in {path.parent}.")
    return load_space(path)
