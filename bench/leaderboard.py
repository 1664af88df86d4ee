"""The leaderboard: every row scored by every metric, ordered by the chosen one's cross-validated mean.

The only reader of the sealed test labels. The test is shown and never sorted by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.budget import NEVER, within
from bench.metric import Array, Metric, TaskKind, fit_for, get_metric, metrics_for
from bench.problem import Problem
from bench.resources import Deadline, shares
from bench.sealed import look
from bench.spec import read_config
from bench.split import Splits, load_splits
from bench.stats import Resamples, bootstrap_interval
from bench.store import check_answer, fold_folder, read_json, read_predictions, replacing, write_json, write_text
from bench.trial import TrialResult

SCHEMA = 1
#: Columns before and after those of the metrics, in order.
HEAD = {
    "rank": pl.Int64,
    "model": pl.String,
    "family": pl.String,
    "status": pl.String,
    "folds_ok": pl.Int64,
    "folds_asked": pl.Int64,
    "cv_mean": pl.Float64,
    "cv_std": pl.Float64,
    "test": pl.Float64,
    "test_low": pl.Float64,
    "test_high": pl.Float64,
    "fit_seconds": pl.Float64,
    "predict_seconds": pl.Float64,
    "predict_seconds_per_1000": pl.Float64,
    "peak_memory_mb": pl.Float64,
}
TAIL = {"origin": pl.String, "reason": pl.String, "trial_id": pl.String}
#: Columns that measure cost, and so differ from run to run.
COST = ("fit_seconds", "predict_seconds", "predict_seconds_per_1000", "peak_memory_mb")
#: Targets of the development rows, those of the test rows blotted out, so that boards can be made anew.
TARGETS = "targets.npy"
#: What a board consists of, and what it is made anew from.
FILES = ("leaderboard.json", "leaderboard.csv", "splits.npz", TARGETS, "sealed/test_labels.npy")
#: How a cell begins that a spreadsheet would carry out.
_FORMULA = r"^[=+\-@\t\r]"
_LEVEL = 0.95
_REPEATS = 200
#: What the intervals of a board by another metric may take together.
_SECONDS = 20.0
#: Where time is short, the interval of the best row may take one part in so many of it, the next one of the rest.
_FIRST = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaderboard:
    """One row a candidate and ensemble; ``test`` says where test scores come from: ``sealed``, ``given``, ``none``."""

    frame: pl.DataFrame
    metric: str
    greater_is_better: bool
    kind: TaskKind
    test: str

    def __len__(self) -> int:
        return self.frame.height

    def _repr_html_(self) -> str:
        return self.frame.drop("trial_id", "reason")._repr_html_()

    @property
    def best(self) -> dict[str, Any] | None:
        """The row ranked first; None when no candidate was scored."""
        row = self.frame.row(0, named=True) if self.frame.height else None
        return row if row and row["rank"] is not None else None

    @property
    def figures(self) -> dict[str, float]:
        """Scores and costs of the row ranked first, by name; empty when there is none."""
        return {name: value for name, value in (self.best or {}).items() if isinstance(value, float)}

    def to_dict(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "greater_is_better": self.greater_is_better,
            "task": self.kind,
            "test": self.test,
            "rows": self.frame.to_dicts(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Leaderboard":
        """Read back what `to_dict` gave."""
        rows = content["rows"]
        schema = {name: (HEAD | TAIL).get(name, pl.Float64) for name in (rows[0] if rows else HEAD | TAIL)}
        return cls(
            frame=pl.DataFrame(rows, schema=schema),
            metric=content["metric"],
            greater_is_better=content["greater_is_better"],
            kind=content["task"],
            test=content["test"],
        )

    def to_csv(self) -> str:
        """The rows as CSV."""
        return harmless_csv(self.frame)

    def save(self, folder: Path) -> None:
        """Write leaderboard.json, .csv and .parquet."""
        write_json(folder / "leaderboard.json", self.to_dict())
        write_text(folder / "leaderboard.csv", self.to_csv())
        with replacing(folder / "leaderboard.parquet") as temporary:
            self.frame.write_parquet(temporary)


def harmless_csv(frame: pl.DataFrame) -> str:
    """Spell a frame as CSV, without texts that a spreadsheet would carry out: these begin with an apostrophe."""
    text = pl.col(pl.String)
    harmless = pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text)
    return frame.with_columns(harmless.name.keep()).write_csv()


def load_leaderboard(folder: Path) -> Leaderboard:
    """Read a run folder's leaderboard.

    Raises:
        StoreError: the folder has none.
    """
    return Leaderboard.from_dict(read_json(folder / "leaderboard.json"))


def build_leaderboard(
    problem: Problem,
    results: Sequence[TrialResult],
    *,
    test: str,
    seconds: float | None = None,
    until: Deadline = NEVER,
) -> Leaderboard:
    """Score candidates and ensembles; reads the sealed test labels, once, if there are any.

    ``seconds`` is about what all intervals together may take, None for no limit: they come from fewer resamples
    then, and rows far down may have to do without. ``until`` is a moment that may come sooner than it seems now.
    """
    task, metrics = problem.task, metrics_for(problem.task.kind)
    sizes = [len(fold.valid) for fold in problem.splits.folds]
    rows = [_row(result, metrics, sizes) for result in results]
    if len(problem.splits.test):
        labels = look(problem.folder, "leaderboard")
        whole = [(row, result) for row, result in zip(rows, results, strict=True) if result.status == "ok"]
        whole.sort(key=lambda pair: task.metric.error(pair[1].mean))
        resamples = _resamples(labels, task.kind, problem.seed, problem.splits)
        share_of = within(until, shares(seconds, len(whole), most=_FIRST))
        for (row, result), share in zip(whole, share_of, strict=True):
            prediction = test_prediction(problem, result)
            row |= {f"test_{m.name}": _number(m.score_or_nan(labels, prediction, task.classes)) for m in metrics}
            row |= _tested(task.metric, labels, prediction, task.classes, resamples, share)
    return _board(rows, task.metric, task.kind, test, metrics)


def _board(
    rows: Sequence[dict[str, Any]], metric: Metric, kind: TaskKind, test: str, metrics: Sequence[Metric]
) -> Leaderboard:
    """Order rows by cross-validated score, ties by trial id; those that are not whole come last, without a rank."""

    def place(row: Mapping[str, Any]) -> tuple[bool, float, str]:
        ranked = row["status"] == "ok" and row["cv_mean"] is not None
        return not ranked, metric.error(row["cv_mean"]) if ranked else 0.0, row["trial_id"]

    ordered = sorted(rows, key=place)
    ranked = [dict(row, rank=None if place(row)[0] else number) for number, row in enumerate(ordered, start=1)]
    names = [f"{part}_{m.name}" for part in ("cv", "test") for m in metrics]
    schema = HEAD | dict.fromkeys(names, pl.Float64) | TAIL
    return Leaderboard(
        frame=pl.DataFrame(ranked, schema=schema),
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        kind=kind,
        test=test,
    )


def rescore(folder: Path, name: str) -> Leaderboard:
    """A run's board ordered by another metric, from stored predictions; rows that it cannot score lose their rank.

    Raises:
        RequestError: no such metric, or it does not fit the task or its target.
        StoreError: files of the run were altered.
    """
    check_answer(folder)
    board, metric = load_leaderboard(folder), get_metric(name)
    fit_for(metric, board.kind, folder.name)
    scores = _stored_scores(folder, board, metric)
    rows = [row | scores.get(row["trial_id"], _NO_SCORES) for row in board.frame.to_dicts()]
    return _board(rows, metric, board.kind, board.test, metrics_for(board.kind))


_NO_SCORES: dict[str, float | None] = {
    "cv_mean": None,
    "cv_std": None,
    "test": None,
    "test_low": None,
    "test_high": None,
}


def _stored_scores(folder: Path, board: Leaderboard, metric: Metric) -> dict[str, dict[str, float | None]]:
    """Score the stored predictions of all whole rows by a metric."""
    splits = load_splits(folder / "splits.npz")
    y: Array = np.load(folder / TARGETS, allow_pickle=False)
    classes = read_json(folder / "dataset.json")["labels"]
    known = np.delete(y, splits.test)
    metric.check_target(known)
    metric.probe(known, board.kind, classes)
    whole = board.frame.filter(pl.col("rank").is_not_null())["trial_id"].to_list()
    scores: dict[str, dict[str, float | None]] = {}
    tests: dict[str, Array] = {}
    for trial_id in whole:
        stored = [read_predictions(fold_folder(folder, trial_id, k)) for k in range(len(splits.folds))]
        cv = [
            metric.score_or_nan(y[f.valid], valid, classes) for f, (valid, _) in zip(splits.folds, stored, strict=True)
        ]
        scores[trial_id] = _NO_SCORES | {"cv_mean": _number(np.mean(cv)), "cv_std": _spread(cv)}
        tests[trial_id] = np.mean([test for _, test in stored], axis=0)
    if len(splits.test):
        labels = look(folder, f"leaderboard by {metric.name}")
        resamples = _resamples(labels, board.kind, read_config(folder / "spec.yaml")["seed"], splits)
        for trial_id, share in zip(whole, shares(_SECONDS, len(whole), most=_FIRST), strict=True):
            scores[trial_id] |= _tested(metric, labels, tests[trial_id], classes, resamples, share)
    return scores


def _row(result: TrialResult, metrics: Sequence[Metric], sizes: Sequence[int]) -> dict[str, Any]:
    """Sum up one candidate over its folds, of which ``sizes`` counts the rows that were predicted."""
    ok = [fold for fold in result.folds if fold.status == "ok"]
    predict_seconds = sum(fold.predict_seconds for fold in ok)
    row: dict[str, Any] = {
        "model": result.candidate.name,
        "family": result.candidate.family,
        "status": result.status,
        "folds_ok": len(ok),
        "folds_asked": result.asked,
        "cv_mean": _number(result.mean),
        "cv_std": _spread(result.scores),
        "fit_seconds": sum(fold.fit_seconds for fold in ok),
        "predict_seconds": predict_seconds,
        "predict_seconds_per_1000": 1e3 * predict_seconds / sum(sizes[fold.fold] for fold in ok) if ok else None,
        "peak_memory_mb": max((fold.peak_memory_mb for fold in ok), default=None),
        "trial_id": result.candidate.trial_id,
        "origin": result.candidate.origin,
        "reason": result.reason,
    }
    for metric in metrics:
        row[f"cv_{metric.name}"] = _number(np.mean([fold.scores[metric.name] for fold in ok])) if ok else None
    return row


def _number(score: float | np.floating[Any] | None) -> float | None:
    """A score, or None where these rows do not define it."""
    return None if score is None or np.isnan(score) else float(score)


def _spread(scores: Sequence[float]) -> float | None:
    """Sample standard deviation over folds."""
    return _number(np.std(scores, ddof=1)) if len(scores) > 1 else None


def test_prediction(problem: Problem, result: TrialResult) -> Array:
    """Mean over the fold models of what they predict for the sealed test rows."""
    trial_id = result.candidate.trial_id
    folds = [read_predictions(fold_folder(problem.folder, trial_id, f))[1] for f in range(result.asked)]
    mean: Array = np.mean(folds, axis=0)
    return mean


def tested(problem: Problem, result: TrialResult, purpose: str) -> tuple[Array, Array]:
    """Sealed test labels and what a row of the board predicts for them; ``purpose`` is written down with the look."""
    return look(problem.folder, purpose), test_prediction(problem, result)


def oof_prediction(problem: Problem, result: TrialResult) -> tuple[Array, Array]:
    """Rows that were scored, ascending, and their out-of-fold predictions, averaged over repeats."""
    trial_id = result.candidate.trial_id
    folds = [read_predictions(fold_folder(problem.folder, trial_id, f))[0] for f in range(result.asked)]
    rows, place = np.unique(np.concatenate(problem.scored_rows), return_inverse=True)
    stacked = np.concatenate(folds)
    total = np.zeros((len(rows), *stacked.shape[1:]))
    np.add.at(total, place, stacked)
    count = np.bincount(place).reshape(-1, *[1] * (stacked.ndim - 1))
    return rows, total / count


def _resamples(labels: Array, kind: TaskKind, seed: int, splits: Splits) -> Resamples:
    """The same draws of test rows for every row of the board: some of each class, or whole groups."""
    strata = labels if kind != "regression" else None
    groups = splits.test_groups if len(splits.test_groups) else None
    return Resamples(n_rows=len(labels), seed=seed, labels=strata, groups=groups, repeats=_REPEATS)


def _tested(
    metric: Metric, labels: Array, prediction: Array, classes: Sequence[Any], resamples: Resamples, seconds: float
) -> dict[str, float | None]:
    """A metric on the test rows, with a bootstrap interval."""

    def score(rows: Array) -> float:
        return metric.score_or_nan(labels[rows], prediction[rows], classes)

    low, high = bootstrap_interval(score, resamples, level=_LEVEL, seconds=seconds)
    return {
        "test": _number(metric.score_or_nan(labels, prediction, classes)),
        "test_low": _number(low),
        "test_high": _number(high),
    }
