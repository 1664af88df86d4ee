"""Recipe for linear models: scaled numbers without gaps, one-hot and target-encoded categories."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from bench.identity import seed_for
from bench.metric import Array
from bench.recipes.base import Encoded
from bench.recipes.categories import CategoryColumn
from bench.recipes.document import Document
from bench.recipes.feature import Feature
from bench.recipes.fitted import FittedRecipe, assemble
from bench.recipes.one_hot import OneHot
from bench.recipes.scaling import Scaling, skewness
from bench.recipes.shaping import Shaping
from bench.recipes.table import Table
from bench.recipes.target_encoding import MAX_CLASSES, TargetEncoding, assign_folds, targets

_MAX_SKEWNESS, _MAX_DISTANCE = 0.99, 10.0
_LIMIT = 30.0
_ONE_HOT_LEVELS = (32, 16, 8, 4, 2)
#: Categories are given about this many columns in all; of many rows fewer, so that there are no more cells than that.
MAX_WIDTH, _LEAST_WIDTH = 4096, 256
_MOST_CELLS = 100_000_000


def _one_hot_limit(categories: Sequence[CategoryColumn], n_rows: int) -> int:
    """Find up to how many levels a column of so many rows can be one-hot encoded."""
    width = min(MAX_WIDTH, max(_LEAST_WIDTH, _MOST_CELLS // max(1, n_rows)))
    sizes = np.array([len(category.levels) + 2 for category in categories])
    for limit in _ONE_HOT_LEVELS:
        small = sizes <= limit + 2
        if sizes[small].sum() + (~small).sum() <= width:
            return limit
    return 0


def _needs_quantiles(known: Array, center: float, spread: float) -> bool:
    """Whether numbers that vary are too lopsided, or too far out, to be merely scaled."""
    return abs(skewness(known)) > _MAX_SKEWNESS or float(np.abs(known - center).max()) > _MAX_DISTANCE * spread


class Linear(FittedRecipe):
    """Scaled numbers, indicators of gaps, one-hot columns, and target-encoded columns where levels are many."""

    name = "linear"
    shows_gaps = frozenset({"numbers", "categories"})
    version = 4

    _scaling: Scaling
    _shaping: Shaping
    _one_hot: dict[int, OneHot]
    _targets: dict[int, TargetEncoding]

    def _fit(self, table: Table, y: Array) -> Encoded:
        categories = self._categories
        limit = _one_hot_limit(categories, len(y))
        small = [index for index, category in enumerate(categories) if len(category.levels) <= limit]
        large = [index for index in range(len(categories)) if index not in small]
        self._scaling = Scaling.fit(table.numeric)
        self._shaping = Shaping.fit(table.numeric, self._scaling, self._switches.numbers, _needs_quantiles)
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
        filled = self._scaling.fill(table.numeric)
        scaled = self._shaping.apply(filled, self._scaling.scale(filled, _LIMIT), self._scaling)
        gaps = self._scaling.indicators(table.numeric)
        one_hot = [one.apply(table.codes[:, index]) for index, one in self._one_hot.items()]
        limited = [np.clip(block, -_LIMIT, _LIMIT) for block in encoded]
        return assemble([scaled, gaps, *one_hot, *limited], self._features())

    def _features(self) -> list[Feature]:
        features, categories = self._scaling.features(self._numbers), self._categories
        for index, one in self._one_hot.items():
            features += [Feature(name, categories[index].feature.columns) for name in one.names]
        for index, encoding in self._targets.items():
            features += categories[index].feature.outputs("target", encoding.table.shape[1])
        return features

    def _state(self) -> Document:
        return {
            "scaling": asdict(self._scaling),
            "shaping": self._shaping.to_document(),
            "one_hot": [[index, asdict(one)] for index, one in self._one_hot.items()],
            "targets": [[index, asdict(one)] for index, one in self._targets.items()],
        }

    def _restore(self, state: Document) -> None:
        self._scaling = Scaling(**state["scaling"])
        self._shaping = Shaping.from_document(state["shaping"])
        self._one_hot = {index: OneHot(**one) for index, one in state["one_hot"]}
        self._targets = {index: TargetEncoding(**one) for index, one in state["targets"]}


RECIPE = Linear
