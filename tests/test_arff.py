"""ARFF: what the header declares, rows of any shape, and what is wrong with them."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from bench.dataset import load_dataset
from bench.errors import DataError
from bench.sources import arff
from bench.sources.base import ReadOptions
from bench.sources.file import read_file
from bench.sources.plain import Plain, mapped

HEADER = """% A comment

@RELATION 'weather data'

@attribute outlook {sunny, 'partly cloudy', "it's raining"}
@attribute 'temp \\'C\\'' REAL
@Attribute count integer
@attribute note\tstring
@attribute day date "yyyy-MM-dd HH:mm"
@data
"""
ROWS = """sunny,1.5,3,'a, b',"2020-01-02 03:04"
'partly cloudy', 2e3, ?, '?', ?
% in between

"it's raining",?,-4,"say \\"hi\\"",'2021-12-31 23:59'
"""


def read(tmp_path: Path, content: str | bytes, **options):
    path = tmp_path / "table.arff"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, ReadOptions(**options))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_every_kind_of_attribute(tmp_path: Path, encoding: str) -> None:
    frame, _ = read(tmp_path, (HEADER + ROWS.replace("a, b", "ä, b")).encode(encoding))
    assert frame.columns == ["outlook", "temp 'C'", "count", "note", "day"]
    assert frame.dtypes[0] == pl.Enum(["sunny", "partly cloudy", "it's raining"])
    assert frame["outlook"].to_list() == ["sunny", "partly cloudy", "it's raining"]
    assert frame["temp 'C'"].to_list() == [1.5, 2000.0, None]
    assert frame["count"].to_list() == [3, None, -4]
    assert frame["note"].to_list() == ["ä, b", "?", 'say "hi"']
    assert frame["day"].to_list() == [datetime(2020, 1, 2, 3, 4), None, datetime(2021, 12, 31, 23, 59)]


def test_nominal_attributes_count_as_declared(tmp_path: Path) -> None:
    path = tmp_path / "table.arff"
    path.write_text("@relation r\n@attribute a {1,2,3}\n@attribute b numeric\n@data\n" + "1,1\n2,0\n3,5\n" * 10)
    assert [column.kind for column in load_dataset(path).columns] == ["categorical", "numeric"]


PLAIN = "@relation r\n@attribute a {x,'y z'}\n@attribute b numeric\n@attribute c string\n@data\n"
ALIKE = {
    "plain": "x,1,u\n?,?,?\nx,2,v w\n",
    "padded": "x , 1, u\n?\t,? , ?\nx,2,v w \n",
    "tabs": "x\t1\tu\n?\t?\t?\nx\t2\tv w\n",
    "single quotes": "'x',1,'u'\n?,'?',?\n'x',2,'v w'\n".replace("'?'", "?"),
    "double quotes": '"x",1,"u"\n?,?,?\n"x",2,"v w"\n',
    "both quotes": "'x',1,\"u\"\n?,?,?\n\"x\",2,'v w'\n",
    "comments": "%\nx,1,u\n% x,1\n?,?,?\n\nx,2,v w\n",
    "sparse": "{0 x,1 1,2 u}\n{0 ?, 1 ?, 2 ?}\n{1 2, 2 'v w'}\n",
    "crlf": "x,1,u\r\n?,?,?\r\nx,2,v w\r\n",
}


@pytest.mark.parametrize("rows", ALIKE.values(), ids=ALIKE)
def test_spellings_of_the_same_rows(tmp_path: Path, rows: str) -> None:
    frame, notes = read(tmp_path, PLAIN + rows)
    assert frame.rows() == [("x", 1, "u"), (None, None, None), ("x", 2, "v w")]
    assert notes == ()


def test_what_sparse_rows_leave_out(tmp_path: Path) -> None:
    frame, _ = read(tmp_path, PLAIN + "{}\n{0 'y z', 1 -3.5}\n{2 '}'}\n")
    assert frame.rows() == [("x", 0.0, None), ("y z", -3.5, None), ("x", 0.0, "}")]


@pytest.mark.parametrize("rows", [ALIKE["plain"], ALIKE["single quotes"], ALIKE["double quotes"], ALIKE["padded"]])
def test_quick_way_and_careful_way_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str) -> None:
    quick = read(tmp_path, PLAIN + rows)[0]
    path = tmp_path / "table.arff"
    content = mapped(Plain(path=path, label=str(path), name=path.name))
    assert arff._parse(content, len(PLAIN), 3) is not None
    monkeypatch.setattr(arff, "_parse", lambda *_: None)
    assert read(tmp_path, PLAIN + rows)[0].equals(quick)


@pytest.mark.parametrize(
    ("layout", "value", "expected"),
    [
        ("", "2001-04-03T12:13:14", datetime(2001, 4, 3, 12, 13, 14)),
        ("dd/MM/yy", "03/04/01", datetime(2001, 4, 3)),
        ("'on' d.M.yyyy", "on 3.4.2001", datetime(2001, 4, 3)),
        ("yyyyMMdd HHmmss.SSS", "20010403 121314.567", datetime(2001, 4, 3, 12, 13, 14, 567_000)),
        ("MMM d yyyy hh:mm a", "Apr 3 2001 01:05 PM", datetime(2001, 4, 3, 13, 5)),
    ],
)
def test_layouts_of_dates(tmp_path: Path, layout: str, value: str, expected: datetime) -> None:
    declared = f'"{layout}"' if layout else ""
    frame, _ = read(tmp_path, f'@relation r\n@attribute a date {declared}\n@data\n"{value}"\n')
    assert frame["a"].to_list() == [expected]


BAD = {
    "no data": ("@relation r\n@attribute a numeric\n", r"must declare attributes .* and then hold rows after @data"),
    "no attributes": ("@relation r\n@data\n1\n", r"must declare attributes"),
    "no rows": (PLAIN, "holds a header and no rows"),
    "comments alone": (PLAIN + "% none\n", "holds a header and no rows"),
    "unknown type": (
        "@relation r\n@attribute a float\n@data\n1\n",
        r"line 2: an attribute must be .* a float",
    ),
    "relational": ("@relation r\n@attribute a relational\n@data\n1\n", r"line 2: an attribute must be"),
    "a name twice": ("@relation r\n@attribute a real\n@attribute a real\n@data\n1,1\n", "must be unique, got 'a'"),
    "undeclared level": (PLAIN + "x,1,u\nz,1,u\n", r"values of 'a' must be one of 2 declared levels, got 'z'"),
    "no number": (PLAIN + "x,one,u\n", r"values of 'b' must be numeric, got 'one'"),
    "ragged": (
        PLAIN + "x,1,u\nx,1\n\nx,1,u,v\n",
        r"must have 3 values .*; line 7 has 2, line 9 has 4 \(2 such",
    ),
    "torn sparse row": (PLAIN + "{0 x\n", r"line 6 cannot be read \(1 such lines\)"),
    "sparse beyond": (PLAIN + "{3 x}\n", r"line 6 cannot be read"),
    "layout of dates": (
        "@relation r\n@attribute a date yyyyww\n@data\n202001\n",
        r"whole ones in a .*'yyyyww'",
    ),
    "no date": ("@relation r\n@attribute a date yyyy-MM-dd\n@data\nsoon\n", r"values of 'a' must be date, got 'soon'"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_explained(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


def test_lines_that_are_left_out_when_asked(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, PLAIN + "x,1,u\nx,1\n", bad_lines="skip")
    assert frame.rows() == [("x", 1, "u")]
    assert notes == ("lines are left out: line 7 has 2 (1 such lines) (--bad-lines error refuses them)",)
