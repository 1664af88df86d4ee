from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, RobustScaler, TargetEncoder

from bench.errors import DataError
from bench.skops_io import TRUSTED_TYPES, dump_sklearn, load_sklearn

X = np.random.default_rng(0).normal(size=(120, 4))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int)

PREDICTORS = [
    LogisticRegression(),
    Ridge(),
    RandomForestClassifier(n_estimators=3, random_state=0),
    ExtraTreesRegressor(n_estimators=3, random_state=0),
    HistGradientBoostingClassifier(max_iter=3),
    KNeighborsClassifier(algorithm="kd_tree", p=1),
    KNeighborsClassifier(algorithm="kd_tree", p=2),
    KNeighborsRegressor(algorithm="ball_tree", p=1.5),
    make_pipeline(SimpleImputer(), RobustScaler(), LogisticRegression()),
]
TRANSFORMERS = [
    SimpleImputer(add_indicator=True),
    QuantileTransformer(n_quantiles=10, output_distribution="normal"),
    TargetEncoder(random_state=0),
]


@pytest.mark.parametrize("estimator", PREDICTORS, ids=repr)
def test_a_loaded_predictor_predicts_the_same(estimator, tmp_path: Path):
    estimator.fit(X, LABELS)
    dump_sklearn(estimator, tmp_path / "model.skops")
    assert_array_equal(load_sklearn(tmp_path / "model.skops").predict(X), estimator.predict(X))


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_a_loaded_transformer_transforms_the_same(transformer, tmp_path: Path):
    transformer.fit(X, LABELS)
    dump_sklearn(transformer, tmp_path / "transformer.skops")
    assert_array_equal(load_sklearn(tmp_path / "transformer.skops").transform(X), transformer.transform(X))


def test_a_loaded_vectorizer_counts_the_same_words(tmp_path: Path):
    texts = ["red fish", "blue fish", "one fish", ""]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2)).fit(texts)
    dump_sklearn(vectorizer, tmp_path / "text.skops")
    loaded = load_sklearn(tmp_path / "text.skops")
    assert_array_equal(loaded.transform(texts).toarray(), vectorizer.transform(texts).toarray())


def _double(values):
    return values * 2


def test_a_type_that_is_not_trusted_is_refused_by_name(tmp_path: Path):
    dump_sklearn(FunctionTransformer(_double).fit(X), tmp_path / "model.skops")
    with pytest.raises(DataError, match=r"model\.skops must hold trusted types only, got .*_double"):
        load_sklearn(tmp_path / "model.skops")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path):
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(DataError, match=r"model\.skops must be a whole skops file"):
        load_sklearn(tmp_path / "model.skops")


def test_trusted_types_are_sorted_and_named_once():
    assert list(TRUSTED_TYPES) == sorted(set(TRUSTED_TYPES))
