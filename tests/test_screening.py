"""Of very many columns those that tell most are kept."""

import numpy as np
import polars as pl
import pytest

from bench.dataset import Column, Schema
from bench.recipes import RECIPES, load_recipe, make_recipe, screening
from bench.recipes.target_encoding import targets

N_ROWS, N_COLUMNS, KEPT = 300, 60, 10


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Screen small tables."""
    monkeypatch.setattr(screening, "MOST_COLUMNS", KEPT)
    monkeypatch.setattr(screening, "_BLOCK", 7)


def noise(seed=0):
    rng = np.random.default_rng(seed)
    return {f"x{n}": rng.normal(size=N_ROWS) for n in range(N_COLUMNS)}


def schema_of(frame, **kinds):
    columns = (
        Column(name=s.name, kind=kinds.get(s.name, "numeric"), dtype=str(s.dtype), why="", n_missing=0, n_unique=9)
        for s in frame
    )
    return Schema(columns=tuple(columns))


def kept(frame, y, kind="regression", **kinds):
    schema = screening.screened(schema_of(frame, **kinds), frame, targets(y, kind))
    return [column.name for column in schema.columns]


def test_few_columns_stay_as_they_are():
    frame = pl.DataFrame(noise()).select(f"x{n}" for n in range(KEPT))
    schema = schema_of(frame)
    assert screening.screened(schema, frame, np.ones((N_ROWS, 1))) is schema
    assert screening.screening_notes(schema) == ()


def test_what_tells_is_kept_in_its_order():
    columns = noise()
    y = columns["x50"] - columns["x3"] + 0.1 * columns["x21"] ** 2 + columns["x40"] ** 2
    found = kept(pl.DataFrame(columns), y)
    assert len(found) == KEPT
    assert {"x3", "x40", "x50"} <= set(found)
    assert found == sorted(found, key=lambda name: int(name[1:]))


def test_scale_gaps_and_outliers_change_nothing():
    columns = noise()
    y = columns["x5"] + columns["x30"]
    columns["x5"] = 1e9 + 1e-3 * columns["x5"]
    columns["x30"][:3] = [1e12, -1e12, np.inf]
    columns["x44"][:] = 7.0
    gaps = np.random.default_rng(1).random(N_ROWS) < 0.3
    frame = pl.DataFrame(columns).with_columns(
        pl.when(pl.Series(gaps)).then(None).otherwise(pl.col("x5")).alias("x5"), pl.lit(None, pl.Float64).alias("x9")
    )
    found = kept(frame, y)
    assert {"x5", "x30"} <= set(found)
    assert not {"x9", "x44"} & set(found)


def test_each_class_has_a_say():
    columns = noise()
    y = np.random.default_rng(2).integers(0, 4, N_ROWS)
    for code in range(4):
        columns[f"x{10 * code}"] += 2.0 * (y == code)
    assert {"x0", "x10", "x20", "x30"} <= set(kept(pl.DataFrame(columns), y, "multiclass"))


def test_other_kinds_are_left_alone():
    frame = pl.DataFrame(noise() | {"flag": [True, False] * (N_ROWS // 2), "level": ["a", "b", "c"] * (N_ROWS // 3)})
    y = np.arange(N_ROWS) % 2
    found = kept(frame, y, "binary", flag="boolean", level="categorical")
    assert {"flag", "level"} <= set(found)
    assert len(found) == KEPT + 1


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_look_at_training_rows_alone_and_come_back_from_disk(tmp_path, name):
    columns = noise()
    y = columns["x50"] - columns["x3"]
    frame = pl.DataFrame(columns)
    recipe = make_recipe(name, schema_of(frame), "regression", 0)
    train = recipe.fit_transform(frame[:200], y[:200])
    assert len({column for source in recipe.sources() for column in source}) == KEPT
    altered = frame.with_columns(pl.when(pl.int_range(N_ROWS) < 200).then(pl.col("x0")).otherwise(-y).alias("x0"))
    other = make_recipe(name, schema_of(frame), "regression", 0)
    np.testing.assert_array_equal(other.fit_transform(altered[:200], y[:200]).values, train.values)
    by_number = make_recipe(name, schema_of(frame), "regression", 0)
    np.testing.assert_array_equal(by_number.fit_transform(altered, y[:200], np.arange(200)).values, train.values)
    rest = np.arange(200, N_ROWS)
    np.testing.assert_array_equal(by_number.transform(frame, rest).values, recipe.transform(frame[200:]).values)
    recipe.save(tmp_path)
    again = load_recipe(name, tmp_path).transform(frame[200:])
    np.testing.assert_array_equal(again.values, recipe.transform(frame[200:]).values)


def test_it_is_said():
    (note,) = screening.screening_notes(schema_of(pl.DataFrame(noise())))
    assert note.startswith("Of 60 columns of numbers, models see the 10 that tell most")
