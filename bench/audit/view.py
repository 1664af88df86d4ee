"""What checks look at: the development rows of a task, and a sample of them for the dear checks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.audit.association import Associations, associations
from bench.dataset import Dataset
from bench.metric import Array
from bench.task import Task

SAMPLE_ROWS = 50_000
_NAMES_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A task without the labels of its test set.

    ``features`` and ``y`` hold the development rows, ``test_features`` the sealed ones; ``rows`` and ``test_rows`` are
    their numbers in the task, ``places`` those of development rows in ``dataset.frame``. ``sample`` numbers at most
    50,000 of the development rows, ``sample_features`` holds these, and ``associations`` tells what each column says of
    the target. All numbers but those of test rows are ascending.
    """

    task: Task
    dataset: Dataset
    features: pl.DataFrame
    y: Array
    test_features: pl.DataFrame
    test_rows: Array
    rows: Array
    places: Array
    sample: Array
    sample_features: pl.DataFrame
    associations: Associations

    @property
    def counts(self) -> Array:
        """Development rows of each class."""
        return np.bincount(self.y, minlength=len(self.task.classes))

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task.kind != "regression"

    @property
    def sample_y(self) -> Array:
        """Targets of the sampled rows."""
        return self.y[self.sample]

    def read(self, name: str) -> pl.Series:
        """A column of the dataset on the development rows, also one that is no feature."""
        return self.dataset.frame[name].gather(self.places)

    @property
    def sampled(self) -> str:
        """What a message ends with when a check looked at a sample."""
        return f" (on a sample of {len(self.sample):,} rows)" if len(self.sample) < len(self.y) else ""


def make_view(task: Task, dataset: Dataset, test_rows: Array) -> View:
    """Divide the rows; those whose labels are blotted out are left out wherever they come from."""
    known = np.isfinite(task.y) if task.kind == "regression" else task.y >= 0
    known[test_rows] = False
    rows = np.flatnonzero(known)
    places = np.flatnonzero(known_targets(dataset, task.target))[rows]
    features = task.features if known.all() else task.features.filter(known)
    y = task.y[rows]
    sample = np.arange(len(rows))
    if len(rows) > SAMPLE_ROWS:
        sample = np.sort(np.random.default_rng(0).choice(len(rows), SAMPLE_ROWS, replace=False))
    sample_features = features[sample] if len(sample) < len(rows) else features
    return View(
        task=task,
        dataset=dataset,
        features=features,
        y=y,
        test_features=task.features[test_rows],
        test_rows=test_rows,
        rows=rows,
        places=places,
        sample=sample,
        sample_features=sample_features,
        associations=associations(sample_features, y[sample], task.kind),
    )


def known_targets(dataset: Dataset, target: str) -> Array:
    """Which rows of a dataset became rows of the task: those with a target that is known and finite."""
    values = dataset.frame[target]
    known = values.is_not_null()
    return (known & values.is_finite().fill_null(False) if values.dtype.is_float() else known).to_numpy()


def named(columns: Sequence[str]) -> str:
    """Join column names for a message: the first five, and how many more."""
    more = f" and {len(columns) - _NAMES_SHOWN} more" if len(columns) > _NAMES_SHOWN else ""
    return ", ".join(repr(name) for name in columns[:_NAMES_SHOWN]) + more


def plural(count: int, noun: str) -> str:
    """Count a noun: ``1 row``, ``2,000 rows``; ``class`` becomes ``classes``."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"
