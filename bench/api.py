"""The same from Python: ``bench.run``, ``bench.run_suite`` and ``bench.check``."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.audit import Audit
from bench.audit.inspection import inspect
from bench.dataset import FRAME
from bench.errors import RequestError
from bench.frames import column_at
from bench.progress import LineProgress, NullProgress, Progress
from bench.result import Run
from bench.spec import make_spec
from bench.start import execute
from bench.suite_run import SuiteRun, execute_suite
from bench.text import printable

if TYPE_CHECKING:
    from bench.frames import Frame


def run(
    dataset: "str | os.PathLike[str] | Frame",
    *,
    metric: str | None = None,
    budget: str | float | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Run baselines, trees and nets on a dataset; search, ensemble, and write a run folder.

    Args:
        dataset: the name of a card, or a file: ``train.csv``, ``book.xlsx#sheet``, ``archive.zip#member.csv``, a folder
            of files (with hive's ``year=2024`` partitions or without), or a pattern such as ``data/*.csv``. Or a frame:
            polars (eager or lazy), pandas, a pyarrow table or whatever hands over an Arrow stream, a NumPy array (2-D,
            or structured), or a SciPy sparse matrix, which is spelled out and may hold 2**28 values. Columns of arrays
            and matrices are called ``column_1`` and so on. Predictors take the same.
        metric: what orders the board; the card's or the task's usual one when absent.
        budget: wall clock, such as ``"60s"`` or ``"10m"``, or seconds; 5 minutes when absent.
        quiet: show no progress on stderr.
        settings: the other options of ``bench run``, with underscores: ``target`` (a name; of a frame also a position,
            counted from 0, or from the end by -1), ``trials``, ``fit_limit``, ``preset``, ``families`` (text joined by
            commas, or a list), ``ensembles``, ``slowdown``, ``refit``, ``folds``, ``test_size``, ``test``, ``group``,
            ``time``, ``task``, ``positive_class``, ``sampler``, ``seed``, ``cpus``, ``gpus``, ``engine``, ``output``,
            ``allow``, ``track``; of splits ``gap``, ``repeats``, ``splits``, ``max_rows``; of columns ``kind``,
            ``drop``; of reading ``sep``, ``encoding``, ``decimal``, ``null``, ``bad_lines``, ``query``, ``offline``.

    Raises:
        BenchError: see `bench.errors`.
    """
    reference, frame = _divide(dataset)
    if isinstance(settings.get("target"), (int, np.integer)):
        settings["target"] = column_at(frame, int(settings["target"]))
    spec = make_spec(dataset=reference, metric=metric, **_plain(budget, settings))
    progress = NullProgress() if quiet else LineProgress()
    try:
        return execute(spec, progress=progress, data=frame)
    finally:
        progress.close()


def run_suite(
    suite: "str | os.PathLike[str]", *, budget: str | float | None = None, quiet: bool = False, **settings: Any
) -> SuiteRun:
    """Run every dataset of a suite, one after the other, into one folder that the same call goes on with.

    A dataset that fails costs the others nothing: see ``summary``, and ``table`` for one row a dataset and model.

    Args:
        suite: its name, its file, or ``openml:suite/NUMBER``.
        budget: wall clock of each dataset, as of `run`.
        quiet: show no progress on stderr.
        settings: those of `run` that are not about one dataset alone.

    Raises:
        BenchError: see `bench.errors`.
    """

    def tell(sentence: str) -> None:
        if not quiet:
            print(printable(sentence), file=sys.stderr)

    @contextlib.contextmanager
    def show(title: str) -> Iterator[Progress]:
        tell(title)
        with contextlib.closing(NullProgress() if quiet else LineProgress()) as progress:
            yield progress

    return execute_suite(os.fspath(suite), _plain(budget, settings), show=show, tell=tell)


def check(
    dataset: "str | os.PathLike[str] | Frame",
    *,
    target: str | int | None = None,
    task: str | None = None,
    **settings: Any,
) -> Audit:
    """Audit a dataset and fit none of the families; ``settings`` are those of `run` on how to read and divide the data.

    Raises:
        BenchError: see `bench.errors`.
    """
    reference, frame = _divide(dataset)
    if isinstance(target, (int, np.integer)):
        target = column_at(frame, int(target))
    return inspect(make_spec(dataset=reference, target=target, task=task, **settings), frame).audit


def _plain(budget: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Spell settings as a file of them would: paths as text, what can be iterated over as lists."""
    if budget is not None and not isinstance(budget, (str, int, float)):
        raise RequestError(f"budget must be a duration such as '60s' or seconds, got {budget!r}.")
    plain: dict[str, Any] = {**settings, "budget": budget}
    for name, value in plain.items():
        if isinstance(value, os.PathLike):
            plain[name] = os.fspath(value)
        elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)) and not hasattr(value, "columns"):
            plain[name] = tuple(value)
    return plain


def _divide(dataset: Any) -> tuple[str, Any]:
    """Tell references from frames: what stands in the request, and the frame or None."""
    if dataset is None:
        raise RequestError("dataset must be a name, a path or a frame; got None.")
    return (os.fspath(dataset), None) if isinstance(dataset, (str, os.PathLike)) else (FRAME, dataset)
