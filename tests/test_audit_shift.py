"""Test rows unlike the others, late rows unlike early ones, and rows on both sides that are nearly the same."""

import numpy as np
import polars as pl
import pytest
from audit_fixture import coin, found, look, need

N = 1000
RNG = np.random.default_rng(0)
DAYS = pl.Series(np.arange(N) * 86_400_000_000).cast(pl.Datetime("us"))


def test_a_test_file_of_other_rows():
    test = {"y": coin(300), "age": 2 + RNG.normal(size=300), "town": ["x"] * 150 + ["z"] * 150}
    report = look({"y": coin(N), "age": RNG.normal(size=N), "town": ["x", "z"] * 500}, test=test)
    finding = need(report, "test_shift")
    assert (finding.severity, finding.columns[0]) == ("warning", "age")
    assert finding.evidence["roc_auc"] > 0.85
    assert "'age' (0.9" in finding.message


def test_a_test_file_of_like_rows():
    train = {"y": coin(N), "age": RNG.normal(size=N)}
    assert found(look(train, test={"y": coin(300), "age": RNG.normal(size=300)}), "test_shift") is None
    assert found(look(train, test_size=0.2), "test_shift") is None


def test_features_that_drift():
    x = RNG.normal(size=N) + np.linspace(0, 3, N)
    finding = need(look({"y": coin(N), "x": x, "day": DAYS}), "time_drift")
    assert (finding.severity, finding.columns[0]) == ("warning", "x")
    assert "--time 'day'" in finding.advice
    asked = need(look({"y": coin(N), "x": x, "day": DAYS}, time="day"), "time_drift")
    assert asked.severity == "info"
    assert "go forward in time" in asked.effect


def test_a_column_that_counts_along_is_set_aside():
    finding = need(
        look({"y": coin(N), "x": RNG.normal(size=N) + np.linspace(0, 3, N), "n": np.arange(N) / 3, "day": DAYS}),
        "time_drift",
    )
    assert finding.evidence["clock"] == ["n"]
    assert "n" not in finding.columns


@pytest.mark.parametrize(
    ("y", "clause"),
    [
        ([0] * 400 + [1] * 100 + [0] * 100 + [1] * 400, "class 0 goes from 80.0% to 20.0%"),
        (RNG.normal(size=N) + np.linspace(0, 3, N), "the target's median goes from"),
    ],
)
def test_a_target_that_drifts(y, clause):
    finding = need(look({"y": y, "day": DAYS}), "time_drift")
    assert finding.severity == "warning"
    assert clause in finding.message


def test_nothing_that_drifts():
    assert found(look({"y": coin(N), "x": RNG.normal(size=N), "day": DAYS}), "time_drift") is None


def versions(n: int, changed: int) -> dict[str, np.ndarray]:
    """Twenty columns in which each row occurs twice, the second time with some columns changed."""
    table = RNG.normal(size=(n, 20))
    second = table + 1e-7 * RNG.normal(size=table.shape)
    second[:, :changed] += 1
    both = np.stack([table, second], axis=1).reshape(-1, 20)
    return {"y": RNG.integers(0, 2, 2 * n), "noise": both[:, 0], **{f"x{k}": both[:, k] for k in range(1, 20)}}


@pytest.mark.parametrize(
    ("changed", "code"),
    [(0, "near_duplicates"), (1, "near_duplicates"), (2, "near_duplicates"), (3, None)],
    ids=["item-41-rounding", "item-41-one", "item-41-two", "item-41-three"],
)
def test_rows_that_are_nearly_the_same_on_both_sides(changed, code):
    report = look(versions(400, changed), test_size=0.2)
    assert found(report, "train_test_overlap") is None
    if code is None:
        assert found(report, "near_duplicates") is None
        return
    finding = need(report, code)
    assert finding.severity == "info"
    assert finding.evidence["share"] > 0.5
    assert all(abs(learned - sealed) == 1 for learned, sealed in finding.evidence["examples"])


def test_item_41_a_test_file_of_rows_that_are_nearly_the_same_is_a_warning():
    both = versions(400, 1)
    first, second = ({name: values[start::2] for name, values in both.items()} for start in (0, 1))
    assert need(look(first, test=second), "near_duplicates").severity == "warning"


def test_item_41_copies_on_both_sides_are_counted():
    noise = np.repeat(RNG.normal(size=500), 2)
    finding = need(look({"y": coin(N), "noise": noise}, test_size=0.2), "train_test_overlap")
    assert finding.evidence["rows"] > 100
    assert "--group" in finding.advice


@pytest.mark.parametrize("given", [False, True])
def test_tables_without_numbers_are_looked_at_like_others(given):
    columns = {f"c{k}": [f"v{v}" for v in RNG.integers(0, 40, 2 * N)] for k in range(12)}
    columns = {"y": RNG.integers(0, 2, 2 * N).tolist(), "noise": columns["c0"], **columns}
    halves = [{name: values[start::2] for name, values in columns.items()} for start in (0, 1)]
    halves[1] |= {name: halves[0][name] for name in halves[0] if name not in ("noise", "c1")}
    if given:
        assert need(look(halves[0], test=halves[1]), "near_duplicates").evidence["share"] == 1.0
        return
    both = {name: halves[0][name] + halves[1][name] for name in columns}
    assert need(look(both, test_size=0.2), "near_duplicates").evidence["share"] > 0.5


def test_rows_of_few_levels_are_alike_by_chance():
    columns = {f"c{k}": [f"v{v}" for v in RNG.integers(0, 4, N)] for k in range(6)}
    report = look({"y": coin(N), "noise": RNG.integers(0, 3, N), **columns}, test_size=0.2)
    assert found(report, "near_duplicates") is None
