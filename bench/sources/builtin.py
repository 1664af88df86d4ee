"""The tables that scikit-learn carries with it."""

import polars as pl

from bench.errors import RequestError, choices

BUILTINS = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def read_builtin(name: str) -> pl.DataFrame:
    """Read a table with its target in a column ``target``: label names where scikit-learn has them.

    Raises:
        RequestError: there is no such built-in.
    """
    if name not in BUILTINS:
        raise RequestError(f"a built-in must be one of {choices(BUILTINS)}; got {name!r}.")
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    frame = pl.DataFrame(bunch.data, schema=[str(feature) for feature in bunch.feature_names], orient="row")
    target = bunch.target
    if target.dtype.kind == "i":
        target = bunch.target_names[target]
    values = [str(value) for value in target] if target.dtype.kind == "U" else target
    return frame.with_columns(pl.Series("target", values))
