"""How long predicting takes, and which models are quick enough beside the best single one."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.trial import TrialResult

_REPEATS = 5


def quick_enough(members: Sequence[TrialResult], slowdown: float) -> tuple[TrialResult, ...]:
    """Choose what may be combined: all of it together predicts within ``slowdown`` times the best single model's time.

    As measured in the folds. ``members`` come best first; the best of every family is looked at before any second one.
    """
    count: Counter[str] = Counter()
    places = {}
    for member in members:
        places[member.candidate.trial_id] = count[member.candidate.family]
        count[member.candidate.family] += 1
    left = slowdown * _seconds(members[0]) if members else 0.0
    chosen = set()
    for member in sorted(members, key=lambda m: places[m.candidate.trial_id]):
        if (seconds := _seconds(member)) <= left:
            chosen.add(member.candidate.trial_id)
            left -= seconds
    return tuple(member for member in members if member.candidate.trial_id in chosen)


def _seconds(result: TrialResult) -> float:
    """Seconds in predict, summed over folds."""
    return sum(fold.predict_seconds for fold in result.folds)


def predict_seconds(predict: Callable[[], object]) -> float:
    """Time a prediction: the shortest of a few, after a first that may have to load the model."""
    predict()
    return min(_timed(predict) for _ in range(_REPEATS))


def _timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
