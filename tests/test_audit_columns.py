"""Codes for missing values, outliers, the overview, and columns that are hard to look at."""

import json
import warnings

import numpy as np
import polars as pl
import pytest
from audit_fixture import coin, found, look, need

from bench.audit import Audit
from bench.audit.overview import Overview

N = 1000
RNG = np.random.default_rng(0)


def spiked(value: float, rows: int = 50, low: int = 0, high: int = 80) -> np.ndarray:
    values = RNG.integers(low, high, N).astype(np.float64)
    values[:rows] = value
    return RNG.permutation(values)


@pytest.mark.parametrize("code", [-1, -9, -999, 999, 9999, 99999])
def test_codes_for_missing_values(code):
    finding = need(look({"y": coin(N), "x": spiked(code)}), "sentinel_values")
    assert finding.evidence == {"codes": {"x": {str(code): 50}}}
    assert f"--null {code}" in finding.advice


@pytest.mark.parametrize(
    "values",
    [
        spiked(-999, rows=3),
        spiked(9, high=9),
        spiked(99, high=99),
        spiked(-1, low=-40),
        RNG.integers(-1, 10, N),
        spiked(1234),
    ],
    ids=["rare", "scale", "no gap", "negative values", "few values", "no code"],
)
def test_ordinary_numbers_are_no_codes(values):
    assert found(look({"y": coin(N), "x": values}), "sentinel_values") is None


def test_outliers():
    x = RNG.normal(size=N)
    x[:3] = [1e4, -1e4, 5e3]
    finding = need(look({"y": coin(N), "x": x, "z": RNG.normal(size=N)}), "outliers")
    assert finding.evidence == {"rows": {"x": 3}, "range": {"x": [-1e4, 1e4]}}
    assert finding.severity == "info"
    x[0] = 1e300
    assert need(look({"y": coin(N), "x": x}), "outliers").severity == "warning"


def test_a_long_tail_is_no_outlier():
    assert found(look({"y": coin(N), "x": RNG.pareto(0.7, size=N)}), "outliers") is None


def test_the_overview_of_columns():
    y = np.array(coin(N))
    town = np.array(["north", "south", *"abcdefgh"])[RNG.integers(0, 10, N)]
    day = pl.Series(RNG.integers(0, 10**9, N) * 1_000_000).cast(pl.Datetime("us"))
    columns = {"y": y, "x": y + RNG.normal(size=N), "town": town, "day": day, "flag": RNG.random(N) < 0.2}
    overview = look(columns).overview
    views = {view.name: view for view in overview.columns}
    assert overview.columns[0].name == "x"
    assert (overview.measure, overview.rows) == ("ROC AUC", N)
    assert 0.7 < (views["x"].association or 0) < 0.9
    assert sum(views["x"].counts) == sum(views["day"].counts) == sum(views["town"].counts) == N
    assert len(views["x"].counts) == 20
    assert views["town"].levels[-1] == "all others"
    assert (views["day"].low[:2], views["day"].high[:4]) == ("19", "2001")
    assert views["flag"].levels == ("false", "true")


def test_the_overview_of_classes():
    y = np.array(["low", "high"])[np.arange(N) % 2]
    report = look(
        {"y": y, "x": np.where(y == "low", 1.0, 3.0) + RNG.normal(size=N), "t": np.where(y == "low", "a", "b")}
    )
    assert [(c.label, c.rows, c.share) for c in report.overview.classes] == [("high", 500, 0.5), ("low", 500, 0.5)]
    assert report.overview.classes[1].trait == "'t' is 'a' in 100%, against 50% of all rows"
    plain = look({"y": y, "x": np.where(y == "low", 1.0, 3.0) + RNG.normal(size=N)})
    assert plain.overview.classes[0].trait.startswith("'x' averages 3")


def test_the_overview_survives_json():
    report = look({"y": coin(N), "x": RNG.normal(size=N), "t": ["a", "b", "c", "d"] * 250})
    assert Audit.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report
    assert Audit.from_dict({"findings": []}).overview == Overview()


HARD = {
    "missing": pl.Series([None] * (N - 1) + [1.0]),
    "nan": pl.Series([float("nan")] * (N - 2) + [1.0, 2.0]),
    "infinite": pl.Series([float("inf"), float("-inf")] * (N // 2 - 2) + [1.0, 2.0, 3.0, 4.0]),
    "huge": pl.Series(RNG.normal(size=N) * 1e307),
    "tiny": pl.Series(RNG.normal(size=N) * 1e-310),
    "mixed": pl.Series(RNG.choice([1e308, -1e308, 0.0, 1e-308], N)),
    "spike": pl.Series([0.0] * (N - 1) + [1e300]),
    "large whole": pl.Series(RNG.integers(-(2**62), 2**62, N)),
    "far date": pl.Series(RNG.choice([2**55, -(2**55)], N)).cast(pl.Datetime("us")),
    "few dates": pl.Series([None] * (N - 3) + [1, 2, 3]).cast(pl.Datetime("us")),
    "one word": pl.Series([None] * (N - 1) + ["word"]),
    "<b>\x1b[31m": pl.Series([f"\x00{n % 7}" for n in range(N)]),
}


@pytest.mark.parametrize("y", ["binary", "multiclass", "regression", "huge"])
@pytest.mark.parametrize("name", [*HARD, "all"])
def test_hard_columns_are_looked_at(name, y):
    columns = HARD if name == "all" else {name: HARD[name]}
    target = {
        "binary": coin(N),
        "multiclass": [n % 5 for n in range(N - 1)] + [5],
        "regression": RNG.normal(size=N),
        "huge": RNG.normal(size=N) * 1e300,
    }[y]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = look({"y": target, **columns}, metric="mae" if y == "huge" else None)
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.blocking() == ()


@pytest.mark.parametrize("classes", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_very_many_classes(classes):
    y = [f"c{n % classes}" for n in range(3 * classes)]
    leak = [f"{n % classes}" for n in range(3 * classes)]
    report = look({"y": y, "x": RNG.normal(size=3 * classes), "leak": leak})
    assert need(report, "target_leakage").columns == ("leak",)
    assert len(report.overview.classes) == 100


def test_a_thousand_columns_are_looked_at_in_moderate_time():
    matrix = RNG.normal(size=(1000, 200))
    y = (matrix[7] > 0).astype(int)
    report = look({"y": y, **{f"x{k}": column for k, column in enumerate(matrix)}})
    assert report.overview.columns[0].name == "x7"
    assert need(report, "target_leakage").columns == ("x7",)
