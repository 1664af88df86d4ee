"""Encoded folds: a recipe is fitted once per fold, and its arrays are shared as memory-mapped files.

The features that are switched on make it another recipe. Arrays lie below ``cache/`` in the run folder until the run
ends, fitted recipes below ``recipes/`` for good. The worker that comes first writes them; all others, and every later
trial, map them read-only, so that they outlive the worker that made them.
"""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cap import sample_rows
from bench.identity import seed_for
from bench.metric import Array
from bench.problem import Problem
from bench.recipes import Encoded, Features, make_recipe
from bench.recipes.base import recipe_version
from bench.store import building

PARTS = ("train", "valid", "test")
_PLAIN = Features()


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldData:
    """One fold as a recipe sees it: training, validation and sealed test rows."""

    train: Encoded
    valid: Encoded
    test: Encoded


def recipe_key(recipe: str, features: Features = _PLAIN, rows: int | None = None) -> str:
    """Name of a recipe with its version, the features switched on and the rows it is fitted on at most (None: all).

    It is part of paths and identities.
    """
    return "-".join(filter(None, [recipe, str(recipe_version(recipe)), features.key, f"{rows}-rows" if rows else ""]))


def recipe_folder(
    run_folder: Path, recipe: str, fold: int, features: Features = _PLAIN, rows: int | None = None
) -> Path:
    """Where the recipe fitted for one fold lies."""
    return run_folder / "recipes" / recipe_key(recipe, features, rows) / f"fold-{fold}"


def training_rows(problem: Problem, fold: int, most: int | None = None) -> Array:
    """Number the rows that a fold is learned from: ``most`` of them, drawn alike for all candidates, or all."""
    task, train = problem.task, problem.splits.folds[fold].train
    if most is None or most >= len(train):
        return train
    groups = None if task.groups is None else task.groups[train]
    time = None if task.time is None else task.time[train]
    return train[sample_rows(task.kind, task.y[train], groups, time, most)]


def fold_data(
    problem: Problem, recipe: str, fold: int, features: Features = _PLAIN, rows: int | None = None
) -> FoldData:
    """Return one encoded fold, making it if no worker has yet; ``rows`` of its training rows at most."""
    folder = _cached(problem, recipe, fold, features, rows)
    if not folder.is_dir():
        with _alone(folder):
            if not folder.is_dir():
                _encode(problem, recipe, fold, features, rows, folder)
    layout = json.loads((folder / "layout.json").read_text())
    parts = {part: _read(folder / f"{part}.npy", layout) for part in PARTS}
    return FoldData(**parts)


def forget(problem: Problem, recipe: str, fold: int, features: Features = _PLAIN, rows: int | None = None) -> None:
    """Have one fold encoded anew, and its recipe with it, when it is asked for next."""
    shutil.rmtree(_cached(problem, recipe, fold, features, rows), ignore_errors=True)


def _cached(problem: Problem, recipe: str, fold: int, features: Features, rows: int | None) -> Path:
    """Where an encoded fold lies."""
    return problem.folder / "cache" / recipe_key(recipe, features, rows) / f"fold-{fold}"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time make a folder; the others wait for what it makes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go with the file, or with the life of the process
        yield


def _encode(problem: Problem, recipe_name: str, fold: int, features: Features, most: int | None, folder: Path) -> None:
    """Fit the recipe on the fold's training rows alone and write all three parts."""
    task, train = problem.task, training_rows(problem, fold, most)
    seed = seed_for(problem.seed, "recipe", recipe_name, fold)
    recipe = make_recipe(recipe_name, task.schema, task.kind, seed, features)
    encoded = recipe.fit_transform(task.features, task.y[train], train)
    with building(recipe_folder(problem.folder, recipe_name, fold, features, most)) as temporary:
        recipe.save(temporary)
    with building(folder, sums=False) as temporary:  # last, since nobody looks for the recipe once this is there
        _write(temporary / "train.npy", encoded.values)
        _write(temporary / "valid.npy", recipe.transform(task.features, problem.splits.folds[fold].valid).values)
        _write(temporary / "test.npy", recipe.transform(task.features, problem.splits.test).values)
        layout = {
            "categorical": encoded.categorical,
            "cardinalities": encoded.cardinalities,
            "names": encoded.names,
        }
        (temporary / "layout.json").write_text(json.dumps(layout))


def _write(path: Path, values: Array) -> None:
    """Write an array as .npy."""
    np.save(path, np.ascontiguousarray(values, dtype=np.float32), allow_pickle=False)


def _read(path: Path, layout: dict[str, list[int]]) -> Encoded:
    """Map an array read-only; an empty one cannot be mapped and is read."""
    values = np.load(path, allow_pickle=False) if path.stat().st_size <= 4096 else np.load(path, mmap_mode="r")
    return Encoded(
        values=values.view(np.ndarray),
        categorical=tuple(layout["categorical"]),
        cardinalities=tuple(layout["cardinalities"]),
        names=tuple(str(name) for name in layout["names"]),
    )
