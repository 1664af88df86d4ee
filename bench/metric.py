"""Metrics: one entry each, in its own unit, with its direction and what it needs.

A prediction is, for classification, an array of probabilities [n_rows, n_classes] whose columns follow the task's
classes, and for regression an array of values [n_rows]. Class labels arrive as codes 0..n_classes-1; in a binary task
code 1 is the positive class.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

TaskKind = Literal["binary", "multiclass", "regression"]
Needs = Literal["labels", "probabilities", "values"]
Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A way to score predictions.

    ``function(y, p)`` gets class codes and, as ``needs`` says, predicted codes, probabilities [n_rows, n_classes] (for
    a binary task of a metric that wants one column: those of the positive class) or values.
    """

    name: str
    tasks: frozenset[TaskKind]
    greater_is_better: bool
    needs: Needs
    function: Callable[..., float]
    title: str = ""

    def score(self, y: Array, prediction: Array, classes: Sequence[Any] | None = None) -> float:
        """Score a prediction in the metric's own unit."""
        raise NotImplementedError
