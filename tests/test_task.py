from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from bench.dataset import Dataset, load_dataset
from bench.errors import DataError, RequestError
from bench.metric import TaskKind
from bench.task import Task, make_task

N = 100


def dataset(y: Any, **columns: Any) -> Dataset:
    n = len(y)
    features = {"size": np.arange(n) * 0.37, "colour": ["red", "green", "blue", "red"] * (n // 4) + ["red"] * (n % 4)}
    return load_dataset(pl.DataFrame({**features, "y": y, **columns}, strict=False))


def cycle(*values: Any, n: int = N) -> list[Any]:
    return [values[i % len(values)] for i in range(n)]


def make(y: Any, **asked: Any) -> Task:
    return make_task(dataset(y), target="y", **asked)


@pytest.mark.parametrize(
    ("y", "kind", "classes", "why"),
    [
        (cycle("no", "yes", "maybe"), "multiclass", ("maybe", "no", "yes"), "holds 3 labels"),
        (cycle(">50K", "<=50K"), "binary", ("<=50K", ">50K"), "holds 2 labels"),
        (cycle(True, False), "binary", (False, True), "holds 2 labels"),
        (cycle(0, 1), "binary", (0, 1), "holds 2 whole numbers"),
        (cycle(2, 10), "binary", (2, 10), "holds 2 whole numbers"),
        (cycle(0.0, 1.0), "binary", (0, 1), "holds 2 whole numbers"),
        (cycle(0, 1, 2), "multiclass", (0, 1, 2), "holds only 3 whole numbers"),
        (cycle(*range(10)), "multiclass", tuple(range(10)), "holds only 10 whole numbers"),
        (cycle(3, 4, 5, 6, 10), "regression", (), "holds 5 whole numbers"),
        (cycle(3, 5, 10), "multiclass", (3, 5, 10), "holds only 3 whole numbers"),
        (cycle(*range(21)), "regression", (), "holds 21 whole numbers"),
        (cycle(0.5, 1.5, 2.0), "regression", (), "holds numbers with fractional parts"),
        (cycle(0.5, 1.5), "regression", (), "holds numbers with fractional parts"),
    ],
)
def test_kind_is_inferred_with_a_reason(y: list[Any], kind: TaskKind, classes: tuple[Any, ...], why: str) -> None:
    task = make(y)
    assert task.kind == kind
    assert task.classes == classes
    assert [type(label) for label in task.classes] == [type(label) for label in classes]
    assert why in task.kind_why
    assert "--task overrules this" in task.kind_why


@pytest.mark.parametrize(
    ("y", "metric", "kind"),
    [
        (cycle(0, 1, 2), "rmse", "regression"),
        (cycle(0, 1), "mae", "regression"),
        (cycle(*range(30)), "log_loss", "multiclass"),
    ],
)
def test_metric_decides_the_kind_of_whole_numbers(y: list[int], metric: str, kind: TaskKind) -> None:
    task = make(y, metric=metric)
    assert (task.kind, task.metric.name) == (kind, metric)
    assert f"since metric '{metric}' judges" in task.kind_why


def test_task_overrules() -> None:
    task = make(cycle(0, 1, 2), task="regression")
    assert task.kind_why == "regression, as asked for."
    assert task.y.dtype == np.float64


def test_rows_features_and_codes_line_up() -> None:
    task = make(cycle("b", "a", "c"))
    assert [task.label(code) for code in task.y[:4]] == ["b", "a", "c", "b"]
    assert task.features.columns == ["size", "colour"]
    assert task.features["size"].to_list()[:2] == [0.0, 0.37]
    assert task.n_rows == N
    assert task.notes == ()
    with pytest.raises(ValueError, match="read-only"):
        task.y[0] = 1


@pytest.mark.parametrize(("asked", "classes"), [("no", ("yes", "no")), ("yes", ("no", "yes")), ("YES", ("no", "yes"))])
def test_positive_class_comes_last(asked: str, classes: tuple[str, str]) -> None:
    task = make(["no"] * 60 + ["yes"] * 40, positive_class=asked)
    assert task.classes == classes
    assert (task.y == 1).sum() == {"no": 60, "yes": 40}[classes[1]]
    assert task.notes == ()


@pytest.mark.parametrize(("y", "asked"), [(cycle(0, 1), "0"), (cycle(True, False), "false"), (cycle(0.0, 1.0), "0")])
def test_positive_class_is_compared_as_text(y: list[Any], asked: str) -> None:
    assert make(y, positive_class=asked).classes == (1, 0)


def test_positive_class_defaults_to_the_second_and_says_so() -> None:
    assert make(cycle("yes", "Yes!")).notes == (
        "'yes' is the positive class, as the second of 'Yes!' and 'yes'; --positive-class overrules this.",
    )


def test_card_decides_where_no_flag_does() -> None:
    card = replace(dataset(cycle(0, 1)), target="y", task="binary", positive_class="0", metric="accuracy")
    task = make_task(card)
    assert (task.classes, task.metric.name, task.kind_why) == ((1, 0), "accuracy", "binary, as asked for.")
    assert make_task(card, metric="roc_auc", positive_class="1").metric.name == "roc_auc"
    assert make_task(card, task="regression").metric.name == "rmse"


def test_card_says_nothing_of_another_target() -> None:
    card = replace(dataset(cycle(0, 1)), target="y", task="binary", positive_class="0", metric="accuracy")
    task = make_task(card, target="size")
    assert (task.kind, task.metric.name) == ("regression", "rmse")


def test_rows_without_a_target_are_left_out() -> None:
    task = make([None, float("inf"), *cycle(0.5, 1.5, n=98)])
    assert task.n_rows == 98
    assert task.features["size"][0] == pytest.approx(0.74)
    assert task.notes == ("2 of 100 rows of the training data are left out, as their target is missing or infinite.",)


def test_huge_targets_are_noted() -> None:
    task = make([1e60, *cycle(0.5, 1.5, n=99)], metric="mae")
    assert "target values reach 1.0e+60; squared errors" in task.notes[0]


def test_many_classes_are_noted() -> None:
    labels = [f"class {i % 1001}" for i in range(3003)]
    assert "'y' holds 1001 classes" in make(labels).notes[0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"target": "Y"},
            "--target must name a column, got 'Y'. Did you mean 'y'\\? The columns are: size, colour, y.",
        ),
        ({}, "--target must name the column to predict, as no card does. The columns are: size, colour, y."),
        ({"target": "y", "group": "sise"}, "--group must name a column, got 'sise'. Did you mean 'size'"),
        ({"target": "y", "time": "when"}, "--time must name a column, got 'when'"),
        ({"target": "y", "time": "y"}, "--time must name another column than the target"),
        ({"target": "y", "gap": 1}, "--gap is a distance in time, so it needs --time COLUMN"),
        ({"target": "y", "splits": "why"}, "--splits must name a column or a file .*, got 'why'"),
        ({"target": "y", "splits": "y"}, "--splits must name another column than the target"),
        ({"target": "y", "metric": "rmse"}, "metric 'rmse' needs a numeric target; task 'frame' is binary. Choose one"),
        ({"target": "size", "metric": "roc_auc"}, "needs class probabilities; task 'frame' is regression"),
        ({"target": "y", "task": "regression"}, "--task regression needs a numeric target, but 'y' holds text such as"),
        ({"target": "y", "task": "multiclass"}, "'y' holds 2. Use --task binary"),
        ({"target": "colour", "task": "binary"}, "'colour' holds 3. Use --task multiclass"),
        ({"target": "y", "task": "ranking"}, "--task must be one of binary, multiclass, regression, got 'ranking'"),
        (
            {"target": "y", "positive_class": "ye"},
            "must be a class, got 'ye'. Did you mean 'yes'\\? The classes are: no, y",
        ),
        ({"target": "colour", "positive_class": "red"}, "this one is multiclass. Leave --positive-class out"),
    ],
)
def test_requests_that_do_not_fit(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        make_task(dataset(cycle("no", "yes")), **asked)


@pytest.mark.parametrize(
    ("y", "asked", "message"),
    [
        (cycle("a"), {}, "the target must vary, but 'y' holds only 'a' in all 100 rows"),
        (cycle(2.5), {}, "the target must vary, but 'y' holds only 2.5"),
        (cycle(2.5), {"task": "regression"}, "the target must vary"),
        ([None] * 51 + cycle(0, 1, n=49), {}, "51 of 100 rows of the training data lack 'y'"),
        ([None] * 100, {}, "100 of 100 rows of the training data lack 'y'"),
        ([None] * 15 + cycle(0, 1, n=16), {}, "at least 20 rows with a known target are needed, got 16"),
        ([f"name {i}" for i in range(100)], {}, "holds 100 distinct values in 100 rows. Choose another --target"),
        ([i * i for i in range(100)], {"task": "multiclass"}, "in 100 rows. Use --task regression"),
        ([datetime(2024, 1, 1) + timedelta(days=i) for i in range(N)], {}, "a target must hold numbers, text or bool"),
    ],
)
def test_targets_that_cannot_be_learned(y: list[Any], asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(y, **asked)


def test_features_that_are_all_constant() -> None:
    only = load_dataset(pl.DataFrame({"one": [1] * N, "row": range(N), "y": cycle("a", "b")}))
    with pytest.raises(DataError, match=r"all features are constant, identifiers .*'one' .constant: .*'row' .id: "):
        make_task(only, target="y")


def test_groups_are_numbered_and_no_feature() -> None:
    task = make_task(dataset(cycle(0, 1), who=cycle("x", "z", "y")), target="y", group="who")
    assert task.groups is not None
    assert len(set(task.groups)) == 3
    assert task.groups[0] == task.groups[3] != task.groups[1]
    assert "who" not in task.features.columns
    assert any("'who' tells the groups apart" in note for note in task.notes)


def test_time_orders_rows_and_is_no_feature() -> None:
    days = [datetime(2024, 1, 1) + timedelta(days=(7 * i) % N) for i in range(N)]
    task = make_task(dataset(cycle(0, 1), day=days), target="y", time="day")
    assert task.time is not None
    assert np.argsort(task.time).tolist() == sorted(range(N), key=lambda i: days[i])
    assert task.features.columns == ["size", "colour"]


def test_a_flag_sets_the_cards_division_aside() -> None:
    card = replace(dataset(cycle(0, 1), who=cycle("x", "z", "y")), target="y", group="who")
    assert make_task(card).groups is not None
    task = make_task(card, time="size")
    assert task.groups is None
    assert task.time is not None


@pytest.mark.parametrize(
    ("flag", "values", "message"),
    [
        ("time", cycle("early", "late"), "--time must name a column of numbers or dates, but 'by' holds text: 'early'"),
        ("time", [None, *range(99)], "--time column 'by' must be known in every row, but 1 rows lack it"),
        ("group", [None, *cycle("a", "b", n=99)], "--group column 'by' must be known in every row, but 1 rows lack it"),
    ],
)
def test_columns_that_cannot_divide_rows(flag: str, values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_task(dataset(cycle(0, 1), by=values), target="y", **{flag: "by"})


@pytest.mark.parametrize(
    ("train", "test"), [(cycle("a", "b"), cycle("b", "a", n=20)), (cycle(0, 1), cycle(1.0, 0.0, n=20))]
)
def test_test_rows_come_last_with_the_same_codes(train: list[Any], test: list[Any]) -> None:
    task = make_task(dataset(train), target="y", test=dataset(test))
    assert task.given_test.tolist() == list(range(100, 120))
    assert task.y[[0, 1, 100, 101]].tolist() == [0, 1, 1, 0]
    assert task.features.height == 120


def test_test_rows_of_a_regression() -> None:
    task = make_task(dataset(cycle(0.5, 1.5)), target="y", test=dataset(cycle(1, 2, None, n=30)))
    assert task.y[100:].tolist() == cycle(1.0, 2.0, n=20)
    assert "10 of 30 rows of --test are left out" in task.notes[0]


def test_test_rows_may_lack_the_group() -> None:
    task = make_task(
        dataset(cycle(0, 1), who=cycle("x", "z", "y")), target="y", group="who", test=dataset(cycle(0, 1, n=20))
    )
    assert task.groups is not None
    assert set(task.groups[100:]) == {-1}


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (cycle("a", "b"), cycle("a", "c", "d", n=20), "these do not: c, d. Leave their rows out"),
        (cycle(0.5, 1.5), cycle("low", "high", n=20), "of --test must hold numbers as in the training rows, got 'low'"),
        (cycle("a", "b"), [None] * 20, "20 of 20 rows of --test lack 'y'"),
    ],
)
def test_test_files_that_do_not_fit(train: list[Any], test: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_task(dataset(train), target="y", test=dataset(test))


@pytest.mark.parametrize(("column", "message"), [("y", "--test must hold the target column 'y'"), ("size", "'size'")])
def test_test_files_without_a_column(column: str, message: str) -> None:
    short = load_dataset(dataset(cycle(0, 1, n=20)).frame.drop(column))
    with pytest.raises(DataError, match=message):
        make_task(dataset(cycle(0, 1)), target="y", test=short)


@pytest.mark.parametrize(
    ("y", "imbalanced"),
    [
        ([0] * 81 + [1] * 19, True),
        ([0] * 80 + [1] * 20, False),
        ([0] * 50 + [1] * 40 + [2] * 10, True),
        ([0] * 45 + [1] * 45 + [2] * 10, False),
        ([i * 0.5 for i in range(100)], False),
    ],
)
def test_imbalanced(y: list[Any], imbalanced: bool) -> None:
    assert make(y).imbalanced is imbalanced


def test_sealed_labels_are_gone_and_do_not_count() -> None:
    task = make([0] * 80 + [1] * 20)
    sealed = task.sealed(np.arange(75, 85))
    assert set(sealed.y[75:85]) == {-1}
    assert sealed.imbalanced
    assert task.y[80] == 1
    assert not sealed.y.flags.writeable
    assert np.isnan(make(cycle(0.5, 1.5)).sealed(np.array([3])).y[3])


def test_the_same_rows_make_the_same_task() -> None:
    table = dataset(cycle("b", "a", "c"))
    one, other = make_task(table, target="y"), make_task(table, target="y")
    np.testing.assert_array_equal(one.y, other.y)
    assert one.features.equals(other.features)
