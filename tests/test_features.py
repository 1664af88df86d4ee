"""Features made on training rows: each switch, what it makes, and that it neither leaks nor breaks."""

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import PowerTransformer
from test_recipes import TASKS, check_encoded, column, mixed, schema_of, target

from bench.errors import BenchError
from bench.recipes import RECIPES, Features, load_recipe, make_recipe, without_switches
from bench.recipes.categories import OFFSET, CategoryColumn
from bench.recipes.features import Training, conditions, make_sample
from bench.recipes.features.options import PREFIX
from bench.recipes.table import Table
from bench.recipes.target_encoding import TargetEncoding, assign_folds, targets
from bench.recipes.yeo_johnson import YeoJohnson
from bench.space import load_space

ALL = Features(
    dates="cyclic",
    text="characters",
    numbers="yeo_johnson",
    rare=5,
    crosses=True,
    arithmetic=True,
    groups=True,
    counts=True,
    target="folds",
    missing=True,
)
EACH = [
    Features(dates="cyclic"),
    Features(text="characters"),
    Features(numbers="quantile"),
    Features(numbers="yeo_johnson"),
    Features(rare=5),
    Features(crosses=True),
    Features(arithmetic=True),
    Features(groups=True),
    Features(counts=True),
    Features(target="folds"),
    Features(target="ordered"),
    Features(missing=True),
    ALL,
]


def fitted(name: str, frame: pl.DataFrame, y: np.ndarray, features: Features, task: str = "binary", seed: int = 0):
    recipe = make_recipe(name, schema_of(frame), task, seed, features)
    return recipe, recipe.fit_transform(frame, y)


def of_features(cases):
    return pytest.mark.parametrize("features", cases, ids=lambda features: features.key[:40])


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return mixed(300)


class TestEverySwitch:
    @pytest.mark.parametrize("name", RECIPES)
    @of_features(EACH)
    def test_other_rows_alone_and_loaded_again(
        self, name: str, features: Features, frame: pl.DataFrame, tmp_path: Path
    ):
        recipe, encoded = fitted(name, frame, target("binary", 300), features)
        check_encoded(name, encoded, 300)
        other = mixed(60, seed=9)
        whole = recipe.transform(other)
        check_encoded(name, whole, 60)
        order = np.random.default_rng(3).permutation(60)
        assert recipe.transform(other[order]).values.tobytes() == whole.values[order].tobytes()
        assert recipe.transform(other[17:18]).values.tobytes() == whole.values[17:18].tobytes()
        assert recipe.transform(other.head(0)).values.shape == (0, whole.values.shape[1])
        recipe.save(tmp_path)
        loaded = load_recipe(name, tmp_path)
        assert loaded.transform(other).values.tobytes() == whole.values.tobytes()
        for one in (recipe, loaded):
            assert one.get_feature_names_out().tolist() == list(encoded.names) == list(whole.names)
            assert one.sources() == recipe.sources()
            assert all(columns and set(columns) <= set(frame.columns) for columns in one.sources())
            assert len(one.sources()) == len(encoded.names)

    @pytest.mark.parametrize("name", RECIPES)
    @of_features(EACH)
    def test_what_was_not_in_the_training_rows_is_encoded(self, name: str, features: Features, frame: pl.DataFrame):
        recipe, _ = fitted(name, frame, target("binary", 300), features)
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
        check_encoded(name, recipe.transform(strange), 4)
        nothing = frame.head(3).with_columns(
            pl.lit(None, dtype=kind).alias(name) for name, kind in frame.schema.items()
        )
        check_encoded(name, recipe.transform(nothing), 3)

    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("n_rows", [4, 300])
    @pytest.mark.parametrize("name", RECIPES)
    def test_any_task_and_few_rows(self, name: str, n_rows: int, task: str):
        recipe, encoded = fitted(name, mixed(n_rows), target(task, n_rows), ALL, task)
        check_encoded(name, encoded, n_rows)
        check_encoded(name, recipe.transform(mixed(50, seed=2)), 50)

    @pytest.mark.parametrize("only", mixed(1).columns)
    def test_one_column_alone(self, only: str, frame: pl.DataFrame):
        for name in RECIPES:
            check_encoded(name, fitted(name, frame.select(only), target("binary", 300), ALL)[1], 300)

    def test_the_same_seed_gives_the_same_bits(self, frame: pl.DataFrame):
        one, two = (fitted("trees", frame, target("binary", 300), ALL)[1] for _ in range(2))
        assert one.values.tobytes() == two.values.tobytes()

    def test_what_is_made_comes_beside_what_there_was(self, frame: pl.DataFrame):
        plain = fitted("trees", frame, target("binary", 300), Features())[1]
        made = fitted("trees", frame, target("binary", 300), Features(arithmetic=True, groups=True, missing=True))[1]
        for name in plain.names:
            assert_array_equal(column(made, name), column(plain, name))
        assert len(made.names) > len(plain.names)

    @pytest.mark.parametrize("name", RECIPES)
    def test_ten_thousand_levels(self, name: str):
        rng = np.random.default_rng(0)
        levels = pl.DataFrame(
            {"a": rng.integers(0, 10_000, 20_000).astype(str), "b": rng.integers(0, 50, 20_000).astype(str)}
        )
        features = Features(crosses=True, counts=True, target="ordered", rare=2)
        recipe, encoded = fitted(name, levels, target("binary", 20_000), features)
        check_encoded(name, encoded, 20_000)
        check_encoded(name, recipe.transform(pl.DataFrame({"a": ["new", None], "b": [None, "0"]})), 2)

    def test_what_is_made_is_capped(self):
        rng = np.random.default_rng(0)
        gaps = np.where(rng.random((400, 120)) < 0.1, np.nan, rng.normal(size=(400, 120)))
        wide = pl.DataFrame({f"x{i}": values for i, values in enumerate(gaps.T)}, nan_to_null=True)
        wide = wide.with_columns(pl.Series(f"c{i}", rng.integers(0, 20, 400).astype(str)) for i in range(90))
        everything = Features(crosses=True, arithmetic=True, groups=True, counts=True, target="ordered", missing=True)
        _, encoded = fitted("trees", wide, target("multiclass", 400), everything, "multiclass")
        assert len(encoded.names) - wide.width <= 6 + 20 + 30 + 32 + 64 + 51


class TestLeaks:
    """A target drawn at random tells nothing, so no column of the training rows may tell of it."""

    @pytest.mark.parametrize("name", RECIPES)
    @pytest.mark.parametrize("how", ["folds", "ordered"])
    def test_training_rows_do_not_show_their_own_target(self, name: str, how: str):
        rng = np.random.default_rng(0)
        frame = pl.DataFrame(
            {
                "id": rng.integers(0, 1000, 4000).astype(str),
                "few": rng.integers(0, 12, 4000).astype(str),
                "x": rng.normal(size=4000),
                "z": rng.normal(size=4000),
            }
        )
        y = rng.integers(0, 2, 4000)
        features = Features(crosses=True, arithmetic=True, groups=True, counts=True, target=how)
        recipe, encoded = fitted(name, frame, y, features)
        rates = {
            label: roc_auc_score(y, np.nan_to_num(values))
            for label, values in zip(encoded.names, encoded.values.T, strict=True)
        }
        assert {"id (target mean)", "few (target mean)"} <= set(rates)
        # A rate of no signal has a standard deviation of 0.009; some thirty columns are looked at, some by choice.
        assert all(abs(rate - 0.5) < 0.04 for rate in rates.values()), rates
        plain = recipe.transform(frame)
        assert roc_auc_score(y, column(plain, "id (target mean)")) > 0.65  # what would leak

    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("how", ["folds", "ordered"])
    def test_lone_levels_do_not_show_it_either(self, how: str, task: str):
        rng = np.random.default_rng(1)
        frame = pl.DataFrame({"id": np.concatenate([rng.permutation(1500), rng.permutation(1500)]).astype(str)})
        y = target(task, 3000)
        _, encoded = fitted("trees", frame, y, Features(target=how), task)
        values = encoded.values[:, [i for i, name in enumerate(encoded.names) if "target mean" in name]]
        for made, output in zip(values.T, targets(y, task).T, strict=True):
            assert abs(np.corrcoef(made, output)[0, 1]) < 0.08

    @pytest.mark.parametrize("how", ["folds", "ordered"])
    def test_levels_that_mean_something_say_so(self, how: str):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 200, 6000)
        y = rng.normal(size=200)[codes] + rng.normal(size=6000)
        levels = pl.DataFrame({"x": codes.astype(str)})
        recipe, encoded = fitted("trees", levels[:4000], y[:4000], Features(target=how), "regression")
        assert np.corrcoef(column(encoded, "x (target mean)"), y[:4000])[0, 1] > 0.6
        assert np.corrcoef(column(recipe.transform(levels[4000:]), "x (target mean)"), y[4000:])[0, 1] > 0.6
        unseen = recipe.transform(pl.DataFrame({"x": ["new"]}))
        assert_allclose(column(unseen, "x (target mean)"), 0, atol=1e-6)


def test_ordered_means_are_those_of_the_rows_before():
    rng = np.random.default_rng(0)
    codes, output = rng.integers(0, 5, 40), rng.normal(size=(40, 1))
    encoding, encoded = TargetEncoding.fit_ordered(codes, 5, output, seed=3)
    place = np.random.default_rng(3).permutation(40)
    sums, counts = (np.zeros(40), np.zeros(40))
    for row in range(40):
        before = (codes == codes[row]) & (place < place[row])
        sums[row], counts[row] = output[before, 0].sum(), before.sum()
    first = counts == 0
    assert_allclose(encoded[first], 0, atol=1e-12)
    # What remains unknown is one pseudocount and one scale: two rows tell them, the others must agree.
    ratio = sums[~first] / encoded[~first, 0]
    slope, intercept = np.polyfit(counts[~first], ratio, 1)
    assert_allclose(ratio, slope * counts[~first] + intercept, rtol=1e-6)
    assert encoding.table.shape == (OFFSET + 5, 1)


class TestGenerators:
    def test_crosses_see_what_neither_column_tells(self):
        rng = np.random.default_rng(0)
        a, b, c = rng.integers(0, 2, (3, 2000))
        frame = pl.DataFrame({"a": a.astype(str), "b": b.astype(str), "c": c.astype(str)})
        recipe, encoded = fitted("linear", frame, a ^ b, Features(crosses=True))
        assert {"a & b = 0 & 1", "a & b = 1 & 1"} <= set(encoded.names)
        at = encoded.names.index("a & b = 0 & 1")
        assert recipe.sources()[at] == ("a", "b")
        assert_array_equal(encoded.values[:, at], (a == 0) & (b == 1))
        strange = recipe.transform(pl.DataFrame({"a": ["0", None, "new"], "b": ["1", "1", "1"], "c": ["0"] * 3}))
        assert_array_equal(strange.values[:, at], [1, 0, 0])

    def test_a_cross_has_missing_partners_and_one_level_of_rare_ones(self):
        a, b = ["x"] * 40 + [None] * 20 + ["x", "x", "y"], ["p"] * 20 + ["q"] * 40 + ["r", "s", "r"]
        y = np.array([0] * 20 + [1] * 20 + [0] * 20 + [0, 1, 0])
        recipe, encoded = fitted("trees", pl.DataFrame({"a": a, "b": b}), y, Features(crosses=True))
        crossed = column(encoded, "a & b")
        assert encoded.cardinalities[-1] == 4
        assert len({*crossed[:20]}) == len({*crossed[20:40]}) == len({*crossed[40:60]}) == 1
        assert {*crossed[60:]}.isdisjoint(crossed[:60])
        assert len({*crossed[60:]}) == 1
        never = recipe.transform(pl.DataFrame({"a": ["y", "new"], "b": ["q", "p"]}))
        assert_array_equal(column(never, "a & b"), crossed[[60, 60]])

    def test_arithmetic_finds_the_ratio(self):
        rng = np.random.default_rng(0)
        x, z, noise = rng.uniform(1, 2, (3, 2000))
        x, z = np.exp(4 * x), np.exp(4 * z)
        recipe, encoded = fitted(
            "trees", pl.DataFrame({"x": x, "z": z, "noise": noise}), (x > z).astype(int), Features(arithmetic=True)
        )
        made = {name for name in encoded.names if name not in ("x", "z", "noise")}
        ratio = "x / z" if "x / z" in made else "z / x"
        assert_allclose(column(encoded, ratio), x / z if ratio == "x / z" else z / x, rtol=1e-5)
        assert recipe.sources()[encoded.names.index(ratio)] in (("x", "z"), ("z", "x"))
        zero = recipe.transform(pl.DataFrame({"x": [0.0], "z": [0.0], "noise": [None]}))
        assert np.isnan(column(zero, ratio)).all()

    def test_groups_say_what_a_group_is_like_and_where_a_value_stands(self):
        rng = np.random.default_rng(0)
        job, pay = rng.integers(0, 3, 600), rng.normal(size=600)
        pay += 10 * job
        small = np.where(np.arange(600) < 4, "tiny", job.astype(str))
        frame = pl.DataFrame({"job": small, "pay": pay})
        recipe, encoded = fitted("trees", frame, (pay > 10).astype(int), Features(groups=True))
        inside = small == "1"
        assert_allclose(column(encoded, "pay (mean by job)")[inside], pay[inside].mean(), rtol=1e-5)
        assert_allclose(column(encoded, "pay (standard deviation by job)")[inside], pay[inside].std(), rtol=1e-5)
        assert_allclose(column(encoded, "pay (least by job)")[inside], pay[inside].min(), rtol=1e-5)
        assert_allclose(column(encoded, "pay (greatest by job)")[inside], pay[inside].max(), rtol=1e-5)
        rank = pay[inside].argsort().argsort() / inside.sum()
        assert_allclose(column(encoded, "pay (rank by job)")[inside], rank, atol=0.07)
        assert_allclose(column(encoded, "pay (mean by job)")[:4], pay.mean(), rtol=1e-5)  # too few for a group
        new = recipe.transform(pl.DataFrame({"job": ["new", None, "1"], "pay": [1e9, -1e9, None]}))
        assert_allclose(column(new, "pay (mean by job)")[:2], pay.mean(), rtol=1e-5)
        assert_array_equal(column(new, "pay (rank by job)"), np.float32([1, 0, np.nan]))
        assert recipe.sources()[encoded.names.index("pay (rank by job)")] == ("pay", "job")

    def test_counts_are_of_training_rows(self):
        levels = [f"{i}" for i in range(12) for _ in range(i + 1)] + [None, None]
        recipe, encoded = fitted("trees", pl.DataFrame({"x": levels}), target("binary", 80), Features(counts=True))
        assert_allclose(column(encoded, "x (log count)")[[0, 77, 78]], np.log([1, 12, 2]), rtol=1e-6)
        new = recipe.transform(pl.DataFrame({"x": ["new", "3", None]}))
        assert_allclose(column(new, "x (log count)"), np.log([1, 4, 2]), rtol=1e-6)  # none is as one

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("trees", ["x (missing)", "c (missing)"]), ("linear", []), ("nets", ["c (missing)"])],
    )
    def test_gaps_are_shown_where_the_recipe_does_not(self, name: str, expected: list[str]):
        frame = pl.DataFrame(
            {"x": [1.0, 2, None, 4, 5, 6], "twin": [3.0, 1, None, 2, 2, 1], "c": ["a", "b", "b", None, "a", "a"]}
        )
        recipe, encoded = fitted(name, frame, target("binary", 6), Features(missing=True))
        plain = fitted(name, frame, target("binary", 6), Features())[1]
        extra = list(encoded.names)
        for known in plain.names:
            extra.remove(known)
        assert extra == [*expected, "(missing values)"]
        assert recipe.sources()[encoded.names.index("(missing values)")] == ("x", "c")
        if name == "trees":
            assert_array_equal(column(encoded, "(missing values)"), [0, 0, 1, 1, 0, 0])

    def test_rare_levels_become_one_where_the_unseen_go_too(self):
        levels = ["a"] * 30 + ["b"] * 5 + ["c", "d", "e"] * 4
        recipe, encoded = fitted("trees", pl.DataFrame({"x": levels}), target("binary", 47), Features(rare=5))
        assert encoded.cardinalities == (3,)
        assert_array_equal(np.unique(encoded.values[35:, 0]), [1])  # twelve rows: between a's and b's
        new = recipe.transform(pl.DataFrame({"x": ["new", "b", None, "(rare)"]}))
        assert_array_equal(new.values[:, 0], np.float32([1, 2, np.nan, 1]))

    def test_a_level_that_is_called_rare_keeps_its_own(self):
        column_ = CategoryColumn.fit(pl.Series("x", ["(rare)"] * 9 + ["a", "b"]), 5)
        assert column_.levels == ("(rare)", "(rare)_")
        assert_array_equal(column_.read(pl.Series("x", ["(rare)", "a", "c", None])), [0, 1, 1, -1])

    def test_one_rare_level_is_left_alone(self):
        assert CategoryColumn.fit(pl.Series("x", ["a"] * 9 + ["b"]), 5).levels == ("a", "b")

    def test_december_lies_beside_january(self):
        dates = [datetime(2024, month, 1, hour) for month in range(1, 13) for hour in (0, 23)]
        frame = pl.DataFrame({"when": pl.Series([*dates, None], dtype=pl.Datetime("us"))})
        recipe, encoded = fitted("trees", frame, target("binary", 25), Features(dates="cyclic"))
        circle = np.stack([column(encoded, f"when ({axis} of month)") for axis in ("sine", "cosine")], axis=1)
        assert np.linalg.norm(circle[0] - circle[22]) < 0.6 < np.linalg.norm(circle[0] - circle[6])
        assert_allclose(np.linalg.norm(circle[:24], axis=1), 1, rtol=1e-6)
        assert np.isnan(circle[24]).all()
        assert recipe.sources()[-1] == ("when",)
        hours = column(encoded, "when (cosine of hour)")
        assert hours[0] - hours[1] < 0.04

    def test_letters_tell_what_whole_words_hide(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 400)
        endings = np.array(["ation", "ingly"])
        texts = [" ".join(f"{chr(97 + int(i))}{int(j)}{endings[k]}" for i, j in rng.integers(0, 26, (4, 2))) for k in y]
        _, encoded = fitted("trees", pl.DataFrame({"note": texts}), y, Features(text="characters"))
        rates = [roc_auc_score(y, column(encoded, name)) for name in encoded.names if "letters" in name]
        assert max(max(rate, 1 - rate) for rate in rates) > 0.99

    def test_tokens_are_counted(self):
        texts = ["One two, TWO 22!", "a", None, ""] * 5
        _, encoded = fitted("trees", pl.DataFrame({"note": texts}), target("binary", 20), Features(text="characters"))
        counts = {
            label: column(encoded, f"note ({label})")[:4]
            for label in ("words", "different words", "digits", "capitals", "signs")
        }
        assert_array_equal(np.stack([*counts.values()])[:, 0], [4, 3, 2, 4, 2])
        assert_array_equal(np.stack([*counts.values()])[:, 1], [1, 1, 0, 0, 0])
        assert np.isnan(np.stack([*counts.values()])[:, 2]).all()
        assert_array_equal(np.stack([*counts.values()])[:, 3], [0] * 5)


class TestShaping:
    def test_powers_agree_with_scikit_learn(self):
        rng = np.random.default_rng(0)
        numeric = np.stack([rng.exponential(size=3000), rng.normal(size=3000), -rng.lognormal(size=3000)], axis=1)
        low, center, high = np.quantile(numeric, (0.25, 0.5, 0.75), axis=0)
        theirs = PowerTransformer().fit_transform((numeric - center) / (high - low))
        assert_allclose(YeoJohnson.fit(numeric).apply(numeric), theirs, atol=0.02)

    def test_it_undoes_skewness_and_survives_anything(self):
        x = np.concatenate([[0.0] * 50, np.random.default_rng(0).lognormal(0, 5, 500)])[:, None]
        fitted_ = YeoJohnson.fit(x)
        shaped = fitted_.apply(x)
        assert_allclose([shaped.mean(), shaped.std()], [0, 1], atol=0.01)
        assert (np.diff(shaped[np.argsort(x[:, 0]), 0]) >= 0).all()
        assert np.isfinite(fitted_.apply(np.array([[1e38], [-1e38]]))).all()

    @pytest.mark.parametrize("name", ["linear", "nets"])
    def test_each_switch_shapes_another_way(self, name: str):
        frame = pl.DataFrame({"x": np.random.default_rng(0).lognormal(0, 2, 500)})
        shaped = [
            fitted(name, frame, target("binary", 500), Features(numbers=how))[1].values[:, 0]
            for how in ("auto", "quantile", "yeo_johnson")
        ]
        assert np.array_equal(shaped[0], shaped[1]) == (name == "linear")  # whose own way is by quantiles
        assert not np.array_equal(shaped[1], shaped[2])
        for values in shaped:
            assert (np.diff(values[frame["x"].arg_sort()]) >= 0).all()


class TestStrength:
    def make(self, y, **columns) -> tuple[Table, Training]:
        categories = tuple(CategoryColumn.fit(pl.Series(name, values)) for name, values in columns.items())
        codes = np.stack(
            [c.read(pl.Series(values)) for c, values in zip(categories, columns.values(), strict=True)], axis=1
        )
        training = Training(
            numbers=(),
            categories=categories,
            outputs=targets(y, "binary"),
            folds=assign_folds(y, 0),
            sample=make_sample(len(y), 0),
            seed=0,
            gaps_shown=frozenset(),
        )
        return Table(numeric=np.empty((len(y), 0)), codes=codes), training

    def test_many_levels_alone_are_no_strength(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 2000)
        told = np.where(rng.random(2000) < 0.7, y, 1 - y).astype(str)
        table, training = self.make(y, noise=rng.integers(0, 900, 2000).astype(str), told=told)
        assert abs(training.strength_of_codes(table.codes[:, 0])) < 0.05
        assert training.strength_of_codes(table.codes[:, 1]) == pytest.approx(0.16, abs=0.03)
        assert training.strongest_categories(table, 1) == [1]

    def test_numbers_are_strong_whatever_their_shape_and_gaps(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=3000)
        _, training = self.make((np.abs(x) > 0.7).astype(int), c=["a", "b"] * 1500)
        assert training.strength_of_number(x) > 0.7
        assert abs(training.strength_of_number(rng.normal(size=3000))) < 0.02
        assert training.strength_of_number(np.where(np.abs(x) > 0.7, np.nan, x)) == pytest.approx(1)
        assert training.strength_of_number(np.full(3000, np.nan)) == 0

    def test_a_sample_is_drawn_of_many_rows(self):
        assert_array_equal(make_sample(100, 0), np.arange(100))
        drawn = make_sample(50_000, 0)
        assert (len(np.unique(drawn)), drawn.min() >= 0, drawn.max() < 50_000) == (10_000, True, True)
        assert_array_equal(drawn, make_sample(50_000, 0))


class TestOptions:
    def test_switches_are_read_among_other_parameters(self):
        params = {"learning_rate": 0.1, "features_rare": 5, "features_dates": "cyclic", "features_groups": False}
        assert Features.of(params) == Features(rare=5, dates="cyclic")
        assert Features.of(params).key == "dates-cyclic-rare-5"
        assert without_switches(params) == {"learning_rate": 0.1}
        assert (Features.of({}), Features().key) == (Features(), "")

    def test_keys_are_names_of_folders_of_their_own(self):
        keys = [features.key for features in EACH]
        assert len(set(keys)) == len(EACH)
        assert all(key.replace("-", "").replace("_", "").isalnum() and len(key) < 200 for key in keys)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"features_age": True}, r"'features_age' must be a switch of features, one of \['dates', .*Correct the"),
            ({"features_dates": "moon"}, r"'features_dates' must be among \['parts', 'cyclic'\], got 'moon'\. Correct"),
            ({"features_groups": 1}, r"'features_groups' must be among \[False, True\], got 1"),
            ({"features_rare": -1}, r"'features_rare' must be a whole number, 0 or more, got -1"),
            ({"features_rare": True}, r"'features_rare' must be a whole number, 0 or more, got True"),
        ],
    )
    def test_what_is_no_switch_is_refused(self, params: dict, message: str):
        with pytest.raises(BenchError, match=message):
            Features.of(params)

    def test_conditions_follow_the_kinds_of_columns(self):
        def held(*columns: str) -> set[str]:
            schema = schema_of(mixed(5).select(columns))
            return set(conditions(schema))

        assert held("when") - {"gaps"} == {"dates"}
        assert "numbers" in held("plain", "skewed")
        assert held("plain", "city") == {"mixed"}
        assert {"categories"} <= held("colour", "city")
        assert "text" in held("note")


SPACES = sorted(Path(__file__).parent.parent.glob("search_spaces/*.yaml"))


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_shipped_spaces_search_real_switches_and_only_where_they_do_something(path: Path):
    space = load_space(path)
    for parameter in space.parameters:
        if parameter.name.startswith(PREFIX):
            switch = parameter.name.removeprefix(PREFIX)
            assert parameter.when is not None
            assert [Features.of({parameter.name: choice}) for choice in parameter.choices]
            assert parameter.choices[0] == getattr(Features(), switch)
            assert {**space.defaults, **space.base}.get(parameter.name, parameter.choices[0]) in parameter.choices
