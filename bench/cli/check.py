"""``bench check``: the audit alone."""

import sys
from typing import Annotated

import typer

from bench.cli import options


def check(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="File, built-in or card.")],
    target: Annotated[str | None, typer.Option(help="Column to predict. [default: the card's]")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression. [default: inferred]")] = None,
    kind: options.Kind = None,
    drop: options.Drop = None,
    sep: options.Sep = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    null: options.Null = None,
    bad_lines: options.BadLines = None,
    query: options.Query = None,
    offline: options.Offline = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for what would make scores a lie; exit code 1 when something blocks."""
    import json as json_format

    import numpy as np

    from bench.audit import audit
    from bench.cli.show import print_columns, print_findings
    from bench.dataset import load_dataset
    from bench.spec import FIELDS, make_spec
    from bench.task import make_task
    from bench.text import printable

    spec = make_spec(dataset=data, **{name: value for name, value in context.params.items() if name in FIELDS})
    dataset = load_dataset(spec.dataset, options=spec.reading, kinds=spec.kinds, drop=spec.drop)
    for note in dataset.notes:
        print(printable(note), file=sys.stderr)
    made = make_task(dataset, target=spec.target, task=spec.task)
    found = audit(made, dataset, np.empty(0, dtype=np.int64))
    if json:
        print(json_format.dumps({"schema": 1, **found.to_dict()}, ensure_ascii=False))
    else:
        print_columns(dataset, made)
        print_findings(found.findings)
    raise typer.Exit(1 if found.blocking() else 0)
