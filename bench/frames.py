"""Tables handed over from Python: what libraries call a frame, an array or a matrix becomes a polars frame."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from bench.errors import DataError, RequestError
from bench.table import check_names, name_columns
from bench.values import to_text

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas
    import pyarrow
    import scipy.sparse

    #: What is taken for a table, beside references to files and the like.
    Frame: TypeAlias = (
        pl.DataFrame
        | pl.LazyFrame
        | pandas.DataFrame
        | pyarrow.Table
        | npt.NDArray[Any]
        | scipy.sparse.sparray
        | scipy.sparse.spmatrix
    )

#: How frames are named in messages.
FRAMES = "those of polars and pandas, Arrow tables, NumPy arrays and SciPy sparse matrices"
#: Values of a sparse matrix that are spelled out at most: 2 GiB of doubles.
MOST_CELLS = 2**28

Converted = tuple[pl.DataFrame, tuple[str, ...]]


def from_frame(data: Any) -> Converted | None:
    """Turn a frame of any library into a polars one, with notes; None when it is no frame.

    Polars frames (lazy ones are collected), pandas frames, all that hands itself over as an Arrow stream (tables and
    record batches of pyarrow, relations of DuckDB), NumPy arrays and SciPy's sparse matrices. Columns of arrays that
    have no names are called ``column_1`` and so on.

    Raises:
        DataError: it is no table of columns with names of their own, or cannot be had.
    """
    if isinstance(data, pl.DataFrame):
        return data, ()
    if isinstance(data, pl.LazyFrame):
        return _collected(data), ()
    library = type(data).__module__.partition(".")[0]
    if library == "pandas" and type(data).__name__ == "DataFrame":
        return from_pandas(data)
    if library == "scipy" and hasattr(data, "tocsc"):
        return _from_sparse(data), ()
    if isinstance(data, np.ndarray):
        return _from_array(data), ()
    return (_from_arrow(data), ()) if hasattr(data, "__arrow_c_stream__") else None


def column_at(data: Any, position: int) -> str:
    """The name of a frame's column, by its position (from 0, or from the end below it), or by a number for a name.

    Raises:
        RequestError: there is no such column, or this is no frame.
    """
    converted = from_frame(data)
    if converted is None:
        raise RequestError(f"target must be the name of a column, got {position!r}.")
    names = converted[0].columns
    if str(position) in names:
        return str(position)
    if not -len(names) <= position < len(names):
        raise RequestError(f"target must be a position among the {len(names)} columns, got {position}.")
    return names[position]


def from_pandas(frame: Any) -> Converted:
    """Turn a pandas frame into a polars one, with notes; its index is left out, columns of mixed values become text.

    Raises:
        DataError: two columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    check_names(names)
    names, notes = name_columns(names)
    columns = [_from_pandas_column(name, frame.iloc[:, at]) for at, name in enumerate(names)]
    mixed = [note for at, series in enumerate(columns) for note in _mixed(frame.iloc[:, at], series)]
    return pl.DataFrame(columns), (*notes, *mixed)


def _mixed(column: Any, series: pl.Series) -> list[str]:
    """Say of which types the values are that a column of objects holds, when it was read as text."""
    if column.dtype != object or series.dtype != pl.String:
        return []
    examples = {type(value).__name__: value for value in column[column.notna()]}
    if len(examples) < 2:
        return []
    shown = ", ".join(f"{kind} such as {value!r:.40}" for kind, value in sorted(examples.items()))
    return [f"column {series.name!r} mixes types ({shown}), and is read as text; --drop {series.name} leaves it out."]


def _from_pandas_column(name: str, column: Any) -> pl.Series:
    import pandas

    dtype, missing = column.dtype, column.isna().to_numpy()
    if isinstance(dtype, pandas.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    elif isinstance(dtype, pandas.CategoricalDtype):
        return pl.Series(name, _levels(column, missing), dtype=pl.Categorical)
    elif isinstance(dtype, (pandas.PeriodDtype, pandas.IntervalDtype, pandas.SparseDtype)):
        return pl.Series(name, _spell(column, missing), dtype=pl.String)
    try:
        return pl.Series(name, pl.from_pandas(column.reset_index(drop=True)))
    except (TypeError, ValueError, NotImplementedError, pl.exceptions.PolarsError):
        return pl.Series(name, _spell(column, missing), dtype=pl.String)


def _levels(column: Any, missing: Any) -> list[str | None]:
    """Spell categories; those that are numbers as such columns are, or the same table with plain numbers is another."""
    levels = column.cat.categories
    if levels.dtype.kind != "f":
        return _spell(column, missing)
    spelled = to_text(pl.Series(levels.to_numpy())).to_list()
    return [None if gone else spelled[code] for code, gone in zip(column.cat.codes, missing, strict=True)]


def _spell(column: Any, missing: Any) -> list[str | None]:
    return [None if gone else str(value) for value, gone in zip(column, missing, strict=True)]


def _collected(frame: pl.LazyFrame) -> pl.DataFrame:
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"the lazy frame cannot be collected: {str(error).splitlines()[0]}") from None


def _from_arrow(data: Any) -> pl.DataFrame:
    try:
        return pl.DataFrame(data)
    except pl.exceptions.DuplicateError as error:
        raise DataError(f"the table must have column names that are unique: {str(error).splitlines()[0]}") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError) as error:
        raise DataError(f"the Arrow table holds what polars cannot: {str(error).splitlines()[0]}") from None


def _from_array(array: "npt.NDArray[Any]") -> pl.DataFrame:
    """Take a structured array by its fields, and a plain one by its columns."""
    if array.dtype.names is not None and array.ndim == 1:
        return pl.DataFrame([_from_values(name, array[name]) for name in array.dtype.names])
    if array.dtype.names is not None or array.ndim != 2:
        raise DataError(
            f"an array must have the shape [n_rows, n_columns], or be a structured one of one dimension; "
            f"got shape {list(array.shape)}. Reshape it."
        )
    return pl.DataFrame([_from_values(name, array[:, at]) for at, name in enumerate(_positions(array.shape[1]))])


def _positions(width: int) -> list[str]:
    """Names of columns that have none."""
    return [f"column_{at + 1}" for at in range(width)]


def _from_values(name: str, values: "npt.NDArray[Any]") -> pl.Series:
    """Turn one column; masked values are missing, and values of several kinds become text."""
    if values.dtype.kind == "c":
        raise DataError(f"column {name!r} must not hold complex numbers. Split it into its real and imaginary parts.")
    missing = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.ascontiguousarray(np.ma.getdata(values))
    if plain.dtype.kind in "fS":
        plain = plain.astype(np.float64 if plain.dtype.kind == "f" else str)
    try:
        series = pl.Series(name, plain if plain.dtype != object else plain.tolist())
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        series = pl.Series(name, [None if value is None else str(value) for value in plain.tolist()], dtype=pl.String)
    return series if missing is None else series.set(pl.Series(missing), None)


def _from_sparse(matrix: Any) -> pl.DataFrame:
    """Spell a sparse matrix out, column by column.

    Raises:
        DataError: it has too many values for that.
    """
    rows, width = matrix.shape
    if rows * width > MOST_CELLS:
        raise DataError(
            f"a sparse matrix is spelled out, and must have at most {MOST_CELLS:,} values; got {rows:,} rows by "
            f"{width:,} columns, {rows * width * 8 / 2**30:,.1f} GiB. Pass fewer rows, or fewer columns: those chosen "
            "by sklearn.feature_selection, or made by sklearn.decomposition.TruncatedSVD."
        )
    by_column = matrix.tocsc()
    names = _positions(width)
    return pl.DataFrame([_from_values(name, by_column[:, [at]].toarray().ravel()) for at, name in enumerate(names)])
