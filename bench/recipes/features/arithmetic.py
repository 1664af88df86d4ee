"""Arithmetic: sums, differences, products and ratios of two numbers.

Of the 60 for the 15 pairs of the 6 strongest columns, at most 20 that tell more than both of their columns do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from bench.metric import Array
from bench.recipes.feature import Feature, made_of
from bench.recipes.features.strength import Training
from bench.recipes.table import Table, side_by_side

_COLUMNS, _MADE = 6, 20


def _ratio(left: Array, right: Array) -> Array:
    """Divide; by zero, the outcome is missing."""
    ratio: Array = np.divide(left, right, out=np.full(len(left), np.nan), where=right != 0)
    return ratio


_OPERATIONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _ratio,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Arithmetic:
    """``terms`` holds an operation with the numbers of its two columns, for each made column."""

    kind: ClassVar[str] = "arithmetic"
    features: tuple[Feature, ...]
    terms: tuple[tuple[str, int, int], ...]

    @classmethod
    def fit(cls, table: Table, training: Training) -> "tuple[Arithmetic, Array]":
        """Choose the terms, and make them."""
        columns = training.strongest_numbers(table, _COLUMNS)
        alone = {index: training.strength_of_number(table.numeric[:, index]) for index in columns}
        gains: dict[tuple[str, int, int], float] = {}
        for left, right in combinations(columns, 2):
            for operation in _OPERATIONS:
                made = side_by_side([_made(table, (operation, left, right))], len(table.numeric))[:, 0]
                gains[operation, left, right] = training.strength_of_number(made) - max(alone[left], alone[right])
        chosen = sorted((term for term in gains if gains[term] > 0), key=lambda term: (-gains[term], term))[:_MADE]
        names = training.numbers
        arithmetic = cls(
            features=tuple(
                made_of(f"{names[left].name} {operation} {names[right].name}", names[left], names[right])
                for operation, left, right in chosen
            ),
            terms=tuple(chosen),
        )
        return arithmetic, arithmetic.read(table)

    def read(self, table: Table) -> Array:
        """Read float64 [n_rows, n_terms]."""
        return side_by_side([_made(table, term) for term in self.terms], len(table.numeric))


def _made(table: Table, term: tuple[str, int, int]) -> Array:
    """Compute one term, [n_rows, 1]."""
    operation, left, right = term
    with np.errstate(over="ignore"):
        return _OPERATIONS[operation](table.numeric[:, left], table.numeric[:, right])[:, None]
