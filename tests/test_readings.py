"""How text is read: numbers in their dresses, dates in every order, clocks and durations."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from bench.readings import find_reading, read_as, read_wanted


def found(*values: str | None, rows: int = 60):
    """What a column that holds these values in turn is read as: its reading, and the first values."""
    series = pl.Series("x", [values[index % len(values)] for index in range(rows)], dtype=pl.String)
    read, reading = find_reading(series)
    return reading.name, read.to_list()[: len(values)]


@pytest.mark.parametrize(
    ("values", "reading", "expected"),
    [
        (["1", " 2", "+3"], "number", [1, 2, 3]),
        (["1", "2.5", "1e3"], "number", [1.0, 2.5, 1000.0]),
        (["1,234", "999", "-1,000,000"], "number: point", [1234, 999, -1_000_000]),
        (["$5", "$1,234.50", "-$3", "$ 4"], "number: point $", [5.0, 1234.5, -3.0, 4.0]),
        (["5 €", "12 €", "\u22123 €"], "number: point €", [5, 12, -3]),
        (["5 EUR", "12,5 EUR"], "number: comma EUR", [5.0, 12.5]),
        (["5 %", "12.5%"], "number: point %", [5.0, 12.5]),
        (["5 %", "0", "7 %"], "number: point %", [5, 0, 7]),
        (["1.234,5", "0,25", "1.000"], "number: comma", [1234.5, 0.25, 1000.0]),
        (["0,25", "3.14159", "1.5"], "number", [None, 3.14159, 1.5]),
        (["1 234,5", "1\u00a0000"], "number: comma", [1234.5, 1000.0]),
        (["1'234.50", "20"], "number: point", [1234.5, 20.0]),
        (["(1,234)", "5", "($3)"], "number: point $", [-1234, 5, -3]),
        (["12:30", "0:05"], "clock", [45_000.0, 300.0]),
        (["75:30:15.5", "0:00:01"], "clock", [271_815.5, 1.0]),
        (["1:05 pm", "12:00 AM"], "clock", [47_100.0, 0.0]),
        (["P1DT2H", "PT1.5S", "P2W", "-PT1M"], "span", [93_600.0, 1.5, 1_209_600.0, -60.0]),
        (["1 days 02:03:04", "0 days 00:00:00.5"], "span", [93_784.0, 0.5]),
        (["2h 30m", "45m"], "span", [9_000.0, 2_700.0]),
        (["90 minutes", "1 hour", "2 days"], "span", [5_400.0, 3_600.0, 172_800.0]),
        (["True", "false"], "boolean", [True, False]),
    ],
)
def test_text_is_read_as_what_it_means(values: list[str], reading: str, expected: list[object]) -> None:
    if None in expected:  # one value of three is too many to lose, and is what only the reading itself can tell
        assert read_as(pl.Series(values), reading).to_list() == expected
    else:
        assert found(*values) == (reading, expected)


@pytest.mark.parametrize(
    "values",
    [
        ["$5", "€5"],  # two currencies are two units
        ["5 %", "0.05"],  # a share and a percentage cannot be told apart
        ["(1)", "(2)"],  # an enumeration
        ["007", "$12"],
        ["01234", "12345"],
        ["1", "0", "00"],
        ["1", "\u00a007"],
        ["1", " 007 "],
        ["12345678901234567890", "1"],
        ["12345678901234567890", "98765432109876543210"],
        ["1,2", "1;2"],
        ["192.168.1.1", "10.0.0.254"],
        ["5m", "10m"],  # metres, minutes, millions
        ["1-2", "3-4"],
        ["10/49", "50-99"],
        ["5", "x"],
        ["yes", "no"],
        ["1.2.3", "1.2.4"],
        [None, ""],
    ],
)
def test_what_is_doubtful_stays_text(values: list[str | None]) -> None:
    name, read = found(*values)
    assert name == ""
    assert read == [value or None for value in values]


DAY = datetime(2024, 1, 5)


@pytest.mark.parametrize(
    ("value", "reading", "expected"),
    [
        ("2024-1-5", "moment: iso", DAY),
        ("2024.01.05", "moment: iso", DAY),
        ("2024-01", "moment: iso", datetime(2024, 1, 1)),
        ("2024-01-05 12:00 AM", "moment: iso", DAY),
        ("2024-01-05T01:00:00.25+01", "moment: iso", DAY + timedelta(milliseconds=250)),
        ("2024-01-05 00:00:00 UTC", "moment: iso", DAY),
        ("2024-01-05 05:30:00 +0530", "moment: iso", DAY),
        ("9999-12-31", "moment: iso", datetime(9999, 12, 31)),
        ("0001-01-01", "moment: iso", datetime(1, 1, 1)),
        ("5.1.2024", "moment: day first", DAY),
        ("05/01/2024 13:05", "moment: day first", DAY.replace(hour=13, minute=5)),
        ("05-01-24", "moment: day first", DAY),
        ("1/5/24 1:05 PM", "moment: month first", DAY.replace(hour=13, minute=5)),
        ("1/5/99", "moment: month first", datetime(1999, 1, 5)),
        ("Jan 5, 2024", "moment: named month", DAY),
        ("January 5th 2024", "moment: named month", DAY),
        ("5-JAN-24", "moment: named month", DAY),
        ("Fri, 05 Jan 2024 10:00:00 GMT", "moment: named month", DAY.replace(hour=10)),
        ("5 Sept. 2024", "moment: named month", datetime(2024, 9, 5)),
    ],
)
def test_dates(value: str, reading: str, expected: datetime) -> None:
    assert read_as(pl.Series([value]), reading).to_list() == [expected]
    other = {"moment: day first": "31/12/2000", "moment: month first": "12/31/2000"}.get(reading, value)
    assert found(value, other)[0] == reading


@pytest.mark.parametrize("value", ["2024-02-30", "0000-01-01", "13/13/2024", "2024-01-05 25:00", "Foo 5, 2024"])
@pytest.mark.parametrize("reading", ["moment: iso", "moment: day first", "moment: named month"])
def test_days_that_are_none(value: str, reading: str) -> None:
    assert read_as(pl.Series([value]), reading).to_list() == [None]


@pytest.mark.parametrize(
    ("values", "reading", "proven"),
    [
        (["03/04/2024", "13/04/2024"], "moment: day first", True),
        (["03/04/2024", "04/13/2024"], "moment: month first", True),
        (["03/04/2024", "05/04/2024"], "moment: month first", False),
        (["", "03.04.2024", "05.04.2024"], "moment: day first", True),
        (["03.04.2024", "05.04.2024"], "moment: day first", True),
    ],
)
def test_the_order_of_day_and_month_is_told_by_the_values(values: list[str], reading: str, proven: bool) -> None:
    _, read = find_reading(pl.Series("x", values * 30))
    assert (read.name, read.proven) == (reading, proven)


def test_few_values_that_cannot_be_read_become_missing() -> None:
    values = ["$5"] * 95 + ["n.b.", "?", "-", "call us", "", "see note"]
    read, reading = find_reading(pl.Series("x", values))
    assert reading.lost == {"n.b.": 1, "call us": 1, "see note": 1}
    assert reading.stated == {"-": 1}
    assert reading.spelled == {"?": 1}
    assert read.null_count() == 6


@pytest.mark.parametrize(
    "others",
    [["x"] * 7, [f"V{index % 8}" for index in range(40)] + ["250.8"] * 900],
    ids=["too many", "levels of their own"],
)
def test_other_values_keep_a_column_text(others: list[str]) -> None:
    assert find_reading(pl.Series("x", ["5"] * 100 + others))[1].name == ""


def test_a_sample_sees_what_comes_late() -> None:
    series = pl.Series("x", ["?"] * 5000 + ["$5"] * 5000)
    assert find_reading(series)[1].name == "number: point $"


@pytest.mark.parametrize(
    ("values", "kind", "reading"),
    [
        (["3 kg", "4"], "numeric", "number"),
        (["$3", "x", "y"], "numeric", "number: point $"),
        (["soon", "2024-01-05"], "datetime", "moment: iso"),
        (["soon", "5/13/2024"], "datetime", "moment: month first"),
        (["1", "2"], "categorical", "number"),
        (["$1", "$2"], "categorical", ""),
        (["true", "false"], "categorical", ""),
        (["true", "false"], "boolean", "boolean"),
        (["2024-01-05"], "text", ""),
    ],
)
def test_what_is_asked_for_needs_no_majority(values: list[str], kind: str, reading: str) -> None:
    assert read_wanted(pl.Series("x", values * 30), kind)[1].name == reading


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["1", "2.5", " 3", "1,234", "$5", "5 %", "-", "?", "", "x", "2024-01-05", "1/2/2024", "12:30"]),
        st.integers().map(str),
        st.floats().map(str),
        st.dates().map(str),
        st.text(max_size=6),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(TEXTS)
def test_a_value_is_read_alike_whatever_stands_beside_it(values: list[str]) -> None:
    series = pl.Series("x", values, dtype=pl.String)
    read, reading = find_reading(series)
    if reading.name:
        alone = pl.concat(
            [read_as(series[index : index + 1], reading.name).cast(read.dtype) for index in range(len(values))]
        )
        assert_series_equal(alone, read, check_names=False)
