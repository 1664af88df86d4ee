"""One Optuna study a family: suggestions in, outcomes out; the only module that imports optuna.

Suggestions come from a study in memory. Every outcome is also written to a journal file in the run folder, which
`optuna-dashboard` opens; it is written anew when a run is resumed and never read back.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.identity import seed_for
from bench.space import Parameter, Params, Space
from bench.spec import Sampler
from bench.store import storage_fault

#: Settings of the tree-structured Parzen estimator, spelled out because their defaults change between versions.
TPE_SETTINGS: dict[str, Any] = {
    "n_startup_trials": 5,
    "n_ei_candidates": 24,
    "multivariate": True,
    "constant_liar": True,
}
GRID_POINTS = 3
#: A sampler looks at all that it is given, so that of a long history no more than so much is kept: the best, as many
#: as it takes for good ones, and an even sample of the rest.
_LONGEST, _KEPT, _BEST = 500, 250, 25
_LOGGER = logging.getLogger("bench.study")
#: A lock on the journal file that is held so long was left by a process that is gone.
_LOCK_SECONDS = 3
_STATES = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


def study_seed(root: int, family: str) -> int:
    """Seed of a family's study."""
    return seed_for(root, "study", family)


def describe_sampler(sampler: Sampler, root: int, families: Iterable[str]) -> dict[str, Any]:
    """Everything that decides what a sampler suggests, for the run's record; ``root`` is the run's seed.

    ``study_seeds`` has a seed a family; how those of its suggestions follow is told in words.
    """
    settings: dict[str, Any] = {"tpe": TPE_SETTINGS, "grid": {"points": GRID_POINTS}, "random": {}}[sampler]
    class_ = optuna.samplers.TPESampler if sampler == "tpe" else optuna.samplers.RandomSampler
    return {
        "sampler": sampler,
        "class": f"{class_.__module__.partition('._')[0]}.{class_.__name__}",
        "optuna": optuna.__version__,
        **settings,
        "study_seeds": {family: study_seed(root, family) for family in families},
        "suggestion_seed": "seed_for(study_seed, 'ask', number of the suggestion)",
    }


def _distribution(parameter: Parameter) -> BaseDistribution:
    """Spell a parameter the way Optuna does."""
    if parameter.type == "categorical":
        return CategoricalDistribution(parameter.choices)
    if parameter.type == "int":
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(float(parameter.low), float(parameter.high), log=parameter.log)


class Outcomes:
    """A new journal file for the outcomes of all families.

    Nothing is read from it, so that no search depends on it: where it is damaged, it is written anew from what was
    told; where that does not work either, the search goes on without it, and that is said.
    """

    def __init__(self, path: Path) -> None:
        """Begin; who made the file or its lock before is gone."""
        self._path = path
        self._told: dict[str, tuple[StudyDirection, list[FrozenTrial]]] = {}
        self._studies: dict[str, optuna.Study] | None = {}
        self._storage = self._new_storage()

    def _new_storage(self) -> optuna.storages.BaseStorage:
        """Start the file anew."""
        for path in (self._path, self._path.with_name(f"{self._path.name}.lock")):
            path.unlink(missing_ok=True)
        backends = optuna.storages.journal
        lock = backends.JournalFileSymlinkLock(str(self._path), grace_period=_LOCK_SECONDS)
        return optuna.storages.JournalStorage(backends.JournalFileBackend(str(self._path), lock_obj=lock))

    def begin(self, family: str, direction: StudyDirection) -> None:
        """Begin a family's study."""
        self._told[family] = direction, []
        self._write(partial(self._create, family))

    def add(self, family: str, trial: FrozenTrial) -> None:
        """Add an outcome to a family's study."""
        self._told[family][1].append(trial)
        self._write(lambda: self._studies and self._studies[family].add_trial(trial))

    def _create(self, family: str) -> None:
        """Write a family's study with its outcomes so far."""
        direction, trials = self._told[family]
        study = optuna.create_study(direction=direction, storage=self._storage, study_name=family)
        study.add_trials(trials)
        if self._studies is not None:
            self._studies[family] = study

    def _write(self, write: Callable[[], object]) -> None:
        """Write something; all of it once more where that fails."""
        if self._studies is None:
            return
        try:
            write()
        except Exception as error:
            if storage_fault(str(error)):  # it will be everybody's
                raise
            try:
                self._storage = self._new_storage()
                for family in self._told:
                    self._create(family)
            except Exception as again:
                self._studies = None
                _LOGGER.warning("%s cannot be written (%s); the search goes on without it.", self._path, again)


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """Parameters to try; handed back with what came of them."""

    ask: int
    params: Params


class _TreeSampler(optuna.samplers.TPESampler):  # type: ignore[misc]
    """Knows the space that all points lie in, which its base class looks for in the whole history each time."""

    def __init__(self, space: Mapping[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed, **TPE_SETTINGS)
        self._known_space = {name: space[name] for name in sorted(space) if not space[name].single()}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space as it was given."""
        return self._known_space


class FamilyStudy:
    """What has been tried for one family, and what to try next."""

    def __init__(self, space: Space, *, maximize: bool, sampler: Sampler, seed: int, outcomes: Outcomes) -> None:
        """Begin a study; ``seed`` and the outcomes told so far decide each suggestion."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._space = {parameter.name: _distribution(parameter) for parameter in space.parameters}
        self._sampler, self._seed, self._asked = sampler, seed, 0
        self._direction, self._study = direction, optuna.create_study(direction=direction)
        self._running: dict[int, int] = {}
        self._told = 0
        self._outcomes, self._family = outcomes, space.family
        outcomes.begin(space.family, direction)
        self._grid = self._shuffled_grid(space) if sampler == "grid" else iter(())

    def _shuffled_grid(self, space: Space) -> Iterator[Params]:
        """All points of the grid, in a seeded order."""
        axes = [parameter.grid(GRID_POINTS) for parameter in space.parameters]
        shape = [len(axis) for axis in axes]
        order = _permutation(math.prod(shape), seed_for(self._seed, "grid"))
        names = [parameter.name for parameter in space.parameters]

        def point(index: int) -> Params:
            at = np.unravel_index(index, shape)
            return {name: axis[int(i)] for name, axis, i in zip(names, axes, at, strict=True)}

        return (point(index) for index in order)

    def ask(self) -> Suggestion | None:
        """Suggest parameters to try; None when a grid is exhausted."""
        seed = seed_for(self._seed, "ask", self._asked)
        self._asked += 1
        if self._sampler == "grid":
            point = next(self._grid, None)
            if point is None:
                return None
            self._study.enqueue_trial(dict(point))
        if self._sampler == "tpe":
            self._study.sampler = _TreeSampler(self._space, seed)
        else:
            self._study.sampler = optuna.samplers.RandomSampler(seed=seed)
        trial = self._study.ask(fixed_distributions=self._space)
        self._running[self._asked] = trial.number
        return Suggestion(ask=self._asked, params=trial.params)

    def skip_ask(self) -> None:
        """Count a suggestion that an earlier session of the same run made."""
        self._asked += 1
        next(self._grid, None)

    def drop(self, suggestion: Suggestion) -> None:
        """Forget a suggestion that is not tried."""
        self._study.tell(self._running.pop(suggestion.ask), state=TrialState.FAIL)

    def tell(
        self, suggestion: Suggestion | None, params: Params, status: str, scores: Sequence[float], *, label: str
    ) -> None:
        """Record how parameters did: the mean of ``scores`` when ``ok``; fold scores are the intermediate values.

        Points are learned from if they lie in the space: defaults and those of earlier sessions, which were not
        suggested, may not, nor may suggestions whose learning rate was raised for want of time.
        """
        if suggestion is not None:
            self._study.tell(self._running.pop(suggestion.ask), state=TrialState.FAIL)
        if not self._contains(params):
            return
        state = _STATES.get(status, TrialState.FAIL) if scores else TrialState.FAIL
        value = float(np.mean(scores)) if state is TrialState.COMPLETE else None
        finished = create_trial(
            state=state,
            value=value,
            params={name: params[name] for name in self._space},
            distributions=self._space,
            intermediate_values=dict(enumerate(scores)),
            user_attrs={"trial_id": label},
        )
        self._study.add_trial(finished)
        self._outcomes.add(self._family, finished)
        self._told += 1
        if self._told > _LONGEST:
            self._thin()

    def _thin(self) -> None:
        """Go on with a new study that holds what runs, and as much of the history as a sampler needs."""
        trials = self._study.get_trials(deepcopy=False)
        history = [trial for trial in trials if trial.state in _STATES.values()]
        sign = -1.0 if self._direction == StudyDirection.MAXIMIZE else 1.0
        ranked = sorted(history, key=lambda trial: (trial.value is None, sign * (trial.value or 0.0), trial.number))
        rest = ranked[_BEST:]
        sample = [rest[int(place)] for place in np.linspace(0, len(rest) - 1, min(len(rest), _KEPT - _BEST))]
        kept = sorted([*ranked[:_BEST], *sample], key=lambda trial: trial.number)
        self._study = optuna.create_study(direction=self._direction)
        self._study.add_trials(kept)
        for ask, number in self._running.items():
            self._running[ask] = len(self._study.get_trials(deepcopy=False))
            self._study.add_trial(trials[number])
        self._told = len(kept)

    def _contains(self, params: Params) -> bool:
        """Whether a point names every searched parameter, each within its range."""
        try:
            return bool(self._space) and all(
                d._contains(d.to_internal_repr(params[name])) for name, d in self._space.items()
            )
        except (KeyError, ValueError, TypeError):
            return False


def _permutation(size: int, seed: int) -> Iterator[int]:
    """Order 0..size-1 at random without holding a huge grid: past a million points, a sample of them."""
    generator = np.random.default_rng(seed)
    if size <= 1_000_000:
        return (int(index) for index in generator.permutation(size))
    return (int(generator.integers(size)) for _ in range(1_000_000))
