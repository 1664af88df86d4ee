"""Reading databases: a real PostgreSQL, SQLite and DuckDB files, and what connectorx reaches."""

import sqlite3
import sys
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import postgres
import pytest
from conftest import table

from bench.dataset import load_dataset, to_frame
from bench.errors import DataError, RequestError
from bench.sources import read_source
from bench.sources.base import ReadOptions
from bench.spec import make_spec

server = postgres.server
BINARY = table("binary")


def read(reference, query=None, **options):
    return read_source(str(reference), ReadOptions(query=query, **options))


def execute(address, *statements):
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


@pytest.fixture(scope="module")
def people(server):
    """The server with a schema, tables of the usual types, and a user who may read one of them."""
    execute(
        server,
        "CREATE TYPE mood AS ENUM ('1', '2')",
        """CREATE TABLE kinds (small smallint, whole int, big bigint, ratio real, double double precision,
           price numeric(12, 3), huge numeric, word text, short varchar(9), yes boolean, day date, at timestamp,
           zoned timestamptz, clock time, span interval, id uuid, doc jsonb, list int[], mood mood, bytes bytea)""",
        """INSERT INTO kinds VALUES (1, 2, 3, 1.5, 2.5, 3.125, 12345678901234567890, 'a', 'b', true, '2020-01-02',
           '2020-01-02 03:04:05', '2020-01-02 03:04:05+02', '01:02:03', '1 mon 1 day 2 hours',
           '00000000-0000-0000-0000-000000000001', '{"a": 1}', '{1,2}', '2', '\\x00')""",
        "INSERT INTO kinds (small) VALUES (NULL)",
        "CREATE TABLE people AS SELECT i, i % 3 AS y FROM generate_series(1, 50) i",
        "CREATE SCHEMA other",
        'CREATE TABLE other."Odd ""name.csv" AS SELECT 1 AS a',
        "CREATE ROLE reader LOGIN PASSWORD 'read'",
        "GRANT SELECT ON people TO reader",
    )
    return server


@pytest.fixture
def lite(tmp_path, monkeypatch):
    """An SQLite file in the working directory."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("file.db") as connection:
        connection.execute("CREATE TABLE data (a, b, colour, y)")
        connection.executemany("INSERT INTO data VALUES (?, ?, ?, ?)", BINARY.rows())
    connection.close()
    return tmp_path / "file.db"


@pytest.fixture
def duck(tmp_path, monkeypatch):
    """A DuckDB file in the working directory."""
    duckdb = pytest.importorskip("duckdb", reason="the extra [sql] is not installed")
    monkeypatch.chdir(tmp_path)
    with duckdb.connect("file.duckdb") as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('1', '2')")
        connection.execute(
            """CREATE TABLE kinds AS SELECT 1 AS whole, 2::hugeint AS big, 3.125::decimal(12, 3) AS price, 'a' AS word,
               true AS yes, date '2020-01-02' AS day, timestamptz '2020-01-02 03:04:05+02' AS zoned, '2'::mood AS mood,
               interval '1 day' AS span, NULL::int AS nothing"""
        )
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.t AS SELECT range AS a FROM range(30)")
    return tmp_path / "file.duckdb"


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_postgresql_types(people):
    frame = read(f"{people}#kinds").frame
    row = frame.row(0, named=True)
    assert row == {
        "small": 1,
        "whole": 2,
        "big": 3,
        "ratio": 1.5,
        "double": 2.5,
        "price": "3.125",
        "huge": "12345678901234567890",
        "word": "a",
        "short": "b",
        "yes": True,
        "day": date(2020, 1, 2),
        "at": datetime(2020, 1, 2, 3, 4, 5),
        "zoned": datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC),
        "clock": time(1, 2, 3),
        "span": timedelta(days=31, hours=2),
        "id": "00000000-0000-0000-0000-000000000001",
        "doc": '{"a": 1}',
        "list": [1, 2],
        "mood": "2",
        "bytes": b"\0",
    }
    assert frame["mood"].dtype == pl.Categorical
    assert frame.row(1) == (None,) * 20


def test_postgresql_columns_get_kinds(people):
    query = """SELECT (i + 0.5)::numeric AS price, (1 + i % 2)::text::mood AS mood, i % 2 = 0 AS yes,
               date '2020-01-01' + i AS day FROM generate_series(1, 40) i ORDER BY i"""
    dataset = load_dataset(people, options=ReadOptions(query=query))
    assert [column.kind for column in dataset.columns] == ["numeric", "categorical", "boolean", "datetime"]
    assert dataset.name == "postgres"


@pytest.mark.parametrize("table", ["people", "public.people"])
def test_a_table_is_named_after_a_hash(people, table):
    raw = read(f"{people}#{table}")
    assert raw.frame.shape == (50, 2)
    assert raw.name == table
    assert raw.source.startswith("postgresql://***@127.0.0.1:")
    assert load_dataset(f"{people}#{table}").notes == ()


def test_odd_names_are_quoted(people):
    assert read(f'{people}#other.Odd "name.csv').frame.rows() == [(1,)]


def test_a_password_may_come_from_the_environment(people, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", postgres.PASSWORD)
    assert read(f"{people.replace(f':{postgres.SPELLED}', '')}#people").frame.height == 50


def test_only_tables_that_may_be_read_are_listed(people):
    with pytest.raises(RequestError, match=r"which table\? Give .* or --query 'select .*Tables there: people\.$"):
        read(people.replace(f"ann:{postgres.SPELLED}", "reader:read"))
    with pytest.raises(RequestError, match=r'Tables there: kinds, other.Odd "name.csv, people\.$'):
        read(people)


def test_a_query_without_order_is_told(people):
    (note,) = read(people, "SELECT i FROM people").notes
    assert "ORDER BY in --query" in note
    assert read(people, "SELECT i FROM people ORDER  BY i").notes == ()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", r'syntax error at or near "SELEC"\.$'),
        ("SELECT * FROM peple", r'relation "peple" does not exist\.$'),
        ("SELECT j FROM people", r'column "j" does not exist\.$'),
        ("SELECT 1 / (i - 7) FROM people", r"division by zero"),
        ("SELECT 1; DROP TABLE people", r"cannot insert multiple commands"),
        ("DROP TABLE people", r"cannot execute DROP TABLE in a read-only transaction"),
        ("INSERT INTO people VALUES (0, 0) RETURNING i", r"in a read-only transaction"),
        ("WITH gone AS (DELETE FROM people RETURNING i) SELECT * FROM gone", r"in a read-only transaction"),
        ("SELECT 1) TO STDOUT; DROP TABLE people; --", r"syntax error"),
        ("SET TRANSACTION READ WRITE", r"--query must be one SELECT"),
        ("COMMIT", r"--query must be one SELECT"),
        ("SELECT 1 AS a, 2 AS a", r"column names must be unique, got 'a'"),
        ("SELECT * FROM people WHERE password = ***", r"--query must hold what \*\*\* stands for"),
    ],
)
def test_postgresql_refuses(people, query, message):
    with pytest.raises((DataError, RequestError), match=message) as raised:
        read(people, query)
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert read(people, "SELECT count(*) FROM people").frame.item() == 50


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (postgres.SPELLED, "wrong", r"password authentication failed for user \"ann\"\.$"),
        ("ann:", "s3cret:", r"password authentication failed"),
        ("/postgres", "/nowhere", r'database "nowhere" does not exist\.$'),
        ("127.0.0.1", "no.such.host.invalid", r"could not translate host name"),
        ("#people", "#peple", r"has no table 'peple'\. Did you mean 'people'\?"),
        ("#people", "#xyz", r"has no table 'xyz'\. Tables there: kinds, .*people\."),
        (postgres.SPELLED, "s3cret#1", r"must be SCHEME://.*got postgresql://\*\*\*@127.*#, .*%23"),
        (postgres.SPELLED, "s3cret/1", r"Spell @, /, .* in a password as %40, %2F"),
        (postgres.SPELLED, "x@s3cret", r"Spell @, .* in a password as %40"),
        (postgres.SPELLED, "[s3cret", r"\[ and \] in a password as .*%5B and %5D"),
        ("127.0.0.1:", "127.0.0.1:x", r"must be SCHEME://USER:PASSWORD@HOST:PORT/NAME"),
        (postgres.SPELLED, "***", r"must hold the password, .* for which \*\*\* stands: spec.yaml keeps none"),
    ],
)
def test_wrong_addresses_end_in_a_message_without_the_password(people, old, new, message):
    with pytest.raises((DataError, RequestError), match=message) as raised:
        read(f"{people}#people".replace(old, new))
    if new != "s3cret:":  # which the server repeats as a user
        assert "s3cret" not in str(raised.value)


def test_a_closed_port_is_told_at_once():
    with pytest.raises(
        DataError, match=r"^postgresql://\*\*\*@127.0.0.1:\d+/db could not be read: .*Connection refused"
    ):
        read(f"postgresql://ann:s3cret@127.0.0.1:{postgres.free_port()}/db#t")


def test_offline_asks_no_server():
    with pytest.raises(DataError, match=r"--offline forbids to ask postgresql://\*\*\*@db/x\. Leave it out"):
        read("postgresql://ann:s3cret@db/x#t", offline=True)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with pytest.raises(RequestError, match=r"adbc-driver-postgresql is needed .*pip install 'automl-bench\[sql\]'"):
        read("postgresql://db/x#t")


# --- connectorx, by which PostgreSQL's protocol is spoken for Redshift ------------------------------------------------


def test_connectorx_reads(people):
    pytest.importorskip("connectorx", reason="the extra [sql] is not installed")
    redshift = people.replace("postgresql://", "redshift://")
    assert read(f"{redshift}#people").frame.shape == (50, 2)
    with pytest.raises(DataError, match=r'could not be read: relation "peple" does not exist'):
        read(redshift, "SELECT * FROM peple")


def test_connectorx_is_not_left_to_try_again_and_again():
    pytest.importorskip("connectorx", reason="the extra [sql] is not installed")
    with pytest.raises(DataError, match=r"^mysql://\*\*\*@127.0.0.1:\d+/db could not be read: .*Connection refused"):
        read(f"mysql://ann:s3cret@127.0.0.1:{postgres.free_port()}/db#t")


# --- SQLite and DuckDB -----------------------------------------------------------------------------------------------


def test_sqlite_reads_as_the_frame_does(lite):
    for address in ("sqlite:///file.db#data", f"sqlite:///{lite}#data", f"sqlite://{lite}#data"):
        dataset = load_dataset(address)
        assert (dataset.name, dataset.fingerprint) == ("data", load_dataset(BINARY).fingerprint)
    assert to_frame("sqlite:///file.db#data")[0].height == 120


def test_sqlite_values_of_several_types(lite):
    query = "SELECT * FROM (VALUES (1, 1, 1, x'00', NULL), (2.5, 'x', NULL, x'01', NULL)) ORDER BY 1"
    frame = read("sqlite:///file.db", query).frame
    assert frame.rows() == [(1.0, "1", 1, b"\0", None), (2.5, "x", None, b"\1", None)]
    assert frame.dtypes == [pl.Float64, pl.String, pl.Int64, pl.Binary, pl.Null]


def test_sqlite_types_may_change_after_many_rows(lite, monkeypatch):
    monkeypatch.setattr("bench.sources.sql._ROWS_A_CHUNK", 7)
    query = "SELECT rowid AS i, CASE WHEN rowid < 20 THEN 1 ELSE 'x' END AS mixed FROM data ORDER BY rowid"
    frame = read("sqlite:///file.db", query).frame
    assert frame["i"].to_list() == list(range(1, 121))
    assert frame["mixed"].to_list() == ["1"] * 19 + ["x"] * 101


def test_an_empty_result_keeps_its_columns(lite):
    frame = read("sqlite:///file.db", "SELECT a, b FROM data WHERE 0").frame
    assert (frame.columns, frame.height) == (["a", "b"], 0)


@pytest.mark.parametrize(
    ("reference", "query", "message"),
    [
        ("sqlite:///file.db", None, r"which table\?.*Tables there: data\."),
        ("sqlite:///file.db#dato", None, r"has no table 'dato'. Did you mean 'data'"),
        ("sqlite:///file.db", "SELEC 1", r'near "SELEC": syntax error'),
        ("sqlite:///file.db", "SELECT 1; SELECT 2", r"one statement at a time"),
        ("sqlite:///file.db", "DELETE FROM data", r"attempt to write a readonly database"),
        ("sqlite:///file.db", "DELETE FROM data RETURNING a", r"attempt to write a readonly database"),
        ("sqlite:///file.db", "VACUUM INTO 'copy.db'", r"authorization denied"),
        ("sqlite:///file.db", "ATTACH 'copy.db' AS copy", r"not authorized"),
        ("sqlite:///file.db", "BEGIN", r"--query must be one SELECT"),
        ("sqlite:///gone.db#data", None, r"'gone.db' is not there; sqlite:///PATH is relative, sqlite:////PATH abs"),
        ("sqlite://file.db#data", None, r"must be sqlite:///PATH, with three slashes"),
        ("sqlite:///text.db#data", None, r"file is not a database"),
        ("sqlite:///empty.db#data", None, r"has no table 'data'. Tables there: none"),
    ],
)
def test_sqlite_refuses(lite, reference, query, message):
    lite.with_name("text.db").write_text("a,b\n" * 999)
    lite.with_name("empty.db").write_bytes(b"")
    with pytest.raises((DataError, RequestError), match=message):
        read(reference, query)
    assert not lite.with_name("copy.db").exists()
    assert load_dataset("sqlite:///file.db#data").frame.height == 120


def test_duckdb_types(duck):
    frame = read("duckdb:///file.duckdb#kinds").frame
    assert frame.drop("big", "price").row(0, named=True) == {
        "whole": 1,
        "word": "a",
        "yes": True,
        "day": date(2020, 1, 2),
        "zoned": datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC),
        "mood": "2",
        "span": timedelta(days=1),
        "nothing": None,
    }
    assert (float(frame["big"][0]), float(frame["price"][0])) == (2, 3.125)
    assert frame["mood"].dtype == pl.Categorical
    assert frame["word"].dtype == pl.String


def test_duckdb_schemas(duck):
    assert load_dataset("duckdb:///file.duckdb#other.t").frame["a"].to_list() == list(range(30))


@pytest.mark.parametrize(
    ("reference", "query", "message"),
    [
        ("duckdb:///file.duckdb", None, r"which table\?.*Tables there: kinds, other.t\."),
        ("duckdb:///file.duckdb#kind", None, r"has no table 'kind'. Did you mean 'kinds'"),
        ("duckdb:///file.duckdb", "SELEC 1", r'could not be read: syntax error at or near "SELEC"\.$'),
        ("duckdb:///file.duckdb", "FROM nowhere", r"Table with name nowhere does not exist"),
        ("duckdb:///file.duckdb", "FROM duck", r"Table with name duck does not exist"),
        ("duckdb:///file.duckdb", "DROP TABLE kinds", r"--query must be one SELECT"),
        ("duckdb:///file.duckdb", "COPY kinds TO 'copy.csv'", r"--query must be one SELECT"),
        ("duckdb:///file.duckdb", "SELECT 1; SELECT 2", r"--query must be one SELECT"),
        ("duckdb:///text.duckdb#kinds", None, r"not a valid DuckDB database file"),
    ],
)
def test_duckdb_refuses(duck, reference, query, message):
    duck.with_name("text.duckdb").write_text("a,b\n" * 999)
    with pytest.raises((DataError, RequestError), match=message):
        read(reference, query)
    assert not duck.with_name("copy.csv").exists()


# --- the request -----------------------------------------------------------------------------------------------------


def test_a_query_needs_a_database():
    with pytest.raises(RequestError, match=r"--query is for databases, such as postgresql://"):
        make_spec(dataset="data.csv", query="SELECT 1")
    with pytest.raises(RequestError, match=r"--query and a table after # in --dataset exclude each other"):
        make_spec(dataset="sqlite:///x.db#t", query="SELECT 1")


def test_the_command_reads_databases(lite, cli):
    told = cli("check", "sqlite:///file.db", "--query", "SELECT a, b, y FROM data ORDER BY rowid", "--target", "y")
    assert told.code == 0, told.err
    assert "file: 120 rows, 3 columns" in told.out
