"""What is wrong with rows, classes, groups or time when they are to be divided.

One row: the table, the options, the exit code, and what is said. Its id begins with the number of the fault it shows.
"""

import re
from datetime import date, timedelta

import polars as pl
import pytest
from conftest import table

from bench.store import read_json

RUN = "run --dataset data.csv --target y --engine local --no-track --cpus 1 --trials 1 --families dummy --output out"
BINARY = table("binary", rows=200)
N = pl.int_range(pl.len())
DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(200)]


def y(expression) -> pl.DataFrame:
    return BINARY.with_columns(y=expression)


def at(expression) -> pl.DataFrame:
    return BINARY.with_columns(at=expression)


DATED = BINARY.with_columns(day=pl.Series(DAYS), unit=N % 8, late=N // 25)
TWELVE_RARE = y(pl.when(N % 60 == 0).then(pl.lit("rare")).otherwise(pl.col("y")))
LONE = y(pl.when(N == 0).then(pl.lit("lone")).otherwise(pl.col("y")))

CASES = {
    "2 one row": (BINARY[:1], "", 2, r"at least 20 rows are needed, got 1"),
    "2 too few rows beside the test": (
        BINARY[:20],
        "--test-size 0.9",
        2,
        r"at least 10 rows must be left to learn from, got \d of 20 beside the test set",
    ),
    "2 fewer rows than folds": (BINARY[:60], "--folds 50", 2, r"--folds must be at most the 48 rows .*, got 50"),
    "16 fewer rows of a class than folds": (
        TWELVE_RARE,
        "--folds 5",
        0,
        r"\d rows stay in training and are never scored, as their class cannot be spread over 5 folds: 'rare'",
    ),
    "16 a single row of a class": (LONE, "--folds 3", 0, r"1 rows stay in training and are never scored.*'lone'"),
    "16 a class too rare for the usual folds": (
        y(pl.when(N < 5).then(pl.lit("yes")).otherwise(pl.lit("no"))),
        "--repeats 1",
        0,
        r"4 folds instead of 8, since there are only 4 rows of the second most frequent class",
    ),
    "16 a class seen once": (
        y(pl.when(N == 7).then(pl.lit("yes")).otherwise(pl.lit("no"))),
        "",
        2,
        r"at least two classes must occur in 2 rows outside the test set",
    ),
    "42 fewer groups than folds": (
        at(N % 4),
        "--group at --folds 5 --test-size 0",
        2,
        r"--folds must be at most the 4 groups to be divided, got 5",
    ),
    "42 one group": (at(pl.lit("a")), "--group at --test-size 0", 2, r"at least 2 groups must be left"),
    "42 time in words": (
        at(pl.lit("early")),
        "--time at",
        2,
        r"must name a column of numbers or dates, but 'at' holds",
    ),
    "42 time not always known": (
        at(pl.when(N < 3).then(None).otherwise(N * 0.5)),
        "--time at",
        2,
        r"--time column 'at' must be known in every row, but 3 rows lack it",
    ),
    "42 one moment": (
        at(pl.lit(3.5)),
        "--time at --test-size 0",
        2,
        r"time column has nothing later that can be scored",
    ),
    "42 one moment and a test": (
        at(pl.lit(3.5)),
        "--time at",
        2,
        r"a test set of 20% cannot be set aside: every group",
    ),
    "42 a class that comes last": (
        y(pl.when(N > 198).then(pl.lit("yes")).otherwise(pl.lit("no"))).with_columns(at=N * 0.5),
        "--time at --test-size 0",
        2,
        r"rows must be left to score after every class has been seen",
    ),
    "42 a gap longer than the data": (DATED, "--time day --gap 500", 2, r"at least 10 rows must be left to learn from"),
    "42 a gap that leaves nothing to learn from": (
        DATED,
        "--time day --gap 190 --test-size 0",
        2,
        r"every class has been seen and 190 days have passed.*Lower --test-size or --gap",
    ),
    "42 a gap without time": (DATED, "--gap 7", 2, r"--gap is a distance in time, so it needs --time COLUMN"),
    "42 groups and time": (DATED, "--group unit --time day", 0, r"column 'day' orders the rows for splits"),
    "44 one fold": (BINARY, "--folds 1", 2, r"--folds must be a whole number of at least 2, got 1"),
    "44 no fold": (BINARY, "--folds 0", 2, r"--folds must be a whole number of at least 2, got 0"),
    "44 negative folds": (BINARY, "--folds -3", 2, r"--folds must be a whole number of at least 2, got -3"),
    "44 more folds than rows": (BINARY, "--folds 201", 2, r"--folds must be at most the 160 rows .*, got 201"),
    "44 no repeat": (BINARY, "--repeats 0", 2, r"--repeats must be a whole number of at least 1, got 0"),
    "44 negative gap": (DATED, "--time day --gap -1", 2, r"--gap must be a number of at least 0, got -1"),
    "44 repeats in time": (
        DATED,
        "--time day --repeats 2",
        2,
        r"--repeats deals folds anew, which time does not allow",
    ),
    "44 too few rows asked for": (
        BINARY,
        "--max-rows 10",
        2,
        r"--max-rows must be a whole number of at least 100, got 10",
    ),
    "45 splits beside a test size": (
        DATED,
        "--splits late --test-size 0.3",
        2,
        r"so --test-size has no meaning beside",
    ),
    "45 splits beside folds": (
        DATED,
        "--splits late --folds 3",
        2,
        r"column 'late' says already what --folds asks for",
    ),
    "45 splits beside a group": (DATED, "--splits late --group unit", 2, r"so --group has no meaning beside it"),
    "45 splits that are nowhere": (DATED, "--splits lat", 2, r"must name a column or a file .*Did you mean 'late'"),
}


@pytest.mark.parametrize(("frame", "options", "code", "text"), CASES.values(), ids=CASES)
def test_division_that_goes_wrong_is_told(cli, tmp_path, monkeypatch, frame, options, code, text):
    monkeypatch.chdir(tmp_path)
    frame.write_csv("data.csv")
    told = cli(*RUN.split(), *options.split())
    said = re.sub(r"\s*│?\n│?\s*", " ", told.err)
    assert told.code == code, told.err
    assert re.search(text, said), said
    assert "Traceback" not in told.err
    assert (tmp_path / "out").exists() == (code == 0)


def test_what_divides_rows_is_written_down(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    DATED.write_csv("data.csv")
    assert cli(*RUN.split(), *["--time", "day", "--gap", "7", "--folds", "3"]).code == 0
    content = read_json(tmp_path / "out" / "splits.json")
    assert (content["strategy"], content["gap"], content["origin"]) == ("time", "7 days", "")
    for name in ("report.html", "report.md"):
        assert "3 time folds, each 7 days after what it learns from" in (tmp_path / "out" / name).read_text()
    again = cli(*RUN.split(), *["--splits", "out/splits.npz", "--output", "again"])
    assert again.code == 0, again.err
    content, first = read_json(tmp_path / "again" / "splits.json"), content
    assert (content["strategy"], content["origin"]) == ("predefined", "file 'out/splits.npz'")
    assert (content["folds"], content["test_rows"]) == (first["folds"], first["test_rows"])


def test_columns_that_divide_rows_are_no_features(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    DATED.write_csv("data.csv")
    assert cli(*RUN.split(), "--splits", "late").code == 0
    assert read_json(tmp_path / "out" / "dataset.json")["n_features"] == 5
    assert len(read_json(tmp_path / "out" / "splits.json")["folds"]) == 8


def test_rows_beyond_the_cap_are_left_out_and_counted(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    BINARY.write_csv("data.csv")
    told = cli(*RUN.split(), "--max-rows", 100)
    assert told.code == 0, told.err
    said = " ".join(told.err.split())
    assert "125 of 200 rows of the table are used, drawn as folds are; --max-rows sets another limit." in said
    content = read_json(tmp_path / "out" / "splits.json")
    assert content["test_rows"] == 25
    assert content["folds"][0]["train"] + content["folds"][0]["valid"] == 100
