"""Which family is next: the one whose next candidate promises the largest gain a second.

A family's next error is taken for normally distributed around what its candidates reached so far; its promise is the
expected improvement over the best error of all families (Mockus 1978), over the seconds a candidate of it costs. It is
discounted by how many of the family were proposed already: of n + 1 draws alike, the last is the best once in n + 1
times, and on a plateau the best of hundreds of cheap ones is the luckiest. What a family may reach that was not tried
yet, other tables tell: how far it is behind what can be reached, taken for exponentially distributed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.metric import Metric
from bench.trial import FoldResult, TrialResult

#: Spread that is assumed before a family has shown its own, as a share of the gap between the median family's best
#: candidate and the best of all (the worst would be the dummy, beside which all families look alike).
_PRIOR_SPREAD = 0.1
#: To it comes what may still be gained: a family's first candidates, much alike, do not tell what it can reach. With
#: half of it one family had most of a minute before others had more than their default (tests/benchmarks/search.md).
#: What may still be gained, as a share of the best error: about what LightGBM's default is behind the best family.
_WITHIN_REACH = 0.05
#: What a fold that ran out of time is taken to have needed, in multiples of what it had.
_LATE = 2.0


@dataclass
class FamilyRecord:
    """What a family's candidates reached: ``errors`` are mean errors (lower is better) of those with all folds.

    ``fold_seconds`` is, by trial and fold, how long a worker was busy with each fold that went well, or would have been
    with all rows and a default's parameters, ``late_seconds`` what those that ran out of time are taken to have needed.
    """

    errors: list[float] = field(default_factory=list)
    fold_seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    late_seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    incumbent: tuple[float, ...] | None = None
    tried: int = 0
    failures: int = 0
    exhausted: bool = False
    _total_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._total_seconds = sum(self.fold_seconds.values()) + sum(self.late_seconds.values())

    @property
    def seconds_a_fold(self) -> float | None:
        """Mean seconds that a default fit keeps a worker busy; None before the first."""
        count = len(self.fold_seconds) + len(self.late_seconds)
        return self._total_seconds / count if count else None

    @property
    def mean_fold_seconds(self) -> float:
        """Mean seconds of the folds that went well."""
        return (self._total_seconds - sum(self.late_seconds.values())) / len(self.fold_seconds)

    def clock(self, fold: FoldResult, *, cost: float = 1.0) -> None:
        """Take in the seconds of a fold that was expected to ``cost`` so many default fits on all rows."""
        if fold.status == "ok":
            self._note(self.fold_seconds, fold, fold.busy_seconds / cost)
        elif fold.status == "timeout" and fold.busy_seconds > 0:
            self._note(self.late_seconds, fold, _LATE * fold.busy_seconds / cost)

    def _note(self, known: dict[tuple[str, int], float], fold: FoldResult, seconds: float) -> None:
        """Note a fold once, or anew, and keep the total."""
        key = fold.trial_id, fold.fold
        self._total_seconds += seconds - known.get(key, 0.0)
        known[key] = seconds

    def add(self, result: TrialResult, metric: Metric) -> None:
        """Take in a closed candidate, whose folds were clocked.

        To be late is no failure of a family that has been in time: the next one is foretold to be dearer.
        """
        self.tried += 1
        if result.status in ("ok", "pruned"):
            self.failures = 0
        elif result.status != "timeout" or not self.fold_seconds:
            self.failures += 1
        if result.status != "ok":
            return
        if self.incumbent is None or metric.better(result.mean, float(np.mean(self.incumbent))):
            self.incumbent = result.scores
        self.errors.append(metric.error(result.mean))


def _expected_improvement(mean: float, spread: float, best: float) -> float:
    """Mean of max(0, best - X) for X normal with this mean and spread."""
    z = (best - mean) / spread
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return spread * (z * 0.5 * math.erfc(-z / math.sqrt(2)) + density)


def _cost(records: Mapping[str, FamilyRecord], seconds: float) -> float:
    """Seconds a fold, but no less than the median family's: to be cheaper still is no merit, or the cheapest family
    would take all candidates, and the best of a hundred is mostly lucky."""
    known = [own for other in records.values() if (own := other.seconds_a_fold) is not None]
    return max(seconds, float(np.median(known)) if known else 0.0, 1e-3)


def expected_gain(
    records: Mapping[str, FamilyRecord],
    name: str,
    *,
    seconds: float | None = None,
    behind: float | None = None,
    under_way: int = 0,
) -> float:
    """Expected improvement of one more candidate of a family, a second where ``seconds`` a fold are foretold, otherwise
    a candidate.

    ``records`` holds all families; candidates of this one that are ``under_way`` are not among what it tried. Those
    without a whole candidate promise nothing, but for one that was not tried yet: in the mean it is said to be
    ``behind`` what can be reached by this share of the error.
    """
    record = records[name]
    firsts = np.sort([min(other.errors) for other in records.values() if other.errors])
    if not len(firsts) or not (record.errors or behind):
        return 0.0
    best = float(firsts[0])
    cost = 1.0 if seconds is None else _cost(records, seconds)
    if behind:
        return abs(best) * (_WITHIN_REACH - behind * -math.expm1(-_WITHIN_REACH / behind)) / cost
    prior = _PRIOR_SPREAD * (float(np.median(firsts)) - best) + _WITHIN_REACH * abs(best) + 1e-12
    errors = np.sort(record.errors)[: max(1, (len(record.errors) + 1) // 2)]
    spread = math.sqrt((float(np.sum((errors - errors.mean()) ** 2)) + prior**2) / len(errors))
    return _expected_improvement(float(errors.mean()), spread, best) / cost / (1 + record.tried + under_way)
