"""Reading files, built-ins and fetched datasets; every damaged input ends in a message of our own."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow
import pyarrow.parquet
import pytest

from bench.dataset import fetch, load_dataset
from bench.errors import DataError, RequestError, StoreError
from bench.sources import file as file_module
from bench.sources.builtin import BUILTINS, read_builtin
from bench.sources.file import read_file

FRAME = pl.DataFrame(
    {
        "number": [index / 4 + 0.1 for index in range(40)],
        "whole": [index * 7 % 11 for index in range(40)],
        "colour": ["red", "green", None, "blue"] * 10,
        "flag": [True, False, None, True] * 10,
    }
)


def as_csv(frame: pl.DataFrame, separator: str = ",") -> bytes:
    return frame.write_csv(separator=separator).encode()


def as_bytes(frame: pl.DataFrame, method: str) -> bytes:
    buffer = io.BytesIO()
    getattr(frame, method)(buffer)
    return buffer.getvalue()


def zstandard(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


CONTENTS = {
    ".csv": as_csv(FRAME),
    ".tsv": as_csv(FRAME, "\t"),
    ".parquet": as_bytes(FRAME, "write_parquet"),
    ".feather": as_bytes(FRAME, "write_ipc"),
    ".arrow": as_bytes(FRAME, "write_ipc_stream"),
    ".jsonl": as_bytes(FRAME, "write_ndjson"),
    ".ndjson": as_bytes(FRAME, "write_ndjson"),
}
COMPRESS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("end", CONTENTS)
def test_every_format_gives_the_same_dataset(tmp_path: Path, end: str, compression: str) -> None:
    path = tmp_path / f"table{end}{compression}"
    path.write_bytes(COMPRESS[compression](CONTENTS[end]))
    dataset = load_dataset(str(path))
    assert dataset.frame.equals(FRAME)
    assert dataset.fingerprint == load_dataset(FRAME).fingerprint
    assert dataset.name == "table"


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_delimiter_is_found_and_said(tmp_path: Path, separator: str, name: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(as_csv(FRAME, separator))
    dataset = load_dataset(path)
    assert dataset.frame.equals(FRAME)
    assert f"fields are separated by a {name}" in dataset.notes


def test_comma_wins_where_text_holds_other_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + '"x;y|z",1\n"x;y",2\n' * 15)
    assert load_dataset(path).frame.columns == ["a", "b"]


def test_decimal_commas_between_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a;b\n" + "1,5;x,y\n2;z\nNA;z\n" * 10)
    dataset = load_dataset(path)
    assert dataset.frame["a"].to_list()[:3] == [1.5, 2.0, None]
    assert dataset.frame["b"].to_list()[:2] == ["x,y", "z"]
    assert "commas are decimal points in columns 'a'" in dataset.notes


def test_byte_order_mark_crlf_and_quoted_newlines(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n" + b'1,"x\r\ny, ""z"""\r\n2,w\r\n' * 15)
    frame = load_dataset(path).frame
    assert frame.columns == ["a", "b"]
    assert frame["b"][0] == 'x\r\ny, "z"'


def test_types_are_inferred_over_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1,2\n" * 5000 + "x,2.5\n" * 500)
    assert load_dataset(path).frame.dtypes == [pl.String, pl.Float64]


BAD = {
    "empty.csv": (b"", "is empty; it must hold a table"),
    "blank.csv": (b"\n\n", "holds no rows"),
    "header.csv": (b"a,b\n", "holds a header and no rows"),
    "header_alone.csv": (b"a,b", "holds no rows"),
    "twice.csv": (b"a,b,a\n" + b"1,2,3\n" * 30, "column names must be unique, got 'a' more than once"),
    "long.csv": (
        b"a,b\n" + b"1,2\n" * 30 + b"1,2,3\n1\n",
        r"must have 2 fields .* row 32 has 3, row 33 has 1 \(2 such",
    ),
    "utf16.csv": ("a,b\n1,2\n".encode("utf-16"), "must be UTF-8, got UTF-16"),
    "latin1.csv": (b"a,b\n" + b"1,2\n" * 30 + b"\xe9,2\n", r"line 32 is not \(byte 0xe9\)"),
    "latin1_header.csv": (b"\xe9,b\n" + b"1,2\n" * 30, r"line 1 is not \(byte 0xe9\)"),
    "nul.csv": (b"a,b\n" + b"1,\0\n" * 30, "got NUL bytes"),
    "short.csv.gz": (gzip.compress(CONTENTS[".csv"])[:-20], "damaged or cut short"),
    "not.csv.gz": (b"a,b\n1,2\n", "damaged or cut short"),
    "short.csv.zst": (zstandard(CONTENTS[".csv"])[:-20], "damaged or cut short"),
    "not.csv.zst": (b"a,b\n1,2\n", "damaged or cut short"),
    "short.parquet": (CONTENTS[".parquet"][:-20], "damaged or cut short"),
    "not.parquet": (CONTENTS[".csv"], "no parquet file: it must begin with PAR1"),
    "parquet.csv": (CONTENTS[".parquet"], "holds parquet; rename it to end in .parquet"),
    "arrow.csv": (CONTENTS[".feather"], "holds Arrow; rename it to end in .arrow"),
    "old.feather": (b"FEA1" + b"x" * 40, "Feather version 1"),
    "short.feather": (CONTENTS[".feather"][:-20], "damaged or cut short"),
    "short.arrow": (CONTENTS[".arrow"][:-400], "damaged or cut short"),
    "broken.jsonl": (b'{"a": 1}\n' * 30 + b'{"a":\n', "line 31 is none"),
    "array.jsonl": (b'{"a": 1}\n' * 30 + b"[1]\n", "line 31 is none"),
    "nan.jsonl": (b'{"a": 1}\n{"a": NaN}\n' * 30, "line 2 is none"),
    "mixed.jsonl": (b'{"a": 1.5}\n{"a": true}\n' * 30, "cannot be read as JSON lines"),
    "few.csv": (b"a,b\n" + b"1,2\n" * 7, "at least 20 rows are needed, got 7"),
    "table.xlsx": (b"PK", r"must end in one of \.csv"),
    "table": (b"a,b\n1,2\n", r"must end in one of \.csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_explained(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / name))


def test_parquet_with_one_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    column = pyarrow.array(range(30))
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([column, column], names=["a", "a"]), path)
    with pytest.raises(DataError, match=r"must have column names that are unique: .*'a'"):
        load_dataset(path)


def test_decompressed_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"0\n" * 2**20))
    monkeypatch.setattr(file_module, "MOST_BYTES", 2**20)
    with pytest.raises(DataError, match=r"at most .* GiB decompressed"):
        read_file(path)


def test_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(CONTENTS[".csv"])
    with pytest.raises(DataError, match=r"'.*/trian\.csv' is not there\. Did you mean 'train\.csv'\?"):
        load_dataset(str(tmp_path / "trian.csv"))
    with pytest.raises(DataError, match=r"Its folder '.*nowhere' is not there either"):
        load_dataset(str(tmp_path / "nowhere" / "train.csv"))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for name, message in [("pipe.csv", "not a regular file"), ("loop.csv", "cannot be read"), ("", "is a folder")]:
        with pytest.raises(DataError, match=message):
            load_dataset(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(CONTENTS[".csv"])
    path.chmod(0)
    with pytest.raises(DataError, match="permission denied"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("breast_cancer", {"malignant", "benign"}),
        ("wine", {"class_0", "class_1", "class_2"}),
        ("iris", {"setosa", "versicolor", "virginica"}),
        ("digits", set(range(10))),
    ],
)
def test_builtin_targets_carry_label_names(name: str, labels: set[object]) -> None:
    assert set(read_builtin(name)["target"].unique()) == labels


def test_builtin_regression_target_is_a_number() -> None:
    assert read_builtin("diabetes")["target"].dtype == pl.Float64


def test_unknown_builtin_lists_the_known() -> None:
    with pytest.raises(RequestError, match="must be one of breast_cancer, diabetes, digits, iris, wine; got 'moons'"):
        read_builtin("moons")


@pytest.mark.parametrize("name", BUILTINS)
def test_builtins_have_cards(name: str) -> None:
    dataset = load_dataset(name)
    assert (dataset.name, dataset.target, dataset.source) == (name, "target", f"builtin:{name}")
    assert dataset.task is not None
    assert not dataset.notes


CAR = pl.DataFrame({"doors": ["2", "4", "more"] * 10, "class": ["acc", "unacc", "good"] * 10})


def test_openml_asks_for_fetch_then_loads(tmp_path: Path) -> None:
    cache, download = tmp_path / "cache", tmp_path / "download.csv"
    CAR.write_csv(download)
    message = (
        "'car' is OpenML 40975, which bench cannot download yet; download it and run `bench fetch car --from FILE`"
    )
    with pytest.raises(DataError, match=message):
        load_dataset("car", cache=cache)
    path = fetch("car", download, cache=cache)
    assert path == cache / "car.parquet"
    dataset = load_dataset("car", cache=cache)
    assert dataset.frame.equals(CAR)
    assert dataset.target == "class"
    assert "the card of 'car' states 1728 rows, the data has 30" in dataset.notes
    assert sorted(entry.name for entry in cache.iterdir()) == ["car.parquet", "car.parquet.sha256"]


def test_fetch_keeps_what_was_stored_as_a_category(tmp_path: Path) -> None:
    download = tmp_path / "download.parquet"
    CAR.with_columns(doors=pl.Series(["2", "3", "4"] * 10, dtype=pl.Categorical)).write_parquet(download)
    fetch("car", download, cache=tmp_path)
    assert load_dataset("car", cache=tmp_path).columns[0].kind == "categorical"


def test_cache_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CAR.write_csv(tmp_path / "download.csv")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "here"))
    assert fetch("car", tmp_path / "download.csv").parent == tmp_path / "here"
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert fetch("car", tmp_path / "download.csv").parent == tmp_path / "home/.cache/bench/datasets"


@pytest.mark.parametrize("harm", ["data", "digest", "no digest"])
def test_changed_cache_is_refused(tmp_path: Path, harm: str) -> None:
    CAR.write_csv(tmp_path / "download.csv")
    path = fetch("car", tmp_path / "download.csv", cache=tmp_path)
    digest = path.with_name("car.parquet.sha256")
    if harm == "data":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif harm == "digest":
        digest.write_text("0" * 64)
    else:
        digest.unlink()
    with pytest.raises(DataError, match=r"must have the SHA-256 that 'car.parquet.sha256' states, and does not"):
        load_dataset("car", cache=tmp_path)


def test_fetch_refuses_what_is_no_such_dataset(tmp_path: Path) -> None:
    CAR.rename({"class": "klass"}).write_csv(tmp_path / "download.csv")
    with pytest.raises(DataError, match=r"'car' must have the target column 'class'; .*Did you mean 'klass'\?"):
        fetch("car", tmp_path / "download.csv", cache=tmp_path / "cache")
    with pytest.raises(RequestError, match="'iris' needs no fetching"):
        fetch("iris", tmp_path / "download.csv", cache=tmp_path / "cache")
    with pytest.raises(RequestError, match=r"got 'carr'\. Did you mean 'car'\?"):
        fetch("carr", tmp_path / "download.csv", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_fetch_into_what_is_no_folder(tmp_path: Path) -> None:
    CAR.write_csv(tmp_path / "download.csv")
    with pytest.raises(StoreError, match="must be a folder that can be written to"):
        fetch("car", tmp_path / "download.csv", cache=tmp_path / "download.csv")


def test_reading_a_csv_loads_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(CONTENTS[".csv"])
    program = (
        "import sys, json; from bench.dataset import load_dataset; load_dataset(sys.argv[1]);"
        "print(json.dumps([m for m in ('pandas', 'sklearn', 'torch', 'scipy') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "table.csv")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
