"""Dealing rows: hold-outs for early stopping, and what lies before what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.deal import before, forward_blocks, holdout, part_groups, take_latest
from bench.metric import Array


def balanced(n: int) -> Array:
    return np.arange(n) % 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(0, 2**31))
def test_holdout_keeps_every_class_to_fit_on(counts: list[int], seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.arange(0, len(y), 2)
    fit, stop = holdout("multiclass", y, rows, None, None, seed)
    assert sorted([*fit, *stop]) == rows.tolist()
    assert set(y[fit]) == set(y[rows])
    again = holdout("multiclass", y, rows, None, None, seed)
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


@settings(max_examples=80, deadline=None)
@given(st.integers(60, 400), st.integers(20, 200), st.floats(0, 1), st.sampled_from([0.0, 2.0]), st.integers(0, 2**31))
def test_holdout_keeps_apart_what_splits_keep_apart(
    n: int, moments: int, lasting: float, gap: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    time = rng.integers(0, moments, n)
    groups = np.where(rng.random(n) < lasting, rng.integers(0, 12, n), 1000 + time // 3)
    y, rows = rng.normal(size=n), np.arange(n)
    fit, stop = holdout("regression", y, rows, groups, time, seed, gap)
    assert 2 * len(fit) >= n
    assert not set(groups[fit]) & set(groups[stop])
    if len(stop):
        distance = time[stop].min() - time[fit].max()
        assert distance > 0
        assert distance >= gap


def test_holdout_is_empty_where_too_little_would_be_left() -> None:
    fit, stop = holdout("regression", np.arange(100.0), np.arange(100), None, np.arange(100), 0, 60.0)
    assert (len(fit), len(stop)) == (100, 0)


def test_what_lies_before_keeps_its_distance() -> None:
    time = np.array([0, 1, 2, 3])
    assert before(time, 3, 0).tolist() == [True, True, True, False]
    assert before(time, 3, 1).tolist() == [True, True, True, False]
    assert before(time, 3, 1.5).tolist() == [True, True, False, False]


def test_a_group_on_both_sides_is_on_one_afterwards() -> None:
    groups = np.array([1, 2, 3, 1, 2, 4])
    early = np.array([True, True, True, False, False, False])
    chosen = groups == 1
    left, right = part_groups(early, ~early, groups, chosen, None)
    assert groups[left].tolist() == [2, 3]
    assert groups[right].tolist() == [1, 4]
    left, right = part_groups(early, ~early, groups, chosen, np.array([7, 0, 0, 0, 7, 0]))
    assert groups[left].tolist() == [1, 2, 3]
    assert groups[right].tolist() == [4]


def test_blocks_begin_where_enough_was_learned() -> None:
    time = np.arange(60)
    assert np.bincount(forward_blocks(time, 5, seen=0, gap=0.0)).tolist() == [10] * 6
    assert np.bincount(forward_blocks(time, 5, seen=19, gap=0.0)).tolist() == [20, 8, 8, 8, 8, 8]
    assert np.bincount(forward_blocks(time, 2, seen=0, gap=10.0)).tolist() == [26, 17, 17]
    assert forward_blocks(time, 5, seen=59, gap=0.0).max() == 0
