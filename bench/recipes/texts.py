"""Text columns as a length and a few components of their TF-IDF matrix."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from bench.metric import Array

_MAX_CHARACTERS = 10_000
_MAX_TERMS = 10_000
_MAX_COMPONENTS = 32
_ROWS_A_COMPONENT = 20
_ROWS_FOR_PRUNING = 100
_VECTORIZER = {"ngram_range": (1, 2), "sublinear_tf": True, "token_pattern": r"(?u)\b\w+\b"}


def _documents(series: pl.Series) -> list[str]:
    """Texts as scikit-learn takes them, missing ones empty, endless ones cut."""
    return series.fill_null("").str.head(_MAX_CHARACTERS).to_list()


def _components(matrix: Any, seed: int) -> Array:
    """Directions [n_components, n_terms] of a TF-IDF matrix; the terms themselves when they are few."""
    from sklearn.utils.extmath import randomized_svd

    n_rows, n_terms = matrix.shape
    wanted = min(_MAX_COMPONENTS, max(2, n_rows // _ROWS_A_COMPONENT))
    if n_terms <= wanted:
        return np.eye(n_terms)
    components: Array = randomized_svd(matrix, n_components=wanted, n_iter=5, random_state=seed)[2]
    return components


@dataclass(frozen=True, kw_only=True, slots=True)
class TextColumn:
    """A text column: its terms (words and pairs of words), their weights, and directions in their space."""

    kind: ClassVar[str] = "text"
    name: str
    terms: tuple[str, ...]
    weights: Array
    components: Array

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> "TextColumn":
        """Learn terms and directions; none when no text holds a word that is frequent enough."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        documents = _documents(series)
        min_df = 2 if len(documents) >= _ROWS_FOR_PRUNING else 1
        vectorizer = TfidfVectorizer(min_df=min_df, max_features=_MAX_TERMS, **_VECTORIZER)
        try:
            matrix = vectorizer.fit_transform(documents)
        except ValueError:  # scikit-learn's way to say that no term is left
            return cls(name=series.name, terms=(), weights=np.empty(0), components=np.empty((0, 0)))
        return cls(
            name=series.name,
            terms=tuple(vectorizer.get_feature_names_out().tolist()),
            weights=vectorizer.idf_,
            components=_components(matrix, seed),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that `read` gives."""
        return (f"{self.name} (length)", *(f"{self.name} (topic {i})" for i in range(len(self.components))))

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, 1 + n_components]: length in characters (NaN for missing), then the components."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        length = series.str.len_chars().cast(pl.Float64).to_numpy()[:, None]
        if not self.terms or not len(series):
            return np.hstack([length, np.zeros((len(series), len(self.components)))])
        vectorizer = TfidfVectorizer(vocabulary=list(self.terms), **_VECTORIZER)
        vectorizer.idf_ = self.weights
        # A sparse product is summed row by row, so that a row's outcome does not depend on its neighbours.
        return np.hstack([length, vectorizer.transform(_documents(series)) @ self.components.T])
