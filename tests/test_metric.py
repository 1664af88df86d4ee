import math
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from bench import scoring
from bench.errors import RequestError
from bench.metric import METRICS, Metric, default_metric, fit_for, get_metric, metrics_for

CODES = np.array([0, 1, 1, 0, 1])
SURE = np.eye(2)[CODES]
VALUES = np.array([1.0, 2.0, 4.0, 8.0])


def prediction_for(metric: Metric):
    return (VALUES, VALUES) if metric.needs == "values" else (CODES, SURE)


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module into the working directory, and forget it afterwards."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        monkeypatch.delitem(sys.modules, name, raising=False)

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_perfect_prediction_scores_best(metric):
    score = metric.score(*prediction_for(metric))
    assert score == pytest.approx(metric.best, abs=1e-12)
    assert metric.error(score) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_worse_prediction_is_worse(metric):
    y, perfect = prediction_for(metric)
    right, wrong = metric.score(y, perfect), metric.score(y, perfect[::-1].copy())
    assert metric.better(right, wrong)
    assert not metric.better(wrong, right)
    assert metric.error(wrong) > metric.error(right)
    assert metric.direction == ("maximize" if right > wrong else "minimize")


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_prediction_that_is_not_finite_has_no_score(metric):
    y, perfect = prediction_for(metric)
    for bad in (np.nan, np.inf):
        broken = perfect.copy()
        broken[0] = bad
        assert math.isnan(metric.score(y, broken))


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_no_rows_have_no_score(metric):
    y, perfect = prediction_for(metric)
    assert math.isnan(metric.score(y[:0], perfect[:0]))


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_metric_travels_as_the_one_object_of_its_name(metric):
    assert pickle.loads(pickle.dumps(metric)) is metric


def test_overflowing_score_is_not_defined():
    assert math.isnan(METRICS["rmse"].score(np.array([1e308]), np.array([-1e308])))


def test_tied_probabilities_go_to_the_first_class():
    y, tied = np.array([0, 0, 1]), np.full((3, 2), 0.5)
    assert METRICS["accuracy"].score(y, tied) == pytest.approx(2 / 3)


def test_ties_and_nan_are_never_better():
    auc = METRICS["roc_auc"]
    assert not auc.better(0.5, 0.5)
    assert not auc.better(math.nan, 0.5)
    assert auc.better(0.5, math.nan)
    assert not auc.better(math.nan, math.nan)


@pytest.mark.parametrize(("name", "score", "error"), [("roc_auc", 0.9, 0.1), ("rmse", 3.0, 3.0), ("r2", -1.0, 2.0)])
def test_error_is_the_distance_to_the_best(name, score, error):
    assert METRICS[name].error(score) == pytest.approx(error)


@pytest.mark.parametrize(
    ("asked", "name"),
    [("auc", "roc_auc"), ("logloss", "log_loss"), ("ROC-AUC", "roc_auc"), ("qwk", "quadratic_kappa"), ("rmse", "rmse")],
)
def test_aliases(asked, name):
    assert get_metric(asked) is METRICS[name]


def test_unknown_metric_names_near_ones_and_all():
    with pytest.raises(RequestError, match=r"no metric is called 'roc_acu'\. Did you mean 'roc_auc'") as caught:
        get_metric("roc_acu")
    assert all(name in str(caught.value) for name in METRICS)
    assert "module:function" in str(caught.value)


@pytest.mark.parametrize("name", ["mse", "neg_log_loss"])
def test_no_negated_or_squared_names(name):
    with pytest.raises(RequestError, match=f"no metric is called '{name}'"):
        get_metric(name)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("roc_auc", "regression", r"metric 'roc_auc' needs class probabilities; task 'toy' is regression\. "),
        ("accuracy", "regression", r"metric 'accuracy' needs class labels; task 'toy' is regression\. "),
        ("rmse", "binary", r"metric 'rmse' needs a numeric target; task 'toy' is binary\. "),
        ("f1", "multiclass", r"metric 'f1' needs a binary task; task 'toy' is multiclass\. "),
        ("roc_auc_ovo", "binary", r"metric 'roc_auc_ovo' needs a multiclass task; task 'toy' is binary\. "),
    ],
)
def test_metric_that_does_not_fit_names_those_that_do(name, kind, text):
    fitting = ", ".join(metric.name for metric in metrics_for(kind))
    with pytest.raises(RequestError, match=rf"^{text}Choose one of: {fitting}\.$"):
        fit_for(METRICS[name], kind, "toy")


@pytest.mark.parametrize(("kind", "name"), [("binary", "roc_auc"), ("multiclass", "log_loss"), ("regression", "rmse")])
def test_default_metric_fits(kind, name):
    assert default_metric(kind).name == name
    fit_for(default_metric(kind), kind, "toy")


@pytest.mark.parametrize(("name", "value", "text"), [("rmsle", -1.0, "never negative"), ("mape", 0.0, "never zero")])
def test_target_out_of_range(name, value, text):
    with pytest.raises(
        RequestError, match=rf"'{name}' needs a target that is {text}; got 1 such values, the first"
    ) as e:
        METRICS[name].check_target(np.array([1.0, value, np.nan]))
    assert f" {name}" not in str(e.value).partition("Choose one of:")[2]
    METRICS[name].check_target(np.array([1.0, 2.0, np.nan]))
    METRICS["rmse"].check_target(np.array([1.0, value]))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_fitting_metric_passes_its_probe(kind):
    y = VALUES if kind == "regression" else np.array([0, 1, 2, 1]) % (2 if kind == "binary" else 3)
    for metric in metrics_for(kind):
        metric.probe(y, kind, ("a", "b", "c")[: y.max() + 1] if kind != "regression" else ())


def test_probe_of_labels_that_cannot_be_judged():
    with pytest.raises(RequestError, match="'roc_auc' must return a finite number, got nan or infinity"):
        METRICS["roc_auc"].probe(np.zeros(3, dtype=np.int64), "binary", ("a", "b"))


def test_custom_metric_gets_labels_as_the_data_spells_them(write_module):
    write_module(
        "spelled",
        """
        def right_yes(y_true, y_pred):
            return float(((y_true == "yes") & (y_pred == "yes")).sum())
        """,
    )
    metric = get_metric("spelled:right_yes")
    assert metric.score(CODES, SURE, ("no", "yes")) == 3.0
    assert metric.greater_is_better
    assert metric.tasks == {"binary", "multiclass", "regression"}
    assert metric.error(3.0) == -3.0


def test_custom_metric_without_needs_gets_values_in_regression(write_module):
    write_module(
        "bias", "def bias(y_true, y_pred):\n    return abs((y_true - y_pred).mean())\nbias.greater_is_better = False"
    )
    metric = get_metric("bias:bias")
    assert metric.score(VALUES, VALUES + 2) == pytest.approx(2.0)
    assert metric.error(2.0) == 2.0
    metric.probe(VALUES, "regression")


def test_custom_metric_of_probabilities(write_module):
    write_module(
        "sharp", "def sharp(y_true, y_pred):\n    return y_pred.max(axis=1).mean()\nsharp.needs = 'probabilities'"
    )
    metric = get_metric("sharp:sharp")
    assert metric.score(CODES, np.full((5, 2), 0.5), ("no", "yes")) == 0.5
    with pytest.raises(RequestError, match="'sharp:sharp' needs class probabilities; task 'toy' is regression"):
        fit_for(metric, "regression", "toy")


def test_custom_metric_is_found_by_another_process_elsewhere(write_module, tmp_path):
    write_module("carried", "def one(y_true, y_pred):\n    return 1.0")
    (tmp_path / "metric.pkl").write_bytes(pickle.dumps(get_metric("carried:one")))
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).name)"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "metric.pkl"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "carried:one"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return float('nan')", "must return a finite number, got nan or infinity on a constant prediction of 5 rows"),
        ("return float('inf')", "must return a finite number"),
        ("return 'high'", "must return a number, got str: 'high'"),
        ("return None", "must return a number, got NoneType"),
        ("raise ValueError('no idea')", "raised ValueError: no idea on a constant prediction of 5 rows"),
    ],
)
def test_broken_custom_metric_is_found_by_the_probe(write_module, body, text):
    write_module("broken", f"def broken(y_true, y_pred):\n    {body}")
    with pytest.raises(RequestError, match=text) as caught:
        get_metric("broken:broken").probe(CODES, "binary", ("no", "yes"))
    assert "'broken:broken'" in str(caught.value)


def test_custom_metric_with_unknown_needs(write_module):
    write_module("odd", "def odd(y_true, y_pred):\n    return 1.0\nodd.needs = 'logits'")
    with pytest.raises(RequestError, match="must have needs = labels, probabilities or values, got 'logits'"):
        get_metric("odd:odd")


def test_scores_need_no_heavy_library():
    program = (
        "import bench.metric, bench.stats, bench.explain, sys; print({'sklearn', 'scipy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_function_is_documented():
    assert all(
        metric.function is getattr(scoring, name) and metric.function.__doc__ for name, metric in METRICS.items()
    )
