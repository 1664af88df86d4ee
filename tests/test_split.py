from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from bench.dataset import Schema, load_dataset
from bench.deal import deal_groups
from bench.errors import DataError, RequestError, StoreError
from bench.given_splits import from_names
from bench.metric import Array, TaskKind, default_metric
from bench.sources.base import GivenSplits
from bench.split import Splits, load_splits, make_splits, save_splits
from bench.task import Task, make_task


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


def split(
    task: Task, test_size: float | None = 0.2, folds: int | None = None, seed: int = 0, repeats: int | None = None
) -> Splits:
    return make_splits(task, test_size=test_size, folds=folds, seed=seed, repeats=repeats)


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
@drawn(classifications(), st.floats(0, 0.4), st.one_of(st.none(), st.integers(2, 8)), st.integers(0, 2**31))
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
@drawn(st.integers(30, 400), st.integers(4, 25), st.integers(0, 2**31), st.booleans())
def test_groups_never_straddle(n: int, n_groups: int, seed: int, regression: bool) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, n - n_groups)]))
    task = make(rng.normal(size=n), "regression", groups) if regression else make(balanced(n), "binary", groups)
    try:
        splits = split(task, 0.2, None, seed)
    except DataError:
        return
    assert splits.strategy == "stratified-group"
    sealed = set(groups[splits.test])
    for fold in splits.folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])
        assert not sealed & set(groups[np.concatenate([fold.train, fold.valid])])
        assert len(fold.valid)
        if not regression:
            assert set(task.y[fold.train]) == {0, 1}


@settings(max_examples=60, deadline=None)
@drawn(st.integers(40, 300), st.integers(6, 300), st.integers(2, 6), st.integers(0, 2**31))
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
        (100, None, 8, 3),
        (300, None, 8, 2),
        (999, None, 8, 2),
        (1000, None, 8, 1),
        (1999, None, 8, 1),
        (2000, None, 5, 1),
        (100, 4, 4, 3),
        (100_001, None, 3, 1),
        (1000, 7, 7, 1),
    ],
)
def test_rows_decide_folds_and_repeats(n: int, folds: int | None, expected: int, repeats: int) -> None:
    splits = split(make(balanced(n)), 0.0, folds)
    assert len(splits.folds) == expected * repeats
    assert {fold.repeat for fold in splits.folds} == set(range(repeats))
    assert any("--folds sets another number" in note for note in splits.notes) == (folds is None)
    assert any("--repeats sets how many" in note for note in splits.notes) == (repeats > 1)


@pytest.mark.parametrize(("rare", "expected"), [(4, 8), (5, 5), (7, 5), (8, 8)])
def test_more_folds_than_usual_leave_no_class_without_a_score(rare: int, expected: int) -> None:
    y = np.array([0] * 600 + [1] * 600 + [2] * rare)
    assert len(split(make(y, "multiclass"), 0.0).folds) == expected


def test_groups_and_moments_are_dealt_to_the_usual_number_of_folds() -> None:
    for asked in ({"groups": np.arange(1200) % 100}, {"time": np.arange(1200)}):
        assert len(split(make(np.arange(1200.0), "regression", **asked), 0.0).folds) == 5


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
    told = "3 rows stay in training and are never scored, as their class cannot be spread over 8 folds: 'c'."
    assert told in splits.notes


def test_a_rare_second_class_lowers_the_number_of_folds() -> None:
    splits = split(make([0] * 600 + [1] * 3), 0.0, repeats=1)
    assert len(splits.folds) == 3
    assert "3 folds instead of 8, since there are only 3 rows of the second most frequent class" in splits.notes[0]


def test_few_groups_lower_the_number_of_folds() -> None:
    splits = split(make(np.arange(600.0), "regression", groups=np.arange(600) % 3), 0.0, repeats=1)
    assert len(splits.folds) == 3
    assert "since there are only 3 groups" in splits.notes[0]


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_repeats_and_seeds_deal_groups_of_unequal_size_anew(kind: TaskKind) -> None:
    groups = np.repeat(np.arange(30), np.arange(11, 41))
    values = np.random.default_rng(0).normal(size=len(groups))
    task = make(values > 0 if kind == "binary" else values, kind, groups=groups)
    splits = split(task, 0.2, repeats=3)
    scored = {fold.valid.tobytes() for fold in splits.folds}
    assert len(scored) == len(splits.folds) == 15
    assert len({split(task, 0.2, seed=seed).test.tobytes() for seed in range(5)}) == 5
    sizes = [len(fold.valid) for fold in splits.folds]
    assert max(sizes) < 1.3 * min(sizes)


def test_repeats_that_groups_do_not_allow_are_left_out_and_that_is_said() -> None:
    splits = split(make(np.arange(60.0), "regression", groups=np.arange(60) // 30), 0.0, repeats=3)
    assert [fold.repeat for fold in splits.folds] == [0, 0]
    assert any("1 of 3 repeats are left" in note for note in splits.notes)


def test_a_test_set_of_one_class_is_said() -> None:
    groups = np.repeat(np.arange(6), 60)
    y = groups % 2
    splits = split(make(y, groups=groups), 1 / 6, folds=2)
    assert len(np.unique(y[splits.test])) == 1
    assert any("holds one class alone" in note for note in splits.notes)


def test_what_a_fold_scores_of_what_it_knows_and_which_folds_choose_for_it() -> None:
    splits = split(make(np.arange(400.0), "regression"), 0.0, folds=4, repeats=2)
    assert splits.valid_share == pytest.approx(1 / 4)
    assert [splits.beside(fold) for fold in (1, 6)] == [[0, 2, 3], [4, 5, 7]]
    alone = replace(splits, folds=(splits.folds[0], splits.folds[4]))
    assert (alone.beside(0), alone.beside(1)) == ([1], [0])
    assert replace(splits, folds=splits.folds[:1]).beside(0) == [0]


@pytest.mark.parametrize("grouped", [True, False])
def test_groups_of_test_rows_are_kept_with_the_splits(grouped: bool, tmp_path: Path) -> None:
    task = make(np.arange(200.0), "regression", groups=np.arange(200) // 5 if grouped else None)
    splits = split(task, 0.2)
    save_splits(splits, tmp_path / "splits.npz")
    groups = load_splits(tmp_path / "splits.npz").test_groups
    np.testing.assert_array_equal(groups, splits.test // 5 if grouped else [])


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
    assert summary["folds"][0] == {"train": 700, "valid": 100, "repeat": 0}


# --- time with a gap, and groups in time ----------------------------------------------------------------------------


@st.composite
def in_time(draw: st.DrawFn) -> Task:
    """Rows at moments, some in groups that last, with classes or values, and a gap."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n, moments = draw(st.integers(60, 300)), draw(st.integers(12, 200))
    time = rng.integers(0, moments, n)
    lasting = draw(st.floats(0, 1))
    groups = np.where(rng.random(n) < lasting, rng.integers(0, 12, n), 1000 + time // 3)
    kind = draw(st.sampled_from(["regression", "binary"]))
    y = rng.normal(size=n) if kind == "regression" else rng.integers(0, 2, n)
    made = make(y, kind, groups if draw(st.booleans()) else None, time)
    return replace(made, gap=draw(st.sampled_from([0.0, 1.0, moments / 12])))


@settings(max_examples=100, deadline=None)
@drawn(in_time(), st.sampled_from([0.0, 0.2]), st.integers(2, 6), st.integers(0, 2**31))
def test_no_future_no_gap_and_no_group_on_both_sides(task: Task, test_size: float, folds: int, seed: int) -> None:
    try:
        splits = split(task, test_size, folds, seed)
    except DataError:
        return
    assert task.time is not None
    parts = [(fold.train, fold.valid) for fold in splits.folds]
    assert 1 <= len(parts) <= folds
    if len(splits.test):
        parts.append((np.concatenate([rows for part in parts for rows in part]), splits.test))
    for early, late in parts:
        assert len(early)
        assert len(late)
        distance = task.time[late].min() - task.time[early].max()
        assert distance > 0
        assert distance >= task.gap
        if task.groups is not None:
            assert not set(task.groups[early]) & set(task.groups[late])
    scored = np.concatenate([fold.valid for fold in splits.folds])
    assert len(scored) == len(set(scored.tolist()))
    if task.kind != "regression":
        for fold in splits.folds:
            assert set(task.y[fold.train]) == {0, 1}
            assert set(task.y[fold.valid]) == {0, 1}


def test_a_gap_is_kept_and_told() -> None:
    task = replace(make(np.arange(120.0), "regression", time=np.arange(120)), gap=7.0, gap_told="7 days")
    splits = split(task, 0.25, 4)
    assert (splits.strategy, splits.gap) == ("time", "7 days")
    assert splits.test.tolist() == list(range(90, 120))
    assert [(fold.train.max(), fold.valid.min()) for fold in splits.folds] == [(15, 22), (31, 38), (46, 53), (62, 69)]
    assert splits.folds[-1].valid.max() == 83
    assert "6 of 120 rows are neither sealed nor learned from" in splits.notes[0]
    assert "of the rows before those that are scored are not learned from, as they lie in the gap" in splits.notes[-1]


@pytest.mark.parametrize("test_size", [0.0, 0.2])
def test_a_gap_as_long_as_all_time_is_refused(test_size: float) -> None:
    task = replace(make(np.arange(120.0), "regression", time=np.arange(120)), gap=119.5, gap_told="119.5")
    with pytest.raises(DataError, match=r"119.5 have passed.*Lower --test-size or --gap|at least 10 rows must be left"):
        split(task, test_size)


def test_groups_that_last_are_scored_in_turn() -> None:
    groups, time = np.arange(600) % 20, np.arange(600) // 20
    splits = split(make(balanced(600), groups=groups, time=time), 0.0, 4)
    assert splits.strategy == "group-time"
    scored = [set(groups[fold.valid]) for fold in splits.folds]
    assert sorted(group for part in scored for group in part) == list(range(20))
    assert "not learned from, as their group is scored" in splits.notes[-1]


def test_groups_that_do_not_last_cost_nothing() -> None:
    groups, time = np.arange(600) // 20, np.arange(600) // 20
    splits = split(make(balanced(600), groups=groups, time=time), 0.2, 4)
    used = [len(fold.train) + len(fold.valid) for fold in splits.folds]
    assert used[-1] + len(splits.test) == 600


def test_blocks_of_one_class_become_fewer() -> None:
    y = np.array([0, 1] * 30 + [0] * 30 + [1, 0] * 5)
    splits = split(make(y, time=np.arange(100)), 0.0, 5)
    assert all(set(y[fold.valid]) == {0, 1} for fold in splits.folds)
    assert len(splits.folds) < 5
    assert "since the time column leaves no more places to cut" in splits.notes[0]


# --- repeats --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rare", "rows", "repeats"), [(20, 1000, 3), (50, 1000, 2), (60, 1000, 1), (20, 20_001, 1), (20, 300, 3)]
)
def test_few_rows_of_the_rarer_class_are_dealt_again(rare: int, rows: int, repeats: int) -> None:
    splits = split(make([1] * rare + [0] * (rows - rare)), 0.0)
    assert {fold.repeat for fold in splits.folds} == set(range(repeats))


def test_repeats_are_dealt_as_asked() -> None:
    splits = split(make(balanced(1000)), 0.2, 3, repeats=4)
    assert [fold.repeat for fold in splits.folds] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert len(split(make(balanced(100)), 0.2, 3, repeats=1).folds) == 3


def test_time_cannot_be_repeated() -> None:
    with pytest.raises(RequestError, match="--repeats deals folds anew, which time does not allow"):
        split(make(balanced(100), time=np.arange(100)), repeats=2)


# --- how much is sealed ---------------------------------------------------------------------------------------------


def test_a_fifth_is_sealed_but_no_more_than_is_needed() -> None:
    assert len(split(make(balanced(1000)), None).test) == 200
    large = split(make(balanced(800_000)), None)
    assert len(large.test) == 100_000
    assert large.notes[0] == "100,000 rows are enough for a test set; --test-size sets another share."
    assert len(split(make(balanced(800_000)), 0.2).test) == 160_000


# --- splits that were given -----------------------------------------------------------------------------------------


def given(names: list[str], origin: str = "column 'part'") -> GivenSplits:
    return from_names(pl.Series(names), origin)


def with_given(names: list[str], *, asked: bool = True, y: object = None, n_test: int = 0) -> Task:
    task = make(balanced(len(names)) if y is None else y, n_test=n_test)
    return replace(task, given=given(names), given_asked=asked)


def test_given_folds_are_used_as_they_are() -> None:
    splits = split(with_given(["a", "a", "b", "b", "c", "c", "-1", "-1", "test", "test"] * 5), None)
    assert (splits.strategy, splits.origin) == ("predefined", "column 'part'")
    assert [fold.valid.tolist()[:2] for fold in splits.folds] == [[0, 1], [2, 3], [4, 5]]
    assert splits.folds[0].train.tolist()[:6] == [2, 3, 4, 5, 6, 7]
    assert splits.test.tolist()[:4] == [8, 9, 18, 19]


def test_a_given_hold_out_is_one_fold() -> None:
    splits = split(with_given((["train"] * 6 + ["valid"] * 2 + ["test"] * 2) * 5), None)
    assert len(splits.folds) == 1
    assert splits.folds[0].valid.tolist()[:3] == [6, 7, 16]
    assert len(splits.test) == 10


def test_folds_are_dealt_among_what_a_given_test_leaves() -> None:
    splits = split(with_given((["train"] * 8 + ["test"] * 2) * 10), None, 4)
    assert (splits.strategy, splits.origin, len(splits.test)) == ("stratified", "column 'part'", 20)
    assert {len(fold.valid) for fold in splits.folds} == {20}


FOLDED = ["a", "a", "b", "b"] * 10


@pytest.mark.parametrize(
    ("asked", "flag"),
    [({"test_size": 0.2}, "--test-size"), ({"folds": 3}, "--folds"), ({"repeats": 2}, "--repeats")],
)
def test_options_go_before_the_splits_of_a_source_and_contradict_those_asked_for(asked: dict, flag: str) -> None:
    asked = {"test_size": None} | asked
    splits = split(with_given(FOLDED, asked=False), **asked)
    assert (splits.strategy, splits.origin) == ("stratified", "")
    assert splits.notes[0] == f"the splits of column 'part' are set aside, as {flag} is given."
    with pytest.raises(RequestError, match=f"column 'part' says already what {flag} asks for. Leave one of them out"):
        split(with_given(FOLDED), **asked)


def test_a_test_file_stands_beside_given_folds_but_not_beside_a_given_test() -> None:
    task = make(balanced(50), n_test=10)
    splits = split(replace(task, given=given(FOLDED), given_asked=True), None)
    assert splits.test.tolist() == list(range(40, 50))
    assert len(splits.folds) == 2
    with pytest.raises(RequestError, match="says already what --test asks for"):
        split(replace(task, given=given([*FOLDED[:36], *["test"] * 4]), given_asked=True), None)


@pytest.mark.parametrize(
    ("y", "part"), [([0, 1, 0, 0, 0, 1], "score"), ([0, 0, 0, 1, 0, 1], "score"), ([0, 1, 0, 1, 0, 1], "")]
)
def test_given_folds_must_tell_classes_apart(y: list[int], part: str) -> None:
    task = with_given(["a", "a", "b", "b", "c", "c"] * 5, y=y * 5)
    if not part:
        assert len(split(task, None).folds) == 3
        return
    with pytest.raises(DataError, match=rf"of column 'part' must {part} rows of two classes at least"):
        split(task, None)


# --- the same, however rows are stored ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "target"),
    [({}, "y"), ({"group": "who"}, "y"), ({"time": "when", "gap": 2}, "x"), ({"group": "who", "time": "when"}, "y")],
)
def test_storage_does_not_matter(tmp_path: Path, asked: dict, target: str) -> None:
    rng = np.random.default_rng(0)
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1) + pl.duration(days=299), eager=True)
    frame = pl.DataFrame(
        {
            "x": rng.normal(size=300),
            "who": [f"unit {i % 37}" for i in range(300)],
            "when": days,
            "y": rng.choice(["no", "yes"], 300),
        }
    )
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=70)
    frame.write_csv(tmp_path / "t.csv")
    chunked = pl.concat([frame[:100], frame[100:101], frame[101:]], rechunk=False)
    stored = (frame, chunked, frame.to_pandas(), str(tmp_path / "t.parquet"), str(tmp_path / "t.csv"))
    prints = {split(make_task(load_dataset(data), target=target, **asked)).fingerprint for data in stored}
    assert len(prints) == 1
