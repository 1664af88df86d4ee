"""Made columns: what the generators that are switched on add to a table."""

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np

from bench.metric import Array
from bench.recipes.categories import CategoryColumn
from bench.recipes.document import Document
from bench.recipes.feature import Feature
from bench.recipes.features.arithmetic import Arithmetic
from bench.recipes.features.counts import Counts
from bench.recipes.features.crosses import Crosses
from bench.recipes.features.groups import Groups
from bench.recipes.features.missing import Gaps
from bench.recipes.features.options import Features
from bench.recipes.features.strength import Training
from bench.recipes.features.target import TargetMeans
from bench.recipes.table import Table, side_by_side


class _Generator(Protocol):
    """Makes numbers of a table: ``fit(table, training)`` gives a generator, and what it makes of the training rows."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[str]

    @property
    def features(self) -> tuple[Feature, ...]: ...

    def read(self, table: Table) -> Array: ...


_GENERATORS: dict[str, type[_Generator]] = {
    generator.kind: generator for generator in (Arithmetic, Groups, Counts, TargetMeans, Gaps)
}


def _switched_on(features: Features) -> list[Any]:
    """Give the ``fit`` of each generator that is asked for, in the order of their columns."""
    asked = [
        (features.arithmetic, Arithmetic.fit),
        (features.groups, Groups.fit),
        (features.counts, Counts.fit),
        (features.target != "none", partial(TargetMeans.fit, ordered=features.target == "ordered")),
        (features.missing, Gaps.fit),
    ]
    return [fit for wanted, fit in asked if wanted]


def makes_any(features: Features) -> bool:
    """Whether columns are made of others."""
    return features.crosses or bool(_switched_on(features))


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """Crosses first, which are categories like any other; then numbers, of which ``kept`` numbers those that vary."""

    crosses: Crosses = field(default_factory=Crosses)
    generators: tuple[_Generator, ...] = ()
    kept: Array = field(default_factory=partial(np.empty, 0, dtype=np.int64))

    @classmethod
    def fit(cls, features: Features, table: Table, training: Training) -> "tuple[Made, Table]":
        """Learn from training rows, and put what is made of them beside their own columns."""
        crosses = Crosses.fit(table, training) if features.crosses else Crosses()
        table = _with_codes(table, crosses)
        training = replace(training, categories=(*training.categories, *crosses.categories))
        fitted = [fit(table, training) for fit in _switched_on(features)]
        numbers = side_by_side([block for _, block in fitted], len(table.numeric))
        kept = np.array([at for at, values in enumerate(numbers.T) if _varies(values)], dtype=np.int64)
        made = cls(crosses=crosses, generators=tuple(generator for generator, _ in fitted), kept=kept)
        return made, _with_numbers(table, numbers[:, kept])

    @property
    def features(self) -> tuple[Feature, ...]:
        """The made columns of numbers."""
        every = [feature for generator in self.generators for feature in generator.features]
        return tuple(every[index] for index in self.kept)

    @property
    def categories(self) -> tuple[CategoryColumn, ...]:
        """The made categorical columns."""
        return self.crosses.categories

    def read(self, table: Table) -> Table:
        """Put made columns beside any rows' own."""
        if not self.crosses.pairs and not self.kept.size:
            return table
        table = _with_codes(table, self.crosses)
        blocks = [generator.read(table) for generator in self.generators]
        return _with_numbers(table, side_by_side(blocks, len(table.numeric))[:, self.kept])

    def to_document(self) -> Document:
        """Plain values and arrays."""
        return {
            "crosses": asdict(self.crosses),
            "generators": [{"kind": one.kind, "state": asdict(one)} for one in self.generators],
            "kept": self.kept,
        }

    @classmethod
    def from_document(cls, document: Document) -> "Made":
        """Read back what `to_document` gave."""
        crosses = document["crosses"]
        categories = tuple(CategoryColumn(**state) for state in crosses["categories"])
        return cls(
            crosses=Crosses(**crosses | {"categories": categories}),
            generators=tuple(_generator(entry["kind"], entry["state"]) for entry in document["generators"]),
            kept=document["kept"],
        )


def _generator(kind: str, state: Document) -> _Generator:
    """Read back one generator."""
    features = tuple(Feature(*feature) for feature in state["features"])
    return _GENERATORS[kind](**state | {"features": features})


def _varies(values: Array) -> bool:
    """Whether a column has two different numbers."""
    known = values[~np.isnan(values)]
    return bool(known.size) and bool(known.min() < known.max())


def _with_codes(table: Table, crosses: Crosses) -> Table:
    """Put crosses beside a table's categories."""
    if not crosses.pairs:
        return table
    return Table(numeric=table.numeric, codes=np.hstack([table.codes, crosses.read(table)]))


def _with_numbers(table: Table, numbers: Array) -> Table:
    """Put numbers beside a table's own."""
    return Table(numeric=side_by_side([table.numeric, numbers], len(numbers)), codes=table.codes)
