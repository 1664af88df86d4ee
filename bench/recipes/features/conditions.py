"""What a table has that features can be made of: the conditions of a search space's ``when``."""

from collections import Counter

from bench.recipes.features.counts import MANY_LEVELS
from bench.schema import Schema
from bench.space import Condition


def conditions(schema: Schema) -> frozenset[Condition]:
    """Tell which conditions hold for a table's columns; counts over all its rows decide."""
    kinds = Counter(column.kind for column in schema.columns)
    held: dict[Condition, bool] = {
        "dates": kinds["datetime"] > 0,
        "text": kinds["text"] > 0,
        "numbers": kinds["numeric"] > 1,
        "categories": kinds["categorical"] > 1,
        "mixed": kinds["numeric"] > 0 and kinds["categorical"] > 0,
        "many_levels": any(c.kind == "categorical" and c.n_unique >= MANY_LEVELS for c in schema.columns),
        "gaps": any(column.n_missing for column in schema.columns),
    }
    return frozenset(condition for condition, holds in held.items() if holds)
