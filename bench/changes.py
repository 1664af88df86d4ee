"""What is otherwise now than it was where folds of a run were fitted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.candidate import Candidate
from bench.environment import environment
from bench.family import get_family
from bench.problem import Problem
from bench.processor import Processor, processor
from bench.resources import allotment_like, machine
from bench.roster import trial_identity
from bench.store import read_events, read_json
from bench.trial import FoldResult

#: What sessions record of where they run, as it is called here.
_SOFTWARE = {
    "bench": "bench",
    "git_commit": "bench's commit",
    "git_changes": "hash of bench's changes since that commit",
    "python": "Python",
    "libc": "C library",
    "blas": "BLAS of NumPy",
}
_NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that was otherwise ``then``, when a fold was fitted."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} then, {self.now} now"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A fold that a candidate was fitted on, as the journal has it; ``lent`` are the rounds it was lent."""

    candidate: Candidate
    recorded: FoldResult
    lent: tuple[int, ...]

    @property
    def key(self) -> tuple[str, int]:
        """Trial and fold."""
        return self.candidate.trial_id, self.recorded.fold


def changes(problem: Problem, fits: Sequence[Fit]) -> tuple[Change, ...]:
    """Tell each change once, of all that the run's folder has recorded of where and what was fitted."""
    environments = _environments(problem.folder)
    of_fits = {id(environment): environment for environment in (environments[fit.key] for fit in fits)}
    told: list[Change] = []
    for then in of_fits.values():
        told += _environment_changes(then)
    for fit in fits:
        told += [*_place_changes(fit), *_identity_change(problem, fit, environments[fit.key]["libraries"])]
    return tuple(dict.fromkeys(told))


def _environments(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The environment of the session that fitted each trial's folds."""
    environments: dict[tuple[str, int], dict[str, Any]] = {}
    session: dict[str, Any] = {}
    for event in read_events(folder):
        if event["event"] == "session" and event["phase"] == "begin":
            session = event.get("environment") or read_json(folder / "environment.json")
        elif event["event"] == "fold" and event["status"] == "ok":
            environments[event["trial_id"], event["fold"]] = session
    return environments


def _environment_changes(then: Mapping[str, Any]) -> Iterator[Change]:
    """Compare a session's software, and what steers it, with this process's; what is not recorded is no change."""
    now = environment(machine(), then["libraries"])
    for key, what in _SOFTWARE.items():
        if key in then:
            yield from _change(what, then[key], now[key])
    for group in ("libraries", "variables"):
        for name in sorted({*then.get(group, {}), *(now[group] if group == "variables" else ())}):
            yield from _change(name, then.get(group, {}).get(name), now[group].get(name))


def _place_changes(fit: Fit) -> Iterator[Change]:
    """Compare what a fold was fitted on with what it is fitted on now."""
    recorded, allotment = fit.recorded, allotment_like(fit.recorded.threads, fit.recorded.device)
    yield from _change("threads a fit", recorded.threads, allotment.cpus)
    yield from _change("device", recorded.device, allotment.device)
    if recorded.processor:
        then, now = Processor.parse(recorded.processor), processor()
        yield from _change("CPU", then.model, now.model)
        yield from _change("CPU features", _without(then, now), _without(now, then))


def _without(processor: Processor, other: Processor) -> str:
    """Features that another processor has not."""
    return " ".join(feature for feature in processor.features if feature not in other.features)


def _identity_change(problem: Problem, fit: Fit, libraries: Mapping[str, str]) -> Iterable[Change]:
    """Tell when what a trial's id hashes, but for versions of libraries, gives another id now."""
    candidate = fit.candidate
    family, device = get_family(candidate.family), fit.recorded.device
    params, seed, rows = candidate.params, candidate.seed, candidate.rows
    now = trial_identity(problem, family, device, params, seed, rows, libraries)
    what = f"trial id of {candidate.name} (data, target, splits, seed, parameters, versions of its family and recipe)"
    return _change(what, candidate.trial_id, now)


def _change(what: str, then: object, now: object) -> Iterator[Change]:
    """A change, if it is one."""
    if then != now:
        yield Change(what=what, then=str(then or _NONE), now=str(now or _NONE))
