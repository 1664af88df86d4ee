"""Splits in a column or a file."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench.errors import DataError, RequestError
from bench.given_splits import from_names, narrowed, read_given
from bench.sources.base import GivenSplits
from bench.split import Fold, Splits, save_splits

FRAME = pl.DataFrame({"x": [1, 2, 3, 4, 5, 6], "fold": [1, 1, 2, 2, -1, -1]})


def test_a_column_numbers_folds() -> None:
    given = read_given(FRAME, "fold")
    assert given.origin == "column 'fold'"
    assert given.roles.tolist() == [[2, 2, 1, 1, 1, 1], [1, 1, 2, 2, 1, 1]]
    assert given.test is not None
    assert not given.test.any()


@pytest.mark.parametrize(
    ("names", "roles", "test"),
    [
        (["Train", "train", " VALID", "test"], [[1, 1, 2, 0]], [0, 0, 0, 1]),
        (["training", "train", "dev", "val"], [[1, 1, 2, 2]], [0, 0, 0, 0]),
        (["train", "train", "test", "Testing"], [], [0, 0, 1, 1]),
        (["0", "1", "test", "1"], [[2, 1, 0, 1], [1, 2, 0, 2]], [0, 0, 1, 0]),
        ([0.0, 1.0, 1.0, -1.0], [[2, 1, 1, 1], [1, 2, 2, 1]], [0, 0, 0, 0]),
    ],
)
def test_names_of_parts(names: list, roles: list, test: list) -> None:
    given = from_names(pl.Series(names), "column 'part'")
    assert given.roles.tolist() == roles
    assert given.roles.dtype == np.int8
    assert given.test is not None
    assert given.test.tolist() == test


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", None, "b"], "must be known in every row, but 1 rows lack it. Give these rows a part"),
        ([True, False, True], "got true and false, which may mean either. Write train and test instead"),
        (["train", "train"], "must hold rows to learn from (train) and others (valid, test), got only 'train'"),
        (["valid", "test"], "must hold rows to learn from (train) and others (valid, test), got only 'test', 'valid'"),
        (["a", "a", "test"], "must hold from 2 to 100 folds, got 1: 'a'"),
        ([f"{i}" for i in range(101)], "must hold from 2 to 100 folds, got 101: '0', '1', '10', '100', '11', ..."),
    ],
)
def test_names_that_make_no_splits(names: list, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        from_names(pl.Series(names), "column 'part'")


def test_a_file_with_a_line_for_each_row(tmp_path: Path) -> None:
    FRAME.select("fold").write_csv(tmp_path / "folds.csv")
    FRAME.select(Fold=pl.col("fold")).write_parquet(tmp_path / "folds.parquet")
    for name in ("folds.csv", "folds.parquet"):
        given = read_given(FRAME, str(tmp_path / name))
        assert given.origin == f"file {str(tmp_path / name)!r}"
        assert given.roles.tolist() == read_given(FRAME, "fold").roles.tolist()


LINES = pl.DataFrame(
    {
        "row": [0, 1, 2, 3, 0, 1, 2, 3],
        "fold": [0, 0, 0, 0, 1, 1, 1, 1],
        "role": ["test", "test", "train", "train", "train", "train", "test", "TEST"],
    }
)


def told_by(tmp_path: Path, lines: pl.DataFrame) -> GivenSplits:
    lines.write_csv(tmp_path / "lines.csv")
    return read_given(FRAME, str(tmp_path / "lines.csv"))


def test_a_file_with_roles(tmp_path: Path) -> None:
    given = told_by(tmp_path, LINES)
    assert given.roles.tolist() == [[2, 2, 1, 1, 0, 0], [1, 1, 2, 2, 0, 0]]
    assert given.test is None
    assert narrowed(given, np.array([0, 2])).roles.tolist() == [[2, 1], [1, 2]]


def test_roles_by_the_names_of_openml(tmp_path: Path) -> None:
    lines = LINES.rename({"row": "rowid", "role": "type"}).with_columns(repeat=pl.lit(1))
    again = told_by(tmp_path, pl.concat([lines.with_columns(repeat=pl.lit(0)), lines]))
    assert again.repeats.tolist() == [0, 0, 1, 1]
    assert len(again.roles) == 4


def test_tests_beside_valid_rows_are_sealed(tmp_path: Path) -> None:
    lines = pl.DataFrame({"row": [0, 1, 2, 3], "role": ["train", "valid", "train", "test"]})
    given = told_by(tmp_path, lines)
    assert given.roles.tolist() == [[1, 2, 1, 0, 0, 0]]
    assert given.test is not None
    assert given.test.tolist() == [False, False, False, True, False, False]


def test_a_test_set_that_differs_by_fold_is_refused(tmp_path: Path) -> None:
    """As that of nested cross-validation: what one fold seals others would learn from."""
    roles = ["train", "valid", "test", "train", "test", "valid"]
    lines = pl.DataFrame({"row": [0, 1, 2] * 2, "fold": [0, 0, 0, 1, 1, 1], "role": roles})
    with pytest.raises(DataError, match="must seal its test rows from all folds, but 2 of them are learned from"):
        told_by(tmp_path, lines)


def test_a_lone_fold_of_a_source_is_a_sealed_test(tmp_path: Path) -> None:
    given = told_by(tmp_path, LINES[:4])
    rows = narrowed(given, np.arange(4))
    assert rows.roles.shape == (0, 4)
    assert rows.test is not None
    assert rows.test.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES.with_columns(row=pl.col("row") + 3), "must hold row numbers from 0 to 5 in its column of rows"),
        (LINES.with_columns(row=pl.col("row") + 0.5), "must hold row numbers from 0 to 5 in its column of rows"),
        (LINES.with_columns(role=pl.lit("fit")), "must hold train, valid or test as roles, got 'fit'"),
        (pl.concat([LINES, LINES[:1]]), "must hold each row once a fold, got rows twice"),
        (LINES.select("row"), "must hold a column 'fold', or columns 'row', 'fold' and 'role', got 'row'"),
        (
            LINES.select("fold"),
            "must hold a line for each row of the table, in the same order; it has 8 and the table 6",
        ),
    ],
)
def test_files_that_hold_no_splits(tmp_path: Path, lines: pl.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        told_by(tmp_path, lines)


def saved(path: Path, rows: list[int]) -> str:
    fold = Fold(train=np.array([0, 1]), valid=np.array([2]))
    splits = Splits(strategy="stratified", test=np.array([3]), folds=(fold,), fingerprint="", rows=np.array(rows))
    save_splits(splits, path)
    return str(path)


def test_splits_of_another_run_are_of_the_tables_rows(tmp_path: Path) -> None:
    given = read_given(FRAME, saved(tmp_path / "splits.npz", [5, 0, 2, 4]))
    assert given.roles.tolist() == [[1, 0, 2, 0, 0, 1]]
    assert given.test is not None
    assert np.flatnonzero(given.test).tolist() == [4]


def test_the_test_file_of_another_run_is_left_aside(tmp_path: Path) -> None:
    given = read_given(FRAME, saved(tmp_path / "splits.npz", [5, 0, 2, -1]))
    assert given.test is not None
    assert not given.test.any()


def test_splits_of_another_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it tells of row 7 and the table has 6. Bring the splits of this table"):
        read_given(FRAME, saved(tmp_path / "splits.npz", [7, 0, 2, 4]))
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"must be a splits\.npz that bench wrote"):
        read_given(FRAME, str(tmp_path / "other.npz"))
    np.savez(tmp_path / "empty.npz", test=[1])
    with pytest.raises(DataError, match=r"must be a splits\.npz that bench wrote, but .*roles"):
        read_given(FRAME, str(tmp_path / "empty.npz"))


def test_neither_column_nor_file() -> None:
    with pytest.raises(RequestError, match=r"must name a column or a file .*, got 'fodl'. Did you mean 'fold'"):
        read_given(FRAME, "fodl")
    with pytest.raises(DataError, match=r"'absent\.csv' is not there"):
        read_given(FRAME, "absent.csv")
