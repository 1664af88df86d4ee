"""All that a worker needs to run any fold: the sealed task, its splits, the root seed and where results go."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bench.identity import digest
from bench.metric import Array
from bench.mirror import Mirror
from bench.split import Splits
from bench.task import Task


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A task whose test labels are blotted out, with its folds.

    ``store`` is the run folder where that is in an object store: ``folder`` is a copy then.
    ``identity`` hashes dataset, target, splits and stopping metric: what all trials of the run have in common.
    """

    task: Task
    splits: Splits
    seed: int
    folder: Path
    identity: str
    store: Mirror | None = None

    @cached_property
    def scored_rows(self) -> tuple[Array, ...]:
        """Validation rows of each fold, in fold order."""
        return tuple(fold.valid for fold in self.splits.folds)

    def without_features(self) -> "Problem":
        """The same problem with an empty table, for sending the table another way."""
        return replace(self, task=replace(self.task, features=self.task.features.clear()))


def make_problem(
    task: Task, splits: Splits, *, fingerprint: str, seed: int, folder: Path, store: Mirror | None = None
) -> Problem:
    """Bring a sealed task and its splits together.

    Args:
        task: the task, its test labels blotted out.
        splits: test rows and folds.
        fingerprint: content hash of the dataset.
        seed: root of all seeds of the run.
        folder: the run folder.
        store: the run folder in an object store, if it is there.
    """
    names = [task.target, task.kind, task.metric.name, [str(label) for label in task.classes], list(task.schema.names)]
    identity = digest(fingerprint, splits.fingerprint, names, seed)
    return Problem(task=task, splits=splits, seed=seed, folder=folder, identity=identity, store=store)
