"""Leaks beyond a single good column: gaps, order, identifiers, aggregates, groups."""

import numpy as np
import polars as pl
import pytest
from audit_fixture import coin, found, look, need

N = 2000
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, N)
VALUES = RNG.lognormal(size=N)
QUALITY = RNG.integers(3, 9, N)
SPECIES = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]


def gaps(missing: np.ndarray) -> pl.Series:
    return pl.Series(RNG.normal(size=len(missing))).set(pl.Series(missing), None)


# --- item 33 of the list of faults: a leak is found, and named with the option that leaves it out ---------------------


@pytest.mark.parametrize(
    ("y", "leak", "code"),
    [
        (Y, [f"h{value * 7919}" for value in Y], "target_leakage"),
        (Y, Y + 0.01 * RNG.normal(size=N), "target_leakage"),
        (VALUES, np.exp(-VALUES), "target_leakage"),
        (Y, gaps(Y == 1), "missingness_leakage"),
        (SPECIES, gaps(SPECIES == "b"), "missingness_leakage"),
        (VALUES, gaps(np.median(VALUES) < VALUES), "missingness_leakage"),
        (QUALITY / 2.5, gaps(QUALITY == 6), "missingness_leakage"),
        (VALUES, pl.Series(VALUES.reshape(-1, 4).mean(axis=1).repeat(4)), "target_aggregate"),
        (Y, pl.Series(Y.reshape(-1, 4).mean(axis=1).repeat(4)), "target_aggregate"),
        (Y, pl.Series(1 - Y.reshape(-1, 4).mean(axis=1).repeat(4)), "target_aggregate"),
        (QUALITY / 2.5, pl.Series((QUALITY / 2.5).reshape(-1, 4).mean(axis=1).repeat(4)), "target_aggregate"),
    ],
    ids=lambda value: f"item-33-{value}" if isinstance(value, str) else "",
)
def test_a_leak_blocks(y, leak, code):
    finding = need(look({"y": y, "leak": leak}), code)
    assert (finding.severity, finding.columns) == ("blocking", ("leak",))
    assert "--drop 'leak'" in finding.advice


@pytest.mark.parametrize("rows", [3, 40])
def test_a_mean_over_many_rows_only_warns(rows):
    y = RNG.normal(size=6000)
    mean = y.reshape(-1, rows * 5).mean(axis=1).repeat(rows * 5)
    assert need(look({"y": y, "m": mean}), "target_aggregate").severity == ("blocking" if rows == 3 else "warning")


def test_a_mean_is_recognised_while_rows_are_sealed():
    y = RNG.normal(size=N)
    report = look({"y": y, "m": y.reshape(-1, 4).mean(axis=1).repeat(4)}, test_size=0.2)
    assert need(report, "target_aggregate").severity == "blocking"


@pytest.mark.parametrize(
    "honest",
    [
        (Y.reshape(-1, 4).sum(axis=1).repeat(4) - Y) / 3,  # the mean of the other rows
        0.25 + 0.5 * RNG.integers(0, 2, N),
        np.clip(0.5 + 0.2 * RNG.normal(size=N), 0, 1),
    ],
    ids=["leave-one-out", "two values", "noise"],
)
def test_an_honest_rate_is_no_aggregate(honest):
    assert found(look({"y": Y, "rate": honest}), "target_aggregate") is None


def test_gaps_of_few_rows_only_warn():
    y = np.array(coin(200))
    assert need(look({"y": y, "x": gaps(y == 1)}), "missingness_leakage").severity == "warning"


def test_gaps_at_random_are_no_leak():
    assert found(look({"y": Y, "x": gaps(RNG.random(N) < 0.3)}), "missingness_leakage") is None


def test_a_sorted_file_is_told_from_one_with_neighbours():
    ordered = need(look({"y": np.sort(Y)}), "row_order")
    assert (ordered.severity, ordered.evidence["sorted"]) == ("warning", True)
    assert "sorted by it" in ordered.message
    walk = np.cumsum(RNG.normal(size=N))
    assert need(look({"y": walk}), "row_order").evidence["sorted"] is False
    assert found(look({"y": walk, "at": np.arange(N) / 2}, time="at"), "row_order") is None


def test_an_identifier_that_tells_the_target():
    ids = [f"{'AB'[value]}{number:05}" for value, number in zip(Y, RNG.permutation(N), strict=True)]
    finding = need(look({"y": Y, "key": ids}), "id_leakage")
    assert (finding.severity, finding.columns) == ("warning", ("key",))
    assert found(look({"y": Y, "key": [f"k{n:05}" for n in RNG.permutation(N)]}), "id_leakage") is None


def test_rows_of_one_thing_straddle():
    thing = RNG.permutation(N) // 4
    y = (RNG.random(N) < 0.5).astype(int)[thing]
    finding = need(look({"y": y, "patient": [f"p{n}" for n in thing]}), "straddling_groups")
    assert (finding.severity, finding.columns) == ("warning", ("patient",))
    assert "--group 'patient'" in finding.advice
    assert found(look({"y": y, "patient": [f"p{n}" for n in thing]}, group="patient"), "straddling_groups") is None


def test_an_identifier_with_few_rows_a_value_straddles():
    """It is no feature, and yet splits that know nothing of it put rows of one patient on both sides."""
    thing = RNG.permutation(N) * 5 // 9
    y = (RNG.random(N) < 0.5).astype(int)[thing]
    finding = need(look({"y": y, "patient_id": [f"p{n}" for n in thing]}), "straddling_groups")
    assert finding.columns == ("patient_id",)


def test_rows_of_one_thing_with_values_straddle():
    thing = RNG.permutation(N) // 4
    y = RNG.normal(size=N)[thing] + 0.1 * RNG.normal(size=N)
    assert need(look({"y": y, "house": thing * 7919 % 100_003}), "straddling_groups").columns == ("house",)


def test_groups_within_the_groups_asked_for_do_not_straddle():
    thing = RNG.permutation(N) // 4
    y = (RNG.random(N) < 0.5).astype(int)[thing]
    columns = {"y": y, "patient": [f"p{n}" for n in thing], "clinic": [f"c{n // 5}" for n in thing]}
    assert found(look(columns, group="clinic"), "straddling_groups") is None


def test_a_number_that_tells_smoothly_marks_no_groups():
    x = RNG.integers(0, 500, N)
    assert found(look({"y": x > 250, "x": x}), "straddling_groups") is None
