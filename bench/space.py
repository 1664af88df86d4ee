"""Search spaces: ``search_spaces/<family>.yaml`` read into plain ranges, defaults and portfolio points.

A file holds::

    family: lightgbm
    params:                                   # what is searched
      learning_rate: {type: float, low: 0.005, high: 0.1, log: true}
      num_leaves: {type: int, low: 2, high: 200, log: true}
      extra_trees: {type: categorical, choices: [false, true]}
      class_weight: {type: categorical, choices: [null, balanced], when: imbalanced}
    defaults: {n_estimators: 100}             # the first candidate of the family: cheap, and known to all
    base: {n_estimators: 10000}               # what all later candidates have in place of a default
    quick: {n_estimators: 30}                 # over the defaults of a first candidate that would take too long
    portfolio: [{learning_rate: 0.02}]        # tried before the search; what a point leaves out is the base's
    costs: {quick: 0.3, portfolio: [3.0], search: 4.0}  # about how many default fits each takes, and one of the search

``when`` leaves a parameter, in the search and in the defaults, to tasks that it fits: ``classification``,
``regression``, ``imbalanced``, ``skewed`` (a target whose values grow by factors); or to tables with something to make
features of (see `bench.recipes.features`): ``dates``, ``text``, ``numbers`` (two numeric columns or more),
``categories`` (two or more), ``mixed`` (one of each), ``many_levels`` (in a category), ``gaps``. Parameters called
``features_<switch>`` are the recipe's, not the model's; ``target_log`` is nobody's own (see `bench.log_target`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from bench.errors import BenchError

Value = bool | int | float | str | None
Params = Mapping[str, Value]
Condition = Literal[
    "classification",
    "regression",
    "imbalanced",
    "skewed",
    "dates",
    "text",
    "numbers",
    "categories",
    "mixed",
    "many_levels",
    "gaps",
]
ROUNDS, _RATE = "n_estimators", "learning_rate"
#: To make up for fewer rounds, no rate is raised above the highest that a library has by default.
_HIGHEST_RATE = 0.3
#: Parameters that the time of a fit grows with in proportion, at most: of trees or rounds, and of nets.
ITERATIONS = (ROUNDS, "epochs")
_PARAMETER_KEYS = {"type", "low", "high", "log", "choices", "when"}
_SPACE_KEYS = {"family", "params", "defaults", "base", "quick", "portfolio", "costs"}
_COST_KEYS = {"quick", "portfolio", "search"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One searched parameter: a range with both ends included, or choices."""

    name: str
    type: Literal["float", "int", "categorical"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()
    when: Condition | None = None

    def grid(self, points: int) -> tuple[Value, ...]:
        """Spread at most ``points`` values over the range, ends included; every choice of a categorical one."""
        if self.type == "categorical":
            return self.choices
        fractions = [index / (points - 1) for index in range(points)]
        if self.log:
            values = [self.low * (self.high / self.low) ** fraction for fraction in fractions]
        else:
            values = [self.low + (self.high - self.low) * fraction for fraction in fractions]
        values[-1] = self.high  # rounding may have passed it
        if self.type == "int":
            return tuple(dict.fromkeys(round(value) for value in values))
        return tuple(values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """What is searched for one family, and where the search starts; ``base`` overlays later candidates' defaults.

    ``quick`` holds complete parameters for a first candidate in a hurry, nothing where there are none. ``costs`` are
    the portfolio's points', ``quick_cost`` that one's and ``search_cost`` another point's, in default fits; 1 where
    nothing is said.
    """

    family: str
    parameters: tuple[Parameter, ...]
    defaults: Params
    portfolio: tuple[Params, ...]
    base: Params = field(default_factory=dict)
    quick: Params = field(default_factory=dict)
    quick_cost: float = 1.0
    costs: tuple[float, ...] = ()
    search_cost: float = 1.0

    def cost_of(self, params: Params) -> float:
        """About how many default fits a fit with these complete parameters takes."""
        if params == self.defaults:
            return 1.0
        if params == self.quick:
            return self.quick_cost
        known = zip(self.portfolio, self.costs, strict=False)
        asked = _without_iterations(params)
        matches = (cost for point, cost in known if _without_iterations(self.complete(point)) == asked)
        return min(next(matches, self.search_cost), self._most_cost(params))

    def _most_cost(self, params: Params) -> float:
        """What a fit may take at most by the number of its iterations, if that is less than is usual."""
        usual = self.complete({})
        shares = (_ratio(params, self.defaults, name) for name in ITERATIONS if params.get(name) != usual.get(name))
        return min(shares, default=math.inf)

    def limited(self, params: Params, cost: float) -> Params:
        """Lower the number of iterations so that a fit takes no more than about so many default fits, one at least.

        Each iteration is taken to cost as much as one of a default fit; to stop early costs less. Where a point usually
        takes more than it is left, each round of boosting learns as much more, within reason, if the rate is searched.
        """
        cost = max(1.0, cost)
        limits = {name: int(_rounded(cost * _number(self.defaults, name), 2)) for name in ITERATIONS}
        fewer = {name: n for name, n in limits.items() if n and n < _number(params, name)}
        rate, searched = _number(params, _RATE), any(p.name == _RATE for p in self.parameters)
        raised = min(rate * self.cost_of(params) / cost, _HIGHEST_RATE if searched else rate)
        if ROUNDS not in fewer or raised <= rate:
            return {**params, **fewer}
        return {**params, **fewer, _RATE: _rounded(raised, 3)}

    def complete(self, point: Params) -> Params:
        """Fill in what a portfolio point or a suggestion leaves out."""
        return {**self.defaults, **self.base, **point}

    def narrowed(self, conditions: frozenset[str]) -> "Space":
        """Leave out the parameters whose ``when`` is not among ``conditions``."""
        out = {p.name for p in self.parameters if p.when is not None and p.when not in conditions}

        def keep(params: Params) -> dict[str, Value]:
            return {name: value for name, value in params.items() if name not in out}

        return replace(
            self,
            parameters=tuple(p for p in self.parameters if p.name not in out),
            defaults=keep(self.defaults),
            base=keep(self.base),
            quick=keep(self.quick),
            portfolio=tuple(keep(point) for point in self.portfolio),
        )


def _number(params: Params, name: str) -> float:
    """A parameter's value where it is a number; 0 elsewhere."""
    value = params.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _rounded(value: float, digits: int) -> float:
    """Round to so many significant digits."""
    return float(f"{value:.{digits}g}")


def _ratio(params: Params, others: Params, name: str) -> float:
    """How many times as large a parameter is as another one of its name; infinite where it is not known."""
    usual = _number(others, name)
    return _number(params, name) / usual if usual else math.inf


def _without_iterations(params: Params) -> dict[str, Value]:
    """Parameters but for the numbers of iterations."""
    return {name: value for name, value in params.items() if name not in ITERATIONS}


def _parameter(name: str, entry: Any, where: str) -> Parameter:
    """Read one entry of ``params``."""
    if not isinstance(entry, dict) or not set(entry) <= _PARAMETER_KEYS:
        raise BenchError(f"{where}: parameter {name!r} must be a mapping with keys among {sorted(_PARAMETER_KEYS)}.")
    if entry.get("when") not in (None, *get_args(Condition)):
        raise BenchError(f"{where}: parameter {name!r} must have a when among {list(get_args(Condition))}.")
    if entry.get("type") == "categorical":
        if not entry.get("choices"):
            raise BenchError(f"{where}: categorical parameter {name!r} must have choices.")
        return Parameter(name=name, type="categorical", choices=tuple(entry["choices"]), when=entry.get("when"))
    if entry.get("type") not in ("float", "int"):
        raise BenchError(f"{where}: parameter {name!r} must have type float, int or categorical.")
    low, high, log = entry.get("low"), entry.get("high"), bool(entry.get("log", False))
    if not (isinstance(low, (int, float)) and isinstance(high, (int, float)) and low < high and (low > 0 or not log)):
        raise BenchError(f"{where}: parameter {name!r} must have low < high, and low > 0 with log: true.")
    return Parameter(name=name, type=entry["type"], low=low, high=high, log=log, when=entry.get("when"))


def _costs(entry: Any, where: str) -> dict[str, Any]:
    """Read ``costs``."""
    sound = isinstance(entry, dict) and set(entry) <= _COST_KEYS and isinstance(entry.get("portfolio", []), list)
    numbers = [*entry.get("portfolio", []), entry.get("quick", 1.0), entry.get("search", 1.0)] if sound else []
    if not sound or not all(isinstance(number, (int, float)) and number > 0 for number in numbers):
        raise BenchError(f"{where}: costs must be a mapping with keys among {sorted(_COST_KEYS)}, of numbers above 0.")
    *points, quick, search = map(float, numbers)
    return {"costs": tuple(points), "quick_cost": quick, "search_cost": search}


def load_space(path: Path) -> Space:
    """Read and check one search space file.

    Raises:
        BenchError: the file breaks the format above; the message names the file and the parameter.
    """
    content = yaml.safe_load(path.read_text())
    if not isinstance(content, dict) or not set(content) <= _SPACE_KEYS or content.get("family") != path.stem:
        raise BenchError(f"{path.name} must be a mapping with keys among {sorted(_SPACE_KEYS)}, family: {path.stem}.")
    params, defaults, quick = (content.get(key) or {} for key in ("params", "defaults", "quick"))
    space = Space(
        family=content["family"],
        parameters=tuple(_parameter(name, entry, path.name) for name, entry in params.items()),
        defaults=defaults,
        base=content.get("base") or {},
        quick={**defaults, **quick} if quick else {},
        portfolio=tuple(content.get("portfolio") or ()),
        **_costs(content.get("costs") or {}, path.name),
    )
    if len(space.costs) not in (0, len(space.portfolio)):
        raise BenchError(f"{path.name}: costs must have {len(space.portfolio)} numbers, one for each portfolio point.")
    for point in (*space.portfolio, quick):
        if unknown := set(point) - set(space.complete({})) - set(params):
            raise BenchError(f"{path.name}: a point of quick or portfolio names unknown parameters {sorted(unknown)}.")
    return space
