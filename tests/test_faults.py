"""Faults of targets and requests: each row a table, a command, its exit code and what it says.

Files are in test_file_faults, values and names of columns in test_type_faults, splits in test_split_faults, leaks and
copies in the tests of the audit, secrets in test_secrets.
"""

import re

import numpy as np
import polars as pl
import pytest
from conftest import table

from bench.leaderboard import load_leaderboard

ROWS = 120
BINARY, REGRESSION = table("binary", rows=ROWS), table("regression", rows=ROWS)
CHECK = "check data.parquet --target y"
RUN = (
    "run --dataset data.parquet --target y --engine local --no-track --trials 1 --folds 2 --families dummy --output out"
)


def target(*values, rows=ROWS):
    """A table with these targets over and over."""
    return table("binary", rows=rows).with_columns(y=pl.Series([values[n % len(values)] for n in range(rows)]))


def lacking(frame, count, value=None):
    """The table with the first ``count`` targets missing, or replaced by a value."""
    return frame.with_columns(y=pl.when(pl.int_range(frame.height) < count).then(pl.lit(value)).otherwise(pl.col("y")))


WIDE = BINARY.with_columns(pl.lit(float(n)).alias(f"column {n}") for n in range(40))
RARE = target("no", rows=30_000).with_columns(y=pl.when(pl.int_range(30_000) < 6).then(pl.lit("yes")).otherwise("y"))
MANY = target(*(f"class {n}" for n in range(1_100)), rows=4_400)

CASES = {
    "item-03 absent target": (BINARY, CHECK + "s", 2, r"--target must name a column, got 'ys'.*columns are: a, b, col"),
    "item-03 near name": (BINARY, RUN + " --target color", 2, r"got 'color'. Did you mean 'colour'"),
    "item-03 twenty columns": (WIDE, CHECK + "s", 2, r"The columns are: a, b, colour, y, .*'?column 15'?, \.\.\."),
    "item-15 one class": (target("no"), RUN, 2, r"the target must vary, but 'y' holds only 'no' in all 120 rows"),
    "item-17 missing targets": (lacking(BINARY, 7), RUN, 0, r"7 of 120 rows of the training data are left out"),
    "item-17 infinite targets": (
        lacking(REGRESSION, 9, float("inf")),
        RUN,
        0,
        r"9 of 120 rows of the training data are left out, as their target is missing or infinite",
    ),
    "item-17 mostly missing": (lacking(BINARY, 61), RUN, 2, r"known in at least half of the rows, but 61 of 120"),
    "item-19 areas for values": (
        REGRESSION,
        RUN + " --metric roc_auc",
        2,
        r"'roc_auc' needs class probabilities; task 'data' is regression. Choose one of: rmse, mae",
    ),
    "item-19 errors for texts": (BINARY, RUN + " --metric rmse", 2, r"'rmse' needs a numeric target.*roc_auc"),
    "item-21 a thousand classes": (MANY, CHECK, 0, r"'y' holds 1100 classes; fits take time and memory"),
    "item-21 a class a row": (target(*(f"{n}th" for n in range(ROWS))), RUN, 2, r"classes must repeat to be learned"),
    "item-22 six of thirty thousand": (RARE, CHECK, 0, r"class_imbalance.*0.02%.*average_precision"),
    "item-22 folds hold the rare class": (RARE[:6_000], RUN, 0, r"best: dummy"),
    "item-23 constant value": (REGRESSION.with_columns(y=pl.lit(2.5)), RUN, 2, r"the target must vary.*only 2.5"),
    "item-25 order of labels": (BINARY, CHECK, 0, r"'yes' is the positive class, as the second of 'no' and 'yes'"),
    "item-25 no such label": (BINARY, RUN + " --positive-class maybe", 2, r"must be a class, got 'maybe'.*no, yes"),
    "item-43 unknown metric": (BINARY, RUN + " --metric roc_acu", 2, r"'roc_acu'. Did you mean 'roc_auc'"),
    "item-43 unknown family": (BINARY, RUN + " --families dumy", 2, r"got 'dumy'. Did you mean 'dummy'"),
    "item-44 no time": (BINARY, "run --dataset data.parquet --budget 0", 2, r"--budget must be a positive duration"),
    "item-44 time in words": (BINARY, "run --dataset data.parquet --budget abc", 2, r"positive duration .*got 'abc'"),
    "item-44 no CPU": (BINARY, RUN + " --cpus 0", 2, r"--cpus must be a whole number of at least 1, got 0"),
    "item-44 more CPUs than there are": (BINARY, RUN + " --cpus 9999", 2, r"--cpus must be at most \d+ here"),
    "item-44 a GPU that is not there": (BINARY, RUN + " --gpus 1", 2, r"--gpus must be at most 0 here, got 1"),
    "item-45 two ends": (BINARY, RUN + " --budget 60s", 2, r"--budget and --trials exclude each other"),
    "item-45 two tests": (BINARY, RUN + " --test data.parquet --test-size 0.2", 2, r"Leave one of them out"),
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty working directory on a machine without GPUs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.resources.available_gpus", lambda: 0)
    return tmp_path


@pytest.mark.parametrize(("frame", "command", "code", "text"), CASES.values(), ids=CASES)
def test_fault_is_told(cli, frame, command, code, text):
    frame.write_parquet("data.parquet")
    told = cli(*command.split())
    said = re.sub(r"\s+", " ", told.out + told.err)
    assert told.code == code, told.err
    assert re.search(text, said), said
    assert "Traceback" not in said


def test_item_04_a_target_named_twice(cli, place):
    (place / "data.csv").write_text("a,y,y\n" + "1,no,0\n2,yes,1\n" * 20)
    told = cli("check", "data.csv", "--target", "y")
    assert told.code == 2
    assert "column names must be unique, got 'y' more than once" in told.err


def test_item_14_data_that_changed_since(cli, place):
    BINARY.write_parquet("data.parquet")
    assert cli(*RUN.split()).code == 0
    before = (place / "out" / "leaderboard.csv").read_bytes()
    BINARY.with_columns(a=pl.col("a") + 1).write_parquet("data.parquet")
    told = cli(*RUN.split())
    assert told.code == 2
    assert re.search(r"belongs to another run.*--output", told.err)
    assert (place / "out" / "leaderboard.csv").read_bytes() == before


def test_item_28_a_category_never_seen(cli):
    BINARY.write_parquet("data.parquet")
    assert cli(*RUN.replace("dummy", "decision_tree,linear").replace("--trials 1", "--trials 2").split()).code == 0
    rows = BINARY.drop("y").head(20)
    rows.with_columns(colour=pl.lit("ultraviolet")).write_csv("new.csv")
    for model in ("decision_tree", "linear"):
        told = cli("predict", "out", "new.csv", "--output", "told.csv", "--model", model)
        assert told.code == 0, told.err
        probabilities = pl.read_csv("told.csv").select("probability_no", "probability_yes").to_numpy()
        assert np.allclose(probabilities.sum(axis=1), 1.0)


def test_item_38_markup_in_names_and_values(cli, place):
    script = "<script>alert(1)</script>"
    frame = BINARY.rename({"colour": script}).with_columns(y=pl.col("y").replace("no", script))
    frame.write_parquet("data.parquet")
    told = cli(*RUN.split())
    assert told.code == 0, told.err
    page = (place / "out" / "report.html").read_text()
    assert script not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_item_39_formulas_in_boards(binary):
    from dataclasses import replace

    board = load_leaderboard(binary.folder)
    cells = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "plain"]
    frame = board.frame.head(len(cells)).with_columns(reason=pl.Series(cells))
    read = pl.read_csv(replace(board, frame=frame).to_csv().encode(), infer_schema=False)
    assert read["reason"].to_list() == [f"'{cell}" for cell in cells[:-1]] + ["plain"]
    assert read["model"].to_list() == frame["model"].to_list()
    assert float(read["cv_mean"][0]) == frame["cv_mean"][0]
