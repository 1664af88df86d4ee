"""What a recipe is, and the three there are."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from bench.dataset import Schema
from bench.metric import Array, TaskKind
from bench.recipes.features import Features

#: Recipes of features; each is a module below ``bench.recipes`` that defines ``RECIPE``, a class, as is ``blank``.
RECIPES = ("linear", "nets", "trees")


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """Encoded rows: ``values`` is float32 [n_rows, n_features], C-contiguous, never written to.

    Columns named in ``categorical`` hold whole-number codes 0..cardinality-1 (in recipe ``trees`` NaN for what is
    missing or was never seen, in recipe ``nets`` 0 for both);
    ``cardinalities`` follows ``categorical``. ``names`` tells where each column came from, for explanations alone.
    Rows that many fits of a process learn from have a ``key``, under which they may keep in `bench.memo.Memo` what they
    make of them.
    """

    values: Array
    categorical: tuple[int, ...] = ()
    cardinalities: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    key: str | None = None

    def rows(self, index: Array) -> "Encoded":
        """Take some rows, by number."""
        return Encoded(
            values=self.values[index],
            categorical=self.categorical,
            cardinalities=self.cardinalities,
            names=self.names,
        )


class Recipe(Protocol):
    """Turns a coerced table (see `Schema.coerce`) into numbers.

    A recipe is fitted once, on the training rows of one fold. ``fit_transform`` may encode those rows otherwise than
    ``transform`` would (out-of-fold target encoding). With ``rows``, by number, those of the table are meant: then no
    more of it is copied than is read, which matters where columns are many. ``version`` is part of a trial's identity:
    raise it whenever the encoding changes.
    """

    version: int

    def fit_transform(self, frame: pl.DataFrame, y: Array, rows: Array | None = None) -> Encoded:
        """Fit on training rows (``y``: their class codes or values) and encode them."""
        ...

    def transform(self, frame: pl.DataFrame, rows: Array | None = None) -> Encoded:
        """Encode other rows; unseen categories and missing values never fail; the result is finite or NaN."""
        ...

    def get_feature_names_out(self) -> Array:
        """Name the encoded columns, as scikit-learn's transformers do: text [n_features]."""
        ...

    def sources(self) -> tuple[tuple[str, ...], ...]:
        """Tell, for each encoded column, which columns of the table it is made of."""
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted recipe into an existing empty folder, without pickle."""
        ...

    @classmethod
    def load(cls, folder: Path) -> "Recipe":
        """Read back what ``save`` wrote; encodes the same to the last bit."""
        ...


def _recipe_class(name: str) -> type[Recipe]:
    """Import the class behind a recipe's name."""
    recipe: type[Recipe] = importlib.import_module(f"bench.recipes.{name}").RECIPE
    return recipe


def make_recipe(name: str, schema: Schema, kind: TaskKind, seed: int, features: Features | None = None) -> Recipe:
    """Make an unfitted recipe; every recipe class takes ``(schema, kind, seed, features)``."""
    return _recipe_class(name)(schema, kind, seed, features or Features())  # type: ignore[call-arg]


def recipe_version(name: str) -> int:
    """Version of a recipe's encoding."""
    return _recipe_class(name).version


def load_recipe(name: str, folder: Path) -> Recipe:
    """Read a fitted recipe from its folder."""
    return _recipe_class(name).load(folder)
