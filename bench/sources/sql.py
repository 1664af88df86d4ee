"""Tables in databases, named by an address and either a table after ``#`` or ``--query``.

::

    postgresql://user:password@host:5432/database#table         or #schema.table
    postgresql://user@host/database --query "select ..."        the password from $PGPASSWORD or ~/.pgpass
    sqlite:///folder/file.db#table                              relative; sqlite:////folder/file.db is absolute
    duckdb:///file.duckdb --query "select ..."
    mysql://, mssql://, oracle://, redshift://                  through connectorx

`bench` only reads: PostgreSQL in a read-only transaction, SQLite and DuckDB files opened for reading. connectorx has
nothing of the kind, so give it an account that may only read. Rows have no order in a database unless the query has an
ORDER BY, and a run is found again by its rows in order.
"""

import contextlib
import importlib
import re
import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from bench.errors import DataError, RequestError, nearest
from bench.secrets import MASK, redacted
from bench.sources.base import Raw, ReadOptions
from bench.table import check_names

#: PostgreSQL's types that are text; other types that come as text are enums. Other databases state none.
_TEXTS = frozenset({"", "text", "varchar", "bpchar", "name", "char", "citext"})
_ONE_SELECT = "--query must be one SELECT, which gives rows."
#: Carries out one query.
Ask = Callable[[str], pl.DataFrame]

_UNORDERED = "a database gives rows in any order; with ORDER BY in --query the same command finds the same run again"
_CONNECT_SECONDS = 10
_ROWS_A_CHUNK = 50_000
_MOST_LISTED = 50
_PREFIXES = re.compile(r"^.*?(?:ERROR|FATAL):\s+|^.*?\[libpq\]\s*|^[A-Z_]+: |^\w+ Error: ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """How one kind of database is opened, and how it lists its tables: a query for ``schema`` and ``name``.

    ``home`` is the schema whose tables need no prefix (None: the database's own name), ``port`` the usual one of a
    server.
    """

    open: Callable[[str], AbstractContextManager[Ask]]
    tables: str
    home: str | None
    port: int | None = None
    quote: str = '"'


def read(reference: str, options: ReadOptions) -> Raw:
    """Read a table, or what a query gives.

    Raises:
        RequestError: neither table nor query is named, or the driver is not installed.
        DataError: the database cannot be reached, refuses, or has no such table; the query is wrong.
    """
    address, _, table = reference.partition("#")
    if MASK in (options.query or ""):
        raise RequestError(f"--query must hold what {MASK} stands for: spec.yaml keeps no secrets. Give it again.")
    database = _DATABASES[address.partition(":")[0]]
    if database.port is not None:
        _check_login(reference)
    if options.offline and database.port is not None:
        raise DataError(redacted(f"--offline forbids to ask {address}. Leave it out, or export the table to a file."))
    with database.open(address) as ask:
        if not table and not options.query:
            tables = _listed(_tables(database, address, ask))
            raise RequestError(redacted(f"which table? Give {address}#TABLE or --query 'select ...'. ") + tables)
        query = _select(database, address, table, ask) if table else str(options.query)
        frame = ask(query)
    if not frame.width:
        raise RequestError(_ONE_SELECT)
    check_names(frame.columns)
    return Raw(
        frame=frame,
        source=redacted(reference),
        name=table or _name(address),
        notes=() if table or re.search(r"(?i)\border\s+by\b", query) else (_UNORDERED,),
    )


def _check_login(reference: str) -> None:
    """Demand that an address can be cut in one way only: drivers would take parts of a password for something else."""
    login = reference.partition("://")[2].rpartition("@")[0]
    try:
        whole = urlsplit(reference).port != 0
    except ValueError:
        whole = False
    if not whole or set("@/?#") & set(login):
        raise RequestError(
            f"a database's address must be SCHEME://USER:PASSWORD@HOST:PORT/NAME, got {redacted(reference)}. "
            "Spell @, /, ?, #, [ and ] in a password as %40, %2F, %3F, %23, %5B and %5D."
        )


def _name(address: str) -> str:
    """What the data is called: the database, without endings."""
    return unquote(urlsplit(address).path).rstrip("/").rpartition("/")[2].partition(".")[0] or "query"


def _tables(database: Database, address: str, ask: Ask) -> dict[str, tuple[str, str]]:
    """List the tables: how a user names each, and its schema and name."""
    home = database.home if database.home is not None else _name(address)
    rows = ask(database.tables).rows()
    named = {name if schema == home else f"{schema}.{name}": (schema, name) for schema, name in rows}
    return dict(sorted(named.items()))


def _listed(tables: Iterable[str]) -> str:
    names = list(tables)
    more = [f"and {len(names) - _MOST_LISTED} more"] if len(names) > _MOST_LISTED else []
    return f"Tables there: {', '.join(names[:_MOST_LISTED] + more) or 'none that may be read'}."


def _select(database: Database, address: str, table: str, ask: Ask) -> str:
    """Spell the query for a whole table."""
    tables = _tables(database, address, ask)
    by_whole_name = {f"{schema}.{name}": (schema, name) for schema, name in tables.values()}
    found = tables.get(table) or by_whole_name.get(table)
    if found is None:
        hint = nearest(table, tables) or f" {_listed(tables)}"
        raise DataError(redacted(f"{address} has no table {table!r}.") + hint)
    mark = database.quote
    return "SELECT * FROM " + ".".join(mark + part.replace(mark, 2 * mark) + mark for part in found)


@contextlib.contextmanager
def _telling(address: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn a driver's errors into ours."""
    told: tuple[type[Exception], ...] = (*errors, pl.exceptions.PolarsError)
    try:
        yield
    except told as error:
        raise _explain(address, error) from None


def _explain(address: str, error: BaseException) -> DataError:
    """Tell what a server said first, without the password."""
    line = _PREFIXES.sub("", (str(error).strip().splitlines() or [type(error).__name__])[0])
    password = urlsplit(address).password
    for secret in {password, unquote(password)} if password else ():
        line = line.replace(secret, MASK)
    return DataError(redacted(f"{address} could not be read: {line.strip().rstrip('.')}."))


def _driver(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        package = module.partition(".")[0].replace("_", "-")
        raise RequestError(f"{package} is needed to read this database: pip install 'automl-bench[sql]'.") from None


@contextlib.contextmanager
def _postgresql(address: str) -> Iterator[Ask]:
    dbapi = _driver("adbc_driver_postgresql.dbapi")
    limited = address
    if "connect_timeout=" not in address:
        limited += f"{'&' if '?' in address else '?'}connect_timeout={_CONNECT_SECONDS}"
    with _telling(address, dbapi.Error), dbapi.connect(limited) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")

        def ask(query: str) -> pl.DataFrame:
            cursor.execute(query)
            return _from_arrow(cursor.fetch_arrow_table())

        yield ask


@contextlib.contextmanager
def _duckdb(address: str) -> Iterator[Ask]:
    duckdb = _driver("duckdb")
    path = _path(address)

    def ask(query: str) -> pl.DataFrame:
        statements = duckdb.extract_statements(query)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise RequestError(_ONE_SELECT)
        return _from_arrow(connection.sql(query).to_arrow_table())

    with _telling(address, duckdb.Error), duckdb.connect(path, read_only=True) as connection:
        connection.execute("SET python_enable_replacements = false")  # tables are the database's, not our variables
        yield ask


@contextlib.contextmanager
def _sqlite(address: str) -> Iterator[Ask]:
    path = _path(address).absolute().as_uri()

    def ask(query: str) -> pl.DataFrame:
        return _from_cursor(connection.execute(query))

    with (
        _telling(address, sqlite3.Error, sqlite3.Warning),
        contextlib.closing(sqlite3.connect(f"{path}?mode=ro", uri=True)) as connection,
    ):
        connection.set_authorizer(_no_other_file)
        yield ask


def _no_other_file(action: int, *_: str | None) -> int:
    """Refuse ATTACH, and VACUUM INTO with it: a file opened for reading does not keep SQLite from writing others."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


@contextlib.contextmanager
def _connectorx(address: str) -> Iterator[Ask]:
    _driver("connectorx")
    parts = urlsplit(address)
    database = _DATABASES[parts.scheme]
    with _telling(address, OSError):  # connectorx itself tries again and again, for 30 s
        socket.create_connection((parts.hostname, parts.port or database.port), _CONNECT_SECONDS).close()

    def ask(query: str) -> pl.DataFrame:
        try:
            return pl.read_database_uri(query, address, engine="connectorx")
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # raised at types of columns that connectorx does not know
                raise
            raise _explain(address, error) from None

    with _telling(address, RuntimeError):
        yield ask


def _path(address: str) -> Path:
    """Find the file of an address: relative after three slashes, absolute after four, as SQLAlchemy has it."""
    scheme, _, rest = address.partition("://")
    spelled = unquote(rest.partition("?")[0])
    if not spelled.startswith("/") or len(spelled) == 1:
        raise RequestError(f"a file's address must be {scheme}:///PATH, with three slashes; got {redacted(address)}.")
    for path in (Path(spelled[1:]), Path(spelled)):  # others take three slashes for an absolute path
        if path.is_file():
            return path
    raise DataError(f"{spelled[1:]!r} is not there; {scheme}:///PATH is relative, {scheme}:////PATH absolute.")


def _from_arrow(table: Any) -> pl.DataFrame:
    """Turn an Arrow table into a frame: what polars has no type for becomes text or durations, enums categories."""
    import pyarrow

    check_names(table.column_names)
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
        if isinstance(field.type, pyarrow.UuidType):
            series = pl.Series(
                [value if value is None else str(value) for value in column.to_pylist()], dtype=pl.String
            )
        elif field.type == pyarrow.month_day_nano_interval():
            series = pl.Series([_duration(value) for value in column.to_pylist()], dtype=pl.Duration("us"))
        elif isinstance(field.type, pyarrow.BaseExtensionType):
            series = pl.Series(pl.from_arrow(column.cast(field.type.storage_type)))
        else:
            series = pl.Series(pl.from_arrow(column))
        if field.type == pyarrow.string() and kind not in _TEXTS:
            series = series.cast(pl.Categorical)
        columns.append(series.alias(field.name))
    return pl.DataFrame(columns)


def _duration(value: Any) -> timedelta | None:
    """Read an interval, months as 30 days, as PostgreSQL's own age comparisons do."""
    if value is None:
        return None
    return timedelta(days=30 * value.months + value.days, microseconds=value.nanoseconds // 1000)


def _from_cursor(cursor: sqlite3.Cursor) -> pl.DataFrame:
    """Read SQLite's rows: its values have types, its columns have none."""
    names = [column[0] for column in cursor.description or ()]
    check_names(names)
    chunks: list[pl.DataFrame] = []
    while (rows := cursor.fetchmany(_ROWS_A_CHUNK)) or not chunks:
        values = zip(*rows, strict=True) if rows else [()] * len(names)
        chunks.append(pl.DataFrame([_column(name, column) for name, column in zip(names, values, strict=True)]))
    return pl.concat(chunks, how="vertical_relaxed")


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    for allowed, dtype in ((set(), pl.Null), ({int}, pl.Int64), ({int, float}, pl.Float64), ({bytes}, pl.Binary)):
        if kinds <= allowed:
            return pl.Series(name, values, dtype=dtype)
    return pl.Series(name, [value if value is None else str(value) for value in values], dtype=pl.String)


_INFORMATION = "SELECT table_schema, table_name FROM information_schema.tables"
_DATABASES = {
    "postgresql": Database(
        open=_postgresql,
        tables=(
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
            " AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
        ),
        home="public",
        port=5432,
    ),
    "sqlite": Database(
        open=_sqlite,
        tables="SELECT 'main', name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
        home="main",
    ),
    "duckdb": Database(open=_duckdb, tables=_INFORMATION, home="main"),
    "mysql": Database(open=_connectorx, tables=_INFORMATION, home=None, port=3306, quote="`"),
    "mssql": Database(open=_connectorx, tables=_INFORMATION, home="dbo", port=1433),
    "oracle": Database(open=_connectorx, tables="SELECT owner, table_name FROM all_tables", home=None, port=1521),
    "redshift": Database(open=_connectorx, tables=_INFORMATION, home="public", port=5439),
}
_DATABASES["postgres"] = _DATABASES["postgresql"]
