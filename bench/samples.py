"""Small encoded tables with an easy signal, as each recipe would give them, for the contract checks of families."""

from dataclasses import dataclass, replace

import numpy as np

from bench.family import Family
from bench.metric import Array, TaskKind
from bench.recipes import Encoded

_CARDINALITIES = (3, 7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Training rows, a slice to watch and rows to predict of one task; arrays are read-only."""

    kind: TaskKind
    n_classes: int
    train: Encoded
    y: Array
    valid: tuple[Encoded, Array]
    test: Encoded
    test_y: Array


def make_sample(family: Family, kind: TaskKind, *, n_rows: int = 240, n_classes: int = 0, seed: int = 0) -> Sample:
    """Draw ``n_rows`` training rows, a fifth of that to watch and as many to predict, as the family's recipe encodes.

    Three numbers, one of them noise, and two categories with 3 and 7 levels; recipe ``trees`` misses some of each.
    ``n_classes`` is 2 or 4 unless given; every class is among the training rows.
    """
    rng = np.random.default_rng(seed)
    n_valid = max(4, n_rows // 5)
    n_all = 2 * n_rows + n_valid
    numbers = rng.normal(size=(n_all, 3))
    codes = np.column_stack([rng.integers(cardinality, size=n_all) for cardinality in _CARDINALITIES])
    latent = 2.0 * numbers[:, 0] + numbers[:, 1] + codes[:, 0] - 1.0 + 0.1 * rng.normal(size=n_all)
    n_classes = 0 if kind == "regression" else n_classes or (2 if kind == "binary" else 4)
    encoded = _encoded(family.recipe, numbers, codes, rng)
    y = _target(latent, n_classes, n_rows)
    parts = [
        (_read_only(encoded.rows(rows)), y[rows]) for rows in np.split(np.arange(n_all), [n_rows, n_rows + n_valid])
    ]
    for _, labels in parts:
        labels.setflags(write=False)
    (train, train_y), valid, (test, test_y) = parts
    return Sample(kind=kind, n_classes=n_classes, train=train, y=train_y, valid=valid, test=test, test_y=test_y)


def with_values(sample: Sample, change: Array) -> Sample:
    """Replace the features by numbers alone: ``change`` picks columns of the sample's features, by number."""

    def pick(X: Encoded) -> Encoded:
        return _read_only(Encoded(values=np.ascontiguousarray(X.values[:, change])))

    return replace(
        sample, train=pick(sample.train), valid=(pick(sample.valid[0]), sample.valid[1]), test=pick(sample.test)
    )


def _target(latent: Array, n_classes: int, n_train: int) -> Array:
    """Cut the signal into classes of like size, or give it a scale of its own."""
    if n_classes == 0:
        values: Array = 100.0 + 10.0 * latent
        return values
    codes = np.searchsorted(np.quantile(latent, np.arange(1, n_classes) / n_classes), latent)
    codes[: min(n_classes, n_train)] = np.arange(min(n_classes, n_train))
    return codes.astype(np.int64)


def _encoded(recipe: str, numbers: Array, codes: Array, rng: np.random.Generator) -> Encoded:
    """Encode as a recipe would."""
    if recipe == "linear":
        flags = [codes[:, [column]] == np.arange(size) for column, size in enumerate(_CARDINALITIES)]
        return Encoded(values=np.column_stack([numbers, *flags]).astype(np.float32))
    values = np.column_stack([numbers, codes]).astype(np.float32)
    if recipe == "trees":
        values[rng.random(values.shape) < 0.05] = np.nan
    return Encoded(values=values, categorical=(3, 4), cardinalities=_CARDINALITIES)


def _read_only(X: Encoded) -> Encoded:
    """Lock the array, as shared memory is."""
    X.values.setflags(write=False)
    return X
