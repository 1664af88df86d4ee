"""Pure numbers on uncertainty: bootstrap over rows for scores, and paired comparisons over rows and over folds.

All of it is deterministic for a seed, except where a limit in seconds is passed and reached.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
RowScore = Callable[[Array], float]

_SMALL = 5_000  # rows at least, where there are as many
_LARGE = 100_000  # rows at most
_RAREST = 50  # members wanted of the rarest class
_FEWEST = 100  # resamples at least, unless fewer were asked for
_NUMBERS_DRAWN = 4_000_000  # rows times classes over all resamples, about
_USABLE = 20  # scores below which an interval would be made up


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Resamples:
    """Arrays of row numbers drawn with replacement; iterating again gives the same ones.

    Use one object for all the models that are to be compared: their scores are then paired, draw by draw.

    With ``labels`` (class codes), each class has at least one row. With ``groups`` (a code a row), whole groups are
    drawn, since the rows of one are no independent evidence. The work is bounded whatever the number of rows and
    classes: of a large table only ``size`` rows are drawn, about as many of groups, and less often than ``repeats``;
    `bootstrap_interval` narrows the spread accordingly (the m out of n bootstrap; Bickel, Götze and van Zwet, 1997).
    """

    n_rows: int
    seed: int
    labels: Array | None = None
    groups: Array | None = None
    repeats: int = 1000

    @property
    def size(self) -> int:
        """Rows in a resample, about: enough for the rarest class to be seen."""
        if self.labels is None:
            return min(self.n_rows, _SMALL)
        counts = np.bincount(self.labels)
        for_rarest = math.ceil(_RAREST * self.n_rows / int(counts[counts > 0].min()))
        return min(self.n_rows, max(_SMALL, min(for_rarest, _LARGE)))

    def __len__(self) -> int:
        """Count the resamples."""
        n_classes = 2 if self.labels is None else max(2, int(self.labels.max()) + 1)
        return min(self.repeats, max(_FEWEST, _NUMBERS_DRAWN // (self.size * n_classes)))

    def __iter__(self) -> Iterator[Array]:
        """Draw the resamples one after the other."""
        generator = np.random.default_rng(self.seed)
        if self.groups is not None:
            yield from self._of_groups(generator, self.groups)
        elif self.labels is not None:
            yield from self._of_classes(generator, self.labels)
        else:
            for _ in range(len(self)):
                yield generator.integers(self.n_rows, size=self.size)

    def _of_classes(self, generator: np.random.Generator, labels: Array) -> Iterator[Array]:
        """Draw rows, of every class at least one."""
        by_class, counts = np.argsort(labels, kind="stable"), np.bincount(labels)
        first = np.cumsum(counts) - counts
        for _ in range(len(self)):
            drawn = np.maximum(generator.multinomial(self.size, counts / self.n_rows), counts > 0)
            start, count = np.repeat(first, drawn), np.repeat(counts, drawn)
            yield by_class[start + (generator.random(len(count)) * count).astype(np.int64)]

    def _of_groups(self, generator: np.random.Generator, groups: Array) -> Iterator[Array]:
        """Draw whole groups; nothing where there is but one, which tells nothing of others."""
        _, member, counts = np.unique(groups, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            return
        rows = np.split(np.argsort(member, kind="stable"), np.cumsum(counts)[:-1])
        size = max(2, round(len(counts) * self.size / self.n_rows))
        for _ in range(len(self)):
            yield np.concatenate([rows[group] for group in generator.integers(len(rows), size=size)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The mean of a - b with its interval; ``p_value`` is one-sided: small when a is greater than b beyond chance."""

    difference: float
    low: float
    high: float
    p_value: float


def bootstrap_deviations(score: RowScore, resamples: Resamples, *, seconds: float | None = None) -> tuple[float, Array]:
    """Score all rows, and how far the scores of resamples lie from that, on the scale of all rows.

    ``score`` gets row numbers; resamples on which it is NaN are left out. ``seconds`` ends the work early, which makes
    the outcome depend on the machine.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    estimate = score(np.arange(resamples.n_rows))
    draws = []
    for rows in resamples:
        if time.monotonic() > deadline:
            break
        draws.append(score(rows))
    deviations = (np.asarray(draws, dtype=np.float64) - estimate) * math.sqrt(resamples.size / resamples.n_rows)
    return estimate, deviations[np.isfinite(deviations)]


def _percentile_interval(estimate: float, deviations: Array, level: float) -> tuple[float, float]:
    """Percentiles of the resampled scores; NaN when there are too few of them."""
    if len(deviations) < _USABLE:
        return float("nan"), float("nan")
    low, high = np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2])
    return float(estimate + low), float(estimate + high)


def bootstrap_interval(
    score: RowScore, resamples: Resamples, *, level: float = 0.95, seconds: float | None = None
) -> tuple[float, float]:
    """Percentile interval of a score over rows; both ends NaN when fewer than 20 resamples could be scored."""
    estimate, deviations = bootstrap_deviations(score, resamples, seconds=seconds)
    return _percentile_interval(estimate, deviations, level)


def paired_bootstrap(
    score_a: RowScore, score_b: RowScore, resamples: Resamples, *, level: float = 0.95, seconds: float | None = None
) -> Comparison:
    """Compare two predictions of the same rows: the bootstrap distribution of score_a - score_b.

    Over pooled out-of-fold predictions this is the criterion of BBCD-CV (Tsamardinos et al., 2018).
    """
    estimate, deviations = bootstrap_deviations(lambda rows: score_a(rows) - score_b(rows), resamples, seconds=seconds)
    low, high = _percentile_interval(estimate, deviations, level)
    not_greater = int(np.count_nonzero(estimate + deviations <= 0))
    return Comparison(difference=estimate, low=low, high=high, p_value=(1 + not_greater) / (1 + len(deviations)))


def student_cdf(t: float, degrees: int) -> float:
    """Chance that Student's t is at most ``t``, by the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    term = cosine if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine**2 * ((k - 1) / k)
        total += term
    within = (2 / math.pi) * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, (1 + within) / 2))


def _student_quantile(probability: float, degrees: int) -> float:
    """Invert `student_cdf` above a half by bisection."""
    low, high = 0.0, 1.0
    while student_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, degrees) < probability else (low, middle)
    return high


def corrected_t_test(
    scores_a: Sequence[float], scores_b: Sequence[float], *, valid_share: float, level: float = 0.95
) -> Comparison:
    """Corrected resampled t-test on the scores of two candidates over the same folds (Nadeau and Bengio, 2003).

    ``valid_share`` is the share of rows that a fold scores on, 1/k for k folds: training sets overlap, and a plain
    t-test would call far too many differences real. One fold says nothing: its interval is infinite, its p 0.5.

    Raises:
        ValueError: the numbers of scores differ.
    """
    differences = np.asarray([a - b for a, b in zip(scores_a, scores_b, strict=True)], dtype=np.float64)
    folds, mean = len(differences), float(differences.mean())
    if folds < 2:
        return Comparison(difference=mean, low=-math.inf, high=math.inf, p_value=0.5)
    variance = float(differences.var(ddof=1)) * (1 / folds + valid_share / (1 - valid_share))
    # Equal differences leave rounding noise for a variance; it must not decide on the sign alone.
    error = math.sqrt(variance)
    if error <= 1e-12 * float(np.abs(differences).max()):
        return Comparison(difference=mean, low=mean, high=mean, p_value=0.5 - 0.5 * float(np.sign(mean)))
    half = _student_quantile((1 + level) / 2, folds - 1) * error
    p_value = student_cdf(-mean / error, folds - 1)
    return Comparison(difference=mean, low=mean - half, high=mean + half, p_value=p_value)


def probability_worse(errors: Sequence[float], incumbent: Sequence[float], *, valid_share: float) -> float:
    """Chance that a candidate is worse than the incumbent, from errors (lower is better) on the folds both have done.

    Compares the first folds of both; 0.5 when there are fewer than two. This is the posterior of the correlated
    t-test (Corani and Benavoli, 2015). A bootstrap over so few folds would be too sure: of two equal candidates it
    calls one worse with certainty after two folds in a quarter of all cases.
    """
    done = min(len(errors), len(incumbent))
    if done < 2:
        return 0.5
    return 1 - corrected_t_test(errors[:done], incumbent[:done], valid_share=valid_share).p_value
