"""What rows are divided by: flags, then splits that came with the data, then the card."""

import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from bench.dataset import Dataset, load_dataset
from bench.division import read_division
from bench.errors import DataError, RequestError
from bench.sources.base import GivenSplits

N = 40
FRAME = pl.DataFrame(
    {
        "x": np.arange(N) * 0.5,
        "who": [f"unit {i % 7}" for i in range(N)],
        "when": [date(2024, 1, 1) + timedelta(days=i) for i in range(N)],
        "fold": np.arange(N) % 4,
        "y": ["no", "yes"] * (N // 2),
    }
)
OFFICIAL = GivenSplits(
    roles=np.ones((2, N), dtype=np.int8), repeats=np.zeros(2, dtype=np.int64), origin="OpenML task 7"
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(FRAME)


def divide(dataset: Dataset, **asked):
    return read_division(dataset, "y", **{"group": None, "time": None, "gap": None, "splits": None} | asked)


def test_nothing_divides_rows_unless_asked(dataset):
    division = divide(dataset)
    assert (division.columns, division.given, division.notes) == ((), None, ())
    assert division.groups(dataset.frame, np.arange(N)) is None
    assert division.moments(dataset.frame, np.arange(N)) is None


def test_group_and_time_go_together(dataset):
    division = divide(dataset, group="who", time="when", gap=2)
    assert division.columns == ("who", "when")
    rows = np.arange(10, 20)
    assert len(set(division.groups(dataset.frame, rows))) == 7
    moments = division.moments(dataset.frame, rows)
    distance, told = division.distance(dataset.frame)
    assert (moments[2] - moments[0], told) == (distance, "2 days")


def test_the_gap_of_numbers_is_in_their_own_unit(dataset):
    division = divide(dataset, time="x", gap=2.5)
    assert division.distance(dataset.frame) == (2.5, "2.5")
    assert division.moments(dataset.frame, np.array([3])).tolist() == [1.5]


def test_a_column_of_splits_is_no_feature(dataset):
    division = divide(dataset, splits="fold")
    assert division.columns == ("fold",)
    assert len(division.given.roles) == 4
    assert division.notes == ("column 'fold' says how rows are divided; it is not used as a feature.",)


def test_the_splits_of_a_source_are_used_unless_a_flag_says_otherwise(dataset):
    official = replace(dataset, splits=OFFICIAL, group="who")
    assert divide(official).given is OFFICIAL
    assert divide(official).notes == (
        "rows are divided as OpenML task 7 says; --folds, --group, --time or --splits overrule this.",
    )
    division = divide(official, time="when")
    assert (division.given, division.group, division.time) == (None, None, "when")
    assert division.notes[1:] == (
        "the splits of OpenML task 7 are set aside, as --time is given.",
        "--group who, which the card asks for, is set aside, as --time is given.",
    )


def test_a_card_may_ask_for_both(dataset):
    division = divide(replace(dataset, group="who", time="when"), gap=1)
    assert (division.group, division.time, division.gap) == ("who", "when", 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gap": 1}, "--gap is a distance in time, so it needs --time COLUMN"),
        ({"gap": 1, "group": "who"}, "--gap is a distance in time, so it needs --time COLUMN"),
        ({"group": "whom"}, "--group must name a column, got 'whom'. Did you mean 'who'?"),
        ({"time": "whenn"}, "--time must name a column, got 'whenn'. Did you mean 'when'?"),
        ({"group": "y"}, "--group must name another column than the target, got 'y' for both"),
        ({"splits": "y"}, "--splits must name another column than the target, got 'y' for both"),
    ],
)
def test_names_that_do_not_fit(dataset, asked, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        divide(dataset, **asked)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (FRAME["who"], "--time must name a column of numbers or dates, but 'at' holds text: 'unit 0'"),
        (FRAME["x"].set(FRAME["x"] == 1, None), "--time column 'at' must be known in every row, but 1 rows lack it"),
        (FRAME["x"].set(FRAME["x"] == 1, float("inf")), "--time column 'at' must be finite in every row"),
    ],
)
def test_columns_that_order_nothing(column, message):
    dataset = load_dataset(FRAME.with_columns(at=column))
    with pytest.raises(DataError, match=re.escape(message)):
        divide(dataset, time="at").moments(dataset.frame, np.arange(N))


def test_splits_of_other_rows_are_refused(dataset):
    other = replace(OFFICIAL, roles=np.ones((2, N + 1), dtype=np.int8))
    with pytest.raises(DataError, match=r"splits of OpenML task 7 must cover the table's 40 rows, got 41"):
        divide(replace(dataset, splits=other))
