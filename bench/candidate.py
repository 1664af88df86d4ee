"""A candidate: one family with one set of parameters, and the identity of its trial."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bench.space import Params

Origin = Literal["baseline", "default", "quick", "portfolio", "tuned", "grown", "ensemble"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What one trial fits. ``number`` counts the family's candidates from 0; ``trial_id`` hashes all that decides it.

    ``patient`` candidates are not given up before their last fold. ``rows`` is how many of a fold's training rows are
    learned from at most; None for all of them.
    """

    trial_id: str
    family: str
    params: Params
    origin: Origin
    number: int
    seed: int
    patient: bool = False
    rows: int | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """How the leaderboard calls it: its label if it has one, or ``lightgbm``, ``lightgbm_1``, ``lightgbm_2``."""
        if self.label is not None:
            return self.label
        return self.family if self.number == 0 else f"{self.family}_{self.number}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the name among them."""
        return {**asdict(self), "params": dict(self.params), "name": self.name}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Candidate":
        """Read back what `to_dict` gave; other keys are left aside."""
        return cls(**{name: content[name] for name in cls.__dataclass_fields__})
