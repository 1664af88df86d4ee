import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn import metrics as sk

from bench import scoring

BINARY_LABELS = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": lambda y, p: sk.f1_score(y, p, zero_division=0),
    "f1_macro": lambda y, p: sk.f1_score(y, p, average="macro", zero_division=0),
    "f1_weighted": lambda y, p: sk.f1_score(y, p, average="weighted", zero_division=0),
    "precision": lambda y, p: sk.precision_score(y, p, zero_division=0),
    "recall": lambda y, p: sk.recall_score(y, p, zero_division=0),
    "mcc": sk.matthews_corrcoef,
    "quadratic_kappa": lambda y, p: sk.cohen_kappa_score(y, p, weights="quadratic"),
}
MULTICLASS_LABELS = {
    name: BINARY_LABELS[name] for name in BINARY_LABELS if name not in ("f1", "precision", "recall")
} | {
    "precision": lambda y, p: sk.precision_score(y, p, average="macro", zero_division=0),
    "recall": lambda y, p: sk.recall_score(y, p, average="macro", zero_division=0),
}
BINARY_PROBABILITIES = {
    "roc_auc": lambda y, p: sk.roc_auc_score(y, p[:, 1]),
    "average_precision": lambda y, p: sk.average_precision_score(y, p[:, 1]),
    "log_loss": sk.log_loss,
    "brier": lambda y, p: sk.brier_score_loss(y, p[:, 1]),
}
MULTICLASS_PROBABILITIES = {
    "roc_auc": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr"),
    "roc_auc_ovo": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovo"),
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": lambda y, p: sk.brier_score_loss(y, p, labels=np.arange(p.shape[1])),
}
VALUES = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "median_absolute_error": sk.median_absolute_error,
    "mape": sk.mean_absolute_percentage_error,
    "rmsle": sk.root_mean_squared_log_error,
    "r2": sk.r2_score,
    "spearman": lambda y, p: spearmanr(y, p).statistic,
    "pinball": lambda y, p: sk.mean_pinball_loss(y, p, alpha=scoring.PINBALL_ALPHA),
}


@st.composite
def classified(draw, n_classes):
    """Codes in which every class occurs, and probabilities with many ties."""
    n_rows = draw(st.integers(n_classes, 40))
    rest = draw(st.lists(st.integers(0, n_classes - 1), min_size=n_rows - n_classes, max_size=n_rows - n_classes))
    weights = draw(arrays(np.int64, (n_rows, n_classes), elements=st.integers(0, 4))) + 0.0
    weights[weights.sum(axis=1) == 0] = 1
    return np.array([*range(n_classes), *rest]), weights / weights.sum(axis=1, keepdims=True)


@st.composite
def regressed(draw):
    """Two arrays of numbers above 0, neither of them constant, with ties."""
    numbers = st.integers(1, 60).map(lambda number: number / 4)
    n_rows = draw(st.integers(3, 40))
    columns = [draw(arrays(np.float64, n_rows, elements=numbers)) for _ in range(2)]
    for column in columns:
        column[:2] = 0.5, 7.25
    return columns


@pytest.mark.parametrize("name", BINARY_PROBABILITIES)
@settings(max_examples=40, deadline=None)
@given(data=classified(2))
def test_binary_probabilities_agree_with_scikit_learn(name, data):
    assert getattr(scoring, name)(*data) == pytest.approx(BINARY_PROBABILITIES[name](*data), abs=1e-12)


@pytest.mark.parametrize("name", MULTICLASS_PROBABILITIES)
@settings(max_examples=40, deadline=None)
@given(data=classified(4))
def test_multiclass_probabilities_agree_with_scikit_learn(name, data):
    assert getattr(scoring, name)(*data) == pytest.approx(MULTICLASS_PROBABILITIES[name](*data), abs=1e-12)


@pytest.mark.parametrize("name", BINARY_LABELS)
@settings(max_examples=40, deadline=None)
@given(data=classified(2))
def test_binary_labels_agree_with_scikit_learn(name, data):
    y, predicted = data[0], data[1].argmax(axis=1)
    assert getattr(scoring, name)(y, predicted, 2) == pytest.approx(BINARY_LABELS[name](y, predicted), abs=1e-12)


@pytest.mark.parametrize("name", MULTICLASS_LABELS)
@settings(max_examples=40, deadline=None)
@given(data=classified(5))
def test_multiclass_labels_agree_with_scikit_learn(name, data):
    y, predicted = data[0], data[1].argmax(axis=1)
    assert getattr(scoring, name)(y, predicted, 5) == pytest.approx(MULTICLASS_LABELS[name](y, predicted), abs=1e-12)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=40, deadline=None)
@given(data=regressed())
def test_values_agree_with_scikit_learn(name, data):
    assert getattr(scoring, name)(*data) == pytest.approx(VALUES[name](*data), abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 400), (400, 3)])
def test_roc_auc_is_the_same_whichever_class_is_the_larger(sizes):
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1], sizes)
    score = generator.integers(0, 20, size=len(y)) / 20
    assert scoring.area_under_roc(y == 1, score) == pytest.approx(sk.roc_auc_score(y, score), abs=1e-12)


FOLD = np.array([0, 2, 2, 0, 2])  # class 1 of three is absent
FOLD_PROBABILITIES = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.3, 0.2, 0.5], [0.3, 0.3, 0.4]])


def test_log_loss_works_where_a_class_is_absent():
    expected = sk.log_loss(FOLD, FOLD_PROBABILITIES, labels=[0, 1, 2])
    assert scoring.log_loss(FOLD, FOLD_PROBABILITIES) == pytest.approx(expected)


def test_macro_scores_leave_out_an_absent_class():
    areas = [sk.roc_auc_score(code == FOLD, FOLD_PROBABILITIES[:, code]) for code in (0, 2)]
    assert scoring.roc_auc(FOLD, FOLD_PROBABILITIES) == pytest.approx(np.mean(areas))
    precisions = [sk.average_precision_score(code == FOLD, FOLD_PROBABILITIES[:, code]) for code in (0, 2)]
    assert scoring.average_precision(FOLD, FOLD_PROBABILITIES) == pytest.approx(np.mean(precisions))
    pair = (sk.roc_auc_score(FOLD == 0, FOLD_PROBABILITIES[:, 0]) + areas[1]) / 2
    assert scoring.roc_auc_ovo(FOLD, FOLD_PROBABILITIES) == pytest.approx(pair)
    assert scoring.balanced_accuracy(FOLD, np.array([0, 1, 2, 2, 2]), 3) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("name", ["roc_auc", "roc_auc_ovo"])
def test_area_of_a_single_class_is_not_defined(name):
    assert np.isnan(getattr(scoring, name)(np.array([2, 2]), FOLD_PROBABILITIES[:2]))


def test_average_precision_without_positives_is_not_defined():
    assert np.isnan(scoring.average_precision(np.array([0, 0]), np.array([[0.5, 0.5], [0.1, 0.9]])))


@pytest.mark.parametrize("name", ["r2", "spearman"])
def test_constant_target_is_not_defined(name):
    assert np.isnan(getattr(scoring, name)(np.ones(3), np.arange(3.0)))


def test_constant_prediction_has_no_rank_correlation():
    assert scoring.spearman(np.arange(3.0), np.ones(3)) == 0.0


def test_log_loss_of_a_sure_mistake_is_finite():
    assert scoring.log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(36.04365)


def test_rmsle_takes_a_negative_prediction_for_zero():
    assert scoring.rmsle(np.array([0.0, 3.0]), np.array([-5.0, 3.0])) == 0.0


def test_pinball_costs_nine_times_more_for_too_low_a_prediction():
    assert scoring.pinball(np.array([1.0]), np.array([0.0])) == pytest.approx(0.9)
    assert scoring.pinball(np.array([0.0]), np.array([1.0])) == pytest.approx(0.1)
