"""Schedules: what a rate, a decay or a dropout is multiplied by, as a function of a fit's progress from 0 to 1."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

RateSchedule = Literal["cosine", "coslog4", "plateau"]
ShareSchedule = Literal["flat", "flat_cos"]


def flat(progress: float) -> float:
    """Stay at 1."""
    return 1.0


def cosine(progress: float) -> float:
    """Fall from 1 to 0 in half a wave."""
    return (1 + math.cos(math.pi * progress)) / 2


def coslog4(progress: float) -> float:
    """Rise from 0 to 1 and fall back four times, each wave twice as long as the one before.

    Holzmüller et al., Better by Default (2024), section 3.
    """
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2


def flat_cos(progress: float) -> float:
    """Stay at 1 for the first half, then fall to 0 in half a wave (ibid.)."""
    return cosine(max(0.0, 2 * progress - 1))


#: Plateaus are found by the fit, which scales a flat rate itself.
RATES: Mapping[RateSchedule, Callable[[float], float]] = {"cosine": cosine, "coslog4": coslog4, "plateau": flat}
SHARES: Mapping[ShareSchedule, Callable[[float], float]] = {"flat": flat, "flat_cos": flat_cos}
