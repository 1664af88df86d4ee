"""Recipes: encodings fitted on training rows only, one a kind of model.

``trees`` keeps categories as codes and missing values as NaN; ``linear`` gives scaled numbers without gaps; ``nets``
gives scaled numbers and category codes with a slot for what was never seen. Whatever the recipe, the outcome is one
dense array, so that it can be shared between processes as a memory-mapped file.
"""

from bench.recipes.base import RECIPES, Encoded, Recipe, load_recipe, make_recipe, recipe_version
from bench.recipes.features import Features, without_switches

__all__ = [
    "RECIPES",
    "Encoded",
    "Features",
    "Recipe",
    "load_recipe",
    "make_recipe",
    "recipe_version",
    "without_switches",
]
