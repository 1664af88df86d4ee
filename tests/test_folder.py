"""Folders, partitions and patterns: several files as one table."""

from pathlib import Path

import polars as pl
import pytest

from bench.dataset import load_dataset
from bench.errors import DataError
from bench.sources.file import read_file

PART = pl.DataFrame({"a": range(15), "b": ["x", "y", "z"] * 5})


def write(place: Path, **frames: pl.DataFrame) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_csv(place / f"{name}.csv")


def test_files_of_a_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "data", part_2=PART.select("b", "a"), part_1=PART.with_columns(pl.col("a") + 100))
    write(tmp_path / "data" / "more", **{"part.0": PART})
    write(tmp_path / "data" / "_temporary", torn=PART.head(1).drop("a"))
    (tmp_path / "data" / "_SUCCESS").touch()
    (tmp_path / "data" / "README.md").write_text("about")
    dataset = load_dataset(tmp_path / "data")
    assert dataset.name == "data"
    assert dataset.frame["a"].to_list() == [*range(15), *range(100, 115), *range(15)]
    assert dataset.frame.columns == ["a", "b"]
    assert dataset.notes == (
        f"2 files in '{tmp_path}/data' that are no tables are left out",
        f"3 files are read as one table, by name: '{tmp_path}/data/more/part.0.csv', "
        f"'{tmp_path}/data/part_1.csv', '{tmp_path}/data/part_2.csv'",
    )


def test_partitions_become_columns(tmp_path: Path) -> None:
    for year, place in [(2023, "north west"), (2024, "__HIVE_DEFAULT_PARTITION__")]:
        folder = tmp_path / f"year={year}" / f"place={place.replace(' ', '%20')}"
        folder.mkdir(parents=True)
        PART.write_parquet(folder / "part-0.parquet")
    dataset = load_dataset(str(tmp_path))
    assert dataset.frame["year"].to_list() == [2023] * 15 + [2024] * 15
    assert dataset.frame["place"].to_list() == ["north west"] * 15 + [None] * 15
    assert "columns 'year', 'place' come from the names of folders" in dataset.notes
    one = read_file(f"{tmp_path}/year=2023/*/*.parquet")[0]
    assert one.columns == ["a", "b", "place"]
    (tmp_path / "year=2024" / "alone.parquet").write_bytes((folder / "part-0.parquet").read_bytes())
    with pytest.raises(DataError, match=r"same columns: '.*' has 'year', 'place', '.*' has 'year'\."):
        load_dataset(str(tmp_path))


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("data"), a=PART, b=PART, other=PART.drop("b"))
    dataset = load_dataset("data/[ab].csv")
    assert (dataset.name, dataset.source, len(dataset.frame)) == ("data", "data/[ab].csv", 30)
    assert len(read_file("**/a.csv")[0]) == 15
    with pytest.raises(DataError, match=r"'data/\*\.tsv' must match at least one file, and matches none"):
        load_dataset("data/*.tsv")
    with pytest.raises(DataError, match=r"same columns; beside 'data/a.csv', 'data/other.csv' lacks 'b'\. Name only"):
        load_dataset("data/*.csv")


def test_a_file_with_the_name_of_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, **{"a[1]": PART, "a1": PART.drop("b")})
    assert read_file(tmp_path / "a[1].csv")[0].columns == ["a", "b"]


def test_what_files_have_in_common_is_said_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("x;y\n1;2\n")
    notes = read_file(f"{tmp_path}/*.csv")[1]
    assert [note for note in notes if "semicolon" in note] == [
        "fields are separated by a semicolon (--sep overrules this)"
    ]


def test_types_that_differ_between_files(tmp_path: Path) -> None:
    first = {"n": [1, 2], "m": [1, 2], "level": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), "gone": [None, None]}
    second = {
        "n": [1.5, 2.5],
        "m": ["x", "y"],
        "level": pl.Series(["c", "a"], dtype=pl.Enum(["c", "a"])),
        "gone": [1, 2],
    }
    pl.DataFrame(first).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame(second).write_parquet(tmp_path / "2.parquet")
    frame, notes = read_file(tmp_path)
    assert frame["n"].to_list() == [1.0, 2.0, 1.5, 2.5]
    assert frame["m"].to_list() == ["1", "2", "x", "y"]
    assert frame["level"].dtype == pl.Categorical
    assert frame["level"].to_list() == ["a", "b", "c", "a"]
    assert frame["gone"].to_list() == [None, None, 1, 2]
    assert [note for note in notes if "read as text" in note] == [
        f"column 'm' is stored as String in '{tmp_path}/2.parquet', Int64 in '{tmp_path}/1.parquet', "
        "and is read as text"
    ]


def test_folders_that_hold_no_one_table(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.md").touch()
    with pytest.raises(DataError, match=r"'.*none' is a folder without a table in it \(1 other files\)\. Name a file"):
        load_dataset(tmp_path / "none")
    write(tmp_path / "both", a=PART)
    PART.write_parquet(tmp_path / "both" / "b.parquet")
    with pytest.raises(DataError, match=r"one format, got delimited text, parquet\. Name some: .*both/\*\.csv"):
        load_dataset(tmp_path / "both")


def test_links_that_go_round_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, a=PART)
    (tmp_path / "round").symlink_to(tmp_path)
    frame, notes = read_file(tmp_path)
    assert len(frame) == 15
    assert notes == (f"1 links to folders in '{tmp_path}' are not followed",)
