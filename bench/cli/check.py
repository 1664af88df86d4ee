"""``bench check``: the audit alone."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.tools import tell


def check(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="File, address (https, s3, sqlite, ...), built-in or card.")],
    target: options.Target = None,
    positive_class: options.PositiveClass = None,
    test: options.Test = None,
    group: options.Group = None,
    time: options.Time = None,
    task: options.Task = None,
    kind: options.Kind = None,
    drop: options.Drop = None,
    sep: options.Sep = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    null: options.Null = None,
    bad_lines: options.BadLines = None,
    query: options.Query = None,
    offline: options.Offline = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with all of it to this file, too.")] = None,
    json: options.Json = False,
) -> None:
    """Look for what would make scores a lie; exit code 1 when something blocks."""
    import json as json_format

    from bench.audit.inspection import describe, inspect
    from bench.cli.show import print_inspection
    from bench.spec import FIELDS, make_spec

    spec = make_spec(dataset=data, **{name: value for name, value in context.params.items() if name in FIELDS})
    found = inspect(spec)
    for note in (*found.dataset.notes, *found.task.notes):
        tell(note)
    known = {"dataset": describe(found.dataset, found.task), **found.audit.to_dict()}
    if html is not None:
        from bench.report import write_check

        write_check(html, known)
    if json:
        print(json_format.dumps({"schema": 1, **known}, ensure_ascii=False, default=str))
    else:
        print_inspection(found)
    raise typer.Exit(1 if found.audit.blocking() else 0)
