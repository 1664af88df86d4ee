"""The plain files that describe a run: request, data, environment, audit, splits, decisions, analysis."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.audit import Audit, label_noise
from bench.audit.inspection import describe
from bench.audit.noise import Rows, label_issues, located
from bench.dataset import Dataset
from bench.ensemble import Ensemble
from bench.environment import environment
from bench.explain import analyse, permutation_importance
from bench.family import Family
from bench.identity import seed_for
from bench.leaderboard import TARGETS, oof_prediction, tested
from bench.metric import Array
from bench.predictor import Predictor
from bench.problem import Problem
from bench.progress import Progress
from bench.resources import Machine
from bench.secrets import redacted
from bench.spec import RunSpec
from bench.split import Splits, save_splits
from bench.store import replacing, write_json, write_text
from bench.study import describe_sampler
from bench.task import Task
from bench.trace import Category, Recorder
from bench.trial import TrialResult

_OPTION = re.compile(r"(--[a-z][a-z-]*)")
_IMPORTANCE_ROWS = 2_000
_IMPORTANCE_REPEATS = 3


class Record:
    """Writes a run's descriptive files as the run learns what stands in them, and tells the progress display."""

    def __init__(self, problem: Problem, spec: RunSpec, progress: Progress, stages: Recorder) -> None:
        """Describe ``problem`` in its run folder, and note with ``stages`` what takes the time."""
        self._problem, self._spec, self._progress, self._stages = problem, spec, progress, stages
        self._folder = problem.folder
        self.environment: dict[str, Any] = {}
        self._sentences: dict[str, None] = {}
        self._rows: Rows | None = None

    def stage(self, name: str, category: Category = "wrap-up") -> None:
        """Tell that a stage begins."""
        self._progress.stage(name)
        self._stages.begin(name, category)

    def request(self, machine: Machine, command: str, families: Sequence[Family]) -> None:
        """Write spec.yaml and environment.json; the ``families`` take part in the search."""
        spec = self._spec
        write_text(self._folder / "spec.yaml", spec.to_yaml())
        self.environment = environment(machine, (name for family in families for name in family.libraries)) | {
            "command": redacted(command),
            "seed": spec.seed,
            "sampler": describe_sampler(spec.sampler, spec.seed, [family.name for family in families]),
        }
        write_json(self._folder / "environment.json", self.environment)

    def decisions(self, *sentences: str) -> None:
        """Tell and write down automatic decisions, each once."""
        for sentence in sentences:
            if sentence not in self._sentences:
                self._sentences[sentence] = None
                self._progress.note(sentence)
        told = [{"what": text, "option": " ".join(_OPTION.findall(text))} for text in self._sentences]
        write_json(self._folder / "decisions.json", told)

    def data(self, dataset: Dataset, test: Dataset | None) -> None:
        """Write dataset.json: what was read, what is predicted from it, every column; and the splits and targets."""
        tested = {"test": None if test is None else {"source": test.source, "fingerprint": test.fingerprint}}
        write_json(self._folder / "dataset.json", describe(dataset, self._problem.task) | tested)
        self._rows = _rows(dataset, self._problem.task)
        self._splits(self._problem.splits)

    def _splits(self, splits: Splits) -> None:
        """Write splits.npz and what can be read of it without numpy, splits.json."""
        save_splits(splits, self._folder / "splits.npz")
        with replacing(self._folder / TARGETS) as temporary, temporary.open("wb") as file:
            np.save(file, self._problem.task.y, allow_pickle=False)
        write_json(self._folder / "splits.json", splits.summary())

    def audit(self, found: Audit) -> Audit:
        """Tell and write down what the audit found."""
        for finding in found.findings:
            self._progress.finding(finding)
        write_json(self._folder / "audit.json", found.to_dict())
        return found

    def label_noise(self, found: Audit, best: TrialResult) -> None:
        """Complete the audit with the targets that the best model contradicts out of fold, and list these rows."""
        task = self._problem.task
        rows, prediction = oof_prediction(self._problem, best)
        issues = label_issues(task.y[rows], prediction, task.classes)
        assert self._rows is not None, "data() comes first"
        named = self._rows.at(rows)
        (self._folder / "audit").mkdir(exist_ok=True)
        with replacing(self._folder / "audit" / "label_issues.parquet") as temporary:
            located(issues, named).write_parquet(temporary)
        noise = label_noise(issues, len(rows), named)
        if noise is not None:
            self._progress.finding(noise)
        write_json(self._folder / "audit.json", found.adding(noise).to_dict())

    def analysis(
        self, best: TrialResult, ensembles: Sequence[Ensemble], predictor: Predictor, left: Callable[[], float]
    ) -> None:
        """Write analysis.json: curves and tables of the best row, what its features are worth, what ensembles hold."""
        problem, task = self._problem, self._problem.task
        rows, prediction = oof_prediction(problem, best)
        content: dict[str, Any] = {
            "model": best.candidate.name,
            "oof": analyse(task.y[rows], prediction, kind=task.kind, classes=task.classes),
            "test": None,
            "ensembles": {
                e.result.candidate.name: {"members": [{"model": m, "weight": w} for m, w in e.weights.items()]}
                for e in ensembles
            },
            "importance_metric": task.metric.name,
            "importance": _importance(problem, predictor, left),
        }
        if len(problem.splits.test):
            content["test"] = analyse(*tested(problem, best, "report"), kind=task.kind, classes=task.classes)
        write_json(problem.folder / "analysis.json", content)


def _rows(dataset: Dataset, task: Task) -> Rows:
    """Where the task's rows, but for those of a test file, stand in the data as read; and the first identifier."""
    name = next((c.name for c in dataset.columns if c.kind == "id" and c.name != task.target), None)
    return Rows(numbers=task.own_rows, ids=None if name is None else dataset.at(name, task.own_rows))


def _importance(problem: Problem, predictor: Predictor, left: Callable[[], float]) -> list[dict[str, Any]]:
    """Permutation importance of the shipped model's first fold, on rows that fold has not learned from."""
    task, fold = problem.task, problem.splits.folds[0]
    rows: Array = fold.valid
    if len(rows) > _IMPORTANCE_ROWS:
        generator = np.random.default_rng(seed_for(problem.seed, "importance"))
        rows = np.sort(generator.choice(rows, _IMPORTANCE_ROWS, replace=False))

    def score(frame: Any) -> float:
        return task.metric.score_or_nan(task.y[rows], predictor.predict_fold(frame, 0), task.classes)

    return permutation_importance(
        score,
        task.features[rows],
        greater_is_better=task.metric.greater_is_better,
        repeats=_IMPORTANCE_REPEATS,
        seed=seed_for(problem.seed, "importance"),
        left=left,
    )
