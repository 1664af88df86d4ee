"""Reading files, built-ins and fetched datasets; every damaged input ends in a message of our own."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import polars as pl
import pyarrow
import pyarrow.parquet
import pytest

from bench.dataset import fetch, load_dataset, to_frame
from bench.errors import DataError, RequestError, StoreError
from bench.sources import plain
from bench.sources.base import ReadOptions
from bench.sources.builtin import BUILTINS, read_builtin
from bench.sources.file import read_file
from bench.table import normalise

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


def zipped(**contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.csv", content)
    return buffer.getvalue()


def packed_times(times: int) -> bytes:
    content = b"a,b\n1,2\n"
    for _ in range(times):
        content = gzip.compress(content)
    return content


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("table.csv")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


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
    ".json": as_bytes(FRAME, "write_json"),
}
COMPRESS = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda content: zipped(table=content),
}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("end", CONTENTS)
def test_every_format_gives_the_same_dataset(tmp_path: Path, end: str, compression: str) -> None:
    path = tmp_path / f"table{end}{compression}"
    path.write_bytes(COMPRESS[compression](CONTENTS[end]))
    dataset = load_dataset(str(path))
    assert dataset.frame.equals(FRAME)
    assert dataset.fingerprint == load_dataset(FRAME).fingerprint
    assert dataset.name == "table"


@pytest.mark.parametrize(
    "name", ["data.csv", "data.parquet", "data.json", "data.feather", "data", "data.xyz", "d[1].*"]
)
@pytest.mark.parametrize("end", CONTENTS)
def test_content_decides_and_a_misleading_name_is_told(tmp_path: Path, end: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENTS[end])
    dataset = load_dataset(str(path))
    assert dataset.frame.equals(FRAME)
    held = {".csv": "delimited text", ".tsv": "delimited text", ".parquet": "parquet", ".feather": "Arrow"}
    held |= {".arrow": "Arrow", ".jsonl": "JSON", ".ndjson": "JSON", ".json": "JSON"}
    promised = {"data.csv": "delimited text", "data.parquet": "parquet", "data.json": "JSON", "data.feather": "Arrow"}
    said = [note for note in dataset.notes if "what it holds" in note or "whatever its name says" in note]
    assert len(said) == (promised.get(name) != held[end])
    assert all(held[end] in note and name in note for note in said)


@pytest.mark.parametrize(
    ("name", "compression", "notes"),
    [
        ("table.csv", ".gz", ["is packed by gzip, which its name does not say"]),
        ("table.csv.gz", "", ["is not packed by gzip, whatever its name says"]),
        (
            "table.csv.gz",
            ".zst",
            ["is not packed by gzip, whatever", "is packed by Zstandard, which its name does not"],
        ),
        ("table", ".zip", ["is packed by zip, which its name does not say"]),
    ],
)
def test_misleading_packing_is_told(tmp_path: Path, name: str, compression: str, notes: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(COMPRESS[compression](CONTENTS[".csv"]))
    dataset = load_dataset(str(path))
    assert dataset.frame.equals(FRAME)
    assert len(dataset.notes) == len(notes)
    assert all(note in said for note, said in zip(notes, dataset.notes, strict=True))


def test_what_is_unpacked_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "table.csv.zip").write_bytes(zipped(table=gzip.compress("a,b\n1,\xe9\n".encode("latin-1"))))
    assert read_file(tmp_path / "table.csv.zip")[0].rows() == [("1", "\xe9")]
    assert not list((tmp_path / "temporary").iterdir())


def test_one_table_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(zipped(table=CONTENTS[".csv"], other=b"a,b\n1,2\n", __MACOSX=b"junk"))
    message = r"'.*all.zip' must hold one table, got 'table.csv', 'other.csv'. Name one: '.*all.zip#table.csv'"
    with pytest.raises(DataError, match=message):
        load_dataset(str(path))
    dataset = load_dataset(f"{path}#table.csv")
    assert dataset.frame.equals(FRAME)
    assert dataset.name == "all"
    with pytest.raises(DataError, match=r"has no member 'tabel.csv'; it holds 'table.csv', .*Did you mean 'table.csv'"):
        load_dataset(f"{path}#tabel.csv")
    path.write_bytes(zipped())
    with pytest.raises(DataError, match="must hold one table, got nothing"):
        load_dataset(str(path))


def test_a_part_of_what_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(CONTENTS[".csv"])
    with pytest.raises(DataError, match=r"must be a workbook or a zip archive to have a part 'sheet'"):
        load_dataset(str(tmp_path / "table.csv#sheet"))
    (tmp_path / "table.csv#sheet").write_bytes(CONTENTS[".csv"])
    assert len(load_dataset(str(tmp_path / "table.csv#sheet")).frame) == 40


def test_mixed_json_is_read_as_text_and_said(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": 1.5, "b": 1}\n{"a": true, "b": null}\n' * 15)
    dataset = load_dataset(path)
    assert dataset.frame["a"].to_list()[:2] == ["1.5", "true"]
    assert dataset.notes == (
        "column 'a' holds numbers and true or false (line 1 has 1.5, line 2 has true), and is read as text",
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_json_lines_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.jsonl"
    path.write_bytes(
        '{"a": "na\xefve"}\n'.encode(encoding) if encoding != "utf-16" else ('{"a": "na\xefve"}\n' * 2).encode(encoding)
    )
    assert read_file(path)[0]["a"][0] == "na\xefve"


BAD = {
    "empty.csv": (b"", "is empty; it must hold a table"),
    "few.csv": (b"a,b\n" + b"1,2\n" * 7, "at least 20 rows are needed, got 7"),
    "empty.csv.gz": (gzip.compress(b""), "is empty; it must hold a table"),
    "short.csv.gz": (gzip.compress(CONTENTS[".csv"])[:-20], "damaged or cut short .* Get the file again"),
    "short.csv.zst": (zstandard(CONTENTS[".csv"])[:-20], "damaged or cut short"),
    "short.csv.bz2": (bz2.compress(CONTENTS[".csv"])[:-20], "damaged or cut short"),
    "short.csv.xz": (lzma.compress(CONTENTS[".csv"])[:-20], "damaged or cut short"),
    "short.csv.zip": (zipped(table=CONTENTS[".csv"])[:-30], "damaged or cut short"),
    "four_times.csv.gz": (packed_times(4), "must be packed at most 3 times over"),
    "short.parquet": (CONTENTS[".parquet"][:-20], "damaged or cut short"),
    "no.parquet": (b"\0\1\2" * 90, "holds no table that bench knows, although its name promises parquet. .* JSON"),
    "no.xyz": (b"a line of text\nand another one\n", r"no table that bench knows\. .* bar; --sep .* gzip.* zip"),
    "old.feather": (b"FEA1" + b"x" * 40, "is in Feather version 1; write it as parquet"),
    "short.feather": (CONTENTS[".feather"][:-20], "damaged or cut short"),
    "short.arrow": (CONTENTS[".arrow"][:-400], "damaged or cut short"),
    "old.xls": (b"\xd0\xcf\x11\xe0" + b"x" * 40, "is an old Excel workbook .*; save it as .xlsx or .csv"),
    "model.pkl": (pickle.dumps({"a": 1}, protocol=5), "is a Python pickle, which bench never opens"),
    "error.csv": (
        b"<!DOCTYPE html>\n<html>404, not found</html>",
        "holds a web page or XML; .* downloaded as it should",
    ),
    "all.tar.gz": (tarred(CONTENTS[".csv"]), "is a tar archive; unpack it first"),
    "broken.jsonl": (b'{"a": 1}\n' * 30 + b'{"a":\n', "line 31 is none"),
    "array.jsonl": (b'{"a": 1}\n' * 30 + b"[1]\n", "line 31 is none"),
    "short.json": (b'[{"a": 1}, {"a": 2}', "must hold an array of JSON objects"),
    "nan.jsonl": (b'{"a": 1}\n{"a": NaN}\n' * 30, "line 2 is none"),
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
    monkeypatch.setattr(plain, "MOST_BYTES", 2**20)
    with pytest.raises(DataError, match=r"must unpack to at most 0.000976562 GiB. If it is sound, unpack it first"):
        read_file(path)
    path.write_bytes(zipped(zeros=b"0\n" * 2**20))
    with pytest.raises(DataError, match=r"must unpack to at most"):
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
    for name, message in [("pipe.csv", "not a regular file"), ("loop.csv", "cannot be read: too many levels")]:
        with pytest.raises(DataError, match=message):
            load_dataset(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(CONTENTS[".csv"])
    path.chmod(0)
    with pytest.raises(DataError, match="permission denied"):
        load_dataset(path)


NULLS = pl.DataFrame(
    {
        "whole": [1, -999] * 15,
        "number": [1.5, -999.0] * 15,
        "text": ["a", " -999 "] * 15,
        "level": pl.Series(["a", "-999"] * 15, dtype=pl.Categorical),
        "flag": [True, False] * 15,
        "list": [[1], [-999]] * 15,
    }
)


def test_further_spellings_of_missing_go_everywhere() -> None:
    dataset = load_dataset(NULLS, options=ReadOptions(null=("-999", "n.a.")))
    assert [column.n_missing for column in dataset.columns] == [15, 15, 15, 15, 0, 0]
    assert dataset.frame["whole"].dtype == pl.Int64
    assert dataset.columns[3].dtype == "Categorical"
    assert dataset.notes[0] == "read as missing, as --null asks: '-999' 60 times, 'n.a.' 0 times"


def test_further_spellings_of_missing_come_before_types(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a;b\n" + "1,5;x\nunknown;y\n" * 15)
    assert load_dataset(path).frame["a"].dtype == pl.String
    frame = load_dataset(path, options=ReadOptions(null=("unknown",))).frame
    assert frame["a"].to_list()[:2] == [1.5, None]
    assert normalise(to_frame(path, ReadOptions(null=("unknown",)))[0]).frame.equals(frame)


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


def test_openml_offline_asks_for_fetch_then_loads(tmp_path: Path) -> None:
    cache, download = tmp_path / "cache", tmp_path / "download.csv"
    CAR.write_csv(download)
    message = r"/data/40975 is not in the cache, and --offline .* bring the data .*: `bench fetch car --from FILE`"
    with pytest.raises(DataError, match=message):
        load_dataset("car", cache=cache, options=ReadOptions(offline=True))
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
