"""Which features are made beyond a recipe's own: parameters of a candidate called ``features_<switch>``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from bench.errors import BenchError
from bench.space import Params, Value

#: What a parameter's name begins with when it is the recipe's and not the model's.
PREFIX = "features_"
_CHOICES: Mapping[str, tuple[Value, ...]] = {
    "dates": ("parts", "cyclic"),
    "text": ("words", "characters"),
    "numbers": ("auto", "quantile", "yeo_johnson"),
    "target": ("none", "folds", "ordered"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Features:
    """Switches of the generators; the defaults add nothing.

    ``dates`` and ``text`` add columns to those that each recipe has. ``numbers`` shapes every number of recipes
    ``linear`` and ``nets`` to a normal distribution; ``auto`` is what the recipe does by itself. ``rare`` is how many
    training rows a level must have not to be merged with the other rare ones. The rest is in the modules beside.
    """

    dates: str = "parts"
    text: str = "words"
    numbers: str = "auto"
    rare: int = 0
    crosses: bool = False
    arithmetic: bool = False
    groups: bool = False
    counts: bool = False
    target: str = "none"
    missing: bool = False

    def __post_init__(self) -> None:
        """Hold every switch to what it can be.

        Raises:
            BenchError: a switch has another value.
        """
        for name, value in asdict(self).items():
            if name == "rare":
                allowed, wanted = type(value) is int and value >= 0, "a whole number, 0 or more"
            else:
                choices = _CHOICES.get(name, (False, True))
                allowed, wanted = value in choices and type(value) in map(type, choices), f"among {list(choices)}"
            if not allowed:
                raise BenchError(
                    f"Parameter {PREFIX + name!r} must be {wanted}, got {value!r}. Correct the search space."
                )

    @classmethod
    def of(cls, params: Params) -> "Features":
        """Read the switches among a candidate's parameters.

        Raises:
            BenchError: a parameter with the prefix is no switch, or a switch has a value that is none of its choices.
        """
        found = {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(found) - set(known)):
            raise BenchError(
                f"Parameter {PREFIX + unknown[0]!r} must be a switch of features, one of {known} after the prefix. "
                "Correct the search space."
            )
        return cls(**found)  # type: ignore[arg-type]

    @property
    def key(self) -> str:
        """What differs from the defaults, as part of a path; empty when nothing does."""
        changed = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
        return "-".join(name if value is True else f"{name}-{value}" for name, value in changed.items())


def without_switches(params: Params) -> Params:
    """Leave a model its own parameters."""
    return {name: value for name, value in params.items() if not name.startswith(PREFIX)}
