"""A trial: one candidate fitted and scored fold by fold; failure becomes a status."""

import contextlib
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.candidate import Candidate
from bench.errors import BenchError, SkipError
from bench.family import DeadlineReached, Estimator, Family, Settings, discover, warm_up
from bench.fold_data import fold_data, recipe_key, training_rows
from bench.gpu import gpu_use
from bench.identity import seed_for
from bench.log_target import build
from bench.memo import Memo
from bench.metric import Array, metrics_for
from bench.problem import Problem
from bench.processor import processor
from bench.recipes import Encoded, Features, without_switches
from bench.resources import Allotment, Deadline, limit_threads
from bench.split import holdout
from bench.store import building, fold_folder, write_predictions, write_text
from bench.trace import Recorder, Span, this_process
from bench.warned import counted

CLASSES = "classes.txt"
#: The first folds of a candidate find out by early stopping how many rounds it needs.
LENDERS = 2
_OUT_OF_MEMORY = ("outofmemoryerror", "out of memory", "bad_alloc", "bad allocation")
Status = Literal["ok", "pruned", "timeout", "out_of_memory", "error", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldResult:
    """One candidate on one fold. ``score`` is the chosen metric's, None unless the status is ``ok``.

    ``scores`` holds every metric of the task by name. ``fit_seconds`` and ``predict_seconds`` (over the fold's
    validation rows) hold only fit and predict; ``busy_seconds`` all that the worker did for the fold.
    ``peak_memory_mb`` is the worker's peak resident memory in that time, ``gpu_memory_mb`` what it had of a GPU at
    most (see `bench.gpu.GpuUse`), ``finished_at`` seconds since the epoch.
    ``rounds`` is how many iterations a fit that counts them kept, ``ended_at`` after how many its time was over; None
    where it came to its own end. ``threads``, ``device`` and ``processor`` are what it was fitted on.
    ``warned`` counts Python's warnings by category. ``spans`` says when the worker did what.
    """

    trial_id: str
    fold: int
    status: Status
    reason: str = ""
    score: float | None = None
    scores: Mapping[str, float]
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    busy_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    gpu_memory_mb: float = 0.0
    finished_at: float = 0.0
    worker: str = ""
    threads: int = 1
    device: str = "cpu"
    processor: str = ""
    rounds: int | None = None
    ended_at: int | None = None
    warned: Mapping[str, int] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()

    @classmethod
    def failed(
        cls, trial_id: str, fold: int, status: Status, reason: str, *, busy_seconds: float = 0.0
    ) -> "FoldResult":
        """Make the result of a fold that gave no score."""
        return cls(
            trial_id=trial_id,
            fold=fold,
            status=status,
            reason=reason,
            scores={},
            busy_seconds=busy_seconds,
            finished_at=time.time(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "scores": dict(self.scores),
            "warned": dict(self.warned),
            "spans": [span.to_dict() for span in self.spans],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "FoldResult":
        """Read back what `to_dict` gave but for the spans; other keys are left aside, scores that are null are NaN."""
        known = {name: content[name] for name in cls.__dataclass_fields__ if name in content and name != "spans"}
        scores = {name: float("nan") if score is None else score for name, score in content["scores"].items()}
        return cls(**known | {"scores": scores})


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """A candidate with the folds it finished; ``asked`` counts the folds it should have had."""

    candidate: Candidate
    folds: tuple[FoldResult, ...]
    asked: int
    status: Status
    reason: str = ""

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of the folds that went well, in fold order."""
        return tuple(fold.score for fold in self.folds if fold.score is not None)

    @property
    def mean(self) -> float:
        """Mean score over the folds that went well; NaN without one."""
        return float(np.mean(self.scores)) if self.scores else float("nan")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a fold's rounds before it is fitted: see `run_fold`."""

    lent: tuple[int, ...]
    ended_at: int | None


class _BadPrediction(Exception):  # noqa: N818 - becomes the reason of a failed fold
    """What an estimator predicted cannot be scored."""


def lent_rounds(folds: Iterable[FoldResult]) -> tuple[int, ...]:
    """Rounds that a candidate's first folds kept, which its other folds may take over; empty while one is missing."""
    kept = {result.fold: result.rounds for result in folds}
    lent = [kept.get(fold) for fold in range(LENDERS)]
    return tuple(rounds for rounds in lent if rounds) if all(lent) else ()


def run_fold(
    problem: Problem,
    candidate: Candidate,
    fold: int,
    *,
    allotment: Allotment,
    seconds: float | None,
    lent: tuple[int, ...] = (),
    ended_at: int | None = None,
) -> FoldResult:
    """Fit and score one candidate on one fold and store what came of it; never raises for what a fit does.

    Args:
        problem: what all folds of the run share.
        candidate: what to fit.
        fold: number of the fold.
        allotment: threads and device the fit is held to.
        seconds: how long the fit may take; None for no limit.
        lent: what `lent_rounds` gives of the candidate's other folds.
        ended_at: for a fold that is fitted again, after how many rounds its time was over.
    """
    recorder = Recorder()
    with gpu_use(allotment.device) as taken:
        result = _outcome(problem, candidate, fold, allotment, seconds, _Known(lent, ended_at), recorder)
    return replace(
        result,
        worker=this_process(),
        threads=allotment.cpus,
        device=allotment.device,
        gpu_memory_mb=taken.bytes / 1e6,
        processor=str(processor()),
        spans=recorder.spans(),
    )


def _outcome(
    problem: Problem,
    candidate: Candidate,
    fold: int,
    allotment: Allotment,
    seconds: float | None,
    known: _Known,
    recorder: Recorder,
) -> FoldResult:
    """Do what `run_fold` says, noting the steps with ``recorder``."""
    started = time.perf_counter()
    _reset_peak_memory()
    folder = fold_folder(problem.folder, candidate.trial_id, fold)
    allotment = replace(allotment, checkpoint=folder.with_name(f"{folder.name}.checkpoint"))
    try:
        recorder.begin("import", "start-up")
        warm_up(discover()[candidate.family])  # first: only libraries that are loaded can be held to their threads
        with counted() as warned, limit_threads(allotment.cpus):
            result = _fit_and_score(problem, candidate, fold, allotment, Deadline(seconds), folder, known, recorder)
    except DeadlineReached:
        limit = "its time" if seconds is None else f"{seconds:.1f} s"
        reason, busy = f"not fitted within {limit}", time.perf_counter() - started
        return FoldResult.failed(candidate.trial_id, fold, "timeout", reason, busy_seconds=busy)
    except SkipError as skip:
        return FoldResult.failed(candidate.trial_id, fold, "skipped", str(skip))
    except MemoryError:
        return FoldResult.failed(candidate.trial_id, fold, "out_of_memory", "no memory was left for the fit")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a library raises, panics of Rust's too, is this fold's outcome
        return FoldResult.failed(candidate.trial_id, fold, _status_of(error), _reason(error, folder))
    return FoldResult(
        **result,
        trial_id=candidate.trial_id,
        fold=fold,
        status="ok",
        warned=warned,
        busy_seconds=time.perf_counter() - started,
        peak_memory_mb=_peak_memory_mb(),
        finished_at=time.time(),
    )


def _status_of(error: BaseException) -> Status:
    """Tell errors of libraries that ran out of memory, a GPU's or ours, from others, without loading the libraries."""
    text = f"{type(error).__name__}: {error}".lower()
    return "out_of_memory" if any(sign in text for sign in _OUT_OF_MEMORY) else "error"


def _reason(error: BaseException, folder: Path) -> str:
    """Keep the traceback in a file, where one can be written, and say in one line what happened."""
    file = folder.parent / f"{folder.name}.traceback.txt"
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, "".join(traceback.format_exception(error)))
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, (_BadPrediction, BenchError)) else f"{type(error).__name__}: {text}"


def _fit_and_score(
    problem: Problem,
    candidate: Candidate,
    fold: int,
    allotment: Allotment,
    deadline: Deadline,
    folder: Path,
    known: _Known,
    recorder: Recorder,
) -> dict[str, Any]:
    """Fit, predict, score and store one fold; return what is measured and scored."""
    task, family = problem.task, discover()[candidate.family]
    recorder.begin("encode", "encode")
    rounds = _borrowed(problem, family, fold, known.lent)
    parts = _parts(problem, candidate, fold, allotment.memo, watching=family.watches and rounds is None)
    present, scored = parts.present, problem.splits.folds[fold].valid
    settings = Settings(
        params=without_switches(candidate.params),
        kind=task.kind if len(present) != 2 else "binary",
        n_classes=len(present),
        metric=task.metric.name,
        seed=seed_for(candidate.seed, "fold", fold),
        rounds=rounds,
        ended_at=known.ended_at,
    )
    estimator = build(family, settings)
    recorder.begin("fit", "fit")
    begun = time.perf_counter()
    estimator.fit(*parts.learn, valid=parts.watch, allotment=allotment, deadline=deadline)
    fit_seconds = time.perf_counter() - begun
    recorder.begin("predict", "predict")
    begun = time.perf_counter()
    valid = _predict(estimator, parts.valid, task.kind, present, len(task.classes))
    predict_seconds = time.perf_counter() - begun
    test = _predict(estimator, parts.test, task.kind, present, len(task.classes))
    recorder.begin("score", "harness")
    y, metrics = task.y[scored], {metric.name: metric for metric in (*metrics_for(task.kind), task.metric)}
    scores = {name: metric.score(y, valid, task.classes) for name, metric in metrics.items()}
    score = scores[task.metric.name]
    if not np.isfinite(score):
        raise _BadPrediction(f"{task.metric.name} is {score} on the validation rows of fold {fold}")
    recorder.begin("store", "harness")
    with building(folder) as temporary:
        write_predictions(temporary, valid=valid, test=test)
        estimator.save(temporary)
        write_text(temporary / CLASSES, " ".join(map(str, present)))
    return {
        "score": score,
        "scores": scores,
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "rounds": getattr(estimator, "rounds", None),
        "ended_at": getattr(estimator, "ended_at", None),
    }


def _lends(problem: Problem) -> bool:
    """Whether rows are exchangeable, so that folds may take over what others found out."""
    return problem.splits.strategy == "stratified"


def _borrowed(problem: Problem, family: Family, fold: int, lent: tuple[int, ...]) -> int | None:
    """How many rounds a fold takes over from the first folds, so that it can learn from all of its training rows.

    Their mean, where rows are exchangeable; None for a fold that has to find its own. No row that the fold is scored on
    was watched for it: see `_watched`. Folds of other repeats are scored on rows that were, and borrow nothing.
    """
    folds = problem.splits.folds
    exchangeable = _lends(problem) and folds[fold].repeat == folds[0].repeat
    if not (family.borrows and lent and fold >= LENDERS and exchangeable):
        return None
    return max(1, round(float(np.mean(lent))))


def _compress(y: Array, kind: str) -> tuple[Array, Array]:
    """Renumber class codes so that each of 0..k-1 occurs; ``present`` maps back. Regression targets pass through."""
    if kind == "regression":
        return y, np.empty(0, dtype=np.int64)
    present, labels = np.unique(y, return_inverse=True)
    return labels.astype(np.int64), present


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    """A fold as a candidate sees it: rows to learn from and to watch with their labels, rows to predict.

    ``present`` holds the codes of the classes among the training rows.
    """

    learn: tuple[Encoded, Array]
    watch: tuple[Encoded, Array] | None
    present: Array
    valid: Encoded
    test: Encoded


def _parts(problem: Problem, candidate: Candidate, fold: int, memo: Memo, *, watching: bool) -> _Parts:
    """Encode a fold and divide it; the same for all candidates that see it by the same recipe, and kept for them."""
    recipe, features, rows = discover()[candidate.family].recipe, Features.of(candidate.params), candidate.rows
    key = f"{recipe_key(recipe, features, rows)}/fold-{fold}/{watching}"

    def make() -> _Parts:
        data = fold_data(problem, recipe, fold, features, rows)
        train = training_rows(problem, fold, rows)
        labels, present = _compress(problem.task.y[train], problem.task.kind)
        fit_rows, stop_rows = _watched(problem, train, labels, fold) if watching else (train, train[:0])
        learn, watch = (data.train, labels), None
        if len(stop_rows):
            learn = data.train.rows(fit_rows), labels[fit_rows]
            watch = data.train.rows(stop_rows), labels[stop_rows]
        learn = replace(learn[0], key=key), learn[1]
        return _Parts(learn=learn, watch=watch, present=present, valid=data.valid, test=data.test)

    return memo.get(
        ("parts", key), make, n_bytes=4 * len(problem.splits.folds[fold].train) * problem.task.features.width
    )


def _watched(problem: Problem, train: Array, labels: Array, fold: int) -> tuple[Array, Array]:
    """Divide training rows into those to learn from and the slice that is watched, by place among them.

    Each of the two folds that lend their rounds watches rows that the other is scored on, and none that a borrower is.
    """
    task, folds = problem.task, problem.splits.folds
    lends = _lends(problem) and fold < LENDERS <= len(folds)
    other = folds[1 - fold].valid if lends else None
    return holdout(
        task.kind,
        labels,
        np.arange(len(train)),
        groups=None if task.groups is None else task.groups[train],
        time=None if task.time is None else task.time[train],
        gap=task.gap,
        seed=seed_for(problem.seed, "holdout", fold),
        among=None if other is None else np.isin(train, other),
    )


def _predict(estimator: Estimator, X: Encoded, kind: str, present: Array, n_classes: int) -> Array:
    """Predict and check; classes that the training rows lacked get probability 0."""
    if len(X.values) == 0:
        return np.empty((0,) if kind == "regression" else (0, n_classes))
    prediction = np.asarray(estimator.predict(X), dtype=np.float64)
    shape = (len(X.values),) if kind == "regression" else (len(X.values), len(present))
    if prediction.shape != shape:
        raise _BadPrediction(f"predictions must have shape {shape}, got {prediction.shape}")
    if not np.isfinite(prediction).all():
        raise _BadPrediction("predictions must be finite, got NaN or infinity")
    if kind == "regression":
        return prediction
    if prediction.min() < 0 or not np.allclose(prediction.sum(axis=1), 1.0, atol=1e-4):
        raise _BadPrediction("predictions must be probabilities: not negative, each row summing to 1")
    return spread(prediction, present, n_classes)


def read_classes(folder: Path) -> Array:
    """Read which of the task's class codes a stored fold model knows."""
    return np.array((folder / CLASSES).read_text().split(), dtype=np.int64)


def spread(probabilities: Array, present: Array, n_classes: int) -> Array:
    """Widen probabilities [n, len(present)] to [n, n_classes]."""
    if len(present) == n_classes:
        return probabilities
    wide = np.zeros((len(probabilities), n_classes))
    wide[:, present] = probabilities
    return wide


def _reset_peak_memory() -> None:
    """Make the kernel forget this process's peak of resident memory, where it allows that."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return


def _peak_memory_mb() -> float:
    """Peak resident memory of this process since the last reset, in megabytes (10**6 bytes)."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
