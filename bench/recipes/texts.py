"""Text columns as lengths, counts, and a few components of their TF-IDF matrices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from bench.identity import seed_for
from bench.metric import Array
from bench.recipes.feature import Feature

_MAX_CHARACTERS = 10_000
_MAX_TERMS = 10_000
_MAX_COMPONENTS = 32
_ROWS_A_COMPONENT = 20
_ROWS_FOR_PRUNING = 100
#: Terms and directions are learned from so many rows: all terms of a longer table are many more than are kept.
_MOST_ROWS = 50_000


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
    _vectorizer: ClassVar[Mapping[str, Any]] = {
        "ngram_range": (1, 2),
        "sublinear_tf": True,
        "token_pattern": r"(?u)\b\w+\b",
    }
    _counts: ClassVar[Mapping[str, pl.Expr]] = {"length": pl.first().str.len_chars()}
    _direction: ClassVar[str] = "topic"

    name: str
    terms: tuple[str, ...]
    weights: Array
    components: Array

    @classmethod
    def fit(cls, series: pl.Series, seed: int) -> Self:
        """Learn terms and directions; none when no text holds a term that is frequent enough."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        if len(series) > _MOST_ROWS:
            series = series[np.linspace(0, len(series) - 1, _MOST_ROWS).astype(np.int64)]
        documents = _documents(series)
        min_df = 2 if len(documents) >= _ROWS_FOR_PRUNING else 1
        vectorizer = TfidfVectorizer(min_df=min_df, max_features=_MAX_TERMS, **cls._vectorizer)
        try:
            matrix = vectorizer.fit_transform(documents)
        except ValueError:  # scikit-learn's way to say that no term is left
            return cls(name=series.name, terms=(), weights=np.empty(0), components=np.empty((0, 0)))
        return cls(
            name=series.name,
            terms=tuple(vectorizer.get_feature_names_out().tolist()),
            weights=vectorizer.idf_,
            components=_components(matrix, seed_for(seed, "column", series.name)),
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns that `read` gives."""
        whole = Feature(self.name, (self.name,))
        directions = (f"{self._direction} {number}" for number in range(len(self.components)))
        return tuple(whole.part(label) for label in (*self._counts, *directions))

    def read(self, series: pl.Series) -> Array:
        """Read float64 [n_rows, n_counts + n_components]: counts (NaN for missing), then the components."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        counts = series.to_frame().select(count.cast(pl.Float64).alias(label) for label, count in self._counts.items())
        counted = counts.to_numpy().reshape(len(series), len(self._counts))
        if not self.terms or not len(series):
            return np.hstack([counted, np.zeros((len(series), len(self.components)))])
        vectorizer = TfidfVectorizer(vocabulary=list(self.terms), **self._vectorizer)
        vectorizer.idf_ = self.weights
        # A sparse product is summed row by row, so that a row's outcome does not depend on its neighbours.
        return np.hstack([counted, vectorizer.transform(_documents(series)) @ self.components.T])


@dataclass(frozen=True, kw_only=True, slots=True)
class CharacterColumn(TextColumn):
    """A text column by what its letters tell: groups of three to five in a word, and counts of tokens.

    Groups of letters see through endings, misspellings and codes, where whole words do not.
    """

    kind: ClassVar[str] = "characters"
    _vectorizer: ClassVar[Mapping[str, Any]] = {"analyzer": "char_wb", "ngram_range": (3, 5), "sublinear_tf": True}
    _counts: ClassVar[Mapping[str, pl.Expr]] = {
        "words": pl.first().str.count_matches(r"\w+"),
        "different words": pl.first().str.to_lowercase().str.extract_all(r"\w+").list.n_unique(),
        "digits": pl.first().str.count_matches(r"\d"),
        "capitals": pl.first().str.count_matches(r"\p{Lu}"),
        "signs": pl.first().str.count_matches(r"[^\w\s]"),
    }
    _direction: ClassVar[str] = "letters"
