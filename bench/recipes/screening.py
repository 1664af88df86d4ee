"""Of very many columns of numbers those that tell most of the target, by the training rows of one fold.

A column tells as much as its values, or how far they lie from their mean, vary together with the target: the larger of
the two squared correlations. Where some values lie very far out, their ranks take the place of all. What is missing
counts as the mean.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from bench.metric import Array
from bench.schema import Schema

#: Columns of numbers and booleans that are kept.
MOST_COLUMNS = 5_000
#: Rows that strength is measured on, and columns that are looked at at once.
_ROWS = 5_000
_BLOCK = 2_048
#: Standard deviations from the mean.
_FAR = 8.0


def screened(schema: Schema, frame: pl.DataFrame, outputs: Array, rows: Array | None = None) -> Schema:
    """Leave out the weakest columns of numbers and booleans beyond `MOST_COLUMNS`; the others keep their order.

    ``outputs`` is float64 [n_rows, n_outputs], see `target_encoding.targets`, for those ``rows`` of the frame, or all.
    """
    names = _numbers(schema)
    if len(names) <= MOST_COLUMNS:
        return schema
    some = np.linspace(0, len(outputs) - 1, min(_ROWS, len(outputs))).astype(np.int64)
    looked_at = some if rows is None else rows[some]
    starts = range(0, len(names), _BLOCK)
    strengths = np.concatenate(
        [_strengths(frame.select(names[at : at + _BLOCK])[looked_at], outputs[some]) for at in starts]
    )
    weakest = np.argsort(-strengths, kind="stable")[MOST_COLUMNS:]
    left_out = {names[index] for index in weakest.tolist()}
    return replace(schema, columns=tuple(column for column in schema.columns if column.name not in left_out))


def screening_notes(schema: Schema) -> tuple[str, ...]:
    """Say that columns are left out, where there are so many."""
    count = len(_numbers(schema))
    if count <= MOST_COLUMNS:
        return ()
    return (
        f"Of {count:,} columns of numbers, models see the {MOST_COLUMNS:,} that tell most by a fold's training rows, "
        "fold by fold; --drop leaves columns out for good.",
    )


def _numbers(schema: Schema) -> list[str]:
    return [column.name for column in schema.columns if column.kind in ("numeric", "boolean")]


def _strengths(frame: pl.DataFrame, outputs: Array) -> Array:
    """How much each column tells [n_columns]."""
    values = frame.cast(pl.Float64).to_numpy()
    near = _standardised(values)
    if len(far := np.flatnonzero(np.abs(near).max(axis=0) > _FAR)):
        near[:, far] = _standardised(_ranks(values[:, far]))
    told = [(part.T @ outputs / len(outputs)) ** 2 for part in (near, _standardised(near**2))]
    strengths: Array = np.maximum(*told).sum(axis=1)
    return strengths


def _ranks(values: Array) -> Array:
    """Ranks in columns, NaN for what is missing."""
    from scipy.stats import rankdata

    ranks: Array = rankdata(values, axis=0, nan_policy="omit")
    return ranks


def _standardised(values: Array) -> Array:
    """Give columns mean 0 and variance 1; what is no finite number, and what does not vary, becomes 0."""
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values, 0.0)
    centred -= centred.sum(axis=0) / counts
    centred *= known
    spread = np.sqrt(np.einsum("ij,ij->j", centred, centred) / counts)
    centred /= np.where(spread > 0, spread, np.inf)
    return centred
