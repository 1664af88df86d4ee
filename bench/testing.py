"""Contract checks that every family has to pass; a third party's tests run them on its own family.

::

    @pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in yield_checks(FAMILY)])
    def test_contract(check):
        check()

A check raises ``AssertionError`` that says what must hold. Fits are kept short through the parameters that
``ITERATION_LIMITS`` names, where a family's defaults have them, except in the check of the defaults themselves.
"""

import contextlib
import functools
import io
import pickletools
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.family import DeadlineReached, Estimator, Family, Settings, space_of, warm_up
from bench.metric import Array, TaskKind
from bench.resources import Allotment, Deadline, limit_threads
from bench.samples import Sample, make_sample, with_values
from bench.space import Parameter, Params, Space, Value

#: Parameters that count iterations, and what the checks lower them to.
ITERATION_LIMITS: Params = {"n_estimators": 20, "epochs": 5, "max_epochs": 5, "max_rounds": 20}
_METRICS: dict[TaskKind, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill")
_LATE_SECONDS = 5.0


def yield_checks(family: Family) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield each check that the family has to pass, with its name: ``rare_class-multiclass``."""
    for kind in sorted(family.tasks):
        for check in _CHECKS:
            if _applies(check, family, kind):
                yield f"{check.__name__.removeprefix('_')}-{kind}", functools.partial(_held, check, family, kind)


def _held(check: Callable[[Family, TaskKind], None], family: Family, kind: TaskKind) -> None:
    """Check with one thread, as fits have in a run."""
    warm_up(family)  # only libraries that are loaded can be held to their threads
    with limit_threads(Allotment().cpus):
        check(family, kind)


def _applies(check: Callable[[Family, TaskKind], None], family: Family, kind: TaskKind) -> bool:
    """Leave out checks that ask nothing of such a task, or of a family that looks at no feature."""
    if check is _rare_class:
        return kind != "regression"
    if check is _many_classes:
        return kind == "multiclass"
    return check is not _learns or family.name != "dummy"


def _space(family: Family, kind: TaskKind) -> Space:
    """Take the space as a task of this kind sees it, imbalanced so that every parameter is seen."""
    conditions = {"regression"} if kind == "regression" else {"classification", "imbalanced"}
    return space_of(family).narrowed(frozenset(conditions))


def _short(space: Space, params: Params) -> Params:
    """Complete parameters with the defaults, with few iterations."""
    limits = {name: limit for name, limit in ITERATION_LIMITS.items() if name in space.defaults}
    return {**space.complete(params), **limits}


def _fitted(
    family: Family, sample: Sample, params: Params | None = None, *, deadline: float | None = None
) -> Estimator:
    """Fit on a sample; parameters are the defaults, shortened, unless given."""
    space = _space(family, sample.kind)
    settings = Settings(
        params=_short(space, {}) if params is None else params,
        kind=sample.kind,
        n_classes=sample.n_classes,
        metric=_METRICS[sample.kind],
        seed=1,
    )
    estimator = family.build(settings)
    estimator.fit(
        sample.train,
        sample.y,
        valid=sample.valid if family.watches else None,
        allotment=Allotment(),
        deadline=Deadline(deadline),
    )
    return estimator


def _assert_valid(prediction: Array, n_rows: int, sample: Sample) -> None:
    """Hold a prediction to its shape, type and range."""
    shape = (n_rows,) if sample.kind == "regression" else (n_rows, sample.n_classes)
    assert prediction.shape == shape, f"predictions must have shape {shape}, got {prediction.shape}"
    assert prediction.dtype == np.float64, f"predictions must be float64, got {prediction.dtype}"
    assert np.isfinite(prediction).all(), "predictions must be finite"
    if sample.kind != "regression":
        assert prediction.min() >= 0.0, "probabilities must not be negative"
        np.testing.assert_allclose(prediction.sum(axis=1), 1.0, rtol=0, atol=1e-9, err_msg="rows must sum to 1")


def _fits_and_predicts(family: Family, sample: Sample, params: Params | None = None) -> None:
    """Fit and hold the predictions of all rows, and of one, to their form."""
    estimator = _fitted(family, sample, params)
    _assert_valid(estimator.predict(sample.test), len(sample.test_y), sample)
    _assert_valid(estimator.predict(sample.test.rows(np.arange(1))), 1, sample)


def _fits(family: Family, kind: TaskKind) -> None:
    """Categories and, in recipe ``trees``, missing values are taken as they come."""
    _fits_and_predicts(family, make_sample(family, kind))


def _fits_defaults(family: Family, kind: TaskKind) -> None:
    """The first candidate fits, with all its iterations."""
    _fits_and_predicts(family, make_sample(family, kind, n_rows=120), _space(family, kind).defaults)


def _fits_portfolio(family: Family, kind: TaskKind) -> None:
    """Every portfolio point fits."""
    space = _space(family, kind)
    for point in space.portfolio:
        _fits_and_predicts(family, make_sample(family, kind), _short(space, point))


def _fits_drawn(family: Family, kind: TaskKind) -> None:
    """Points drawn from the space fit."""
    space = _space(family, kind)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        point = {parameter.name: draw(parameter, rng) for parameter in space.parameters}
        _fits_and_predicts(family, make_sample(family, kind), _short(space, point))


def draw(parameter: Parameter, rng: np.random.Generator) -> Value:
    """Draw one value of a parameter, evenly over its range (of logarithms, with ``log``) or its choices."""
    if parameter.type == "categorical":
        return parameter.choices[int(rng.integers(len(parameter.choices)))]
    if parameter.log:
        value = float(np.exp(rng.uniform(np.log(parameter.low), np.log(parameter.high))))
    else:
        value = float(rng.uniform(parameter.low, parameter.high))
    value = min(max(value, parameter.low), parameter.high)
    return round(value) if parameter.type == "int" else value


def _deterministic(family: Family, kind: TaskKind) -> None:
    """The same seed gives the same predictions."""
    sample = make_sample(family, kind)
    first, second = (_fitted(family, sample).predict(sample.test) for _ in range(2))
    np.testing.assert_array_equal(first, second, err_msg="two fits with one seed must predict the same")


def _row_by_row(family: Family, kind: TaskKind) -> None:
    """A row's prediction does not depend on the rows beside it."""
    sample = make_sample(family, kind)
    estimator = _fitted(family, sample)
    whole = estimator.predict(sample.test)
    order = np.random.default_rng(0).permutation(len(whole))
    for rows in (order, order[:7], order[:1]):
        part = estimator.predict(sample.test.rows(rows))
        np.testing.assert_allclose(part, whole[rows], rtol=1e-5, atol=1e-6, err_msg="rows must be predicted one by one")


def _leaves_inputs(family: Family, kind: TaskKind) -> None:
    """Arrays come read-only, and memory shared with others must not change."""
    sample = make_sample(family, kind)
    arrays = [sample.train.values, sample.y, sample.valid[0].values, sample.valid[1], sample.test.values]
    before = [array.tobytes() for array in arrays]
    _fitted(family, sample).predict(sample.test)
    assert [array.tobytes() for array in arrays] == before, "inputs must not be written to"
    assert not any(array.flags.writeable for array in arrays), "inputs must stay read-only"


def _saves(family: Family, kind: TaskKind) -> None:
    """What is loaded predicts the same to the last bit, and no file holds a pickle."""
    sample = make_sample(family, kind)
    estimator = _fitted(family, sample)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        estimator.save(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        pickles = [path.name for path in files if holds_pickle(path.name, path.read_bytes())]
        loaded = family.load(folder)
    assert files, "save must write a file"
    assert not pickles, f"models must be saved without pickle, got {pickles}"
    np.testing.assert_array_equal(loaded.predict(sample.test), estimator.predict(sample.test))


def holds_pickle(name: str, content: bytes) -> bool:
    """Tell whether a file, or any member of a zip archive, is a pickle or an array of pickled objects."""
    if name.endswith(_PICKLE_SUFFIXES):
        return True
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(holds_pickle(member, archive.read(member)) for member in archive.namelist())
    if content.startswith(b"\x93NUMPY"):
        return b"'|O'" in content[:4096]
    if not content.startswith(b"\x80"):
        return False
    try:
        return bool(list(pickletools.genops(content)))
    except Exception:  # whatever cannot be parsed as a pickle cannot be loaded as one
        return False


def _minds_deadline(family: Family, kind: TaskKind) -> None:
    """A deadline that has passed ends the fit, unless the fit is short anyway."""
    sample = make_sample(family, kind, n_rows=2_000)
    began = time.monotonic()
    with contextlib.suppress(DeadlineReached):
        _fitted(family, sample, _space(family, kind).defaults, deadline=0.0)
    took = time.monotonic() - began
    assert took < _LATE_SECONDS, f"a fit past its deadline must end within {_LATE_SECONDS} s, took {took:.1f} s"


def _rare_class(family: Family, kind: TaskKind) -> None:
    """A class with one row, which the watched rows lack."""
    sample = make_sample(family, kind)
    last = sample.n_classes - 1
    y, watched = np.where(sample.y == last, 0, sample.y), np.where(sample.valid[1] == last, 0, sample.valid[1])
    y[0] = last
    _fits_and_predicts(family, replace(sample, y=y, valid=(sample.valid[0], watched)))


def _many_classes(family: Family, kind: TaskKind) -> None:
    """As many classes as letters."""
    _fits_and_predicts(family, make_sample(family, kind, n_rows=400, n_classes=26))


def _few_rows(family: Family, kind: TaskKind) -> None:
    """Twenty rows."""
    _fits_and_predicts(family, make_sample(family, kind, n_rows=20))


def _single_feature(family: Family, kind: TaskKind) -> None:
    """One number is all there is."""
    _fits_and_predicts(family, with_values(make_sample(family, kind), np.array([0])))


def _constant_feature(family: Family, kind: TaskKind) -> None:
    """A column that never varies, beside one that does."""
    sample = with_values(make_sample(family, kind), np.array([0, 1]))
    for X in (sample.train, sample.valid[0], sample.test):
        X.values.setflags(write=True)
        X.values[:, 1] = 3.0
        X.values.setflags(write=False)
    _fits_and_predicts(family, sample)


def _unseen_category(family: Family, kind: TaskKind) -> None:
    """A category that the training rows lack, among the watched and the predicted ones."""
    sample = make_sample(family, kind)
    if not sample.train.categorical:
        return
    column = sample.train.categorical[-1]
    values = sample.train.values.copy()
    values[values[:, column] == sample.train.cardinalities[-1] - 1, column] = 0.0
    _fits_and_predicts(family, replace(sample, train=replace(sample.train, values=values)))


def _learns(family: Family, kind: TaskKind) -> None:
    """An easy signal is found: the loss is at most three quarters of a constant's."""
    sample = make_sample(family, kind, n_rows=400)
    prediction = _fitted(family, sample, _space(family, kind).defaults).predict(sample.test)
    if kind == "regression":
        loss, floor = np.mean((prediction - sample.test_y) ** 2), np.mean((sample.y.mean() - sample.test_y) ** 2)
    else:
        shares = np.bincount(sample.y, minlength=sample.n_classes) / len(sample.y)
        actual = np.eye(sample.n_classes)[sample.test_y]
        loss, floor = np.mean((prediction - actual) ** 2), np.mean((shares - actual) ** 2)
    assert loss < 0.75 * floor, f"the squared error must be below three quarters of a constant's {floor}, got {loss}"


_CHECKS: tuple[Callable[[Family, TaskKind], None], ...] = (
    _fits,
    _fits_defaults,
    _fits_portfolio,
    _fits_drawn,
    _deterministic,
    _row_by_row,
    _leaves_inputs,
    _saves,
    _minds_deadline,
    _rare_class,
    _many_classes,
    _few_rows,
    _single_feature,
    _constant_feature,
    _unseen_category,
    _learns,
)
