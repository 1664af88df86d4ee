"""Bad files, by the numbers of the list of faults that the command must survive: what is said, and how it ends."""

import bz2
import ctypes
import gzip
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from conftest import table

BINARY = table("binary")
CSV = BINARY.write_csv().encode()

Build = Callable[[Path], object]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def raw(content: bytes | str, name: str = "data.csv") -> Build:
    return lambda place: (place / name).write_bytes(content.encode() if isinstance(content, str) else content)


def rows(name: str = "data.csv") -> Build:
    return raw(CSV, name)


def parquet(frame: pl.DataFrame = BINARY, name: str = "data.parquet") -> Build:
    return lambda place: frame.write_parquet(place / name)


def torn(write: str, name: str) -> Build:
    def build(place: Path) -> None:
        getattr(BINARY, write)(place / name)
        (place / name).write_bytes((place / name).read_bytes()[:-30])

    return build


def twins(place: Path) -> None:
    """A parquet file in which a name occurs twice."""
    columns = [pa.array(range(30)), pa.array(range(30)), pa.array(["a", "b"] * 15)]
    pyarrow.parquet.write_table(pa.Table.from_arrays(columns, names=["a", "a", "y"]), place / "data.parquet")


def archive(*names: str) -> Build:
    def build(place: Path) -> None:
        with zipfile.ZipFile(place / "data.zip", "w") as target:
            for name in names:
                target.writestr(name, CSV)

    return build


def folder(name: str, *builds: Build) -> Build:
    def build(place: Path) -> None:
        (place / name).mkdir()
        for inner in builds:
            inner(place / name)

    return build


def nothing(place: Path) -> None:
    pass


def lines(text: str) -> str:
    """A table, with some lines among its own that are wrong."""
    return "a,b,y\n" + "1,2,no\n3,4,yes\n" * 15 + text + "1,2,no\n3,4,yes\n" * 15


LONG = "n" * 10_000
RENAMED = BINARY.rename({"a": "", "b": LONG, "colour": "co\0lour"})
LATIN = BINARY.with_columns(colour=pl.lit("naïve €")).write_csv()
REORDERED = BINARY.select("y", "colour", "b", "a")

REFUSED = {
    "item-01 missing file": (rows(), "dta.csv", r"'dta.csv' is not there. Did you mean 'data.csv'\?"),
    "item-01 missing folder": (nothing, "no/data.csv", r"'no/data.csv' is not there. Its folder 'no' is not there"),
    "item-01 no match": (rows(), "*.tsv", r"'\*.tsv' must match at least one file"),
    "item-01 folder without tables": (folder("data"), "data", r"'data' is a folder without a table in it"),
    "item-01 folder of several formats": (
        folder("data", rows(), parquet()),
        "data",
        r"must hold files of one format, got delimited text, parquet. Name some: data/\*.csv",
    ),
    "item-01 folder of other columns": (
        folder("data", rows("1.csv"), raw(BINARY.rename({"a": "A"}).write_csv(), "2.csv")),
        "data",
        r"beside 'data/1.csv', 'data/2.csv' lacks 'a' and adds 'A'. Name only files that fit",
    ),
    "item-02 empty": (raw(""), "data.csv", r"'data.csv' is empty; it must hold a table"),
    "item-02 blank": (raw("\n \n"), "data.csv", r"holds no rows; it must have a header and rows"),
    "item-02 header only": (raw("a,b,y\n"), "data.csv", r"'data.csv' holds a header and no rows"),
    "item-02 header of parquet only": (parquet(BINARY.head(0)), "data.parquet", r"at least 20 rows are needed, got 0"),
    "item-02 one row": (raw("a,y\n1,no\n"), "data.csv", r"at least 20 rows are needed, got 1"),
    "item-05 names twice": (raw("a,b,a,y\n" + "1,2,3,no\n" * 30), "data.csv", r"must be unique, got 'a' more"),
    "item-05 names twice in parquet": (twins, "data.parquet", r"must have column names that are unique: .*a"),
    "item-07 unknown encoding": (
        rows(),
        "data.csv --encoding ltain-1",
        r"--encoding must be an encoding such as .*, got 'ltain-1'. Did you mean .*latin-1",
    ),
    "item-07 wrong encoding": (raw(LATIN.encode("cp1252")), "data.csv --encoding utf-8", r"must be UTF-8; line 2 is"),
    "item-07 two separators": (rows(), "data.csv --sep ||", r"--sep must be one ASCII character .*got '\|\|'"),
    "item-07 unknown decimal": (rows(), "data.csv --decimal x", r"--decimal must be '.' or ',', got 'x'"),
    "item-07 NUL": (raw(lines("1,\0,no\n")), "data.csv", r"got NUL bytes \(the first in line 32\). Delete them"),
    "item-07 open quote": (
        raw(lines('1,"2,no\n')),
        "data.csv",
        r"a quote that is never closed, in the row that begins in line 32",
    ),
    "item-08 ragged rows": (
        raw(lines("1,2\n3,4,no,5\n")),
        "data.csv",
        r"must have 3 fields in every line.*line 32 has 2, line 33 has 4 \(2 such lines\).*--bad-lines skip",
    ),
    "item-08 ragged rows below quoted lines": (
        raw(lines('"1\n\n1",2,no\n1,2\n')),
        "data.csv",
        r"line 35 has 2 \(1 such lines\)",
    ),
    "item-08 all rows ragged": (raw("a,y\n" + "1,2,no\n" * 30), "data.csv", r"No line has as many: does the header"),
    "item-08 unknown choice": (rows(), "data.csv --bad-lines fix", r"--bad-lines must be one of error, skip, got"),
    "item-09 torn gz": (raw(gzip.compress(CSV)[:-9], "data.csv.gz"), "data.csv.gz", r"damaged or cut short .*Get"),
    "item-09 torn bz2": (raw(bz2.compress(CSV)[:-9], "data.csv.bz2"), "data.csv.bz2", r"damaged or cut short"),
    "item-09 torn parquet": (torn("write_parquet", "data.parquet"), "data.parquet", r"damaged or cut short"),
    "item-09 torn Arrow": (torn("write_ipc", "data.arrow"), "data.arrow", r"damaged or cut short"),
    "item-09 torn csv": (raw(CSV.rstrip()[:-5]), "data.csv", r"line 121 has .* The file ends within a line: it may"),
    "item-09 parquet without its magic": (
        raw(b"PAX1" + bytes(range(256)), "data.parquet"),
        "data.parquet",
        r"holds no table that bench knows, although its name promises parquet. It was looked at for parquet, Arrow",
    ),
    "item-09 bomb": (raw(gzip.compress(b"0" * 2**22), "data.csv.gz"), "data.csv.gz", r"must unpack to at most"),
    "item-09 several members": (archive("1.csv", "2.csv"), "data.zip", r"hold one table, got '1.csv', '2.csv'. Name"),
    "item-10 web page": (raw("<html>Sign in</html>"), "data.csv", r"holds a web page or XML"),
    "item-10 no table": (raw(os.urandom(3) + bytes(range(256)), "data"), "data", r"holds no table that bench knows"),
    "item-12 loop": (
        lambda place: (place / "data.csv").symlink_to(place / "data.csv"),
        "data.csv",
        r"'data.csv' cannot be read: too many levels of symbolic links",
    ),
    "item-12 pipe": (lambda place: os.mkfifo(place / "data.csv"), "data.csv", r"is not a regular file"),
    "item-12 device": (nothing, "/dev/zero", r"'/dev/zero' is not a regular file"),
    "item-12 dangling": (lambda place: (place / "data.csv").symlink_to("gone"), "data.csv", r"'data.csv' is not there"),
    "item-13 upwards": (nothing, "../../../../../../../../etc/passwd", r"holds no table that bench knows"),
    "item-13 a part": (nothing, "a/b", r"'a/b' is not there"),
    "item-13 device of another system": (nothing, "CON", r"dataset must be a file, a built-in or a card; got 'CON'"),
    "item-13 flag": (nothing, "-- -rf", r"dataset must be a file, a built-in or a card; got '-rf'"),
    "item-13 dot": (nothing, ".", r"'.' is a folder without a table in it"),
    "item-13 long": (nothing, "x" * 300, r"dataset must be a file, a built-in or a card; got 'xxx"),
    "item-13 long path": (nothing, "./" + "x" * 300 + ".csv", r"cannot be read: file name too long"),
    "item-13 controls": (nothing, "a\x1b[31m.csv", r"'a\\x1b\[31m.csv' must match at least one file"),
}


@pytest.mark.parametrize(("build", "words", "text"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("verb", ["check {} --target y", "run --target y --engine local --no-track --dataset {}"])
def test_bad_files_are_refused(cli, place, monkeypatch, build, words, text, verb):
    if "-- -rf" in words:
        verb = verb.replace("{} --target y", "--target y {}").replace("--dataset {}", "--dataset=-rf")
    monkeypatch.setattr("bench.sources.plain.MOST_BYTES", 2**20)
    build(place)
    before = sorted(place.rglob("*"))
    told = cli(*verb.format(words).split(" "))
    said = re.sub(r"\s*│?\n│?\s*", " ", told.err)
    assert told.code == 2, told.err
    assert re.search(text, said), said
    assert "Traceback" not in told.err
    assert sorted(place.rglob("*")) == before


def quirky(separator: str, decimal: str, encoding: str, end: str, name: str = "data.csv") -> Build:
    """The table as another program writes it."""
    text = BINARY.with_columns(colour=pl.col("colour") + " ä").write_csv(separator=separator)
    text = text.replace(".", decimal).replace("\n", end)
    return raw(text.encode(encoding), name)


READ = {
    "item-06 blank, long and NUL names": (
        parquet(RENAMED),
        "data.parquet",
        r"without a name are called column_1.*\(10000 characters\) is 'n+_[0-9a-f]{8}' here.*'co\\x00lour' is 'colour'",
    ),
    "item-07 semicolons and decimal commas": (
        quirky(";", ",", "utf-8", "\n"),
        "data.csv",
        r"separated by a semicolon \(--sep overrules this\).*decimal points in columns 'a', 'b' \(--decimal \. over",
    ),
    "item-07 tabs, cp1252 and CRLF": (
        quirky("\t", ".", "cp1252", "\r\n"),
        "data.csv",
        r"read as cp1252, as it is no UTF-8 \(--encoding overrules this\).*separated by a tab",
    ),
    "item-07 bars and UTF-16": (quirky("|", ".", "utf-16", "\n"), "data.csv", r"read as utf-16.*separated by a bar"),
    "item-07 byte order mark": (quirky(",", ".", "utf-8-sig", "\r\n"), "data.csv", r""),
    "item-07 old Mac": (quirky(",", ".", "utf-8", "\r"), "data.csv", r""),
    "item-07 stated": (
        quirky("~", ",", "mac-roman", "\n"),
        "data.csv --sep ~ --encoding mac-roman --decimal ,",
        r"commas are decimal points in columns 'a', 'b'",
    ),
    "item-07 quoted lines and comments": (
        raw("# exported\n" + BINARY.with_columns(colour=pl.col("colour") + '\n"x", y').write_csv()),
        "data.csv",
        r"1 lines that begin with '#' before the header are left out",
    ),
    "item-07 spellings of missing": (
        raw(BINARY.fill_null(-999).write_csv()),
        "data.csv --null -999.0",
        r"read as missing, as --null asks: '-999.0' \d+ times",
    ),
    "item-08 left out": (
        raw(CSV + b"1,2\n"),
        "data.csv --bad-lines skip",
        r"1 lines that do not have the header's 4 fields are left out: line 122 has 2",
    ),
    "item-09 packed": (raw(gzip.compress(CSV), "data.csv.gz"), "data.csv.gz", r""),
    "item-09 named in an archive": (archive("1.csv", "2.csv"), "data.zip#1.csv", r""),
    "item-10 parquet named csv": (parquet(name="data.csv"), "data.csv", r"'data.csv' holds parquet, whatever its name"),
    "item-10 csv named parquet": (rows("data.parquet"), "data.parquet", r"holds delimited text, whatever its name"),
    "item-10 gzip without a name": (raw(gzip.compress(CSV), "data"), "data", r"is packed by gzip, which its name"),
    "item-10 unknown ending": (rows("data.xyz"), "data.xyz", r"'data.xyz' is read as delimited text, by what it holds"),
    "item-13 a file called -rf": (rows("-rf"), "./-rf", r"'./-rf' is read as|'-rf' is read as"),
    "item-13 a file called CON": (rows("CON"), "CON", r"'CON' is read as delimited text"),
    "item-13 composed and decomposed": (rows("e\u0301.csv"), "e\u0301.csv", r""),
    "item-13 a name of 250 characters": (rows("x" * 246 + ".csv"), "x" * 246 + ".csv", r""),
    "item-13 controls": (rows("a\x1b[31m.csv"), "a\x1b[31m.csv", r""),
    "item-13 marks of a pattern": (rows("data[1].csv"), "data[1].csv", r""),
    "item-13 marks of a part": (rows("data#1.csv"), "data#1.csv", r""),
    "item-01 folder": (
        folder("data", rows("1.csv"), raw(REORDERED.write_csv(), "2.csv")),
        "data",
        r"2 files are read as one table, by name: 'data/1.csv', 'data/2.csv'",
    ),
}


@pytest.mark.parametrize(("build", "words", "text"), READ.values(), ids=READ)
def test_odd_files_are_read_and_what_was_assumed_is_said(cli, place, build, words, text):
    build(place)
    told = cli("check", *words.split(" "), "--target", "y", "--json")
    assert told.code in (0, 1), told.err  # 1 where the audit blocks, as two copies of the rows do
    assert re.search(text, told.err, re.DOTALL), told.err
    assert "\x1b" not in told.err
    assert "Traceback" not in told.err


def test_item_13_names_become_folders_of_runs(cli, place):
    rows("-rf &;ü.csv")(place)
    cheap = ["--engine", "local", "--no-track", "--trials", "1", "--families", "dummy", "--folds", "2", "--cpus", "1"]
    told = cli("run", "--dataset", "-rf &;ü.csv", "--target", "y", *cheap)
    assert told.code == 0, told.err
    assert [path.name[:12] for path in (place / "results").iterdir()] == ["-rf---ü-roc_"]


def _without_override():
    """Take from a process to be, even root's, the right to read what its file's mode forbids."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_item_01_without_permission(place):
    (place / "data.csv").write_bytes(CSV)
    (place / "data.csv").chmod(0)
    command = [sys.executable, "-c", "from bench.cli import main; main()", "check", "data.csv", "--target", "y"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=_without_override)
    assert told.returncode == 2, told.stderr
    assert "'data.csv' cannot be read: permission denied" in told.stderr


def test_predictions_on_files_with_quirks(cli, place, binary):
    frame = binary.test_features
    frame.write_csv(place / "plain.csv")
    (place / "odd").mkdir()
    text = frame.write_csv(separator="~", null_value="gone").replace(".", ",")
    (place / "odd" / "1.txt").write_bytes((text + "1~2\n").encode("utf-16-le"))
    words = ["--sep", "~", "--decimal", ",", "--encoding", "utf-16-le", "--null", "gone", "--bad-lines", "skip"]
    expected = cli("predict", binary.folder, "plain.csv", "--output", "plain.parquet")
    told = cli("predict", binary.folder, "odd", "--output", "odd.parquet", *words)
    assert (expected.code, told.code) == (0, 0), told.err
    assert pl.read_parquet("odd.parquet").equals(pl.read_parquet("plain.parquet"))
    assert "1 lines that do not have the header's 30 fields are left out" in told.err
