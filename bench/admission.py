"""Which fits run side by side: as many as the memory has room for, by estimates that learn from what was measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.candidate import Candidate
from bench.family import Family, discover
from bench.needs import Memory, Size
from bench.problem import Problem
from bench.recipes.screening import MOST_COLUMNS

#: What a worker holds before it fits anything: Python, Ray and the libraries of several families.
WORKER_BYTES = 450_000_000
#: After a fit that took more memory than there is, its family's next ones are taken for so much larger.
_RAISED = 2.0


@dataclass(kw_only=True, slots=True)
class _Known:
    """The largest fit of a family so far: what was foretold of it and what it took; ``factor`` is for larger ones."""

    foretold: float = 0.0
    took: float = 0.0
    factor: float = 1.0


class Admission:
    """Reckons with the memory of fits, beside the workers that they run in."""

    def __init__(
        self,
        problem: Problem,
        *,
        memory: Callable[[Family], Memory] = lambda family: family.memory,
        idle_bytes: float = WORKER_BYTES,
    ) -> None:
        """Foretell from the size of the problem and a family's ``memory`` what is beside a worker's ``idle_bytes``."""
        self._memory, self._idle_bytes = memory, idle_bytes
        outputs = max(1, len(problem.task.classes))
        self._columns, self._outputs = min(MOST_COLUMNS, len(problem.task.schema.columns)), outputs
        self._rows = max(len(fold.train) for fold in problem.splits.folds)
        self._known: dict[str, _Known] = {}

    def needs(self, candidate: Candidate) -> float:
        """About how many bytes a fit takes."""
        foretold = self._foretold(candidate)
        known = self._known.get(candidate.family)
        if known is None:
            return foretold
        return known.took + known.factor * max(0.0, foretold - known.foretold)

    def _foretold(self, candidate: Candidate) -> float:
        """What the family says of such a fit."""
        rows = min(self._rows, candidate.rows or self._rows)
        size = Size(rows=rows, columns=self._columns, outputs=self._outputs)
        return self._memory(discover()[candidate.family])(size, candidate.params)

    def admits(self, candidate: Candidate, *, room: float, beside: Iterable[Candidate]) -> bool:
        """Whether a fit has room beside others; the first of all always has."""
        others = [self.needs(other) for other in beside]
        return not others or sum(others) + self.needs(candidate) <= room

    def learn(self, candidate: Candidate, peak_bytes: float) -> None:
        """Take note of what a worker took at most while it fitted."""
        self._note(candidate, max(0.0, peak_bytes - self._idle_bytes))

    def exceeded(self, candidate: Candidate, room: float) -> None:
        """Take note of a fit that took more memory than there was."""
        self._note(candidate, room)
        self._known[candidate.family].factor *= _RAISED

    def _note(self, candidate: Candidate, took: float) -> None:
        known = self._known.setdefault(candidate.family, _Known())
        if took >= known.took:
            known.took, known.foretold = took, self._foretold(candidate)


class Packing:
    """Shares of a GPU's memory: an equal one, or as much more as a fit takes."""

    def __init__(self, problem: Problem) -> None:
        """Foretell from the size of the problem."""
        self._admission = Admission(problem, memory=lambda family: family.gpu_memory, idle_bytes=0.0)

    def share(self, candidate: Candidate, *, least: float, most: float, total: float) -> float:
        """What a fit is given of a GPU with ``total`` bytes: from ``least`` to ``most``, ``least`` without a total."""
        return min(most, max(least, self._admission.needs(candidate) / total)) if total else least

    def learn(self, candidate: Candidate, peak_bytes: float) -> None:
        """Take note of what a fit took of a GPU at most; 0 where nobody knows.

        One that takes all that it is given tells nothing.
        """
        if peak_bytes and not discover()[candidate.family].fills_gpu:
            self._admission.learn(candidate, peak_bytes)

    def exceeded(self, candidate: Candidate, given: float) -> None:
        """Take note of a fit for which the bytes that it was given were too few."""
        self._admission.learn(candidate, _RAISED * given)
