"""Splits: a sealed test set first, then cross-validation folds over the rest."""

from dataclasses import dataclass
from typing import Literal

from bench.metric import Array

Strategy = Literal["stratified", "group", "time"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Row numbers to learn from and to be scored on; ``repeat`` says which shuffle the fold belongs to."""

    train: Array
    valid: Array
    repeat: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """A partition of a task's rows: ``test`` (may be empty) and the folds over the others."""

    strategy: Strategy
    test: Array
    folds: tuple[Fold, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
