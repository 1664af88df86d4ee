"""Options that several verbs share, and what flags and a file of them come to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

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
Address = Annotated[
    str | None, typer.Option(help="Ray cluster to use: auto, HOST:PORT or ray://HOST:PORT. [default: this machine]")
]
#: Where Ray's dashboard listens unless it was told otherwise.
DASHBOARD = "http://127.0.0.1:8265"
Dashboard = Annotated[
    str,
    typer.Option("--address", envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard: http://HOST:8265."),
]


def gathered(
    params: Mapping[str, Any], config: Path | None, switches: Sequence[str]
) -> tuple[dict[str, Any], dict[str, bool]]:
    """Settings of a run, from flags and from a file of them; and the command's ``switches``. Flags win.

    Raises:
        RequestError: the file cannot be read, or holds what is no setting.
    """
    from bench.spec import BESIDE_SPLITS, FIELDS, read_config

    given = {name: value for name, value in params.items() if name in FIELDS and value not in (None, [])}
    asked = read_config(config, switches) if config else {}
    chosen = {name: bool(params[name] or asked.pop(name, False)) for name in switches}
    if chosen["no_track"]:
        given["track"] = False
    for excluded in ({"budget", "trials"}, {"test", "test_size"}, *({"splits", name} for name in BESIDE_SPLITS)):
        if given.keys() & excluded:
            asked = {name: value for name, value in asked.items() if name not in excluded}
    return asked | given, chosen
