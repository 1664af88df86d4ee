"""How much a column tells of the target, cheaply: the share of variance that its bins or levels explain.

Measured on at most 10,000 training rows and on the first 1,000 columns of a kind, always the same ones by seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.metric import Array
from bench.recipes.categories import OFFSET, CategoryColumn
from bench.recipes.feature import Feature
from bench.recipes.table import Table

_ROWS, _COLUMNS, _BINS = 10_000, 1_000, 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What generators learn from beside the table's numbers and codes, whose columns it names.

    ``outputs`` is float64 [n_rows, n_outputs], see `target_encoding.targets`; ``folds`` numbers the part of the
    training rows that each belongs to; ``sample`` numbers the rows that strength is measured on. ``gaps_shown`` names
    what the recipe itself shows the gaps of: ``numbers``, ``categories``.
    """

    numbers: Sequence[Feature]
    categories: Sequence[CategoryColumn]
    outputs: Array
    folds: Array
    sample: Array
    seed: int
    gaps_shown: frozenset[str]

    def strength_of_number(self, values: Array) -> float:
        """How much a column of numbers [n_rows] tells: its missing values are a bin of their own."""
        values = values[self.sample]
        missing = np.isnan(values)
        if missing.all():
            return 0.0
        edges = np.quantile(values[~missing], np.arange(1, _BINS) / _BINS)
        bins = np.where(missing, _BINS, np.searchsorted(edges, values))
        return _explained(bins, self.outputs[self.sample])

    def strength_of_codes(self, codes: Array) -> float:
        """How much a column of codes [n_rows] tells."""
        return _explained(codes[self.sample] + OFFSET, self.outputs[self.sample])

    def strongest_numbers(self, table: Table, limit: int) -> list[int]:
        """Number the columns of numbers that tell most, the strongest first; of two values is too few."""
        columns = [
            index for index in range(min(table.numeric.shape[1], _COLUMNS)) if more_than_two(table.numeric[:, index])
        ]
        return _best({index: self.strength_of_number(table.numeric[:, index]) for index in columns}, limit)

    def strongest_categories(self, table: Table, limit: int, min_levels: int = 2) -> list[int]:
        """Number the categorical columns of so many levels that tell most, the strongest first."""
        columns = [
            index for index, category in enumerate(self.categories[:_COLUMNS]) if len(category.levels) >= min_levels
        ]
        return _best({index: self.strength_of_codes(table.codes[:, index]) for index in columns}, limit)


def make_sample(n_rows: int, seed: int) -> Array:
    """Draw the rows that strength is measured on, in order."""
    if n_rows <= _ROWS:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, size=_ROWS, replace=False))


def _best(strengths: dict[int, float], limit: int) -> list[int]:
    """Take the keys of the largest values; of equal ones the first."""
    return sorted(strengths, key=lambda index: (-strengths[index], index))[:limit]


def more_than_two(values: Array) -> bool:
    """Whether numbers, some of them perhaps missing, have more than two values."""
    known = values[~np.isnan(values)]
    return bool(known.size) and bool(np.any((known != known.min()) & (known != known.max())))


def _explained(groups: Array, outputs: Array) -> float:
    """Share of the outputs' variance between groups, less what chance would give: epsilon squared (Kelley, 1935)."""
    n_rows, counts = len(groups), np.bincount(groups)
    present = counts > 0
    n_groups = int(present.sum())
    if not 1 < n_groups < n_rows:
        return 0.0
    centred = outputs - outputs.mean(axis=0)
    total = float((centred**2).sum())
    between = sum(
        float((np.bincount(groups, weights=column)[present] ** 2 / counts[present]).sum()) for column in centred.T
    )
    if total <= 0:
        return 0.0
    return 1.0 - (1.0 - between / total) * (n_rows - 1) / (n_rows - n_groups)
