"""Delimited text: what is assumed and said, what overrules it, and faults that are named with their lines."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from bench.assumptions import reading_notes
from bench.dataset import load_dataset
from bench.errors import DataError, RequestError
from bench.sources import delimited
from bench.sources.base import ReadOptions
from bench.sources.file import read_file
from bench.table import normalise

FRAME = pl.DataFrame(
    {"number": [index / 4 + 0.1 for index in range(40)], "colour": ["red", "green", None, "blue"] * 10}
)


def read(tmp_path: Path, content: str | bytes, name: str = "table.csv", **options):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, ReadOptions(**options))


# How fields are separated


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_delimiter_is_found_and_said(tmp_path: Path, separator: str, name: str) -> None:
    path = tmp_path / "table.csv"
    FRAME.write_csv(path, separator=separator)
    dataset = load_dataset(path)
    assert dataset.frame.equals(FRAME)
    assert f"fields are separated by a {name} (--sep overrules this)" in dataset.notes


@pytest.mark.parametrize("name", ["table.tsv", "table.tab"])
def test_a_tab_that_the_name_promises_goes_without_saying(tmp_path: Path, name: str) -> None:
    frame, notes = read(tmp_path, "a\tb\n1,5,3\t2,2,1\n", name)
    assert frame.rows() == [("1,5,3", "2,2,1")]
    assert notes == ()
    assert read(tmp_path, "a,b\n1,5\n", name)[0].rows() == [("1", "5")]


@pytest.mark.parametrize(("asked", "separator"), [(";", ";"), (r"\t", "\t"), ("\t", "\t"), ("~", "~"), (" ", " ")])
def test_separator_that_is_stated(tmp_path: Path, asked: str, separator: str) -> None:
    frame, notes = read(tmp_path, f"a{separator}b,c\n1{separator}2,x\n", sep=asked)
    assert frame.columns == ["a", "b,c"]
    assert notes == ()


@pytest.mark.parametrize("asked", ["", ";;", "ä", '"', "\n"])
def test_separator_that_cannot_be(tmp_path: Path, asked: str) -> None:
    with pytest.raises(RequestError, match="--sep must be one ASCII character that is no quote"):
        read(tmp_path, "a,b\n1,2\n", sep=asked)


def test_comma_wins_where_text_holds_other_delimiters(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\n" + '"x;y|z",1\n"x;y",2\n' * 15)[0].columns == ["a", "b"]


def test_separator_in_a_line_of_its_own(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, "\ufeffsep=|\r\na|b,c\r\n1|2,x\r\n")
    assert frame.rows() == [("1", "2,x")]
    assert notes == ()


def test_one_column_is_said_and_keeps_its_blank_lines(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, "a\n1\n\n2\n\n")
    assert frame["a"].to_list() == ["1", "", "2"]
    assert notes == ("one column was found (--sep states how fields are separated)",)


# Decimal commas


def decimals(tmp_path: Path, content: str, **options) -> list[str]:
    return read(tmp_path, content, **options)[0]["a"].to_list()


def test_decimal_commas_between_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a;b\n" + "1,5;x,y\n2;z\nNA;z\n" * 10)
    dataset = load_dataset(path)
    assert dataset.frame["a"].to_list()[:3] == [1.5, 2.0, None]
    assert dataset.frame["b"].to_list()[:2] == ["x,y", "z"]
    assert "commas are decimal points in columns 'a' (--decimal . overrules this)" in dataset.notes


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("a\tb\n1,5\tx\n2\ty\n", {}, ["1.5", "2"]),
        ('a,b\n"1,5",x\n2,y\n', {}, ["1.5", "2"]),
        ("a;b\n1.234,5;x\n-2.345.678;y\n", {}, ["1234.5", "-2345678"]),
        ("a;b\n1,5e3;x\n ?;y\n", {}, ["1.5e3", " ?"]),
        ("a;b\n1,234;x\n", {}, ["1.234"]),
        ("a\tb\n1,234\tx\n", {}, ["1,234"]),
        ("a\tb\n1,234\tx\n", {"decimal": ","}, ["1.234"]),
        ("a;b\n1,5;x\n", {"decimal": "."}, ["1,5"]),
        ("a;b\n1,5;x\n2.5;y\n", {}, ["1,5", "2.5"]),
        ("a;b\n1,5;x\nn.a.;y\n", {}, ["1,5", "n.a."]),
        ("a;b\n1,5;x\nn.a.;y\n", {"null": ("n.a.",)}, ["1.5", "n.a."]),
        ("a;b\n" + "1,5;x\n" * 200 + "2,5,1;y\n", {}, ["1,5"] * 200 + ["2,5,1"]),
    ],
)
def test_what_a_comma_is(tmp_path: Path, content: str, options: dict, expected: list[str]) -> None:
    assert decimals(tmp_path, content, **options) == expected


def test_decimal_sign_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--decimal must be '.' or ',', got '·'"):
        read(tmp_path, "a,b\n1,2\n", decimal="·")


# Encodings

TEXT = "näme;zahl\nMüller;1\nGroß;2\n"


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (TEXT.encode(), None),
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.encode("utf-16"), "read as utf-16, by its byte order mark"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "read as utf-16, by its byte order mark"),
        (TEXT.encode("utf-32"), "read as utf-32, by its byte order mark"),
        (TEXT.encode("cp1252"), "read as cp1252, as it is no UTF-8 (--encoding overrules this)"),
        (TEXT.encode("cp1252") + b"\x81;3\n", "read as latin-1, as it is no UTF-8 (--encoding overrules this)"),
    ],
)
def test_encoding_is_found_and_said(tmp_path: Path, content: bytes, note: str | None) -> None:
    frame, notes = read(tmp_path, content)
    assert frame.columns == ["näme", "zahl"]
    assert frame["näme"].to_list()[:2] == ["Müller", "Groß"]
    assert [said for said in notes if "read as" in said] == ([note] if note else [])


def test_encoding_is_found_far_down(tmp_path: Path) -> None:
    content = b"a,b\n" + b"plain,1\n" * 300_000 + "€,2\n".encode("cp1252")
    assert read(tmp_path, content)[0]["a"][-1] == "€"


@pytest.mark.parametrize("asked", ["latin-1", "LATIN1", "cp1252", "iso-8859-15", "mac-roman", "utf-16-le", "gbk"])
def test_encoding_that_is_stated(tmp_path: Path, asked: str) -> None:
    text = "a,b\né,1\n" if asked != "gbk" else "a,b\n数,1\n"
    frame, notes = read(tmp_path, text.encode(asked), encoding=asked)
    assert frame["a"].to_list() == [text[4]]
    assert notes == ()


def test_encoding_that_does_not_exist(tmp_path: Path) -> None:
    message = r"--encoding must be an encoding such as utf-8, .*, got 'latin-l'\. Did you mean .*'latin-?1'"
    with pytest.raises(RequestError, match=message):
        read(tmp_path, "a,b\n1,2\n", encoding="latin-l")
    with pytest.raises(RequestError, match="got 'base64'"):
        read(tmp_path, "a,b\n1,2\n", encoding="base64")


def test_encoding_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be UTF-8; line 3 is not \(byte 0xe9\)\. Mend it, or say .* cp1252"):
        read(tmp_path, b"a,b\n1,2\n\xe9,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"must be utf-16; line 2 or one after it is not .* Correct --encoding"):
        read(tmp_path, b"\xff\xfea\0,\0b\0\n\0x", encoding="utf-16")


def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be UTF-8; line 4 is not \(byte 0xc3\)"):
        read(tmp_path, "a,b\nä,1\nü,2\n".encode() + b"\xc3,3\n")
    with pytest.raises(DataError, match=r"must be UTF-8; line 2 is not \(byte 0xc3\)"):
        read(tmp_path, "a,b\nääää,1".encode() + b"\xc3")


# What stands before the header


def test_comments_and_blank_lines_before_the_header(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, "# made by hand, in 2020\n\n#\na,b\n1,#2\n#3,4\n")
    assert frame.rows() == [("1", "#2"), ("#3", "4")]
    assert notes == ("2 lines that begin with '#' before the header are left out",)


def test_header_in_a_comment(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, "## version 4\n#CHROM\tPOS\nchr1\t5\n", "table.tsv")
    assert frame.rows(named=True) == [{"CHROM": "chr1", "POS": "5"}]
    assert notes == (
        "the names of columns are read from the line with '#' before the first row",
        "1 lines that begin with '#' before the header are left out",
    )


# Quotes


def test_byte_order_mark_crlf_and_quoted_newlines(tmp_path: Path) -> None:
    frame = read(tmp_path, b"\xef\xbb\xbfa,b\r\n" + b'1,"x\r\ny, ""z"""\r\n2,w\r\n' * 15)[0]
    assert frame.columns == ["a", "b"]
    assert frame["b"][0] == 'x\r\ny, "z"'


def test_quotes_escaped_by_backslashes(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, r"a,b" + "\n" + r'"say \"hi\", or not",1' + "\n" + r'"\"",2' + "\n")
    assert frame["a"].to_list() == ['say "hi", or not', '"']
    assert notes == ("quotes within fields are escaped by backslashes",)


def test_backslashes_that_escape_nothing(tmp_path: Path) -> None:
    frame, notes = read(tmp_path, 'a,b\n"C:\\","x"\n"D:\\""","y"\nE:\\x,z\n')
    assert frame["a"].to_list() == ["C:\\", 'D:\\"', "E:\\x"]
    assert notes == ()


UNCLOSED = {
    "in the middle": ('a,b\n1,"x"\n2,"y\n3,z\n4,w\n', 3),
    "in the last line": ('a,b\n1,"x"\n2,"y', 3),
    "at the very end": ('a,b\n1,"x"\n2,"', 3),
    "after a doubled one": ('a,b\n1,"x\n"\n2,"y""', 4),
    "before an even end": ('a,b\n1,"x\n2,y\n3,""z""\n', 2),
    "with lines of another width": ('a,b,c\n1,2,"x"\n2,"y\n3,z,u\n4,w,v\n', 3),
    "in the header": ('a,"b\n1,2\n', 1),
    "beyond a field's limit": ('a,b\n1,"x"\n2,"y\n' + "3,z\n" * 50_000, 3),
    "below comments": ('# one\n# two\na,b\n1,"x\n', 4),
    "beside backslashes": ('a,b\n1,"x\\" z"\n2,"y\n', 3),
}


@pytest.mark.parametrize(("content", "line"), UNCLOSED.values(), ids=UNCLOSED)
@pytest.mark.parametrize("bad_lines", ["error", "skip"])
def test_a_quote_that_is_never_closed(tmp_path: Path, content: str, line: int, bad_lines: str) -> None:
    with pytest.raises(DataError, match=f"never closed, in the row that begins in line {line}\\. Close it"):
        read(tmp_path, content, bad_lines=bad_lines)


def test_a_quote_that_is_never_closed_among_lines_left_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="never closed, in the row that begins in line 7"):
        read(tmp_path, 'a,b,c\n1,"2",3\n' + "1,2\n" * 4 + '1,"2,3\n1,2,3\n', bad_lines="skip")


CLOSED = ["", "\n", "\r\n", "\n\n"]


@pytest.mark.parametrize("last", ["x", '"x"', '""', '"x""y"', '"""x"""', '"x\ny"', 'x"y', "", '"x" ', "x "])
@pytest.mark.parametrize("end", CLOSED)
def test_quotes_that_are_closed(tmp_path: Path, last: str, end: str) -> None:
    assert len(read(tmp_path, f'a,b\n"1",2\n3,{last}{end}')[0]) == 2


# Lines of another width


def test_ragged_lines_are_named_by_their_lines(tmp_path: Path) -> None:
    content = '# comment\na,b\n"x\ny",1\n\n2,3,4\n5\n"u\n\nv",1,2,3\n6,7\n8\n'
    message = (
        r"must have 2 fields in every line, as its header has; line 6 has 3, line 7 has 1, line 8 has 4 "
        r"\(4 such lines\)\. Correct them, quote fields that hold the delimiter, or leave them out: --bad-lines skip\."
    )
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)
    frame, notes = read(tmp_path, content, bad_lines="skip")
    assert frame.rows() == [("x\ny", "1"), ("6", "7")]
    assert notes[-1] == (
        "4 lines that do not have the header's 2 fields are left out: line 6 has 3, line 7 has 1, line 8 has 4 "
        "(4 such lines) (--bad-lines error refuses them)"
    )


def test_ragged_line_that_alone_is_no_utf8(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 11 has 3 \(1 such lines\)"):
        read(tmp_path, b"a,b\n" + b"1,2\n" * 9 + b"\xe9,1,2\n")


def test_ragged_lines_in_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 2**10)
    content = "a,b\n" + ("1,2\n" * 1000 + "1,2,3\n") * 5
    with pytest.raises(DataError, match=r"line 1002 has 3, line 2003 has 3, line 3004 has 3 \(5 such lines\)"):
        read(tmp_path, content)
    assert len(read(tmp_path, content, bad_lines="skip")[0]) == 5000


@pytest.mark.parametrize("bad_lines", ["error", "skip"])
def test_no_line_as_wide_as_the_header(tmp_path: Path, bad_lines: str) -> None:
    with pytest.raises(DataError, match=r"\(9 such lines\)\. No line has as many: does the header lack a name, or"):
        read(tmp_path, "a,b\n" + "1,2,3\n" * 9, bad_lines=bad_lines)


def test_text_that_is_cut_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 11 has 1 \(1 such lines\)\. The file ends within a line: it may be cut"):
        read(tmp_path, "a,b\n" + "1,2\n" * 9 + "1")


BAD = {
    "nothing": ("", "is empty; it must hold a table"),
    "a mark": ("\ufeff", "holds no rows; it must have a header and rows"),
    "blank lines": ("\n\r\n\n", "holds no rows; it must have a header and rows"),
    "comments": ("# a\n# b\n", "holds no rows; it must have a header and rows"),
    "header": ("a,b\n", "holds a header and no rows"),
    "header alone": ("a,b", "holds a header and no rows"),
    "NUL": ("a,b\n" + "1,2\n" * 9 + "1,\0\n", r"got NUL bytes \(the first in line 11\). Delete them: tr -d '\\0'"),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le").decode(), r"--encoding utf-16-le"),
    "a name twice": ("a,b,a\n" + "1,2,3\n" * 30, "column names must be unique, got 'a' more than once"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_text_is_explained(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


def test_names_that_cannot_be_worked_with(tmp_path: Path) -> None:
    long = "x" * 10_000
    frame, notes = read(tmp_path, f"a,, ,{long}\n1,2,3,4\n")
    assert frame.columns == ["a", "column_2", "column_3", "x" * 100 + "_" + frame.columns[3][-8:]]
    assert notes[0] == "columns without a name are called column_2, column_3"
    assert notes[1].startswith("the name 'xxxx")
    assert "(10000 characters) is 'xxxx" in notes[1]
    assert read(tmp_path, f"{long},b\n1,2\n")[0].columns[0] == frame.columns[3]


def test_fields_beyond_the_limit_of_other_parsers(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read(tmp_path, f"{long},b\n1,2\n")[0].columns[1] == "b"
    assert read(tmp_path, f'a,b\n"{long}\n",2\n')[0]["a"].to_list() == [long + "\n"]
    with pytest.raises(DataError, match=r"line 4 has 1"):
        read(tmp_path, f'a,b\n"{long}\n",2\n3\n')


def test_types_are_inferred_over_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1,2\n" * 5000 + "x,2.5\n" * 500)
    assert load_dataset(path).frame.dtypes == [pl.String, pl.Float64]


def _loaded(path: Path, *, typed: bool) -> tuple[pl.DataFrame, tuple[str, ...]]:
    frame, notes = read_file(path, ReadOptions(typed=typed))
    normal = normalise(frame)
    return normal.frame, (*notes, *reading_notes(normal.readings))


def _call_large(patch: pytest.MonkeyPatch) -> None:
    """Have texts of some thousand bytes read as large ones are."""
    patch.setattr(delimited, "_LARGE_BYTES", 4000)
    patch.setattr(delimited, "_HEAD_BYTES", 2000)


ODD_FRACTIONS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64).map(str),
    st.sampled_from(
        [
            *("", " ", " 1.5", "1.5 ", "+1.5", "-0.0", ".5", "5.", "1e5", "1E-400", "1e400", "1_0", "0x1F", "0x1p3"),
            *("1.5f", "007", "00.5", "NaN", "nan", "inf", "-Infinity", "NA", "-", "?", "x", "1,5", '"1.5"'),
            *("12345678901234567890",),
        ]
    ),
)


ODD_WHOLES = st.one_of(
    st.integers(-(2**65), 2**65).map(str), ODD_FRACTIONS, st.sampled_from(["-0", "-07", "+07", " 07"])
)
FRACTIONS = [f"{n / 7:.{n % 9}f}" for n in range(3000)]
ODD_WORDS = st.one_of(ODD_FRACTIONS, st.sampled_from(["True", "FALSE", "t", "yes", " true", "1"]))
WORDS = [("true", "false")[n % 3 % 2] for n in range(3000)]
WHOLES = [str(n * 37 % 1000 - 100) for n in range(3000)]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    of=st.sampled_from([(FRACTIONS, ODD_FRACTIONS), (WHOLES, ODD_WHOLES), (WORDS, ODD_WORDS)]).flatmap(
        lambda of: st.tuples(st.just(of[0]), st.lists(of[1], min_size=1, max_size=4))
    ),
    places=st.lists(st.integers(0, 2999), min_size=4, max_size=4),
    first=st.booleans(),
)
def test_numbers_parsed_as_such_are_what_their_text_would_be_read_as(
    tmp_path: Path, of: tuple[list[str], list[str]], places: list[int], first: bool
) -> None:
    path = tmp_path / "table.csv"
    column, values = list(of[0]), of[1]
    order = "a;b" if first else "b;a"

    def line(value: str, n: int) -> str:
        return f"{value};k{n % 3}" if first else f"k{n % 3};{value}"

    for place, value in zip(places, values, strict=False):
        column[place] = value
    with pytest.MonkeyPatch.context() as patch:
        _call_large(patch)
        path.write_text(f"{order}\n" + "".join(f"{line(value, n)}\n" for n, value in enumerate(column)))
        typed, text = _loaded(path, typed=True), _loaded(path, typed=False)
    assert_frame_equal(typed[0], text[0], check_exact=True)
    assert typed[1] == text[1]


def test_numbers_are_parsed_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _call_large(monkeypatch)
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\n" + "".join(f"{n / 8},{n},{n}.5\n" for n in range(3000)) + ",,\n")
    frame, _ = read_file(path, ReadOptions(typed=True))
    assert frame.dtypes == [pl.Float64, pl.Int64, pl.Float64]
    assert frame["a"].null_count() == 1
    assert read_file(path, ReadOptions())[0].dtypes == [pl.String] * 3


@pytest.mark.parametrize("odd", ["007", " 7", "1.5", "x", "9" * 20])
def test_whole_numbers_are_parsed_as_such_where_none_is_odd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    _call_large(monkeypatch)
    lines = [f"k,{n},{n / 8}" for n in range(3000)]
    assert read(tmp_path, "\n".join(["a,b,c", *lines, ""]), typed=True)[0].dtypes == [pl.String, pl.Int64, pl.Float64]
    odder = read(tmp_path, "\n".join(["a,b,c", *lines, f"k,{odd},1.5", ""]), typed=True)[0]
    assert odder.dtypes == [pl.String, pl.String, pl.Float64]
    assert odder["b"][-1] == odd


PLAIN_LINES = [f"{n / 8},{n},x" for n in range(2000)]
RAGGED = {
    "a field too many, empty": ({700: "1,2,x,", 900: "1,2"}, r"line 702 has 4, line 902 has 2 \(2 such lines\)"),
    "a field too many": ({700: "1,2,x,y", 900: "1,2"}, r"line 702 has 4, line 902 has 2 \(2 such lines\)"),
    "a line too few": ({700: "1,2,x,y,z", 900: ""}, r"line 702 has 5 \(1 such lines\)"),
    "a line too few in many": ({700: "1,2"}, r"line 702 has 2 \(1 such lines\)"),
    "too many in the last line": ({700: "1,2", 1999: "1,2,x,"}, r"line 702 has 2, line 2001 has 4 \(2 such lines\)"),
}


@pytest.mark.parametrize(("lines", "message"), RAGGED.values(), ids=RAGGED)
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_ragged_lines_whose_fields_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: dict[int, str], message: str, end: str
) -> None:
    _call_large(monkeypatch)
    content = "\n".join(["a,b,c", *(lines.get(n, line) for n, line in enumerate(PLAIN_LINES))]) + end
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, typed=True)


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("x\n", "x\r"), ("\n", "\n\n")])
def test_line_ends_that_polars_reads_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str]
) -> None:
    _call_large(monkeypatch)
    content = "\n".join(["a,b,c", *PLAIN_LINES, ""]).replace(*change)
    typed, text = (read(tmp_path, content, typed=typed)[0] for typed in (True, False))
    assert typed.equals(text.with_columns(pl.col("a").cast(typed["a"].dtype)))
    assert len(text) == len(PLAIN_LINES)


def test_rows_longer_than_what_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _call_large(monkeypatch)
    row = ",".join(["1.5"] * 1000)
    content = "\n".join([",".join(f"c{n}" for n in range(1000)), *[row] * 5, ""])
    assert read(tmp_path, content, typed=True)[0].shape == (5, 1000)


def test_rows_that_fill_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1000)
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + f"1.5,{'x' * 3000}\n" * 40)
    assert read_file(path, ReadOptions())[0].shape == (40, 2)
