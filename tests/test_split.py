from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.dataset import Schema
from bench.deal import deal_groups, take_latest
from bench.errors import DataError, RequestError, StoreError
from bench.metric import Array, TaskKind, default_metric
from bench.split import Splits, holdout, load_splits, make_splits, save_splits
from bench.task import Task


def make(y: object, kind: TaskKind = "binary", groups: object = None, time: object = None, n_test: int = 0) -> Task:
    values = np.asarray(y, dtype=np.float64 if kind == "regression" else np.int64)
    n = len(values)
    return Task(
        kind=kind,
        kind_why="",
        target="y",
        metric=default_metric(kind),
        features=pl.DataFrame({"x": np.arange(n)}),
        schema=Schema(columns=()),
        y=values,
        classes=() if kind == "regression" else tuple("abcdefgh"[: values.max() + 1]),
        groups=None if groups is None else np.asarray(groups),
        time=None if time is None else np.asarray(time),
        given_test=np.arange(n - n_test, n),
    )


def split(task: Task, test_size: float = 0.2, folds: int | None = None, seed: int = 0) -> Splits:
    return make_splits(task, test_size=test_size, folds=folds, seed=seed)


def balanced(n: int, classes: int = 2) -> Array:
    return np.arange(n) % classes


def development(task: Task, splits: Splits) -> set[int]:
    return set(range(task.n_rows)) - set(splits.test.tolist())


@st.composite
def classifications(draw: st.DrawFn) -> Task:
    counts = draw(st.lists(st.integers(1, 60), min_size=2, max_size=6))
    counts[0], counts[1] = max(counts[0], 15), max(counts[1], 15)
    y = np.repeat(np.arange(len(counts)), counts)
    return make(np.random.default_rng(draw(st.integers(0, 99))).permutation(y), "multiclass")


@settings(max_examples=60, deadline=None)
@given(classifications(), st.floats(0, 0.4), st.one_of(st.none(), st.integers(2, 8)), st.integers(0, 2**31))
def test_stratified_folds_partition_and_balance(task: Task, test_size: float, folds: int | None, seed: int) -> None:
    splits = split(task, test_size, folds, seed)
    rows = development(task, splits)
    for repeat in {fold.repeat for fold in splits.folds}:
        parts = [fold for fold in splits.folds if fold.repeat == repeat]
        scored = np.concatenate([fold.valid for fold in parts])
        assert len(scored) == len(set(scored.tolist()))
        for fold in parts:
            assert not set(fold.train.tolist()) & set(fold.valid.tolist())
            assert set(fold.train.tolist()) | set(fold.valid.tolist()) == rows
            assert set(task.y[fold.train]) == set(task.y)
        sizes = np.stack([np.bincount(task.y[fold.valid], minlength=len(task.classes)) for fold in parts])
        assert (np.ptp(sizes, axis=0) <= 1).all()
        assert np.ptp(sizes.sum(axis=1)) <= 1
        kept = np.bincount(task.y[list(rows)]) < len(parts)
        assert (sizes[:, kept] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 400), st.integers(4, 25), st.integers(0, 2**31), st.booleans())
def test_groups_never_straddle(n: int, n_groups: int, seed: int, regression: bool) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, n - n_groups)]))
    task = make(rng.normal(size=n), "regression", groups) if regression else make(balanced(n), "binary", groups)
    try:
        splits = split(task, 0.2, None, seed)
    except DataError:
        return
    assert splits.strategy == "group"
    sealed = set(groups[splits.test])
    for fold in splits.folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])
        assert not sealed & set(groups[np.concatenate([fold.train, fold.valid])])
        assert len(fold.valid)
        if not regression:
            assert set(task.y[fold.train]) == {0, 1}


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 300), st.integers(6, 300), st.integers(2, 6), st.integers(0, 2**31))
def test_nothing_is_learned_from_the_future(n: int, moments: int, folds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    time = rng.integers(0, moments, n)
    task = make(rng.normal(size=n), "regression", time=time)
    splits = split(task, 0.2, folds, seed)
    assert splits.strategy == "time"
    assert 1 <= len(splits.folds) <= folds
    latest = -1
    for fold in splits.folds:
        assert time[fold.train].max() < time[fold.valid].min()
        assert time[fold.valid].max() < time[splits.test].min()
        assert time[fold.train].max() > latest
        latest = time[fold.train].max()
    last = splits.folds[-1]
    assert set(last.train.tolist()) | set(last.valid.tolist()) == development(task, splits)


def test_time_folds_start_when_every_class_was_seen() -> None:
    y = np.array([0] * 40 + [1, 0] * 30)
    splits = split(make(y, time=np.arange(100)), 0.0, 5)
    assert all(set(y[fold.train]) == {0, 1} for fold in splits.folds)
    assert len(splits.folds) == 5


def test_time_refuses_a_class_that_comes_last() -> None:
    with pytest.raises(DataError, match="after every class has been seen"):
        split(make([0] * 59 + [1], time=np.arange(60)), 0.0)


def test_time_refuses_a_class_only_in_the_test_set() -> None:
    with pytest.raises(DataError, match=r"'b' occurs only in it. Lower --test-size"):
        split(make([0] * 95 + [1] * 5, time=np.arange(100)))


def test_time_with_few_moments_lowers_the_number_of_folds() -> None:
    splits = split(make(np.arange(60.0), "regression", time=np.arange(60) // 20), 0.0, 5)
    assert len(splits.folds) == 2
    assert "2 folds instead of 5" in splits.notes[0]


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_same_seed_same_splits(kind: TaskKind) -> None:
    task = make(balanced(300), kind)
    assert split(task, seed=3).fingerprint == split(task, seed=3).fingerprint
    assert split(task, seed=3).fingerprint != split(task, seed=4).fingerprint


@pytest.mark.parametrize(
    ("n", "folds", "expected", "repeats"),
    [
        (100, None, 5, 3),
        (300, None, 5, 2),
        (400, None, 5, 1),
        (1000, None, 5, 1),
        (100, 4, 4, 3),
        (100_001, None, 3, 1),
        (1000, 7, 7, 1),
    ],
)
def test_rows_decide_folds_and_repeats(n: int, folds: int | None, expected: int, repeats: int) -> None:
    splits = split(make(balanced(n)), 0.0, folds)
    assert len(splits.folds) == expected * repeats
    assert {fold.repeat for fold in splits.folds} == set(range(repeats))
    assert bool(splits.notes) == (repeats > 1)


def test_repeats_shuffle_anew() -> None:
    splits = split(make(balanced(100)), 0.0, 2)
    assert set(splits.folds[0].valid.tolist()) != set(splits.folds[2].valid.tolist())


@pytest.mark.parametrize("test_size", [0.1, 0.25, 0.5])
def test_sealed_test_is_stratified(test_size: float) -> None:
    task = make([0] * 900 + [1] * 100)
    splits = split(task, test_size)
    assert len(splits.test) == 1000 * test_size
    assert task.y[splits.test].sum() == 100 * test_size


def test_regression_test_set_follows_the_target() -> None:
    task = make(np.random.default_rng(0).lognormal(size=1000), "regression")
    test = split(task).test
    decile = np.searchsorted(np.quantile(task.y, np.linspace(0.1, 0.9, 9)), task.y[test])
    assert np.ptp(np.bincount(decile)) <= 1


def test_no_test_set() -> None:
    splits = split(make(balanced(50)), 0.0)
    assert len(splits.test) == 0


def test_given_test_rows_are_the_test_set() -> None:
    splits = split(make(balanced(120), n_test=20))
    assert splits.test.tolist() == list(range(100, 120))


def test_classes_rarer_than_the_folds_are_only_learned_from() -> None:
    y = np.array([0] * 300 + [1] * 300 + [2] * 3)
    splits = split(make(y, "multiclass"), 0.0)
    assert all((y[fold.train] == 2).sum() == 3 for fold in splits.folds)
    assert splits.notes == (
        "3 rows stay in training and are never scored, as their class cannot be spread over 5 folds: 'c'.",
    )


def test_a_rare_second_class_lowers_the_number_of_folds() -> None:
    splits = split(make([0] * 600 + [1] * 3), 0.0)
    assert len(splits.folds) == 3
    assert "3 folds instead of 5, since there are only 3 rows of the second most frequent class" in splits.notes[0]


def test_few_groups_lower_the_number_of_folds() -> None:
    splits = split(make(np.arange(600.0), "regression", groups=np.arange(600) % 3), 0.0)
    assert len(splits.folds) == 3
    assert "since there are only 3 groups" in splits.notes[0]


def test_group_folds_are_stratified_where_groups_allow_it() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 200, 4000)
    y = (rng.random(200)[groups] * rng.random(4000) > 0.5).astype(int)
    shares = [y[fold.valid].mean() for fold in split(make(y, groups=groups), 0.2).folds]
    sizes = [len(fold.valid) for fold in split(make(y, groups=groups), 0.2).folds]
    assert np.ptp(shares) < 0.02
    assert np.ptp(sizes) < 0.05 * 4000


def test_a_class_of_one_group_is_only_learned_from() -> None:
    y = np.arange(600) % 2
    y[:20] = 2
    groups = np.arange(600) // 20
    splits = split(make(y, "multiclass", groups=groups), 0.0)
    assert all(set(y[fold.train]) == {0, 1, 2} for fold in splits.folds)
    assert all(2 not in y[fold.valid] for fold in splits.folds)


def test_a_hundred_thousand_groups_are_dealt_evenly() -> None:
    groups = np.arange(200_000) // 2
    part = deal_groups(groups % 2, groups, np.array([0.25] * 4), np.random.default_rng(0))
    assert np.ptp(np.bincount(part)) < 200
    assert (part[0::2] == part[1::2]).all()


@pytest.mark.parametrize("test_size", [-0.1, 0.95, float("nan")])
def test_test_size_out_of_range(test_size: float) -> None:
    with pytest.raises(RequestError, match=r"--test-size must be from 0 to 0\.9"):
        split(make(balanced(100)), test_size)


@pytest.mark.parametrize(
    ("task", "folds", "message"),
    [
        (make(balanced(100)), 1, "--folds must be at least 2, got 1"),
        (make(balanced(100)), 101, "--folds must be at most the 100 rows to be divided, got 101"),
        (
            make(balanced(100), groups=np.arange(100) % 4),
            5,
            "--folds must be at most the 4 groups to be divided, got 5",
        ),
    ],
)
def test_folds_out_of_range(task: Task, folds: int, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        split(task, 0.0, folds)


@pytest.mark.parametrize(
    ("task", "test_size", "message"),
    [
        (make(balanced(20)), 0.9, "at least 10 rows must be left to learn from, got 2 of 20"),
        (make(balanced(50), groups=np.zeros(50, dtype=int)), 0.0, "at least 2 groups must be left"),
        (make(balanced(50), groups=np.zeros(50, dtype=int)), 0.2, "a test set of 20% cannot be set aside"),
        (make([0] * 50 + [1]), 0.0, "at least two classes must occur in 2 rows outside the test set"),
        (make(balanced(50), groups=balanced(50)), 0.0, "at least two classes must occur in 2 groups"),
    ],
)
def test_rows_that_cannot_be_divided(task: Task, test_size: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(task, test_size)


@pytest.mark.parametrize(
    "task",
    [
        make(balanced(120)),
        make(np.arange(600.0), "regression", time=np.arange(600)),
        make([0] * 300 + [1] * 300 + [2] * 3, "multiclass"),
    ],
)
def test_saved_splits_come_back(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "splits.npz"
    splits = split(task)
    save_splits(splits, path)
    back = load_splits(path)
    assert (back.strategy, back.fingerprint, back.notes) == (splits.strategy, splits.fingerprint, splits.notes)
    np.testing.assert_array_equal(back.test, splits.test)
    for one, other in zip(back.folds, splits.folds, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.valid, other.valid)
        assert one.repeat == other.repeat


def test_changed_splits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.npz"
    splits = split(make(balanced(120)))
    save_splits(replace(splits, test=splits.test[1:]), path)
    with pytest.raises(StoreError, match="its rows have changed"):
        load_splits(path)


def test_summary_counts_rows() -> None:
    summary = split(make(balanced(1000))).summary()
    assert summary["test_rows"] == 200
    assert summary["folds"][0] == {"train": 640, "valid": 160, "repeat": 0}


@settings(max_examples=60, deadline=None)
@given(classifications(), st.integers(0, 2**31))
def test_holdout_keeps_every_class_to_fit_on(task: Task, seed: int) -> None:
    rows = np.arange(0, task.n_rows, 2)
    fit, stop = holdout(task.kind, task.y, rows, None, None, seed)
    assert sorted([*fit, *stop]) == rows.tolist()
    assert set(task.y[fit]) == set(task.y[rows])
    again = holdout(task.kind, task.y, rows, None, None, seed)
    np.testing.assert_array_equal(stop, again[1])


@pytest.mark.parametrize(("n", "share"), [(100, 0.2), (2000, 0.2), (4000, 0.125), (40_000, 0.1)])
def test_holdout_share(n: int, share: float) -> None:
    _, stop = holdout("binary", balanced(n), np.arange(n), None, None, 0)
    assert len(stop) == pytest.approx(share * n, abs=1)


def test_holdout_keeps_groups_together() -> None:
    groups = np.arange(1000) // 10
    fit, stop = holdout("binary", balanced(1000), np.arange(1000), groups, None, 0)
    assert len(stop) == pytest.approx(200, abs=20)
    assert not set(groups[fit]) & set(groups[stop])


def test_holdout_takes_the_latest_and_leaves_each_class_a_row() -> None:
    time = np.random.default_rng(0).permutation(1000)
    y = (time >= 990).astype(int)
    fit, stop = holdout("regression", y * 1.0, np.arange(1000), None, time, 0)
    assert len(stop) == 200
    assert time[fit].max() < time[stop].min()
    fit, stop = holdout("binary", y, np.arange(1000), None, time, 0)
    assert set(y[fit]) == {0, 1}
    assert len(stop) == 190


def test_take_latest_of_one_moment_takes_nothing() -> None:
    assert not take_latest(np.zeros(10), 0.5).any()
