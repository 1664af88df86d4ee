"""Getting at any model of a finished run: those that were shipped, and any other row of the board on demand."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cap import make_cap
from bench.dataset import FRAME, Dataset, load_dataset
from bench.errors import DataError, RequestError, StoreError, choices, nearest
from bench.journal import read_past
from bench.keep import ensure_models
from bench.leaderboard import load_leaderboard
from bench.predictor import Predictor, load_predictor, write_predictor
from bench.problem import Problem, make_problem
from bench.spec import RunSpec, make_spec, read_config
from bench.split import load_splits
from bench.store import RunStore, read_events, read_json
from bench.task import make_task
from bench.trial import TrialResult

_HINT = "It is needed to fit models again."


def predictor_for(folder: Path, model: str | None, tell: Callable[[str], None]) -> Predictor:
    """Open a run's predictor; a model that was not shipped is taken from its trial, and fitted again if need be.

    Args:
        folder: the run folder.
        model: a row of the board; None for the one that predicts by default.
        tell: told in a sentence when the model had to be fitted again.

    Raises:
        RequestError: the board has no such model, or it was not scored on all folds.
        DataError: the model must be fitted again, and the run's data is gone or has changed.
        StoreError: the folder holds no predictor, or another process works in it.
    """
    shipped = load_predictor(folder)
    if model is None or model in shipped.models:
        return shipped
    extra = folder / "predictors" / _trial_id(folder, model)
    if not (extra / "manifest.json").exists():
        with contextlib.closing(RunStore(folder, read_json(folder / "identity.json")["identity"])):
            problem, result = problem_of(folder), _result(folder, extra.name)
            for name in ensure_models(problem, [result]):
                tell(f"{name} was fitted again, as the models of all but the best few candidates are not kept.")
            write_predictor(problem, extra, [result], [], default=model)
            shutil.rmtree(folder / "cache", ignore_errors=True)
    return load_predictor(extra)


def board_row(folder: Path, model: str) -> dict[str, Any]:
    """Find a row of the board by its name.

    Raises:
        RequestError: it has no such row.
    """
    rows = _board_rows(folder)
    if model not in rows:
        raise RequestError(f"--model must name a row of the board, got {model!r}.{nearest(model, rows)}")
    return rows[model]


def _board_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The board's rows by their names."""
    return {row["model"]: row for row in load_leaderboard(folder).frame.to_dicts()}


def _trial_id(folder: Path, model: str) -> str:
    """Find a whole model on the board."""
    row = board_row(folder, model)
    if row["rank"] is None:
        whole = choices(name for name, row in _board_rows(folder).items() if row["rank"] is not None)
        raise RequestError(
            f"--model must name a row that was scored on all folds; {model!r} has status {row['status']}. "
            f"Choose one of: {whole}."
        )
    return str(row["trial_id"])


def _result(folder: Path, trial_id: str) -> TrialResult:
    """Read a whole candidate from the journal."""
    past = {entry.candidate.trial_id: entry for entry in read_past(folder, read_events(folder))}.get(trial_id)
    if past is None or past.lost:
        raise StoreError(
            f"the folds in {folder / 'trials' / trial_id} must be whole, but files or the journal are damaged. "
            "Run the same `bench run` again."
        )
    return TrialResult(candidate=past.candidate, folds=past.folds, asked=len(past.folds), status="ok")


def problem_of(folder: Path) -> Problem:
    """Make the run's problem again from its request, its data and its splits."""
    spec: RunSpec = make_spec(**read_config(folder / "spec.yaml"))
    dataset = _data(folder, spec)
    test = _test_data(folder, spec, dataset) if spec.test else None
    cap = make_cap(dataset.frame.width, max_rows=spec.max_rows, test_size=spec.test_size)
    task = make_task(dataset, test=test, cap=cap, **spec.of_task)
    splits = load_splits(folder / "splits.npz")
    if splits.fingerprint != (told := read_json(folder / "splits.json")["fingerprint"]):
        raise StoreError(f"{folder / 'splits.npz'} must hold splits {told} of splits.json, got {splits.fingerprint}.")
    return make_problem(
        task.sealed(splits.test), splits, fingerprint=dataset.fingerprint, seed=spec.seed, folder=folder
    )


def _reading(spec: RunSpec) -> dict[str, Any]:
    """How the run's data is read again."""
    return {"options": spec.reading, "kinds": spec.kinds, "drop": spec.drop}


def _data(folder: Path, spec: RunSpec) -> Dataset:
    """Read the run's data again."""
    if spec.dataset == FRAME:
        raise DataError(f"the run's data was a frame, which is not stored with it. {_HINT}")
    return _as_it_was(spec.dataset, read_json(folder / "dataset.json")["fingerprint"], **_reading(spec))


def _test_data(folder: Path, spec: RunSpec, dataset: Dataset) -> Dataset:
    """Read the run's test file again."""
    assert spec.test is not None
    recorded = read_json(folder / "dataset.json").get("test") or {}
    return _as_it_was(spec.test, recorded.get("fingerprint"), options=spec.reading, like=dataset)


def _as_it_was(source: str, fingerprint: str | None, **reading: Any) -> Dataset:
    """Read data again that must still have this fingerprint (None where there is no record of it)."""
    try:
        dataset = load_dataset(source, **reading)
    except (DataError, RequestError) as error:
        raise DataError(f"the run's data must be where it was, {source!r}, but {error} {_HINT}") from error
    if fingerprint not in (None, dataset.fingerprint):
        raise DataError(
            f"the run's data must be as it was, but {source!r} has changed since: its fingerprint was {fingerprint}, "
            f"and is {dataset.fingerprint} now. {_HINT}"
        )
    return dataset
