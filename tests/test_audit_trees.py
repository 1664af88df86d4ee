import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from bench.audit.association import three_parts
from bench.audit.trees import FOLDS, quantile_bins, tree_scores
from bench.scoring import area_under_roc

RNG = np.random.default_rng(0)
N = 1200
X = RNG.normal(size=N)


def by_sklearn(x, y, part, kind):
    """The same measure with scikit-learn's tree, a fold after the other."""
    scores = []
    for fold in range(FOLDS):
        train, held = part != fold, part == fold
        kinds = {"regression": DecisionTreeRegressor}
        tree = kinds.get(kind, DecisionTreeClassifier)(max_depth=3, min_samples_leaf=5)
        tree.fit(x[train, None], y[train])
        if kind == "binary":
            scores.append(area_under_roc(y[held] == 1, tree.predict_proba(x[held, None])[:, 1]))
        elif kind == "regression":
            scores.append(1 - np.mean((y[held] - tree.predict(x[held, None])) ** 2) / np.var(y[held]))
        else:
            majority = np.bincount(y[held]).max() / held.sum()
            scores.append(1 - np.mean(tree.predict(x[held, None]) != y[held]) / (1 - majority))
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("kind", "y"),
    [
        ("binary", (np.abs(X) + 0.5 * RNG.normal(size=N) > 0.7).astype(np.int64)),
        ("multiclass", np.digitize(X + 0.3 * RNG.normal(size=N), [-1, 0, 1])),
        ("regression", np.sin(2 * X) + 0.3 * RNG.normal(size=N)),
    ],
)
def test_trees_agree_with_those_of_scikit_learn(kind, y):
    part = three_parts(y, kind)
    ours = tree_scores(np.stack([X, RNG.normal(size=N)]), y, part, kind)
    assert ours[0] == pytest.approx(by_sklearn(X, y, part, kind), abs=0.04)
    assert ours[1] == pytest.approx(0.5 if kind == "binary" else 0.0, abs=0.1)


def test_chunks_do_not_change_scores(monkeypatch):
    y = (X + RNG.normal(size=N) > 0).astype(np.int64)
    columns = np.stack([X, X**2, RNG.normal(size=N), -X])
    part = three_parts(y, "binary")
    whole = tree_scores(columns, y, part, "binary")
    monkeypatch.setattr("bench.audit.trees._CELLS", 1)
    assert np.array_equal(tree_scores(columns, y, part, "binary"), whole)
    assert whole[0] == pytest.approx(whole[3], abs=0.02)


def test_equal_values_share_a_bin_and_missing_ones_have_their_own():
    values = np.array([[3.0, 1.0, np.nan, 1.0, 2.0, 1.0], [np.nan] * 6, [7.0] * 6])
    assert quantile_bins(values, 5).tolist() == [[4, 0, 5, 0, 3, 0], [5] * 6, [0] * 6]


def test_a_gap_that_tells_is_a_leaf():
    y = np.arange(N) % 2
    gaps = np.where(y == 1, np.nan, RNG.normal(size=N))
    assert tree_scores(gaps[None], y, three_parts(y, "binary"), "binary")[0] == 1.0


def test_many_classes_and_classes_of_one_row():
    y = np.concatenate([np.arange(1000), np.zeros(200, dtype=np.int64)])
    scores = tree_scores(X[None], y, three_parts(y, "multiclass"), "multiclass")
    assert -1 <= scores[0] < 0.1
