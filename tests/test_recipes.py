from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import QuantileTransformer

from bench.dataset import Column, Kind, Schema, load_dataset
from bench.errors import DataError
from bench.recipes import RECIPES, Encoded, linear, load_recipe, make_recipe, recipe_version, texts
from bench.recipes.feature import Feature
from bench.recipes.linear import MAX_WIDTH
from bench.recipes.scaling import NormalQuantiles, Scaling, skewness
from bench.recipes.target_encoding import assign_folds, targets
from bench.recipes.trees import MAX_LEVELS

KINDS: dict[type[pl.DataType], Kind] = {pl.Float64: "numeric", pl.Boolean: "boolean", pl.String: "categorical"}
TASKS = ("binary", "multiclass", "regression")
WORDS = ("red", "green", "blue", "quick", "lazy", "fox", "dog", "über", "東京")


def schema_of(frame: pl.DataFrame, text: tuple[str, ...] = ("note",)) -> Schema:
    def kind(series: pl.Series) -> Kind:
        if series.name in text:
            return "text"
        return KINDS.get(type(series.dtype), "datetime")

    return Schema(
        columns=tuple(
            Column(name=s.name, kind=kind(s), dtype=str(s.dtype), why="", n_missing=s.null_count(), n_unique=0)
            for s in frame
        )
    )


def mixed(n_rows: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)

    def gaps(values, share: float = 0.1) -> list:
        return [None if rng.random() < share else value for value in values]

    start = datetime(1955, 3, 1)
    return pl.DataFrame(
        {
            "plain": rng.normal(50, 3, n_rows),
            "skewed": gaps(rng.lognormal(0, 2, n_rows)),
            "flag": gaps((rng.random(n_rows) < 0.3).tolist()),
            "colour": gaps(rng.choice(["red", "green", "", "blue"], n_rows).tolist()),
            "city": [f"city {int(i)}" for i in rng.geometric(0.02, n_rows)],
            "when": gaps([start + timedelta(hours=int(h)) for h in rng.integers(0, 10**6, n_rows)]),
            "note": gaps([" ".join(rng.choice(WORDS, rng.integers(0, 8))) for _ in range(n_rows)]),
            "fixed": np.ones(n_rows),
            "empty": [None] * n_rows,
        },
        schema_overrides={"empty": pl.Float64, "when": pl.Datetime("us"), "flag": pl.Boolean},
    )


def target(task: str, n_rows: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if task == "regression":
        return rng.normal(size=n_rows)
    n_classes = 2 if task == "binary" else 4
    return np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n_rows - n_classes)])


def fitted(name: str, frame: pl.DataFrame, task: str = "binary", seed: int = 0):
    recipe = make_recipe(name, schema_of(frame), task, seed)
    return recipe, recipe.fit_transform(frame, target(task, frame.height))


def column(encoded: Encoded, name: str) -> np.ndarray:
    return encoded.values[:, encoded.names.index(name)]


def check_encoded(name: str, encoded: Encoded, n_rows: int) -> None:
    values = encoded.values
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert not values.flags.writeable
    assert values.shape == (n_rows, len(encoded.names))
    assert values.shape[1] >= 1
    assert not np.isinf(values).any()
    if name != "trees":
        assert not np.isnan(values).any()
    assert len(encoded.categorical) == len(encoded.cardinalities)
    for index, cardinality in zip(encoded.categorical, encoded.cardinalities, strict=True):
        codes = values[:, index][~np.isnan(values[:, index])]
        assert_array_equal(codes, np.round(codes))
        assert ((codes >= 0) & (codes < cardinality)).all()


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return mixed(300)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", RECIPES)
def test_any_kind_of_column_and_task(name: str, task: str, frame: pl.DataFrame):
    recipe, encoded = fitted(name, frame, task)
    check_encoded(name, encoded, 300)
    again = recipe.transform(mixed(70, seed=9))
    check_encoded(name, again, 70)
    assert (again.names, again.categorical, again.cardinalities) == (
        encoded.names,
        encoded.categorical,
        encoded.cardinalities,
    )
    assert not any(n.startswith(("fixed", "empty")) for n in encoded.names)


@pytest.mark.parametrize("name", RECIPES)
def test_a_row_is_encoded_the_same_whatever_its_neighbours(name: str, frame: pl.DataFrame):
    recipe, _ = fitted(name, frame)
    other = mixed(90, seed=5)
    whole = recipe.transform(other).values
    order = np.random.default_rng(3).permutation(90)
    assert recipe.transform(other[order]).values.tobytes() == whole[order].tobytes()
    assert recipe.transform(other[17:18]).values.tobytes() == whole[17:18].tobytes()
    assert recipe.transform(other.head(0)).values.shape == (0, whole.shape[1])


@pytest.mark.parametrize("name", ["trees", "nets"])
def test_training_rows_are_encoded_as_any_others(name: str, frame: pl.DataFrame):
    recipe, encoded = fitted(name, frame)
    assert encoded.values.tobytes() == recipe.transform(frame).values.tobytes()


@pytest.mark.parametrize("name", ["trees", "nets"])
def test_the_target_changes_nothing(name: str, frame: pl.DataFrame):
    first = make_recipe(name, schema_of(frame), "binary", 0).fit_transform(frame, target("binary", 300, seed=1))
    second = make_recipe(name, schema_of(frame), "binary", 0).fit_transform(frame, target("binary", 300, seed=2))
    assert first.values.tobytes() == second.values.tobytes()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_loaded_recipe_encodes_the_same_to_the_last_bit(name: str, task: str, frame: pl.DataFrame, tmp_path: Path):
    recipe, _ = fitted(name, frame, task)
    recipe.save(tmp_path)
    loaded = load_recipe(name, tmp_path)
    expected, found = recipe.transform(mixed(80, seed=4)), loaded.transform(mixed(80, seed=4))
    assert found.values.tobytes() == expected.values.tobytes()
    assert (found.names, found.categorical, found.cardinalities) == (
        expected.names,
        expected.categorical,
        expected.cardinalities,
    )


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_gives_the_same_bits(name: str, frame: pl.DataFrame):
    assert fitted(name, frame)[1].values.tobytes() == fitted(name, frame)[1].values.tobytes()


def test_the_seed_deals_the_folds_of_target_encoding(frame: pl.DataFrame):
    first, second = (column(fitted("linear", frame, seed=seed)[1], "city (target)") for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", RECIPES)
def test_what_was_not_in_the_training_rows_is_encoded(name: str, frame: pl.DataFrame):
    recipe, encoded = fitted(name, frame)
    strange = frame.head(4).with_columns(
        pl.Series("plain", [1e300, -1e300, float("nan"), float("inf")]),
        pl.Series("skewed", [-1e300, 1e300, 0.0, None]),
        pl.lit(None, dtype=pl.Boolean).alias("flag"),
        pl.lit("never seen").alias("colour"),
        pl.lit(None, dtype=pl.String).alias("city"),
        pl.Series("when", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59), datetime(1969, 12, 31), None]),
        pl.Series("note", ["", None, "words nobody wrote", "🦊 \x00 \n"]),
        pl.lit(7.0).alias("empty"),
    )
    result = recipe.transform(strange)
    check_encoded(name, result, 4)
    assert result.names == encoded.names


@pytest.mark.parametrize("name", RECIPES)
def test_a_column_without_any_value_at_prediction(name: str, frame: pl.DataFrame):
    recipe, _ = fitted(name, frame)
    for missing in frame.columns:
        nothing = frame.head(5).with_columns(pl.lit(None, dtype=frame.schema[missing]).alias(missing))
        check_encoded(name, recipe.transform(nothing), 5)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("n_rows", [4, 20])
@pytest.mark.parametrize("name", RECIPES)
def test_few_rows(name: str, n_rows: int, task: str):
    recipe, encoded = fitted(name, mixed(n_rows), task)
    check_encoded(name, encoded, n_rows)
    check_encoded(name, recipe.transform(mixed(50, seed=2)), 50)


@pytest.mark.parametrize("only", mixed(1).columns)
@pytest.mark.parametrize("name", RECIPES)
def test_one_column_alone(name: str, only: str, frame: pl.DataFrame, tmp_path: Path):
    recipe, encoded = fitted(name, frame.select(only))
    check_encoded(name, encoded, 300)
    recipe.save(tmp_path)
    loaded = load_recipe(name, tmp_path)
    assert loaded.transform(frame.select(only)).values.tobytes() == recipe.transform(frame).values.tobytes()


@pytest.mark.parametrize("name", RECIPES)
def test_without_a_usable_column_zeros_stand_in(name: str):
    useless = pl.DataFrame({"fixed": [2.0] * 30, "one": ["same"] * 30, "none": pl.Series([None] * 30, dtype=pl.String)})
    recipe, encoded = fitted(name, useless)
    assert_array_equal(encoded.values, np.zeros((30, 1)))
    assert_array_equal(recipe.transform(useless.head(3)).values, np.zeros((3, 1)))
    assert encoded.categorical == ()


@pytest.mark.parametrize("name", RECIPES)
def test_ten_thousand_levels(name: str, tmp_path: Path):
    rng = np.random.default_rng(0)
    levels = pl.DataFrame({"level": [f"level {i}" for i in rng.integers(0, 10_000, 30_000)]})
    recipe, encoded = fitted(name, levels)
    check_encoded(name, encoded, 30_000)
    assert encoded.values.shape == (30_000, 1)
    recipe.save(tmp_path)
    again = load_recipe(name, tmp_path).transform(levels)
    assert again.values.tobytes() == recipe.transform(levels).values.tobytes()


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), min_size=3, max_size=30))
@pytest.mark.parametrize("name", RECIPES)
def test_any_numbers_are_encoded_as_finite_ones(name: str, values: list):
    numbers = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64, strict=False), "y": np.arange(len(values)) * 1.0})
    recipe, encoded = fitted(name, numbers)
    check_encoded(name, encoded, len(values))
    check_encoded(name, recipe.transform(numbers.reverse()), len(values))


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=3, max_size=40))
@pytest.mark.parametrize("name", RECIPES)
def test_any_text_is_encoded(name: str, values: list):
    words = pl.DataFrame({"x": values, "note": values}, schema={"x": pl.String, "note": pl.String})
    recipe, encoded = fitted(name, words)
    check_encoded(name, encoded, len(values))
    check_encoded(name, recipe.transform(words.reverse()), len(values))


class TestTrees:
    def test_numbers_are_left_as_they_are(self):
        _, encoded = fitted("trees", pl.DataFrame({"x": [1.5, None, -3.0, 1e300], "flag": [True, None, False, True]}))
        assert_array_equal(column(encoded, "x"), np.float32([1.5, np.nan, -3.0, np.finfo(np.float32).max]))
        assert_array_equal(column(encoded, "flag"), np.float32([1, np.nan, 0, 1]))

    def test_codes_follow_frequency_then_name(self):
        recipe, encoded = fitted("trees", pl.DataFrame({"x": ["b", "c", "c", "a", None]}))
        assert_array_equal(encoded.values[:, 0], np.float32([2, 0, 0, 1, np.nan]))
        assert (encoded.categorical, encoded.cardinalities) == ((0,), (3,))
        assert_array_equal(
            recipe.transform(pl.DataFrame({"x": ["new", "a", None]})).values[:, 0], np.float32([np.nan, 1, np.nan])
        )

    def test_rare_levels_share_the_last_code(self):
        levels = [f"{i:05}" for i in range(MAX_LEVELS + 500)]
        _, encoded = fitted("trees", pl.DataFrame({"x": levels + levels[:10]}))
        assert encoded.cardinalities == (MAX_LEVELS,)
        assert (encoded.values[MAX_LEVELS - 1 : -10, 0] == MAX_LEVELS - 1).all()
        assert set(encoded.values[:10, 0]) == set(range(10))

    def test_dates_before_1970_and_far_ahead(self):
        dates = [datetime(1900, 1, 1), datetime(1969, 12, 31, 18), datetime(9999, 12, 31), None]
        _, encoded = fitted("trees", pl.DataFrame({"when": pl.Series(dates, dtype=pl.Datetime("us"))}))
        assert_array_equal(column(encoded, "when (year)"), np.float32([1900, 1969, 9999, np.nan]))
        assert_array_equal(column(encoded, "when (weekday)"), np.float32([1, 3, 5, np.nan]))
        assert_array_equal(column(encoded, "when (hour)"), np.float32([0, 18, 0, np.nan]))
        assert_allclose(column(encoded, "when (days)")[:2], [0, 25566.75])

    def test_parts_of_dates_that_never_vary_are_left_out(self):
        dates = pl.Series([datetime(2024, 5, day) for day in range(1, 31)], dtype=pl.Datetime("us"))
        _, encoded = fitted("trees", pl.DataFrame({"when": dates}))
        assert encoded.names == ("when (days)", "when (day)", "when (weekday)")

    def test_a_constant_with_gaps_is_kept_once(self):
        same = pl.Series([1.0, None, 1.0, 1.0])
        _, encoded = fitted("trees", pl.DataFrame({"a": same, "b": same, "c": [1.0, 1.0, None, 1.0]}))
        assert encoded.names == ("a", "c")

    def test_topics_tell_texts_apart(self):
        texts = ["red fish swims", "blue bird sings"] * 40
        _, encoded = fitted("trees", pl.DataFrame({"note": texts}))
        topics = encoded.values[:, [i for i, n in enumerate(encoded.names) if "topic" in n]]
        assert_array_equal(topics[0], topics[2])
        assert np.abs(topics[0] - topics[1]).max() > 0.5


class TestLinear:
    def test_symmetric_numbers_are_scaled_and_skewed_ones_go_by_rank(self):
        rng = np.random.default_rng(0)
        x, z = rng.normal(1e6, 5, 900), rng.lognormal(0, 3, 900)
        _, encoded = fitted("linear", pl.DataFrame({"x": x, "z": z}))
        low, middle, high = np.quantile(x, (0.25, 0.5, 0.75))
        assert_allclose(column(encoded, "x"), (x - middle) / (high - low), rtol=1e-5, atol=1e-6)
        assert abs(skewness(column(encoded, "z").astype(float))) < 0.2
        assert_array_equal(np.argsort(column(encoded, "z"), kind="stable"), np.argsort(z, kind="stable"))

    def test_gaps_become_the_median_and_an_indicator(self):
        x = [0.0, 1.0, 2.0, 3.0, 4.0, None]
        recipe, encoded = fitted("linear", pl.DataFrame({"x": x, "twin": x, "full": [0.0, 1, 2, 3, 4, 5]}))
        assert encoded.names == ("x", "twin", "full", "x (missing)")
        assert_array_equal(encoded.values[-1], np.float32([0, 0, 1, 1]))
        assert_array_equal(recipe.transform(pl.DataFrame({"x": [None], "twin": [2.0], "full": [2.5]})).values[0, 3], 1)

    def test_rare_unseen_and_missing_levels_have_their_columns(self):
        x = ["a"] * 500 + ["b"] * 490 + ["rare"] * 9 + [None]
        recipe, encoded = fitted("linear", pl.DataFrame({"x": x}))
        assert encoded.names == ("x = a", "x = b", "x (rare)", "x (missing)")
        found = recipe.transform(pl.DataFrame({"x": ["b", "rare", "new", None]})).values
        assert_array_equal(found, [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]])

    @pytest.mark.parametrize("task", TASKS)
    def test_target_encoding_does_not_leak(self, task: str):
        rng = np.random.default_rng(0)
        levels = pl.DataFrame({"x": [f"{i}" for i in rng.integers(0, 1000, 3000)]})
        y = target(task, 3000)
        encoded = make_recipe("linear", schema_of(levels), task, 0).fit_transform(levels, y).values
        outputs = targets(y, task)
        for values, output in zip(encoded.T, outputs.T, strict=True):
            assert abs(np.corrcoef(values, output)[0, 1]) < 0.06

    def test_target_encoding_tells_what_levels_mean(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 200, 6000)
        y = rng.normal(size=200)[codes] + rng.normal(size=6000)
        levels = pl.DataFrame({"x": codes.astype(str)})
        recipe = make_recipe("linear", schema_of(levels), "regression", 0)
        train = recipe.fit_transform(levels[:4000], y[:4000]).values[:, 0]
        assert np.corrcoef(train, y[:4000])[0, 1] > 0.6
        assert np.corrcoef(recipe.transform(levels[4000:]).values[:, 0], y[4000:])[0, 1] > 0.6
        assert_allclose(recipe.transform(pl.DataFrame({"x": ["new"]})).values, 0, atol=1e-6)

    def test_target_encoding_survives_a_huge_target(self):
        levels = pl.DataFrame({"x": [f"{i % 50}" for i in range(200)]})
        y = np.where(np.arange(200) % 2 == 0, 1e308, -1e308)
        recipe = make_recipe("linear", schema_of(levels), "regression", 0)
        check_encoded("linear", recipe.fit_transform(levels, y), 200)

    def test_many_classes_are_held_to_the_most_frequent(self):
        y = np.concatenate([np.arange(30), np.repeat(np.arange(20, 30), 20)])
        levels = pl.DataFrame({"x": [f"{i % 60}" for i in range(len(y))]})
        encoded = make_recipe("linear", schema_of(levels), "multiclass", 0).fit_transform(levels, y)
        assert encoded.values.shape[1] == 10
        assert_allclose(targets(y, "multiclass") > 0, y[:, None] == np.arange(20, 30))

    def test_width_is_bounded(self):
        rng = np.random.default_rng(0)
        wide = pl.DataFrame({f"x{i}": rng.integers(0, 20, 200).astype(str) for i in range(400)})
        _, encoded = fitted("linear", wide)
        assert encoded.values.shape[1] <= MAX_WIDTH

    def test_width_falls_where_rows_are_many(self, monkeypatch):
        levels = pl.DataFrame({f"x{i}": np.resize(np.arange(30), 600).astype(str) for i in range(100)})
        _, wide = fitted("linear", levels)
        monkeypatch.setattr(linear, "_MOST_CELLS", 600 * 300)
        _, narrow = fitted("linear", levels)
        assert narrow.values.shape[1] <= 300 < wide.values.shape[1]


class TestNumbers:
    @pytest.mark.parametrize("name", ["trees", "linear", "nets"])
    def test_large_whole_numbers_are_told_apart(self, name):
        seconds = np.arange(1.7e9, 1.7e9 + 400)
        recipe, encoded = fitted(name, pl.DataFrame({"second": seconds}))
        column = encoded.values[:, 0]
        assert len(np.unique(column)) == 400
        assert (np.diff(column) > 0).all()
        later = recipe.transform(pl.DataFrame({"second": seconds[-1:] + 1}))
        assert later.values[0, 0] > column[-1] or name != "trees"


class TestTexts:
    def test_terms_are_learned_from_some_of_many_rows(self, monkeypatch):
        notes = pl.DataFrame(
            {"note": [f"common {'first' if row < 20 else 'later'} words {row % 7}" for row in range(60)]}
        )
        monkeypatch.setattr(texts, "_MOST_ROWS", 20)
        learned = []
        monkeypatch.setattr(texts, "_documents", lambda series: learned.append(len(series)) or series.to_list())
        column = texts.TextColumn.fit(notes["note"], 0)
        assert learned == [20]
        assert {"first", "later"} <= set(column.terms)


class TestNets:
    def test_numbers_are_bounded_smoothly(self):
        x = np.append(np.arange(101.0), 1e30)
        recipe, encoded = fitted("nets", pl.DataFrame({"x": x}))
        low, middle, high = np.quantile(x, (0.25, 0.5, 0.75))
        scaled = (x[:-1] - middle) / (high - low)
        assert_allclose(column(encoded, "x")[:-1], scaled / np.sqrt(1 + (scaled / 3) ** 2), rtol=1e-5)
        assert_allclose(recipe.transform(pl.DataFrame({"x": [1e300, -1e300]})).values[:, 0], [3, -3], rtol=1e-5)

    def test_half_the_range_scales_where_quartiles_coincide(self):
        _, encoded = fitted("nets", pl.DataFrame({"x": [0.0] * 9 + [5.0]}))
        assert_allclose(encoded.values[[0, 9], 0], [0, 2 / np.sqrt(1 + (2 / 3) ** 2)], rtol=1e-6)

    def test_slot_zero_is_for_missing_unseen_and_lone_levels(self):
        recipe, encoded = fitted("nets", pl.DataFrame({"x": ["a", "a", "b", "b", "b", "lone", None]}))
        assert_array_equal(encoded.values[:, -1], [2, 2, 1, 1, 1, 0, 0])
        assert encoded.cardinalities == (3,)
        assert_array_equal(recipe.transform(pl.DataFrame({"x": ["new", "a", None]})).values[:, -1], [0, 2, 0])

    def test_categories_come_last(self, frame: pl.DataFrame):
        _, encoded = fitted("nets", frame)
        width = encoded.values.shape[1]
        assert encoded.categorical == tuple(range(width - 2, width))
        assert encoded.names[-2:] == ("colour", "city")


def test_folds_are_of_one_size_and_one_mean():
    y = np.random.default_rng(0).normal(size=1003)
    folds = assign_folds(y, seed=0)
    assert np.bincount(folds).tolist() == pytest.approx([200.6] * 5, abs=1)
    means = [y[folds == fold].mean() for fold in range(5)]
    assert_allclose(means, y.mean(), atol=0.02)


def test_normal_quantiles_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    numeric = np.stack([rng.exponential(size=3000), np.round(rng.exponential(size=3000))], axis=1)
    theirs = QuantileTransformer(n_quantiles=300, output_distribution="normal").fit_transform(numeric)
    ours = NormalQuantiles.fit(numeric).apply(numeric)
    inner = np.abs(theirs) < 3
    assert_allclose(ours[inner], theirs[inner], atol=1e-6)
    assert np.abs(ours).max() < 3.6


def test_scaling_keeps_columns_that_never_vary_out():
    scaling = Scaling.fit(np.array([[1.0, 2.0, np.nan], [1.0, 3.0, 4.0], [1.0, 9.0, 4.0]]))
    assert scaling.varying.tolist() == [1]
    assert [feature.name for feature in scaling.features([Feature(name, (name,)) for name in "abc"])] == [
        "b",
        "c (missing)",
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_of_another_version_is_refused(name: str, frame: pl.DataFrame, tmp_path: Path):
    recipe, _ = fitted(name, frame)
    recipe.version = recipe_version(name) + 1
    recipe.save(tmp_path)
    with pytest.raises(DataError, match=rf"must hold recipe '{name}' of version 4, got '{name}' of version 5\. Fit it"):
        load_recipe(name, tmp_path)


def test_another_recipe_is_refused(frame: pl.DataFrame, tmp_path: Path):
    fitted("trees", frame)[0].save(tmp_path)
    with pytest.raises(DataError, match="must hold recipe 'nets' of version 4, got 'trees' of version 4"):
        load_recipe("nets", tmp_path)


@pytest.mark.parametrize("file", ["recipe.json", "recipe.npz"])
@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_a_damaged_recipe_is_refused(file: str, damage: str, frame: pl.DataFrame, tmp_path: Path):
    fitted("linear", frame)[0].save(tmp_path)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).unlink()
    if damage == "cut":
        (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"must hold a whole recipe \(recipe\.json, recipe\.npz\)"):
        load_recipe("linear", tmp_path)


def test_blank_reads_nothing(tmp_path):
    frame = pl.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None]})
    schema = load_dataset(pl.concat([frame] * 10)).schema()
    recipe = make_recipe("blank", schema, "regression", 0)
    assert recipe.fit_transform(frame, np.arange(3.0)).values.tolist() == [[0.0]] * 3
    recipe.save(tmp_path)
    assert load_recipe("blank", tmp_path).transform(frame[:2]).values.tolist() == [[0.0]] * 2
