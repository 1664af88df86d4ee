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


#: The same of verbs that change the run, and hold it meanwhile: see `bench.mirror.held_folder`.
RunReference = Annotated[str, typer.Argument(metavar="RUN", help="Folder of the run, or its address: s3://bucket/run.")]


def _option(panel: str, text: str, *names: str) -> Any:
    """An option in a panel of the verb's help."""
    return typer.Option(*names, help=text, rich_help_panel=panel)


_TASK, _SEARCH, _SPLITS, _COLUMNS = "What is predicted", "Search", "Splits", "Columns and audit"
_READING, _MACHINE, _OUTPUT = "Reading the data", "Machine", "Output"

Dataset = Annotated[str | None, _option(_TASK, "File, address (https, s3, sqlite, openml, ...), built-in or card.")]
Target = Annotated[str | None, _option(_TASK, "Column to predict. [default: the card's]")]
Metric = Annotated[
    str | None,
    _option(_TASK, "What orders the board, or module:function. [default: the card's; roc_auc, log_loss, rmse]"),
]
Task = Annotated[str | None, _option(_TASK, "binary, multiclass or regression. [default: inferred]")]
PositiveClass = Annotated[str | None, _option(_TASK, "Label that counts as positive in a binary task.")]

Preset = Annotated[
    str | None, _option(_SEARCH, "quick, standard, best, interpretable or fast-inference: `bench list presets`.")
]
Budget = Annotated[str | None, _option(_SEARCH, "Wall clock of the command: 60s, 10m, 2h. [default: 5m]")]
BudgetEach = Annotated[str | None, _option(_SEARCH, "Wall clock of each dataset: 60s, 10m, 2h. [default: 5m]")]
Trials = Annotated[int | None, _option(_SEARCH, "Stop after so many candidates instead; reproducible.")]
FitLimit = Annotated[
    str | None,
    _option(_SEARCH, "What a fit may take before it counts as hung: 90s, 10m. [default: 1h with --trials, else none]"),
]
Families = Annotated[str | None, _option(_SEARCH, "Families to use (a,b), or to leave out (-c). [default: all]")]
Ensembles = Annotated[bool | None, _option(_SEARCH, "Combine models. [default: yes]", "--ensembles/--no-ensembles")]
Slowdown = Annotated[
    float | None,
    _option(_SEARCH, "Times the best single model's predict time that ensembles may take: 3. [default: any]"),
]
Refit = Annotated[
    bool | None,
    _option(_SEARCH, "At the end, fit what predicts by default on all rows but the test's: `bench refit`.", "--refit"),
]
Sampler = Annotated[str | None, _option(_SEARCH, "tpe, random or grid. [default: tpe]")]
Seed = Annotated[int | None, _option(_SEARCH, "Root of all randomness. [default: 0]")]

Folds = Annotated[
    int | None, _option(_SPLITS, "Cross-validation folds. [default: an OpenML task's, else from the rows]")
]
Repeats = Annotated[int | None, _option(_SPLITS, "How often the folds are dealt. [default: from the rows]")]
Splits = Annotated[
    str | None, _option(_SPLITS, "Column or file with each row's fold (-1: only learned from), or train, valid, test.")
]
TestSize = Annotated[
    float | None,
    _option(_SPLITS, "Share of rows sealed as test set; 0 learns from all. [default: 0.2, no more than 100,000 rows]"),
]
Test = Annotated[str | None, _option(_SPLITS, "File that is the test set.")]
Group = Annotated[str | None, _option(_SPLITS, "Column whose groups are never split.")]
Time = Annotated[str | None, _option(_SPLITS, "Column that orders rows: learn from the past, score the future.")]
Gap = Annotated[float | None, _option(_SPLITS, "With --time: days (or units of numbers) between learning and scoring.")]
MaxRows = Annotated[
    int | None, _option(_SPLITS, "Rows to learn from at most. [default: 500,000, fewer of wide tables]")
]

Kind = Annotated[
    list[str] | None, _option(_COLUMNS, "COLUMN=numeric, categorical, boolean, datetime or text; repeatable.")
]
Drop = Annotated[list[str] | None, _option(_COLUMNS, "Column to leave out; repeatable.")]
Allow = Annotated[
    list[str] | None, _option(_COLUMNS, "Go on in spite of an audit finding that blocks, by its code; repeatable.")
]

Sep = Annotated[str | None, _option(_READING, "Delimiter of a text file. [default: found out]")]
Encoding = Annotated[str | None, _option(_READING, "Encoding of a text file. [default: found out]")]
Decimal = Annotated[str | None, _option(_READING, "Decimal sign of a text file. [default: found out]")]
Null = Annotated[list[str] | None, _option(_READING, "One more spelling of a missing value; repeatable.")]
BadLines = Annotated[
    str | None, _option(_READING, "error or skip, for lines with too many or too few fields. [default: error]")
]
Query = Annotated[
    str | None,
    _option(_READING, "SELECT to read from a database; instead, name a table after #: sqlite:///file.db#table."),
]
Offline = Annotated[bool | None, _option(_READING, "Ask no other machine; use the cache alone.", "--offline")]

Cpus = Annotated[int | None, _option(_MACHINE, "CPUs to use. [default: all]")]
Gpus = Annotated[int | None, _option(_MACHINE, "GPUs to use. [default: all]")]
Memory = Annotated[
    str | None, _option(_MACHINE, "Memory to use on this machine, 1GiB at least: 4GiB, 4GB. [default: all]")
]
Engine = Annotated[str | None, _option(_MACHINE, "ray, tune or local. [default: ray]")]
Address = Annotated[
    str | None,
    _option(_MACHINE, "Ray cluster to use: auto, HOST:PORT or ray://HOST:PORT. [default: this machine]"),
]

Output = Annotated[str | None, _option(_OUTPUT, "Folder of the run or the suite. [default: one below results/]")]
Config = Annotated[Path | None, _option(_OUTPUT, "YAML file with these options as keys; flags win.")]
NoTrack = Annotated[bool, _option(_OUTPUT, "Record nothing in MLflow.", "--no-track")]
Json = Annotated[bool, _option(_OUTPUT, "Print JSON.", "--json")]
Quiet = Annotated[bool, _option(_OUTPUT, "Show no progress.", "--quiet")]
Trace = Annotated[bool, _option(_OUTPUT, "Write trace.json, for chrome://tracing or Perfetto.", "--trace")]

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
