"""The row cap: how many rows are used, and which."""

import numpy as np
import pytest

from bench.cap import Cap, default_test_size, make_cap, sample_rows

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("columns", "asked", "cap"),
    [
        (20, {}, Cap(rows=1_000_000, sealed=100_000, given=250_000)),
        (500, {}, Cap(rows=100_000, sealed=25_000, given=25_000)),
        (100_000, {}, Cap(rows=1_000, sealed=250, given=250)),
        (20, {"max_rows": 3_000_000}, Cap(rows=3_000_000, sealed=100_000, given=750_000)),
        (20, {"test_size": 0.5}, Cap(rows=1_000_000, sealed=1_000_000, given=250_000)),
        (20, {"test_size": 0.0, "max_rows": 100}, Cap(rows=100, sealed=0, given=25)),
    ],
)
def test_rows_and_columns_decide_unless_asked(columns: int, asked: dict, cap: Cap) -> None:
    assert make_cap(columns, **{"max_rows": None, "test_size": None} | asked) == cap


def test_a_large_test_is_no_larger_than_it_needs_to_be() -> None:
    assert (default_test_size(1000), default_test_size(1_000_000)) == (0.2, 0.1)


def test_few_rows_are_all_used() -> None:
    assert sample_rows("regression", np.arange(50.0), None, None, 50).tolist() == list(range(50))


def test_classes_keep_their_shares() -> None:
    y = RNG.choice(3, 10_000, p=[0.7, 0.25, 0.05])
    used = sample_rows("multiclass", y, None, None, 1000)
    assert len(used) == 1000
    assert np.bincount(y[used]) == pytest.approx(np.bincount(y) / 10, abs=1)
    assert (np.diff(used) > 0).all()


def test_values_keep_their_quantiles() -> None:
    y = RNG.lognormal(size=10_000)
    used = sample_rows("regression", y, None, None, 1000)
    deciles = np.searchsorted(np.quantile(y, np.linspace(0.1, 0.9, 9)), y[used])
    assert np.bincount(deciles) == pytest.approx([100] * 10, abs=1)


def test_the_latest_rows_are_used() -> None:
    time = RNG.permutation(10_000)
    assert sorted(time[sample_rows("regression", time * 1.0, None, time, 1000)]) == list(range(9000, 10_000))


def test_groups_stay_whole() -> None:
    groups = RNG.integers(0, 400, 10_000)
    used = sample_rows("regression", RNG.normal(size=10_000), groups, None, 1000)
    assert len(used) == pytest.approx(1000, abs=60)
    assert not set(groups[used]) & set(np.delete(groups, used))


@pytest.mark.parametrize("by", ["groups", "time"])
def test_groups_and_moments_beyond_the_cap_are_not_taken_whole(by: str) -> None:
    one = np.arange(10_000) % 2
    asked = {"groups": None, "time": None} | {by: one}
    assert len(sample_rows("regression", RNG.normal(size=10_000), **asked, most=1000)) == pytest.approx(1000, abs=1)


@pytest.mark.parametrize("by", ["nothing", "groups", "time"])
def test_no_class_is_lost(by: str) -> None:
    y = np.zeros(10_000, dtype=np.int64)
    y[:30], y[30:33] = 1, 2
    asked = {"groups": None, "time": None, by: np.arange(10_000)}
    used = sample_rows("multiclass", y, asked["groups"], asked["time"], 500)
    assert (np.bincount(y[used]) > 0).all()
    assert len(used) < 550
