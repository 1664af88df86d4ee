"""Recipe for linear models: scaled numbers without gaps, one-hot and target-encoded categories."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from bench.identity import seed_for
from bench.metric import Array
from bench.recipes.base import Encoded
from bench.recipes.categories import CategoryColumn
from bench.recipes.columns import Table
from bench.recipes.document import Document
from bench.recipes.fitted import FittedRecipe, assemble
from bench.recipes.one_hot import OneHot
from bench.recipes.scaling import NormalQuantiles, Scaling, skewness
from bench.recipes.target_encoding import MAX_CLASSES, TargetEncoding, assign_folds, targets

_MAX_SKEWNESS, _MAX_DISTANCE = 0.99, 10.0
_LIMIT = 30.0
_ONE_HOT_LEVELS = (32, 16, 8, 4, 2)
#: Categories are given about this many columns in all.
MAX_WIDTH = 4096


def _one_hot_limit(categories: Sequence[CategoryColumn]) -> int:
    """Find up to how many levels a column can be one-hot encoded within `MAX_WIDTH`."""
    sizes = np.array([len(category.levels) + 2 for category in categories])
    for limit in _ONE_HOT_LEVELS:
        small = sizes <= limit + 2
        if sizes[small].sum() + (~small).sum() <= MAX_WIDTH:
            return limit
    return 0


def _needs_quantiles(known: Array, center: float, spread: float) -> bool:
    """Whether numbers that vary are too lopsided, or too far out, to be merely scaled."""
    return abs(skewness(known)) > _MAX_SKEWNESS or float(np.abs(known - center).max()) > _MAX_DISTANCE * spread


@dataclass(frozen=True, kw_only=True, slots=True)
class _Numbers:
    """Numeric columns; ``skewed`` numbers those, among the varying ones, that go by quantiles."""

    scaling: Scaling
    skewed: Array
    quantiles: NormalQuantiles

    @classmethod
    def fit(cls, numeric: Array) -> "_Numbers":
        scaling = Scaling.fit(numeric)
        skewed = []
        for position, column in enumerate(scaling.varying):
            known = numeric[~np.isnan(numeric[:, column]), column]
            if _needs_quantiles(known, scaling.center[column], scaling.spread[column]):
                skewed.append(position)
        columns = scaling.varying[skewed]
        quantiles = NormalQuantiles.fit(scaling.fill(numeric)[:, columns])
        return cls(scaling=scaling, skewed=np.array(skewed, dtype=np.int64), quantiles=quantiles)

    def apply(self, numeric: Array) -> list[Array]:
        filled = self.scaling.fill(numeric)
        scaled = self.scaling.scale(filled, _LIMIT)
        scaled[:, self.skewed] = self.quantiles.apply(filled[:, self.scaling.varying[self.skewed]])
        return [scaled, self.scaling.indicators(numeric)]


class Linear(FittedRecipe):
    """Scaled numbers, indicators of gaps, one-hot columns, and target-encoded columns where levels are many."""

    name = "linear"
    version = 1

    _numbers: _Numbers
    _one_hot: dict[int, OneHot]
    _targets: dict[int, TargetEncoding]

    def _fit(self, table: Table, y: Array) -> Encoded:
        categories = self._columns.categories
        limit = _one_hot_limit(categories)
        small = [index for index, category in enumerate(categories) if len(category.levels) <= limit]
        large = [index for index in range(len(categories)) if index not in small]
        self._numbers = _Numbers.fit(table.numeric)
        self._one_hot = {index: OneHot.fit(categories[index], table.codes[:, index]) for index in small}
        outputs = targets(y, self._kind, max(1, min(MAX_CLASSES, MAX_WIDTH // max(len(large), 1))))
        folds = assign_folds(y, seed_for(self._seed, "target_encoding"))
        self._targets, out_of_fold = {}, []
        for index in large:
            self._targets[index], encoded = TargetEncoding.fit(
                table.codes[:, index], len(categories[index].levels), outputs, folds
            )
            out_of_fold.append(encoded)
        return self._assemble(table, out_of_fold)

    def _encode(self, table: Table) -> Encoded:
        return self._assemble(table, [one.apply(table.codes[:, index]) for index, one in self._targets.items()])

    def _assemble(self, table: Table, encoded: list[Array]) -> Encoded:
        names = list(self._numbers.scaling.names(self._columns.names))
        for one in self._one_hot.values():
            names += one.names
        for index, encoding in self._targets.items():
            n_outputs = encoding.table.shape[1]
            suffixes = [f" {number}" for number in range(n_outputs)] if n_outputs > 1 else [""]
            names += [f"{self._columns.categories[index].name} (target{suffix})" for suffix in suffixes]
        one_hot = [one.apply(table.codes[:, index]) for index, one in self._one_hot.items()]
        limited = [np.clip(block, -_LIMIT, _LIMIT) for block in encoded]
        return assemble([*self._numbers.apply(table.numeric), *one_hot, *limited], names)

    def _state(self) -> Document:
        return {
            "numbers": asdict(self._numbers),
            "one_hot": [[index, asdict(one)] for index, one in self._one_hot.items()],
            "targets": [[index, asdict(one)] for index, one in self._targets.items()],
        }

    def _restore(self, state: Document) -> None:
        numbers = state["numbers"]
        self._numbers = _Numbers(
            scaling=Scaling(**numbers["scaling"]),
            skewed=numbers["skewed"],
            quantiles=NormalQuantiles(**numbers["quantiles"]),
        )
        self._one_hot = {index: OneHot(**one) for index, one in state["one_hot"]}
        self._targets = {index: TargetEncoding(**one) for index, one in state["targets"]}


RECIPE = Linear
