"""Datasets: what a reference means, how values are read, kinds, fingerprints and schemas."""

import json
import subprocess
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from bench.assumptions import kind_notes
from bench.dataset import USABLE, Column, Schema, load_dataset
from bench.errors import DataError, RequestError
from bench.kinds import infer_column


def load(**columns: object):
    return load_dataset(pl.DataFrame(columns, strict=False))


def kind_of(values: object, name: str = "x", dtype: object = None) -> str:
    dataset = load_dataset(pl.DataFrame([pl.Series(name, values, dtype=dtype)]))
    return dataset.columns[0].kind


def cycle(*values: object, rows: int = 60) -> list[object]:
    return [values[index % len(values)] for index in range(rows)]


# What a reference means


def test_unknown_name_offers_the_nearest() -> None:
    message = (
        r"dataset must be a file, a built-in or a card; got 'breast_cancr'\. Did you mean 'breast_cancer'\? "
        r"`bench list datasets` shows all\."
    )
    with pytest.raises(RequestError, match=message):
        load_dataset("breast_cancr")


@pytest.mark.parametrize("reference", ["", "a\0b", "x" * 300, "-rf", "CON"])
def test_odd_names_are_requests_that_fail(reference: str) -> None:
    with pytest.raises(RequestError, match="dataset must be a file, a built-in or a card"):
        load_dataset(reference)


@pytest.mark.parametrize(
    "reference", ["../../etc/passwd", ".", "a/b", "nothing.csv", "mine.yaml", "a/" + "x" * 300 + ".yaml"]
)
def test_paths_are_data_that_is_not_there(reference: str) -> None:
    with pytest.raises(DataError):
        load_dataset(reference)


@pytest.mark.parametrize("reference", [3, None, [1, 2]])
def test_other_types_are_refused(reference: object) -> None:
    with pytest.raises(RequestError, match="dataset must be a name, a path or a frame; got "):
        load_dataset(reference)  # type: ignore[arg-type]


def test_a_card_goes_before_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("iris").write_text("a,b\n1,2\n")
    assert load_dataset("iris").source == "builtin:iris"


@pytest.mark.parametrize("rows", [0, 7, 19])
def test_too_few_rows(rows: int) -> None:
    with pytest.raises(DataError, match=f"at least 20 rows are needed, got {rows}"):
        load(x=[1.0] * rows)


# How values are read


def test_clear_spellings_of_missing_go_everywhere() -> None:
    dataset = load(x=cycle("a", "NA", "?", " ", "NaN", "n/a", "null", "#N/A", "missing", ""))
    assert dataset.columns[0].n_missing == 54
    assert dataset.frame["x"].drop_nulls().unique().to_list() == ["a"]
    assert dataset.notes == (
        "read as missing: '#N/A' 6 times, '?' 6 times, 'NA' 6 times, 'NaN' 6 times, 'missing' 6 times, "
        "'n/a' 6 times, 'null' 6 times; --null adds other spellings.",
    )


@pytest.mark.parametrize("spelling", ["None", "none", "-"])
def test_ambiguous_spellings_are_levels_among_text_and_missing_among_numbers(spelling: str) -> None:
    dataset = load(
        text=cycle("a", spelling), number=cycle("1", spelling), when=cycle("2020-01-02", spelling, "2021-01-02")
    )
    assert dataset.columns[0].n_missing == 0
    assert dataset.columns[1].n_missing == 30
    assert dataset.frame.dtypes == [pl.String, pl.Int64, pl.Datetime("us")]
    assert dataset.notes == (
        f"read as missing among numbers and dates, in columns 'number', 'when': {spelling!r} 50 times; "
        "--kind NAME=categorical keeps them.",
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", " 2", "?"], [1, 2, None]),
        (["1", "2.5", "-3e2"], [1.0, 2.5, -300.0]),
        (["1", "inf", "-Infinity"], [1.0, float("inf"), float("-inf")]),
        (["True", "false", "NA"], [True, False, None]),
        (["yes", "no", "yes"], ["yes", "no", "yes"]),
        (["01234", "12345", "00001"], ["01234", "12345", "00001"]),
        (["12345678901234567890", "1", "2"], ["12345678901234567890", "1", "2"]),
        ([" a", "a ", "b"], [" a", "a ", "b"]),
        (["2020-01-02", "2020-01-03T04:05:06", "2020-01-03 04:05"], None),
    ],
)
def test_text_is_read_as_what_it_holds(values: list[str], expected: list[object] | None) -> None:
    frame = load(x=cycle(*values)).frame
    if expected is None:
        expected = [datetime(2020, 1, 2), datetime(2020, 1, 3, 4, 5, 6), datetime(2020, 1, 3, 4, 5)]
    assert frame["x"].to_list()[:3] == expected


@pytest.mark.parametrize(
    "spelling",
    [
        "2014-10-13",
        "2014/10/13",
        "20141013T000000",
        "2014-10-13 00:00",
        "2014-10-13T00:00:00Z",
        "2014-10-13T02:00:00+0200",
        "2014-10-13T02:00:00+02:00",
        "2014-10-13T00:00:00.000",
    ],
)
def test_iso_moments(spelling: str) -> None:
    assert load(x=cycle(spelling, "2015-01-01")).frame["x"][0] == datetime(2014, 10, 13)


def test_a_few_values_that_are_no_dates_become_missing() -> None:
    dataset = load(x=["2020-01-01", "2020-01-02"] * 49 + ["soon", "2020-13-01"])
    assert dataset.columns[0].kind == "datetime"
    assert dataset.notes == (
        "2 values in column 'x' are no dates or times (such as '2020-13-01') and became missing; "
        "--kind x=categorical keeps them.",
    )
    assert load(x=["2020-01-01", "2020-01-02", "soon"] * 10).columns[0].kind == "categorical"


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([date(2020, 1, 2)], None, datetime(2020, 1, 2)),
        ([datetime(2020, 1, 2, 2, tzinfo=timezone(timedelta(hours=2)))], None, datetime(2020, 1, 2)),
        ([timedelta(minutes=1)], None, 60.0),
        ([time(0, 1)], None, 60.0),
        ([Decimal("1.5")], None, 1.5),
        ([3], pl.Int8, 3),
        ([2**63], pl.UInt64, str(2**63)),
        ([0.5], pl.Float32, 0.5),
        (["a"], pl.Categorical, "a"),
        (["a"], pl.Enum(["a"]), "a"),
        ([float("nan")], None, None),
    ],
)
def test_typed_columns_become_one_of_few_types(values: list[object], dtype: object, expected: object) -> None:
    dataset = load_dataset(pl.DataFrame([pl.Series("x", values * 30, dtype=dtype)]))
    assert dataset.frame["x"][0] == expected
    assert type(dataset.frame["x"][0]) is type(expected)


def test_columns_without_a_name_get_one() -> None:
    dataset = load_dataset(pl.DataFrame({"": cycle(1, 2), "column_1": cycle(1, 2), " a ": cycle(1, 2)}))
    assert dataset.frame.columns == ["column_1_", "column_1", " a "]
    assert dataset.notes == ("columns without a name are called column_1_",)


def test_pandas_frames() -> None:
    frame = pd.DataFrame(
        {
            "number": cycle(1.5, None, 2.5),
            "whole": pd.array(cycle(1, None), dtype="Int64"),
            "mixed": cycle(1, "a", None),
            "flag": cycle(True, None, False),
            "code": pd.Categorical(cycle(1, 2, None)),
            "when": pd.date_range("2020-01-01", periods=60, tz="Europe/Berlin"),
            "period": pd.period_range("2020-01-01", periods=60),
            7: cycle("a", "b"),
        },
        index=range(100, 160),
    )
    dataset = load_dataset(frame)
    assert dataset.name == "frame"
    assert {column.name: column.kind for column in dataset.columns} == {
        "number": "numeric",
        "whole": "numeric",
        "mixed": "categorical",
        "flag": "boolean",
        "code": "categorical",
        "when": "datetime",
        "period": "datetime",
        "7": "categorical",
    }
    assert dataset.frame["mixed"].to_list()[:3] == ["1", "a", None]
    assert dataset.frame["code"].to_list()[:3] == ["1", "2", None]
    assert dataset.frame["when"][0] == datetime(2019, 12, 31, 23)


def test_pandas_frame_with_one_name_twice() -> None:
    frame = pd.DataFrame(np.zeros((30, 3)), columns=["a", "b", "a"])
    with pytest.raises(DataError, match="column names must be unique, got 'a' more than once"):
        load_dataset(frame)


# Kinds


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        (cycle(0.5, 1.5), "x", "numeric"),
        (cycle(0, 1), "x", "numeric"),
        (cycle(True, False), "x", "boolean"),
        (cycle("a", "b"), "x", "categorical"),
        (cycle("a", None), "x", "categorical"),
        (cycle(None), "x", "constant"),
        (cycle(3.0), "id", "constant"),
        (list(range(60)), "x", "id"),
        (list(range(5, 65)), "x", "id"),
        (list(range(30)), "x", "numeric"),
        (list(range(30)), "id", "id"),
        (list(range(0, 120, 2)), "x", "numeric"),
        (list(range(0, 120, 2)), "PassengerId", "id"),
        (list(range(0, 120, 2)), "paid", "numeric"),
        (list(range(0, 120, 2)), "customer_id", "id"),
        ([float(value) for value in range(60)], "id", "numeric"),
        (cycle(1, 2), "id", "numeric"),
        ([f"u{value}" for value in range(60)], "x", "id"),
        ([f"u{value}" for value in range(30)], "x", "categorical"),
        ([f"u{value}" for value in range(30)], "uuid", "id"),
        ([f"Mr {value}" for value in range(60)], "x", "categorical"),
        ([f"this is review number {value}" for value in range(60)], "x", "text"),
        (cycle("yes", "No", None), "x", "boolean"),
        (cycle("t", "f"), "x", "boolean"),
        (cycle("on", "OFF "), "x", "boolean"),
        (cycle("true", "FALSE", "1", "0", "T"), "x", "boolean"),
        (cycle("yes", "off"), "x", "categorical"),
        (cycle("yes", "maybe", "no"), "x", "categorical"),
        (cycle("n", "no"), "x", "categorical"),
        (cycle("M", "F"), "x", "categorical"),
        (cycle("0", "1"), "x", "numeric"),
        (cycle(10_115, 80_331, 99_999), "zip", "categorical"),
        (cycle(10, 20, 30), "store_type", "categorical"),
        (cycle(10, 20, 30), "MSSubClass", "categorical"),
        (cycle(1, 2), "type", "numeric"),
        (cycle(1.5, 2.5, 3.5), "code", "numeric"),
        (cycle(10, 20, 30), "dose", "numeric"),
        (cycle(10, 20, 30), "encoded", "numeric"),
        (list(range(100, 150)) + list(range(100, 110)), "patient_nbr", "id"),
        ([f"p {value}" for value in [*range(50), *range(10)]], "patient_id", "id"),
        (cycle("one of very few sentences", "the other of the sentences"), "x", "categorical"),
    ],
)
def test_kinds(values: list[object], name: str, kind: str) -> None:
    assert kind_of(values, name) == kind


def test_what_was_stored_as_a_category_stays_one() -> None:
    dataset = load_dataset(pl.DataFrame([pl.Series("zip", [str(value) for value in range(60)], dtype=pl.Categorical)]))
    column = dataset.columns[0]
    assert (column.kind, column.dtype, column.n_unique) == ("categorical", "Categorical", 60)
    assert column.why == "stored as a category, with 60 levels"


@given(
    st.lists(st.none() | st.integers(-5, 5) | st.sampled_from([-(2**63), 2**63 - 1, 10**6]), min_size=20, max_size=60)
)
def test_distinct_whole_numbers_are_counted(values: list[int | None]) -> None:
    series = pl.Series("x", values, dtype=pl.Int64)
    assert infer_column(series).n_unique == len(set(series.drop_nulls()))


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"b"]])
def test_columns_that_no_model_can_use_are_skipped_with_a_note(values: list[object]) -> None:
    dataset = load(x=values * 15, y=[1.5, 2.5] * 15)
    assert dataset.columns[0].kind == "unsupported"
    assert "unsupported" not in USABLE
    assert dataset.schema().names == ("y",)
    (note,) = kind_notes(dataset.columns)
    assert note.startswith("column 'x' is skipped: values of type ")
    assert note.endswith(" cannot be used by a model; --drop x spares this.")


# What is asked for of columns

ASKED = pl.DataFrame(
    {
        "zip": cycle("10115", "80331"),
        "price": ["$5", "soon"] * 30,
        "seconds": [1_700_000_000 + value for value in range(60)],
        "day": cycle(20240105, 20231231),
        "sex": cycle("f", "m"),
        "smokes": cycle("yes", "no"),
        "list": [[1]] * 60,
        "y": cycle(1.5, 2.5, 3.5),
    }
)


@pytest.mark.parametrize(
    ("column", "kind", "dtype", "first"),
    [
        ("zip", "categorical", "Int64", "10115"),
        ("price", "numeric", "Int64", 5.0),
        ("seconds", "datetime", "Datetime(time_unit='us', time_zone=None)", datetime(2023, 11, 14, 22, 13, 20)),
        ("day", "datetime", "Datetime(time_unit='us', time_zone=None)", datetime(2024, 1, 5)),
        ("smokes", "categorical", "String", "yes"),
        ("sex", "text", "String", "f"),
    ],
)
def test_kinds_that_are_asked_for(column: str, kind: str, dtype: str, first: object) -> None:
    dataset = load_dataset(ASKED, kinds={column: kind})
    found = next(c for c in dataset.columns if c.name == column)
    assert (found.kind, found.dtype, found.why) == (kind, dtype, "as asked for")
    assert dataset.notes[0] == f"column {column!r} is {kind}, as asked for by --kind."
    schema = dataset.schema()
    assert schema.coerce(dataset.frame)[0][column][0] == first
    assert schema.coerce(ASKED)[0][column][0] == first  # as a table to predict on
    again = load_dataset(ASKED.head(20), like=dataset)
    assert again.frame.equals(dataset.frame.head(20))
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    ("column", "kind"), [("sex", "numeric"), ("sex", "boolean"), ("sex", "datetime"), ("list", "text")]
)
def test_kinds_that_the_values_do_not_fit(column: str, kind: str) -> None:
    with pytest.raises(
        DataError, match=f"--kind {column}={kind} must fit the values: column {column!r} must be {kind}"
    ):
        load_dataset(ASKED, kinds={column: kind})


def test_what_is_no_number_stays_where_categories_are_asked_for() -> None:
    frame = pl.DataFrame({"x": ["1"] * 57 + ["2", "n.b.", "-"], "y": cycle(1.5, 2.5)})
    assert load_dataset(frame).frame["x"].to_list()[-3:] == [2, None, None]
    assert load_dataset(frame, kinds={"x": "categorical"}).frame["x"].to_list()[-3:] == ["2", "n.b.", "-"]


def test_new_levels_among_codes_that_were_numbers() -> None:
    schema = load_dataset(pl.DataFrame({"zip": cycle("10115", "80331", "99999"), "y": cycle(1.5, 2.5)})).schema()
    coerced, notes = schema.coerce(pl.DataFrame({"zip": [" 10115", "B-1000", "?"], "y": [1.5] * 3}))
    assert coerced["zip"].to_list() == ["10115", "B-1000", None]
    assert notes == ()


def test_columns_are_dropped() -> None:
    dataset = load_dataset(ASKED, drop=["zip", "list"])
    assert dataset.frame.columns == ["price", "seconds", "day", "sex", "smokes", "y"]
    assert dataset.dropped == ("zip", "list")
    assert dataset.notes[0] == "columns 'zip', 'list' are left out, as asked for by --drop."
    assert load_dataset(ASKED.drop("zip"), like=dataset).frame.width == 7


@pytest.mark.parametrize(("flag", "asked"), [("--drop", {"drop": ["zipp"]}), ("--kind", {"kinds": {"zipp": "text"}})])
def test_columns_that_are_not_there(flag: str, asked: dict[str, object]) -> None:
    message = rf"{flag} must name a column, got 'zipp'\. Did you mean 'zip'\? The columns are: zip, price, "
    with pytest.raises(RequestError, match=message):
        load_dataset(ASKED, **asked)


def test_other_rows_are_read_as_those_that_were_learned_from() -> None:
    learned = load_dataset(pl.DataFrame({"when": ["13/04/2024", "03/04/2024"] * 30, "code": cycle("01", "12", "7")}))
    other = load_dataset(pl.DataFrame({"when": ["03/04/2024"] * 20, "code": ["12"] * 20}), like=learned)
    assert other.frame["when"][0] == datetime(2024, 4, 3)
    assert other.frame["code"][0] == "12"
    row = pl.DataFrame({"when": ["03/04/2024"], "code": ["12"]})
    assert learned.schema().coerce(row)[0].row(0) == (datetime(2024, 4, 3), "12")


def test_schema_leaves_out_what_models_cannot_use() -> None:
    dataset = load(row=list(range(60)), x=cycle(1.5, 2.5), same=cycle("a"), y=cycle("a", "b"))
    assert dataset.schema(leave_out=["y"]).names == ("x",)


# Fingerprints


def test_fingerprint_is_the_same_everywhere() -> None:
    frame = "pl.DataFrame({'a': [1, None, 3] * 10, 'b': [0.5, -0.25, None] * 10, 'c': ['x', None, 'é'] * 10})"
    program = f"import polars as pl; from bench.dataset import load_dataset; print(load_dataset({frame}).fingerprint)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    frame = pl.DataFrame({"a": [1, None, 3] * 10, "b": [0.5, -0.25, None] * 10, "c": ["x", None, "é"] * 10})
    assert load_dataset(frame).fingerprint == done.stdout.strip() == "d81ebb0f596f2b9d"


BASE = {"a": [1, None, 3] * 10, "b": ["x", "yz", None] * 10}


@pytest.mark.parametrize(
    "other",
    [
        {"a": [1, 0, 3] * 10, "b": BASE["b"]},
        {"a": [3, None, 1] * 10, "b": BASE["b"]},
        {"a": [1.0, None, 3.0] * 10, "b": BASE["b"]},
        {"a": BASE["a"], "b": ["xy", "z", None] * 10},
        {"a": BASE["a"], "c": BASE["b"]},
        {"b": BASE["b"], "a": BASE["a"]},
        {"a": BASE["a"] + BASE["a"], "b": BASE["b"] + BASE["b"]},
    ],
)
def test_fingerprint_sees_values_types_names_and_order(other: dict[str, list[object]]) -> None:
    assert load(**BASE).fingerprint != load(**other).fingerprint


def test_fingerprint_ignores_chunks_and_widths() -> None:
    frame = pl.DataFrame({"a": list(range(40)), "b": [0.5, 1.5] * 20})
    other = pl.concat([frame[:7], frame[7:]], rechunk=False).with_columns(pl.col("a").cast(pl.Int16))
    assert load_dataset(frame).fingerprint == load_dataset(other).fingerprint


# Schemas

TRAIN = pl.DataFrame(
    {
        "number": cycle(0.5, 1.5, None),
        "flag": cycle(True, False),
        "colour": cycle("1", "2", "red"),
        "when": cycle(datetime(2020, 1, 1), datetime(2020, 1, 2)),
        "review": [f"this is review number {value}" for value in range(60)],
    }
)
SCHEMA = load_dataset(TRAIN).schema()
ROW = {"number": 0.5, "flag": True, "colour": "red", "when": datetime(2020, 1, 1), "review": "good"}


def coerced(**changes: object) -> tuple[dict[str, object], tuple[str, ...]]:
    frame, notes = SCHEMA.coerce(pl.DataFrame([{**ROW, **changes}]))
    return frame.row(0, named=True), notes


def test_coerce_gives_one_type_a_kind() -> None:
    frame, notes = SCHEMA.coerce(TRAIN)
    assert frame.dtypes == [pl.Float64, pl.Boolean, pl.String, pl.Datetime("us"), pl.String]
    assert notes == ()


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("number", " 2.5 ", 2.5),
        ("number", 3, 3.0),
        ("number", True, 1.0),
        ("number", "NA", None),
        ("number", "None", None),
        ("number", float("nan"), None),
        ("number", None, None),
        ("flag", "yes", True),
        ("flag", "No", False),
        ("flag", 0, False),
        ("flag", 1.0, True),
        ("flag", "True", True),
        ("flag", "?", None),
        ("colour", 1, "1"),
        ("colour", 2.0, "2"),
        ("colour", 2.5, "2.5"),
        ("colour", "never seen", "never seen"),
        ("colour", "None", "None"),
        ("colour", "?", None),
        ("when", "2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5)),
        ("when", date(2020, 1, 2), datetime(2020, 1, 2)),
        ("when", "-", None),
        ("review", 5, "5"),
    ],
)
def test_coerce_reads_values_as_the_kind(column: str, given: object, expected: object) -> None:
    row, notes = coerced(**{column: given})
    assert row[column] == expected
    assert notes == ()


@pytest.mark.parametrize(
    ("column", "given", "message"),
    [
        ("number", "tall", "column 'number' must be numeric, got values like 'tall'"),
        ("number", datetime(2020, 1, 1), "column 'number' must be numeric"),
        ("flag", "perhaps", "column 'flag' must be boolean, got values like 'perhaps'"),
        ("flag", 2, "column 'flag' must be boolean, got values like 2"),
        ("when", "soon", "column 'when' must be datetime, got values like 'soon'"),
        ("when", 5, "column 'when' must be datetime, got values like 5"),
        ("colour", ["red"], "column 'colour' must be categorical"),
    ],
)
def test_coerce_refuses_columns_of_another_kind(column: str, given: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        coerced(**{column: given})


def test_coerce_notes_what_it_changed() -> None:
    frame = pl.DataFrame([ROW, ROW, ROW]).with_columns(
        number=pl.Series([1.0, float("inf"), float("-inf")]), flag=pl.Series(["yes", "often", "no"]), more=pl.lit(1)
    )
    result, notes = SCHEMA.coerce(frame.select(reversed(frame.columns)))
    assert result.columns == list(SCHEMA.names)
    assert result["number"].to_list() == [1.0, None, None]
    assert result["flag"].to_list() == [True, None, False]
    assert notes == (
        "columns 'more' are not used and were left out",
        "column 'number': 2 infinite values became missing",
        "column 'flag': 1 values that are not boolean (such as 'often') became missing",
    )


def test_numbers_beyond_float32_are_told() -> None:
    frame, notes = SCHEMA.coerce(pl.DataFrame([{**ROW, "number": -1e300}]))
    assert frame["number"][0] == -1e300
    assert notes == ("column 'number': numbers up to 1.0e+300 are cut to 3.4e+38 for models",)


def test_coerce_names_all_missing_columns() -> None:
    with pytest.raises(
        DataError, match="columns 'flag', 'when' must be there; the table has 'number', 'colour', 'review'"
    ):
        SCHEMA.coerce(TRAIN.drop("flag", "when"))


def test_coerce_takes_empty_tables_and_missing_values() -> None:
    assert SCHEMA.coerce(TRAIN.clear())[0].shape == (0, 5)
    nothing = pl.DataFrame({name: [None, None] for name in SCHEMA.names})
    assert SCHEMA.coerce(nothing)[0].null_count().row(0) == (2,) * 5


def test_schema_survives_json() -> None:
    assert Schema.from_dict(json.loads(json.dumps(SCHEMA.to_dict()))) == SCHEMA


@pytest.mark.parametrize("content", [{}, {"columns": [{"name": "x"}]}, {"columns": 3}])
def test_schema_from_something_else(content: dict[str, object]) -> None:
    with pytest.raises(DataError, match="a schema must hold columns as bench writes them"):
        Schema.from_dict(content)


def test_schema_of_a_column_that_is_no_feature() -> None:
    column = Column(name="x", kind="id", dtype="Int64", why="", n_missing=0, n_unique=3)
    with pytest.raises(DataError, match="column 'x' is id and cannot be a feature"):
        Schema(columns=(column,)).coerce(pl.DataFrame({"x": [1, 2, 3]}))


VALUES = st.one_of(
    st.none(),
    st.sampled_from(["", "?", "NA", "None", "-", "inf", "true", "1", "2.5", "2020-01-01", "a b", " x"]),
    st.text(max_size=5),
    st.floats().map(str),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=20, max_size=40), st.lists(VALUES, min_size=20, max_size=40))
def test_loading_then_coercing_is_settled(first: list[str | None], second: list[str | None]) -> None:
    size = min(len(first), len(second))
    raw = pl.DataFrame({"a": pl.Series(first[:size], dtype=pl.String), "b": pl.Series(second[:size], dtype=pl.String)})
    dataset = load_dataset(raw)
    again = load_dataset(dataset.frame)
    assert_frame_equal(dataset.frame, again.frame)
    assert dataset.fingerprint == again.fingerprint
    once, _ = dataset.schema().coerce(dataset.frame)
    twice, _ = dataset.schema().coerce(once)
    from_raw, _ = dataset.schema().coerce(raw)
    assert_frame_equal(once, twice)
    assert_frame_equal(once, from_raw)
