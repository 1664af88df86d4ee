"""Who takes part in a search: the families asked for that fit the task, with their spaces, studies and identities."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from bench.engine import allotment_for
from bench.errors import RequestError, choices
from bench.family import Family, Growth, select, space_of
from bench.fold_data import recipe_key
from bench.identity import digest
from bench.log_target import is_skewed
from bench.metric import TaskKind
from bench.problem import Problem
from bench.proposals import Member, Proposals, row_steps
from bench.recipes.features import conditions
from bench.recipes.screening import MOST_COLUMNS
from bench.resources import Machine
from bench.space import Params, Space
from bench.spec import RunSpec
from bench.split import Splits
from bench.study import FamilyStudy, Outcomes, study_seed
from bench.task import Task

#: A larger table gets no features but those of its recipes.
_MAX_FEATURE_CELLS = 20_000_000
#: How much longer a forest takes to tell values than classes: it looks at all columns at each split.
_VALUES_COST = 5.0
#: About what LightGBM's default takes an output: for its trees, and for each training row of so many columns at most.
_SECONDS_AN_OUTPUT, _SECONDS_A_ROW, _COLUMNS = 0.05, 1e-5, 20
#: Share of the search's time that a fold of it may take before families begin with fewer rows.
_FIRST_SHARE = 0.12
_RECIPE_LIBRARIES = ("numpy", "polars", "scikit-learn")


def _version(library: str) -> str:
    """Version of an installed distribution; empty when it is not there, which its family then says."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def trial_identity(
    problem: Problem,
    family: Family,
    device: str,
    params: Params,
    seed: int,
    rows: int | None = None,
    versions: Mapping[str, str] | None = None,
) -> str:
    """Hash all that decides what a trial's folds come out as; with the ``versions`` of libraries that are given."""
    needed = (*family.libraries, *_RECIPE_LIBRARIES)
    libraries = {name: _version(name) if versions is None else versions.get(name, "") for name in needed}
    return digest(
        problem.identity,
        recipe_key(family.recipe),
        family.name,
        family.version,
        dict(params),
        seed,
        rows,
        {"threads": 1, "device": device},
        libraries,
    )


def _conditions(problem: Problem) -> frozenset[str]:
    """Which of a space's ``when`` hold for the task."""
    task = problem.task
    held = {"regression"} if task.kind == "regression" else {"classification"}
    if task.imbalanced:
        held.add("imbalanced")
    if task.kind == "regression" and is_skewed(task.y[problem.splits.folds[0].train]):
        held.add("skewed")
    # Each choice of features is encoded, and kept until the run ends, for every fold.
    if task.n_rows * len(task.schema.columns) <= _MAX_FEATURE_CELLS:
        held |= conditions(task.schema)
    return frozenset(held)


def families_for(task: Task, splits: Splits, asked: Sequence[str]) -> tuple[tuple[Family, ...], tuple[str, ...]]:
    """The families asked for that fit task and size, and a sentence for each that does not.

    Raises:
        RequestError: none is left.
    """
    rows = max(len(fold.train) for fold in splits.folds)
    fitting, notes = [], []
    for family in select(asked):
        if task.kind not in family.tasks:
            notes.append(f"{family.name} is left out: it fits {choices(family.tasks)} tasks only.")
        elif family.max_rows is not None and rows > family.max_rows:
            limit = f"it takes at most {family.max_rows} training rows, here are {rows}"
            notes.append(f"{family.name} is left out: {limit}.")
        else:
            fitting.append(family)
    if not fitting:
        raise RequestError(f"at least one family must fit the task. {' '.join(notes)} See `bench list families`.")
    return tuple(fitting), tuple(notes)


def _growth(kind: TaskKind, rows: int, outputs: int) -> dict[Growth | None, float]:
    """What each family's cost is multiplied by, as `Family` says."""
    thousands = rows / 1_000
    values = _VALUES_COST if kind == "regression" else 1.0
    return {None: 1.0, "outputs": outputs, "values": values, "rows": thousands, "rows squared": thousands**2}


def make_proposals(
    problem: Problem, families: Sequence[Family], spec: RunSpec, machine: Machine, *, seconds: float = math.inf
) -> Proposals:
    """Bring families, spaces and studies together; of a run by the clock, ``seconds`` is what its search may take."""
    outcomes = Outcomes(problem.folder / "optuna.journal")
    conditions = _conditions(problem)
    maximize = problem.task.metric.greater_is_better

    def member(family: Family) -> Member:
        space: Space = space_of(family).narrowed(conditions)
        device = allotment_for(family.name, machine, machine.cpus).device
        study = FamilyStudy(
            space,
            maximize=maximize,
            sampler=spec.sampler,
            seed=study_seed(spec.seed, family.name),
            outcomes=outcomes,
        )
        return Member(
            family=family,
            space=space,
            study=study,
            identify=partial(trial_identity, problem, family, device),
            cost=family.cost * growth[family.cost_grows],
        )

    rows = max(len(fold.train) for fold in problem.splits.folds)
    outputs = len(problem.task.classes) if problem.task.kind == "multiclass" else 1
    columns = min(MOST_COLUMNS, len(problem.task.schema.columns))
    a_row = _SECONDS_A_ROW * max(1.0, columns / _COLUMNS)
    steps = (rows,) if spec.trials is not None else row_steps(rows, _FIRST_SHARE * seconds / (outputs * a_row))
    growth = _growth(problem.task.kind, rows, outputs)
    return Proposals(
        [member(family) for family in families],
        metric=problem.task.metric,
        seed=spec.seed,
        timed=spec.trials is None,
        steps=steps,
        guess=_SECONDS_AN_OUTPUT * rows / steps[0] + rows * a_row,
    )
