"""Whether fits on a GPU come out as those on the CPU: both on the same small table, family by family."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.environment import Check
from bench.errors import SkipError
from bench.family import Family, Settings, discover, space_of, warm_up
from bench.log_target import build
from bench.metric import Array, TaskKind, get_metric
from bench.resources import Allotment, Deadline, available_gpus, limit_threads
from bench.samples import Sample, make_sample

#: How far the two losses on rows that neither fit has seen may lie apart, as a share of what a constant prediction
#: loses: sums are rounded in another order, CatBoost has other bins, nets are trained with mixed precision.
TOLERANCE = 0.02
_ROWS = 2_000
_SECONDS = 120.0
_METRICS: dict[TaskKind, str] = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """A family's default fitted on both: losses on held-out rows, as shares of a constant's loss, and seconds."""

    cpu_loss: float
    gpu_loss: float
    cpu_seconds: float
    gpu_seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the losses are within `TOLERANCE` of each other."""
        return abs(self.cpu_loss - self.gpu_loss) <= TOLERANCE

    def __str__(self) -> str:
        """Both losses, and how long the fits took."""
        return (
            f"{self.gpu_loss:.4f} of a constant's loss in {self.gpu_seconds:.1f} s, "
            f"on the CPU {self.cpu_loss:.4f} in {self.cpu_seconds:.1f} s"
        )


def compare(family: Family, kind: TaskKind, device: str = "cuda") -> Parity:
    """Fit a family's default on one thread of the CPU, and on ``device``, and judge both on rows held out.

    Raises:
        SkipError: a library is not installed.
        Exception: whatever the library raises, where it cannot use the device.
    """
    warm_up(family)
    sample = make_sample(family, kind, n_rows=_ROWS)
    metric = get_metric(_METRICS[kind])
    constant = metric.score(sample.test_y, _constant(sample))
    losses, seconds = [], []
    for where in (Allotment(cpus=1), Allotment(cpus=1, gpu=float(device != "cpu"), device=device)):
        begun = time.perf_counter()
        losses.append(metric.score(sample.test_y, _predicted(family, sample, where)) / constant)
        seconds.append(time.perf_counter() - begun)
    return Parity(cpu_loss=losses[0], gpu_loss=losses[1], cpu_seconds=seconds[0], gpu_seconds=seconds[1])


def _constant(sample: Sample) -> Array:
    """Predict every class by its frequency, or the mean."""
    if sample.kind == "regression":
        return np.full(len(sample.test_y), sample.y.mean())
    return np.tile(np.bincount(sample.y, minlength=sample.n_classes) / len(sample.y), (len(sample.test_y), 1))


def _predicted(family: Family, sample: Sample, allotment: Allotment) -> Array:
    """Fit, and predict the rows held out."""
    settings = Settings(
        params=space_of(family).defaults,
        kind=sample.kind,
        n_classes=sample.n_classes,
        metric=_METRICS[sample.kind],
        seed=0,
    )
    estimator = build(family, settings)
    valid = sample.valid if family.watches else None
    with limit_threads(allotment.cpus):
        estimator.fit(sample.train, sample.y, valid=valid, allotment=allotment, deadline=Deadline(_SECONDS))
        return estimator.predict(sample.test)


def gpu_checks() -> Iterator[Check]:
    """Check each family that takes a GPU, on a task of each kind, and name those that could with another build.

    A single check that fails where there is no GPU.
    """
    if not available_gpus():
        hint = "Run it on a machine with an NVIDIA GPU that CUDA_VISIBLE_DEVICES lets through."
        yield Check(name="parity", status="error", detail="no GPU to compare the CPU with", hint=hint)
        return
    for family in discover().values():
        if family.takes_gpu:
            for kind in sorted(family.tasks):
                yield _checked(f"{family.name}, {kind}", partial(compare, family, kind))
        elif callable(family.uses_gpu):
            told = f"the installed build of {family.libraries[0]} takes no GPU"
            yield Check(name=family.name, status="warning", detail=told, hint="Install one for CUDA to have it do so.")


def _checked(name: str, compared: Callable[[], Parity]) -> Check:
    """Compare, and put what comes of it into a check."""
    try:
        parity = compared()
    except SkipError as missing:
        return Check(name=name, status="warning", detail=str(missing), hint="Such fits are skipped.")
    except Exception as error:
        why = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        hint = "Install a build of the library for the CUDA version of the driver, or pass --gpus 0."
        return Check(name=name, status="error", detail=why, hint=hint)
    if parity.agrees:
        return Check(name=name, status="ok", detail=str(parity))
    hint = f"They lie more than {TOLERANCE:g} apart. Pass --gpus 0 until the cause is known."
    return Check(name=name, status="error", detail=str(parity), hint=hint)
