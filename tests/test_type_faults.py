"""What the values and names of columns may look like: each row a table, a command, and what is said of it."""

import re

import numpy as np
import polars as pl
import pytest
from conftest import table

ROWS = 120
BINARY = table("binary", rows=ROWS)
CHECK = "check data.parquet --target y"
RUN = (
    "run --dataset data.parquet --target y --engine local --no-track --trials 2 --folds 2 --families dummy,linear "
    "--output out"
)


def with_column(name="x", *, frame=BINARY, **how):
    """The table with one more column: ``values`` over and over, or a ``series`` of its own."""
    values = how.get("values")
    series = pl.Series([values[index % len(values)] for index in range(ROWS)]) if values else how["series"]
    return frame.with_columns(series.alias(name))


def with_target(*values):
    return BINARY.with_columns(y=pl.Series([values[index % len(values)] for index in range(ROWS)]))


def renamed(*names):
    """The table with columns called thus, beside its own."""
    return BINARY.with_columns(
        pl.Series(np.random.default_rng(n).normal(size=ROWS)).alias(x) for n, x in enumerate(names)
    )


NUMBERS = [f"${n % 50},{n:03}" for n in range(117)] + ["n.b.", "call", "?"]
FEW_CODES = ["5", "6"] * 30 + ["x1", "x2"] * 30
MANY = pl.Series([f"level {n % 113}" for n in range(ROWS)])

#: What is on disk, the command, its exit code, and what it says.
CASES = {
    "item-11 lists": (with_column(values=[[1], [2]]), RUN, 0, r"column 'x' is skipped: values of type List.*--drop x"),
    "item-11 structures": (with_column(values=[{"a": 1}]), CHECK, 0, r"x .*unsupported.*Struct"),
    "item-11 bytes": (with_column(values=[b"a", b"b"]), CHECK, 0, r"x .*unsupported.*Binary"),
    "item-11 decimals": (
        with_column(series=pl.Series(range(ROWS)).cast(pl.Decimal(10, 2)) / 7),
        CHECK,
        0,
        r"x .*numeric",
    ),
    "item-11 durations": (
        with_column(series=pl.Series(np.arange(ROWS) % 7).cast(pl.Duration("us"))),
        CHECK,
        0,
        r"x .*numeric",
    ),
    "item-11 only lists": (
        BINARY.select("y", x=pl.Series([[1]] * ROWS)),
        CHECK,
        2,
        r"at least one usable feature is needed.*'x' \(unsupported",
    ),
    "item-18 yes and no": (
        with_target("yes", "no", "yes"),
        CHECK,
        0,
        r"binary, since 'y' holds 2 labels \(--task over",
    ),
    "item-18 float labels": (with_target(0.0, 1.0, 1.0), CHECK, 0, r"binary, since 'y' holds 2 whole numbers"),
    "item-18 booleans": (with_target(True, False, True), CHECK, 0, r"binary, since 'y' holds 2 labels"),
    "item-18 few whole numbers": (with_target(0, 1, 2, 1), CHECK, 0, r"multiclass, since 'y' holds only 3 whole"),
    "item-18 dressed numbers": (with_target("$1.5", "$2.25", "$3"), CHECK, 0, r"regression, since 'y' holds numbers"),
    "item-20 labels of mixed spelling": (
        with_target("1", "True", "yes", "Yes "),
        CHECK,
        0,
        r"labels of 'y' look like one class in several spellings.*'1', 'True'; 'Yes ', 'yes'",
    ),
    "item-24 huge targets": (
        table("regression", rows=ROWS).with_columns(y=pl.col("y") * 1e31),
        CHECK,
        0,
        r"target values reach \d\.\de\+3",
    ),
    "item-26 constant, empty and copied columns": (
        BINARY.with_columns(one=pl.lit(1), none=pl.lit(None), copy=pl.col("a")),
        CHECK,
        0,
        r"a single value fills 2 columns.*'one', 'none'.*'copy' = 'a'",
    ),
    "item-27 many categories": (with_column(series=MANY), RUN, 0, r"more than 100 categories in 1 column: 'x'"),
    "item-29 mixed types": (
        with_column(values=FEW_CODES),
        CHECK,
        0,
        r"numbers and words are mixed in 1 column.*'x' \(50% numbers, but 'x1' in row 61\)",
    ),
    "item-30 numbers as text": (
        with_column(values=NUMBERS),
        RUN,
        0,
        r"column 'x' holds numbers as text, such as '\$0,000'; --kind x=categorical overrules this\..*"
        r"2 values in column 'x' are no numbers \(such as 'call'\) and became missing; --kind x=categorical keeps",
    ),
    "item-30 too few numbers": (with_column(values=["$5", "x", "y"]), CHECK, 0, r"x .*categorical.*3 different values"),
    "item-31 zones": (
        with_column(values=["2024-01-05T10:00:00+02:00", "2024-03-05T10:00:00Z", "2024-01-07 10:00:00-0500"]),
        RUN,
        0,
        r"1 datetime",
    ),
    "item-31 typed zones": (
        with_column(
            series=pl.datetime_range(
                pl.datetime(2024, 1, 1), pl.datetime(2024, 4, 29), "1d", eager=True, time_zone="Asia/Tokyo"
            )
        ),
        CHECK,
        0,
        r"x .*datetime",
    ),
    "item-31 dates out of range": (
        with_column(values=["9999-12-31", "0001-01-01", "2020-02-03", "2021-02-03"]),
        RUN,
        0,
        r"1 datetime",
    ),
    "item-31 days or months": (
        with_column(values=["03/04/2024", "05/06/2024", "07/01/2023"]),
        CHECK,
        0,
        r"column 'x' holds dates with the month first, such as '03/04/2024', though every value could be read with the",
    ),
    "item-31 days before months": (
        with_column(values=["13/04/2024", "05/06/2024"]),
        RUN,
        0,
        r"column 'x' holds dates with the day first, such as '13/04/2024'; --kind x=categorical",
    ),
    "item-32 identifiers": (
        with_column("customer_id", series=pl.Series(range(0, 2 * ROWS, 2))),
        CHECK,
        0,
        r"column 'customer_id' is left out as an identifier: whole numbers, different.*--kind customer_id=categorical",
    ),
    "item-34 infinities": (
        with_column(series=pl.Series([1.5, 2.5, float("inf"), float("-inf")] * 30)),
        CHECK,
        0,
        r"column 'x': 60 infinite values became missing",
    ),
    "item-34 beyond float32": (
        with_column(series=pl.Series([1.5, 2.5, 1e300] * 40)),
        RUN,
        0,
        r"column 'x': numbers up to 1.0e\+300 are cut to 3.4e\+38 for models",
    ),
    "item-35 thousands of columns": (
        BINARY.with_columns(pl.Series([f"{n % 7} %" for n in range(ROWS)]).alias(f"x{n}") for n in range(300)),
        CHECK,
        0,
        r"columns 'x0', 'x1', 'x2' and 297 more hold numbers as text",
    ),
    "item-36 free text": (
        with_column(series=pl.Series([f"this is what number {n} had to say about it" for n in range(ROWS)])),
        CHECK,
        0,
        r"column 'x' is free text: .*--kind x=categorical overrules this",
    ),
    "item-37 names of all kinds": (
        renamed(
            "[a]<b>", '{"c":1,2}', "\U0001f600", "\u202egnp.x", "two\nlines", "\x1b[31mred\x1b[0m", "a b", "a_b", " a"
        ),
        RUN,
        0,
        r"11 numeric",
    ),
    "item-37 values with control characters": (
        with_column(values=["\x1b[31mred", "two\nlines", "\u202ebidi"]),
        CHECK,
        0,
        r"x .*categorical",
    ),
    "item-40 names that programs use": (
        renamed("__class__", "target", "index", "fold", "score", "row", "prediction", "id", "__bench_row"),
        RUN,
        0,
        r"11 numeric",
    ),
    "kind of a column": (
        with_column(values=[1, 2, 3]),
        CHECK + " --kind x=categorical",
        0,
        r"'x' is categorical, as asked",
    ),
    "kind of no column": (
        BINARY,
        CHECK + " --kind colur=text",
        2,
        r"--kind must name a column, got 'colur'. Did you mean",
    ),
    "kind that does not fit": (
        BINARY,
        CHECK + " --kind colour=numeric",
        2,
        r"--kind colour=numeric must fit the values: column 'colour' must be numeric, got values like '",
    ),
    "dropped column": (
        BINARY,
        CHECK + " --drop colour --drop b",
        0,
        r"columns 'colour', 'b' are left out, as asked for by",
    ),
    "dropped nothing": (
        BINARY,
        CHECK + " --drop colur",
        2,
        r"--drop must name a column, got 'colur'. Did you mean 'colou",
    ),
    "dropped target": (
        BINARY,
        CHECK + " --drop y",
        2,
        r"--drop must leave the column of --target in, got 'y' for both",
    ),
    "kind and drop with a test file": (
        with_column(values=["$1", "$2", "$30"]),
        RUN + " --test data.parquet --allow train_test_overlap --kind b=categorical --drop colour",
        0,
        r"column 'b' is categorical, as asked",
    ),
}


@pytest.mark.parametrize(("frame", "command", "code", "text"), CASES.values(), ids=CASES)
def test_columns_of_all_kinds(cli, tmp_path, monkeypatch, frame, command, code, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.resources.available_gpus", lambda: 0)
    frame.write_parquet("data.parquet")
    told = cli(*command.split())
    said = re.sub(r"\s*│?\n│?\s*", " ", told.err + told.out)
    assert told.code == code, told.err
    assert re.search(text, said), said
    assert "Traceback" not in told.err
    assert not re.search("[\x1b\u202e]", told.err + told.out)
    if code == 0 and command.startswith("run"):
        predicted = cli("predict", "out", "data.parquet", "--output", "told.csv")
        assert predicted.code == 0, predicted.err
        assert pl.read_csv("told.csv").height == ROWS
