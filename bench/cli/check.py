"""``bench check``: the audit alone."""

from typing import Annotated

import typer


def check(
    data: Annotated[str, typer.Argument(help="File, built-in or card.")],
    target: Annotated[str | None, typer.Option(help="Column to predict. [default: the card's]")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression. [default: inferred]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for what would make scores a lie; exit code 1 when something blocks."""
    import json as json_format

    import numpy as np

    from bench.audit import audit
    from bench.cli.show import print_columns, print_findings
    from bench.dataset import load_dataset
    from bench.spec import make_spec
    from bench.task import make_task

    spec = make_spec(dataset=data, target=target, task=task)
    dataset = load_dataset(spec.dataset)
    made = make_task(dataset, target=spec.target, task=spec.task)
    found = audit(made, dataset, np.empty(0, dtype=np.int64))
    if json:
        print(json_format.dumps({"schema": 1, **found.to_dict()}, ensure_ascii=False))
    else:
        print_columns(dataset, made)
        print_findings(found.findings)
    raise typer.Exit(1 if found.blocking() else 0)
