"""OpenML: ``openml:1590`` and ``openml:adult`` are datasets, ``openml:task/31`` is one with its official splits.

``openml:suite/99`` is a list of tasks, which `bench.suites` reads. Data is parquet where OpenML has it, else ARFF.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import polars as pl

from bench.cards import Card
from bench.errors import DataError, RequestError
from bench.sources.arff import read_arff
from bench.sources.base import GivenSplits, Raw, ReadOptions
from bench.sources.cache import kept
from bench.sources.columnar import read_parquet
from bench.sources.openml_server import (
    Element,
    RefusedError,
    Server,
    UnreachableError,
    number_of,
    open_server,
    text_of,
    texts_of,
)
from bench.sources.openml_splits import read_splits
from bench.sources.plain import Plain
from bench.values import to_booleans, to_text

SCHEME = "openml"
_REFERENCE = re.compile(r"openml:(?:(task|suite)/)?([^/\s][^/]*)")
#: Kinds of OpenML's tasks that can be run, by their number.
_TASK_TYPES = {1: "classification", 2: "regression"}
#: Evaluation measures that mean the same here; but of many classes, OpenML weighs each by its rows in the AUC.
_METRICS = {
    "predictive_accuracy": "accuracy",
    "area_under_roc_curve": "roc_auc",
    "f_measure": "f1_weighted",
    "matthews_correlation_coefficient": "mcc",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
}
#: Codes of OpenML's refusals: of the list of features, when it was never made; of a list of datasets without any.
_NO_FEATURES = frozenset({272, 273, 274})
_NO_RESULTS = 372


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """A dataset as OpenML describes it: ``target`` is its default one, ``left_out`` maps columns to reasons."""

    number: int
    name: str
    version: str
    licence: str
    target: str | None
    frame: pl.DataFrame
    left_out: Mapping[str, str]
    notes: tuple[str, ...]


def read(reference: str, options: ReadOptions, *, cache: Path | None = None, keep: Collection[str] = ()) -> Raw:
    """Read a dataset or a task; columns in ``keep`` stay even where OpenML calls them no features.

    Raises:
        RequestError: the reference is of no such form, or names a suite or a task that is not predictive.
        DataError: OpenML has no such thing, cannot be reached, or answers in an unknown shape.
    """
    kind, what = _parse(reference)
    if kind == "suite":
        raise RequestError(
            f"a run has one dataset, and {reference!r} is a suite of many. `bench list suites {reference}` shows its "
            "tasks; run one of them: --dataset openml:task/NUMBER."
        )
    server = open_server(offline=options.offline, cache=cache)
    if kind == "task":
        return _read_task(server, int(what), keep)
    number, notes = (int(what), ()) if what.isdecimal() else _find(server, what)
    table = _read_table(server, number)
    raw = _raw(f"{SCHEME}:{number}", table, table.target, keep)
    return replace(raw, notes=notes + raw.notes)


def suite_tasks(reference: str, options: ReadOptions) -> tuple[str, tuple[int, ...]]:
    """The title of a suite and the numbers of its tasks, by ``openml:suite/NUMBER`` or ``openml:suite/NAME``.

    Raises:
        RequestError: the reference is of another form, or names a study that is no suite.
        DataError: see `read`.
    """
    kind, what = _parse(reference)
    if kind != "suite":
        raise RequestError(f"a suite must be openml:suite/NUMBER or openml:suite/NAME, got {reference!r}.")
    study = open_server(offline=options.offline).describe(f"study/{quote(what, safe='')}", "study", fresh=True)
    tasks = study.find("tasks")
    numbers = [] if tasks is None else [text for text in texts_of(tasks, "task_id") if text.isdecimal()]
    if text_of(study, "main_entity_type") != "task" or not numbers:
        raise RequestError(
            f"{reference!r} must be a suite of tasks, but OpenML's study {text_of(study, 'id')} is none."
        )
    return text_of(study, "name"), tuple(map(int, numbers))


def was_downloaded(source: str) -> bool:
    """Whether the rows of a dataset, by number, are in the cache."""
    try:
        description = open_server(offline=True).describe(f"data/{source}", "data_set_description")
    except DataError:
        return False
    return any(kept(text_of(description, key)) for key in ("parquet_url", "url"))


def _parse(reference: str) -> tuple[str, str]:
    """Take a reference apart: ``task``, ``suite`` or nothing, and a number or a name."""
    match = _REFERENCE.fullmatch(reference)
    if match is None or (match[1] == "task" and not match[2].isdecimal()):
        raise RequestError(
            "an OpenML reference must be openml:NUMBER, openml:NAME, openml:task/NUMBER or openml:suite/NUMBER, got "
            f"{reference!r}."
        )
    return match[1] or "", match[2].strip()


def _find(server: Server, name: str) -> tuple[int, tuple[str, ...]]:
    """The number of the newest active dataset of a name, and a note on the others."""
    try:
        path = f"data/list/data_name/{quote(name, safe='')}/status/active"
        found = server.describe(path, "data", fresh=True).findall("dataset")
    except RefusedError as error:
        if error.code != _NO_RESULTS:
            raise
        found = []
    ranked = sorted((number_of(entry, "version"), number_of(entry, "did")) for entry in found)
    if not ranked:
        raise DataError(
            f"OpenML has no active dataset called {name!r}. Spell the name as openml.org does, or use openml:NUMBER."
        )
    *others, (version, number) = ranked
    told = f"openml:{name} is dataset {number}, version {version}"
    if others:
        older = ", ".join(f"openml:{other} (version {older})" for older, other in others)
        told += f", the newest of {len(ranked)}; the others are {older}"
    return number, (told,)


def _read_table(server: Server, number: int) -> _Table:
    description = server.describe(f"data/{number}", "data_set_description")
    try:
        features = server.describe(f"data/features/{number}", "data_features").findall("feature")
    except RefusedError as error:
        if error.code not in _NO_FEATURES:
            raise
        features = []
    frame, notes = _read_rows(server, description)
    if features and len(features) != frame.width:
        raise DataError(
            f"the file of OpenML {number} must have the {len(features)} columns that its list of features has, got "
            f"{frame.width}: the file was changed. Try again later, or take another version of the dataset."
        )
    if not features:
        notes += (f"OpenML has no list of features of {number}, so kinds of columns are found in the values alone",)
    status = text_of(description, "status")
    if status not in ("active", ""):
        notes += (f"OpenML calls this version of the dataset {status.replace('_', ' ')}",)
    return _Table(
        number=number,
        name=text_of(description, "name") or str(number),
        version=text_of(description, "version"),
        licence=text_of(description, "licence") or "not stated",
        target=text_of(description, "default_target_attribute") or None,
        frame=_declare(frame, features),
        left_out=_left_out(description, features, frame.columns),
        notes=notes,
    )


def _read_rows(server: Server, description: Element) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Read the rows from parquet; from ARFF where there is no parquet, or it cannot be had."""
    parquet, arff = text_of(description, "parquet_url"), text_of(description, "url")
    failed = ""
    if parquet:
        try:
            return server.file(parquet, lambda file: read_parquet(_as_plain(parquet, file)))
        except (RefusedError, UnreachableError) as error:
            if not arff:
                raise
            failed = f"; its parquet file could not be had ({error})"
    if not arff:
        raise DataError(f"OpenML names no file for dataset {text_of(description, 'id')}. Try another version of it.")
    md5 = text_of(description, "md5_checksum") or None
    frame, notes = server.file(arff, lambda file: read_arff(_as_plain(arff, file), ReadOptions()), md5=md5)
    return frame, ((f"rows come from OpenML's ARFF file{failed}",) if failed else ()) + notes


def _as_plain(url: str, file: Path) -> Plain:
    return Plain(path=file, label=url, name=url.rpartition("/")[2])


def _declare(frame: pl.DataFrame, features: list[Element]) -> pl.DataFrame:
    """Store the columns that OpenML calls nominal as categories, or as booleans where that is what they hold."""
    nominal = {text_of(feature, "name") for feature in features if text_of(feature, "data_type") == "nominal"}
    return frame.with_columns(_as_nominal(frame[name]) for name in frame.columns if name in nominal)


def _as_nominal(series: pl.Series) -> pl.Series:
    """Parquet holds true and false as booleans, ARFF as labels; either comes out the same."""
    text = to_text(series)
    if text.str.to_lowercase().is_in(["true", "false"]).all():
        return to_booleans(text)
    return text.cast(pl.Categorical)


def _left_out(description: Element, features: list[Element], columns: list[str]) -> dict[str, str]:
    """Columns that are no features, each with the reason."""
    reasons: dict[str, str] = {}
    for attribute, flag, why in (
        ("ignore_attribute", "is_ignore", "OpenML says to ignore it"),
        ("row_id_attribute", "is_row_identifier", "OpenML calls it a row identifier"),
    ):
        stated = texts_of(description, attribute)
        stated += [part.strip() for name in stated for part in name.split(",")]  # so old descriptions join them
        stated += [text_of(feature, "name") for feature in features if text_of(feature, flag) == "true"]
        reasons |= dict.fromkeys(stated, why)
    return {name: reasons[name] for name in columns if name in reasons}


def _raw(
    source: str,
    table: _Table,
    target: str | None,
    keep: Collection[str],
    *,
    task: str | None = None,
    metric: str | None = None,
    splits: GivenSplits | None = None,
) -> Raw:
    """Put together what is known, without the columns that are no features."""
    left_out = {name: why for name, why in table.left_out.items() if name not in keep and name != target}
    notes = tuple(f"column {name!r} was left out: {why}" for name, why in left_out.items())
    if target is not None and target not in table.frame.columns:
        notes += (f"OpenML names {target!r} as the target, which is no column; --target names one",)
        target = None
    what = source.partition(":")[2]
    card = Card(
        name=table.name,
        title=f"{table.name} (version {table.version})",
        source_kind="openml",
        source=what,
        folder=Path(),
        target=target,
        task=task,
        metric=metric,
        licence=table.licence,
        drop=left_out,
        rows=table.frame.height,
        reference=f"https://www.openml.org/{what.replace('task', 't') if '/' in what else 'd/' + what}",
    )
    return Raw(frame=table.frame.drop(left_out), source=source, notes=table.notes + notes, card=card, splits=splits)


def _read_task(server: Server, number: int, keep: Collection[str]) -> Raw:
    task = server.describe(f"task/{number}", "task")
    inputs = {entry.get("name", ""): entry for entry in task.findall("input")}
    data = inputs.get("source_data", task).find("data_set")
    kind = _TASK_TYPES.get(number_of(task, "task_type_id"))
    if kind is None or data is None or not text_of(data, "target_feature"):
        raise RequestError(
            f"an OpenML task must be a classification or a regression to be run; task {number} is "
            f"{text_of(task, 'task_type') or 'none'}."
        )
    target = text_of(data, "target_feature")
    table = _read_table(server, number_of(data, "data_set_id"))
    if target not in table.frame.columns:
        raise DataError(f"OpenML task {number} predicts {target!r}, which is no column of its data: one was changed.")
    if kind == "classification":
        kind = "binary" if table.frame[target].drop_nulls().n_unique() == 2 else "multiclass"
    splits, notes = read_splits(server, number, inputs.get("estimation_procedure"), table.frame.height)
    metric, more = _metric(inputs.get("evaluation_measures"))
    raw = _raw(f"{SCHEME}:task/{number}", table, target, keep, task=kind, metric=metric, splits=splits)
    return replace(raw, notes=raw.notes + notes + more)


def _metric(measures: Element | None) -> tuple[str | None, tuple[str, ...]]:
    """The metric that means what a task's evaluation measure means, where there is one."""
    holder = None if measures is None else measures.find("evaluation_measures")
    named = [] if holder is None else texts_of(holder, "evaluation_measure")
    if not named:
        return None, ()
    if named[0] not in _METRICS:
        return None, (f"the task is judged by {named[0]} on OpenML, which bench does not have; --metric chooses",)
    return _METRICS[named[0]], ()
