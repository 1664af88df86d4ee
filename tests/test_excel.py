"""Workbooks: the sheet that is read, its types, and what is wrong with it."""

import sys
from datetime import datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from bench.dataset import load_dataset
from bench.errors import DataError, RequestError
from bench.sources import plain
from bench.sources.base import ReadOptions


def book(path: Path, **sheets: list[list[object]]) -> Path:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


HEADER = ["whole", "number", "text", None, 2020, "day", "mixed", "flag", "error"]
ROWS = [
    [n, n + 0.5, f"t{n}", None, 3, datetime(2020, 1, 1 + n % 28), n if n != 20 else "t", n % 2 == 0, n or "#N/A"]
    for n in range(30)
]


def test_a_sheet_with_types(tmp_path: Path) -> None:
    dataset = load_dataset(book(tmp_path / "book.xlsx", one=[HEADER, *ROWS]))
    frame = dataset.frame
    assert frame.columns == ["whole", "number", "text", "column_4", "2020", "day", "mixed", "flag", "error"]
    types = [pl.Int64, pl.Float64, pl.String, pl.String, pl.Int64, pl.Datetime("us"), pl.Int64, pl.Boolean, pl.Int64]
    assert frame.dtypes == types
    assert frame["mixed"].to_list()[19:21] == [19, None]
    assert frame["error"].null_count() == 1
    assert dataset.notes == (
        "columns without a name are called column_4",
        "1 value in column 'mixed' is no number (such as 't') and became missing; --kind mixed=categorical keeps them.",
    )


def test_the_first_sheet_is_read_and_said(tmp_path: Path) -> None:
    path = book(tmp_path / "book.xlsx", one=[["a", "b"], *[[n, n] for n in range(30)]], two=[["c"], [1]] * 20)
    dataset = load_dataset(path)
    assert dataset.frame.columns == ["a", "b"]
    assert dataset.notes == (f"sheet 'one' is read, the first; there are 'two' ('{path}#two' reads another)",)
    other = load_dataset(f"{path}#two")
    assert other.frame.columns == ["c"]
    assert (other.name, other.notes) == ("book", ())
    with pytest.raises(DataError, match=r"has no sheet 'tow'; it has 'one', 'two'\. Did you mean 'two'\?"):
        load_dataset(f"{path}#tow")


def test_blank_rows_above_and_between(tmp_path: Path) -> None:
    part = [[None, n, "x"] for n in range(15)]
    rows = [[None], [None], [None, "a", "b"], *part, [None], *part]
    dataset = load_dataset(book(tmp_path / "book.xlsx", one=rows))
    assert dataset.frame["a"].to_list() == [*range(15)] * 2
    assert dataset.notes == (
        "columns without a name are called column_1",
        "1 blank rows are left out",
    ) or dataset.notes == ("1 blank rows are left out",)


def test_missing_spellings_and_misleading_names(tmp_path: Path) -> None:
    path = book(tmp_path / "book.csv", one=[["a", "b"], *[[n if n % 2 else -9, n] for n in range(30)]])
    dataset = load_dataset(path, options=ReadOptions(null=("-9",)))
    assert dataset.columns[0].n_missing == 15
    assert "holds a workbook (xlsx), whatever its name says" in dataset.notes[0]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ([], "holds no rows in sheet 'one'"),
        ([[None, " "]], "holds a header and no rows in sheet 'one'|holds no rows"),
        ([["a", "b"]], "holds a header and no rows in sheet 'one'"),
        ([["a", "a"], [1, 2]], "column names must be unique, got 'a'"),
        ([["a", "b"], [1, 2]], "at least 20 rows are needed, got 1"),
    ],
)
def test_sheets_that_hold_no_table(tmp_path: Path, sheet: list[list[object]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(book(tmp_path / "book.xlsx", one=sheet))


def test_damaged_and_inflated_workbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "book.xlsx", one=[["a"], [1]])
    monkeypatch.setattr(plain, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match=r"must unpack to at most .* GiB\. Save it as csv"):
        load_dataset(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="damaged or cut short"):
        load_dataset(path)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "book.xlsx", one=[["a"], [1]])
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(RequestError, match=r"needs fastexcel: pip install 'automl-bench\[excel\]'\. Or save it as csv"):
        load_dataset(path)
