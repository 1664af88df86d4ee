"""Tables handed over from Python: frames, arrays and matrices of many libraries."""

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

import bench
from bench import frames
from bench.dataset import load_dataset, to_frame
from bench.errors import DataError, RequestError
from bench.table import normalise

VALUES = np.random.default_rng(0).normal(size=(30, 3))
COLUMNS = ["column_1", "column_2", "column_3"]
EXPECTED = pl.DataFrame({name: VALUES[:, at] for at, name in enumerate(COLUMNS)})

ALIKE = {
    "polars": EXPECTED,
    "lazy polars": EXPECTED.lazy().filter(pl.col("column_1") < 100),
    "pandas": EXPECTED.to_pandas(),
    "pandas with labels": pd.DataFrame(VALUES, columns=COLUMNS, index=range(5, 35)),
    "Arrow table": EXPECTED.to_arrow(),
    "Arrow batch": EXPECTED.to_arrow().to_batches()[0],
    "Arrow reader": EXPECTED.to_arrow().to_reader(),
    "array": VALUES,
    "array by columns": np.asfortranarray(VALUES),
    "array of objects": VALUES.astype(object),
    "structured array": np.rec.fromarrays(list(VALUES.T), names=COLUMNS),
    "sparse matrix": sp.csr_matrix(VALUES),
    "sparse array": sp.coo_array(VALUES),
}


@pytest.mark.parametrize("frame", ALIKE.values(), ids=ALIKE)
def test_every_kind_of_frame_gives_the_same_dataset(frame: object) -> None:
    dataset = load_dataset(frame)
    assert dataset.frame.equals(EXPECTED)
    assert (dataset.name, dataset.source, dataset.notes) == ("frame", "frame", ())
    if not isinstance(frame, pa.RecordBatchReader):  # which can be read once
        assert to_frame(frame)[0].equals(EXPECTED)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix, sp.dok_array, sp.lil_array, sp.bsr_array, sp.dia_array])
def test_zeros_of_sparse_matrices(kind: type) -> None:
    dense = np.diag([1.0, 2.0, 3.0])
    assert load_dataset(kind(np.vstack([dense] * 10))).frame.to_numpy().tolist() == np.vstack([dense] * 10).tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (np.array([1.5, np.nan], dtype=np.float16), [1.5, None]),
        (np.array([True, False]), [True, False]),
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"), [datetime(2020, 1, 1), None]),
        (np.array(["a", "ä"]), ["a", "ä"]),
        (np.array([b"a", b"b"]), ["a", "b"]),
        (np.array([1, "a"], dtype=object), ["1", "a"]),
        (np.array([1.5, None], dtype=object), [1.5, None]),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
    ],
)
def test_values_of_arrays(values: np.ndarray, expected: list[object]) -> None:
    column = normalise(to_frame(values.reshape(2, 1))[0]).frame["column_1"]
    assert column.to_list() == expected


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros(30), r"must have the shape \[n_rows, n_columns\], .* got shape \[30\]\. Reshape it"),
        (np.zeros((30, 2, 2)), r"got shape \[30, 2, 2\]"),
        (np.zeros((30, 2), dtype=complex), r"column 'column_1' must not hold complex numbers\. Split it"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), "unique: .*a"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "must be unique, got 'a' more than once"),
        (pl.LazyFrame({"a": [1]}).select(pl.col("b")), "the lazy frame cannot be collected: .*b"),
        (sp.csr_matrix((10**6, 10**6)), r"at most 268,435,456 values; got 1,000,000 rows by 1,000,000 .*, 7,450.6 GiB"),
    ],
)
def test_frames_that_are_no_tables(frame: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(frame)


@pytest.mark.parametrize("thing", [3, None, [1, 2], {"a": [1]}, object()])
def test_other_things_are_refused(thing: object) -> None:
    with pytest.raises(RequestError, match=r"dataset must be a name, a path or a frame; got .*\. Frames are those of"):
        load_dataset(thing)
    with pytest.raises(RequestError, match=r"rows must come as a file or a frame; got .*\. Frames are those of"):
        to_frame(thing)


def test_dense_size_of_sparse_matrices_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_CELLS", 89)
    with pytest.raises(DataError, match=r"at most 89 values; .* Pass fewer rows, or fewer columns: .*TruncatedSVD"):
        load_dataset(sp.csr_matrix(VALUES))


@pytest.mark.parametrize(
    ("frame", "position", "name"),
    [(VALUES, 0, "column_1"), (VALUES, -1, "column_3"), (EXPECTED, 1, "column_2"), (pd.DataFrame(VALUES), 2, "2")],
)
def test_target_by_position(frame: object, position: int, name: str) -> None:
    assert frames.column_at(frame, position) == name


def test_target_by_position_that_is_not_there() -> None:
    with pytest.raises(RequestError, match=r"target must be a position among the 3 columns, got -4"):
        frames.column_at(VALUES, -4)
    with pytest.raises(RequestError, match=r"target must be the name of a column, got 2"):
        bench.check("iris", target=2)


def test_arrays_from_check_to_prediction(tmp_path) -> None:
    generator = np.random.default_rng(0)
    learned = np.column_stack([generator.normal(size=(120, 3)), generator.integers(2, size=120)])
    assert bench.check(learned, target=-1).findings == ()
    settings = {"families": "dummy", "folds": 2, "engine": "local", "track": False, "quiet": True, "trials": 1}
    run = bench.run(learned, target=-1, output=tmp_path / "run", **settings)
    assert len(run.predictor.predict(VALUES)) == 30
    assert len(run.predictor.predict(sp.csr_matrix(learned))) == 120
    with pytest.raises(DataError, match=r"columns 'column_3' must be there"):
        run.predictor.predict(VALUES[:, :2])


def test_categories_that_are_numbers_are_spelled_as_numbers_are() -> None:
    """A gap makes them fractions; rows to predict may come without gap and without categories."""
    table = pd.DataFrame({"zip": pd.Series([10115.0, None, 80331.0, 10115.0]).astype("category"), "y": [1, 2, 3, 4]})
    assert to_frame(table)[0]["zip"].to_list() == ["10115", None, "80331", "10115"]
    fractions = pd.DataFrame({"size": pd.Series([0.5, 1.0]).astype("category")})
    assert to_frame(fractions)[0]["size"].to_list() == ["0.5", "1"]
