"""Options that several verbs share: how data is read, and what its columns are."""

from pathlib import Path
from typing import Annotated

import typer


def _folder(reference: str) -> Path:
    """The folder of a run, fetched where it lies in an object store."""
    if "://" not in reference:
        return Path(reference)
    from bench.mirror import local_folder

    return local_folder(reference)


RunFolder = Annotated[
    Path, typer.Argument(parser=_folder, metavar="RUN", help="Folder of the run, or its address: s3://bucket/run.")
]
_READING, _COLUMNS = "Reading the data", "Columns"

Sep = Annotated[
    str | None, typer.Option(help="Delimiter of a text file. [default: found out]", rich_help_panel=_READING)
]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of a text file. [default: found out]", rich_help_panel=_READING)
]
Decimal = Annotated[
    str | None, typer.Option(help="Decimal sign of a text file. [default: found out]", rich_help_panel=_READING)
]
Null = Annotated[
    list[str] | None, typer.Option(help="One more spelling of a missing value; repeatable.", rich_help_panel=_READING)
]
BadLines = Annotated[
    str | None,
    typer.Option(
        help="error or skip, for lines with too many or too few fields. [default: error]", rich_help_panel=_READING
    ),
]
Query = Annotated[
    str | None,
    typer.Option(
        help="SELECT to read from a database; instead, name a table after #: sqlite:///file.db#table.",
        rich_help_panel=_READING,
    ),
]
Offline = Annotated[
    bool | None, typer.Option("--offline", help="Ask no other machine; use the cache alone.", rich_help_panel=_READING)
]
Kind = Annotated[
    list[str] | None, typer.Option(help="COLUMN=KIND overrules what is inferred; repeatable.", rich_help_panel=_COLUMNS)
]
Drop = Annotated[list[str] | None, typer.Option(help="Column to leave out; repeatable.", rich_help_panel=_COLUMNS)]
#: Where Ray's dashboard listens unless it was told otherwise.
DASHBOARD = "http://127.0.0.1:8265"
Dashboard = Annotated[
    str,
    typer.Option("--address", envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard: http://HOST:8265."),
]
