import threading
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from conftest import table

from bench import fold_data as module
from bench.fold_data import fold_data, recipe_folder
from bench.recipes import RECIPES, Features, load_recipe

EVERY = Features(
    rare=5, crosses=True, arithmetic=True, groups=True, counts=True, target="folds", missing=True, numbers="quantile"
)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def with_features(problem, rows, like):
    """The same problem in another folder, with other features in some rows."""
    features = problem.task.features
    changed = features.with_row_index("at").with_columns(
        a=pl.when(pl.col("at").is_in(rows)).then(1e6).otherwise(pl.col("a")),
        colour=pl.when(pl.col("at").is_in(rows)).then(pl.lit("violet")).otherwise(pl.col("colour")),
    )
    return replace(like, task=replace(problem.task, features=changed.drop("at")))


@pytest.mark.parametrize("recipe", RECIPES)
def test_parts_are_the_rows_of_the_split_in_order(make_small, recipe):
    problem = make_small()
    for fold, rows in enumerate(problem.splits.folds):
        data = fold_data(problem, recipe, fold)
        assert len(data.train.values) == len(rows.train)
        assert len(data.valid.values) == len(rows.valid)
        assert len(data.test.values) == len(problem.splits.test)
        stored = load_recipe(recipe, recipe_folder(problem.folder, recipe, fold))
        for part, numbers in ((data.valid, rows.valid), (data.test, problem.splits.test)):
            np.testing.assert_array_equal(part.values, stored.transform(problem.task.features[numbers]).values)
            assert part.values.dtype == np.float32
            assert part.categorical == data.train.categorical
            assert part.names == data.train.names


@pytest.mark.parametrize("features", [Features(), EVERY], ids=["plain", "every feature"])
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_recipe_learns_from_training_rows_alone(make_small, kind, recipe, features):
    problem = make_small(kind)
    rows = problem.splits.folds[0]
    hidden = np.concatenate([rows.valid, problem.splits.test])
    y = problem.task.y.copy()
    y[rows.valid] = y[rows.valid][::-1]
    other = with_features(problem, hidden, make_small(kind, splits=problem.splits))
    other = replace(other, task=replace(other.task, y=y))
    ours, theirs = (fold_data(each, recipe, 0, features) for each in (problem, other))
    np.testing.assert_array_equal(ours.train.values, theirs.train.values)
    assert not np.array_equal(ours.valid.values, theirs.valid.values)
    fitted = [files(recipe_folder(each.folder, recipe, 0, features)) for each in (problem, other)]
    assert fitted[0] == fitted[1]


def test_fold_is_encoded_once(make_small, monkeypatch):
    problem = make_small()
    first = fold_data(problem, "linear", 1)
    monkeypatch.setattr(module, "make_recipe", None)
    again = fold_data(problem, "linear", 1)
    np.testing.assert_array_equal(first.train.values, again.train.values)
    with pytest.raises(TypeError):
        fold_data(problem, "linear", 0)


def test_features_make_it_another_fold_with_a_recipe_of_its_own(make_small):
    problem, switched_on = make_small(), Features(missing=True, arithmetic=True)
    plain, made = fold_data(problem, "trees", 0), fold_data(problem, "trees", 0, switched_on)
    assert {"b (missing)"} == set(made.train.names) - set(plain.train.names) - {"a + b", "a - b", "a * b", "a / b"}
    folders = [recipe_folder(problem.folder, "trees", 0, features) for features in (Features(), switched_on)]
    assert [folder.parent.name for folder in folders] == [
        module.recipe_key("trees"),
        f"{module.recipe_key('trees')}-arithmetic-missing",
    ]
    valid = problem.task.features[problem.splits.folds[0].valid]
    for folder, data in zip(folders, (plain, made), strict=True):
        np.testing.assert_array_equal(load_recipe("trees", folder).transform(valid).values, data.valid.values)
    np.testing.assert_array_equal(fold_data(problem, "trees", 0).train.values, plain.train.values)


def test_workers_that_want_a_fold_at_once_wait_for_the_first(make_small, monkeypatch):
    problem, made = make_small(), []
    original = module.make_recipe

    def count(*parts):
        made.append(parts)
        return original(*parts)

    monkeypatch.setattr(module, "make_recipe", count)
    together, found = threading.Barrier(6), []

    def work():
        together.wait()
        found.append(fold_data(problem, "nets", 0))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({data.train.values.tobytes() for data in found}) == 1
    assert len(found) == 6


@pytest.mark.parametrize("step", ["_write", "recipe"])
def test_worker_that_dies_halfway_leaves_no_fold_without_its_recipe(make_small, monkeypatch, step):
    problem = make_small()
    with monkeypatch.context() as patch:
        target = "bench.fold_data._write" if step == "_write" else "bench.recipes.trees.RECIPE.save"
        patch.setattr(target, lambda *parts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fold_data(problem, "trees", 0)
    assert not (problem.folder / "cache" / module.recipe_key("trees") / "fold-0").exists()
    fold_data(problem, "trees", 0)
    assert load_recipe("trees", recipe_folder(problem.folder, "trees", 0)).transform(problem.task.features)


def test_large_folds_are_mapped_and_cannot_be_written_to(make_small):
    data = fold_data(make_small(frame=table("binary", rows=3000)), "trees", 0)
    assert not data.train.values.flags.writeable
    assert not data.train.values.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        data.train.values[0, 0] = 1.0


def test_split_without_test_rows_has_an_empty_part(make_small):
    problem = make_small()
    problem = replace(problem, splits=replace(problem.splits, test=np.empty(0, dtype=np.int64)))
    data = fold_data(problem, "trees", 0)
    assert data.test.values.shape == (0, data.train.values.shape[1])
