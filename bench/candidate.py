"""A candidate: one family with one set of parameters, and the identity of its trial."""

from dataclasses import dataclass
from typing import Literal

from bench.space import Params

Origin = Literal["baseline", "default", "portfolio", "tuned", "ensemble"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What one trial fits. ``number`` counts the family's candidates from 0; ``trial_id`` hashes all that decides it."""

    trial_id: str
    family: str
    params: Params
    origin: Origin
    number: int
    seed: int

    @property
    def name(self) -> str:
        """How the leaderboard calls it: ``lightgbm``, then ``lightgbm_1``, ``lightgbm_2``."""
        return self.family if self.number == 0 else f"{self.family}_{self.number}"
