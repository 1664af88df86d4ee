"""One-hot encoding, with rare levels in one column."""

from dataclasses import dataclass

import numpy as np

from bench.metric import Array
from bench.recipes.categories import MISSING, OFFSET, CategoryColumn

_RARE_SHARE, _MIN_COUNT, _MAX_COUNT = 0.01, 2, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class OneHot:
    """One categorical column: ``slots`` [OFFSET + n_levels] says which of ``names`` a code switches on (-1: none)."""

    slots: Array
    names: tuple[str, ...]

    @classmethod
    def fit(cls, category: CategoryColumn, codes: Array) -> "OneHot":
        """Learn from training rows: a column a common level, one for the rare, one for the missing if there are any.

        What was never seen counts as rare.
        """
        min_count = int(np.clip(_RARE_SHARE * len(codes), _MIN_COUNT, _MAX_COUNT))
        n_common = category.common(min_count)
        names = [f"{category.name} = {level}" for level in category.levels[:n_common]]
        slots = np.full(OFFSET + len(category.levels), -1, dtype=np.int64)
        slots[OFFSET : OFFSET + n_common] = np.arange(n_common)
        if n_common < len(category.levels):
            slots[[0, 1]] = slots[OFFSET + n_common :] = len(names)
            names.append(f"{category.name} (rare)")
        if (codes == MISSING).any():
            slots[1] = len(names)
            names.append(f"{category.name} (missing)")
        return cls(slots=slots, names=tuple(names))

    def apply(self, codes: Array) -> Array:
        """Encode any rows as booleans [n_rows, n_names]."""
        switched_on: Array = self.slots[codes + OFFSET][:, None] == np.arange(len(self.names))
        return switched_on
