"""``bench card``: a card for a table that has none."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options

if TYPE_CHECKING:
    from bench.cards import Card, SourceKind
    from bench.dataset import Dataset
    from bench.spec import RunSpec
    from bench.task import Task


def card(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="File or reference.")],
    target: options.Target = None,
    output: Annotated[Path | None, typer.Option(help="File to write, ending in .yaml. [default: print it]")] = None,
    metric: options.Metric = None,
    task: options.Task = None,
    positive_class: options.PositiveClass = None,
    group: options.Group = None,
    time: options.Time = None,
    kind: options.Kind = None,
    drop: options.Drop = None,
    sep: options.Sep = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    null: options.Null = None,
    bad_lines: options.BadLines = None,
    query: options.Query = None,
    offline: options.Offline = None,
) -> None:
    """Write a card with all that is inferred of a table, to be read, corrected and used as --dataset FILE.yaml."""
    from bench.cards import find_card, spell_card
    from bench.dataset import load_dataset
    from bench.errors import RequestError
    from bench.spec import FIELDS, make_spec
    from bench.task import make_task

    asked = {name: value for name, value in context.params.items() if name in FIELDS and name != "output"}
    spec = make_spec(dataset=data, **asked)
    if find_card(data) or data.endswith((".yaml", ".yml")):
        raise RequestError(f"bench card describes a table that has no card, and {data!r} is one. Copy and change it.")
    if output is not None and (output.suffix not in (".yaml", ".yml") or output.exists()):
        raise RequestError(f"--output must be a new file that ends in .yaml, got {str(output)!r}.")
    dataset = load_dataset(spec.dataset, options=spec.reading, kinds=spec.kinds, drop=spec.drop)
    names = ("target", "metric", "task", "positive_class", "group", "time")
    made = make_task(dataset, **{name: getattr(spec, name) for name in names})
    folder = Path.cwd() if output is None else output.absolute().parent
    name = dataset.name if output is None else output.stem
    text = spell_card(
        describe(dataset, made, spec, name, folder),
        {"licence": "not known: state it", "task": made.kind_why, "positive_class": " ".join(_positive_note(made))},
        {column.name: column.why for column in dataset.columns},
    )
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"--output must be a file that can be written, got {str(output)!r}: {error}.") from error
    print(output)


def describe(dataset: "Dataset", task: "Task", spec: "RunSpec", name: str, folder: Path) -> "Card":
    """Gather what is known of a dataset and its task into a card that lies in ``folder``."""
    from bench.cards import Card
    from bench.kinds import USABLE

    kind, source, sha256 = _source(dataset.source, folder)
    group, time = spec.group or dataset.group, spec.time or dataset.time
    features = [column for column in dataset.columns if column.name not in (task.target, group, time)]
    read: dict[str, Any] = {key: getattr(spec, key) for key in ("sep", "encoding", "decimal", "null", "query")}
    read["bad_lines"] = spec.bad_lines if spec.bad_lines != "error" else None
    return Card(
        name=name,
        title=f"{name}: {dataset.frame.height} rows, {dataset.frame.width} columns",
        source_kind=kind,
        source=source,
        folder=folder,
        target=task.target,
        task=task.kind,
        licence="unknown",
        positive_class=str(task.classes[1]) if task.kind == "binary" else None,
        metric=task.metric.name,
        group=group,
        time=time,
        kinds={column.name: column.kind for column in features if column.kind in USABLE},
        drop=dict.fromkeys(spec.drop, "left out by --drop")
        | {column.name: column.why for column in features if column.kind not in USABLE},
        read={key: value for key, value in read.items() if value},
        rows=dataset.frame.height,
        sha256=sha256,
    )


def _source(source: str, folder: Path) -> "tuple[SourceKind, str, str | None]":
    """Where the rows are, as a card in ``folder`` says it, and the SHA-256 of a file."""
    from bench.identity import file_digest
    from bench.sources import scheme_of
    from bench.sources.openml import SCHEME

    scheme = scheme_of(source)
    if scheme == SCHEME:
        return "openml", source.partition(":")[2], None
    if scheme:
        return "url", source, None
    path = Path(source)
    return "file", os.path.relpath(path, folder), file_digest(path) if path.is_file() else None


def _positive_note(task: "Task") -> list[str]:
    return [note for note in task.notes if "--positive-class overrules" in note]
