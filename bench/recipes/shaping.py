"""Which numbers are shaped to a normal distribution, and how, beside being scaled."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from bench.metric import Array
from bench.recipes.document import Document
from bench.recipes.features.strength import more_than_two
from bench.recipes.scaling import NormalQuantiles, Scaling
from bench.recipes.yeo_johnson import YeoJohnson

#: Whether a column is shaped, by its known numbers, their median and their spread.
Wanted = Callable[[Array, float, float], bool]


def _has_a_shape(known: Array, center: float, spread: float) -> bool:
    """Whether there are more than two values."""
    return more_than_two(known)


def _known(values: Array) -> Array:
    """Those that are not missing."""
    return values[~np.isnan(values)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shaping:
    """``columns`` numbers those, among the varying ones of a `Scaling`, that are shaped."""

    columns: Array
    how: NormalQuantiles | YeoJohnson

    @classmethod
    def fit(cls, numeric: Array, scaling: Scaling, numbers: str, own: Wanted | None = None) -> "Shaping":
        """Learn from training rows: ``numbers`` is the switch of `Features`; ``auto`` asks ``own``, or shapes none."""
        wanted = own if numbers == "auto" else _has_a_shape
        varying = scaling.varying
        columns = [
            position
            for position, column in enumerate(varying)
            if wanted and wanted(_known(numeric[:, column]), scaling.center[column], scaling.spread[column])
        ]
        values = scaling.fill(numeric)[:, varying[columns]]
        how = YeoJohnson.fit(values) if numbers == "yeo_johnson" else NormalQuantiles.fit(values)
        return cls(columns=np.array(columns, dtype=np.int64), how=how)

    def apply(self, filled: Array, scaled: Array, scaling: Scaling) -> Array:
        """Write shaped numbers over scaled ones."""
        if self.columns.size:
            scaled[:, self.columns] = self.how.apply(filled[:, scaling.varying[self.columns]])
        return scaled

    def to_document(self) -> Document:
        """Plain values and arrays."""
        return {"columns": self.columns, "how": asdict(self.how)}

    @classmethod
    def from_document(cls, document: Document) -> "Shaping":
        """Read back what `to_document` gave."""
        how = document["how"]
        return cls(columns=document["columns"], how=YeoJohnson(**how) if "powers" in how else NormalQuantiles(**how))
