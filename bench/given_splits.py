"""Splits that the user brings: a column of the table, or a file.

Both say of the rows of the table as read what each is for. Names of parts are compared without regard to case.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from bench.errors import DataError, RequestError, nearest
from bench.metric import Array
from bench.sources.base import GivenSplits
from bench.sources.file import is_table_name, read_file
from bench.table import normalise
from bench.values import to_text

_LEARNED = ("train", "training")
_SCORED = ("valid", "validation", "val", "dev")
_SEALED = ("test", "testing")
#: Number of no fold, for rows that are only ever learned from, as in scikit-learn's PredefinedSplit.
_NO_FOLD = "-1"
_MOST_FOLDS = 100
_ROW, _FOLD, _REPEAT, _ROLE = ("row", "rowid", "row_id"), ("fold",), ("repeat",), ("role", "type")
_COLUMNS_SHOWN = 20


def read_given(frame: pl.DataFrame, asked: str) -> GivenSplits:
    """Read the splits that ``--splits`` names, for the rows of ``frame``: a column of it goes before a file.

    Raises:
        RequestError: neither a column nor a file is called so.
        DataError: what it holds are no splits of these rows.
    """
    if asked in frame.columns:
        return from_names(frame[asked], f"column {asked!r}")
    path = Path(asked)
    if path.suffix == ".npz" and path.is_file():
        return _from_npz(path, frame.height)
    if is_table_name(asked):
        return _from_table(normalise(read_file(path)[0]).frame, f"file {asked!r}", frame.height)
    shown = ", ".join(frame.columns[:_COLUMNS_SHOWN]) + (", ..." if frame.width > _COLUMNS_SHOWN else "")
    raise RequestError(
        f"--splits must name a column or a file (.npz, .csv, .parquet), got {asked!r}.{nearest(asked, frame.columns)} "
        f"The columns are: {shown}."
    )


def narrowed(given: GivenSplits, rows: Array) -> GivenSplits:
    """The same splits of some of the rows; a lone fold of a source that seals nothing becomes the sealed test."""
    if given.test is None and len(given.roles) == 1:
        given = replace(given, roles=given.roles[:0], repeats=given.repeats[:0], test=given.roles[0] == 2)
    test = np.zeros(given.roles.shape[1], dtype=bool) if given.test is None else given.test
    return replace(given, roles=given.roles[:, rows], test=test[rows])


def from_names(names: pl.Series, origin: str) -> GivenSplits:
    """Read what each row is for: the fold that scores it (-1: none), or a part among train, valid and test.

    Rows of part ``test`` are sealed. Of the others, ``train`` and ``valid`` make one fold, ``train`` alone leaves the
    folds to be dealt, and any other names are folds, each learned from but where it is scored.

    Raises:
        DataError: the names make no splits.
    """
    if missing := names.null_count():
        raise DataError(
            f"--splits: {origin} must be known in every row, but {missing} rows lack it. Give these rows a part; "
            f"{_NO_FOLD} is for rows that are learned from and never scored."
        )
    if names.dtype == pl.Boolean:
        raise DataError(
            f"--splits: {origin} must hold names of parts or numbers of folds, got true and false, which may mean "
            "either. Write train and test instead."
        )
    words = to_text(names).str.strip_chars().str.to_lowercase()
    parts = [word for word in words.unique().sort() if word not in _SEALED]
    test = words.is_in(_SEALED).to_numpy()
    if set(parts) <= {*_LEARNED, *_SCORED}:
        learned, scored = words.is_in(_LEARNED).to_numpy(), words.is_in(_SCORED).to_numpy()
        if not learned.any() or not (scored.any() or test.any()):
            raise DataError(
                f"--splits: {origin} must hold rows to learn from (train) and others (valid, test), got only "
                f"{_joined(words.unique().sort())}. Name the parts so, or number the folds."
            )
        roles = (learned + 2 * scored)[None, :] if scored.any() else np.zeros((0, len(words)))
        return _given(roles, np.zeros(len(roles)), origin, test)
    folds = [part for part in parts if part != _NO_FOLD]
    if not 2 <= len(folds) <= _MOST_FOLDS:
        raise DataError(
            f"--splits: {origin} must hold from 2 to {_MOST_FOLDS} folds, got {len(folds)}: {_joined(folds)}. Name a "
            "column that says in which fold each row is scored, or that holds train, valid and test."
        )
    roles = np.stack([np.where(words == fold, 2, 1) for fold in folds])
    roles[:, test] = 0
    return _given(roles, np.zeros(len(folds)), origin, test)


def _joined(names: Iterable[str]) -> str:
    """List names for a message, the first few of many."""
    names = list(names)
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")


def _given(roles: Array, repeats: Array, origin: str, test: Array | None) -> GivenSplits:
    """Bring parts to their types.

    Raises:
        DataError: test rows are learned from or scored in a fold, too.
    """
    if test is not None and (twice := int((roles[:, test] > 0).any(axis=0).sum())):
        raise DataError(
            f"--splits: {origin} must seal its test rows from all folds, but {twice} of them are learned from or "
            "scored in a fold. Name one test set for all folds, or call the rows that a fold scores valid."
        )
    return GivenSplits(roles=roles.astype(np.int8), repeats=repeats.astype(np.int64), origin=origin, test=test)


def _from_npz(path: Path, n_rows: int) -> GivenSplits:
    """Read what `bench.split.save_splits` wrote; its rows of a test file are left aside."""
    origin = f"file {str(path)!r}"
    try:
        with np.load(path, allow_pickle=False) as content:
            test, roles, repeats, rows = (content[name] for name in ("test", "roles", "repeats", "rows"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"--splits: {origin} must be a splits.npz that bench wrote, but {error}.") from None
    if rows.max(initial=-1) >= n_rows:
        raise DataError(
            f"--splits: {origin} must be of the table's rows, but it tells of row {rows.max()} and the table has "
            f"{n_rows}. Bring the splits of this table."
        )
    own = np.flatnonzero(rows >= 0)
    wide = np.zeros((len(roles), n_rows), dtype=np.int8)
    wide[:, rows[own]] = np.pad(roles, ((0, 0), (0, len(rows) - roles.shape[1])))[:, own]
    sealed = np.zeros(n_rows, dtype=bool)
    sealed[rows[np.intersect1d(test, own)]] = True
    return _given(wide, repeats, origin, sealed)


def _from_table(table: pl.DataFrame, origin: str, n_rows: int) -> GivenSplits:
    """Read a file with a column ``fold``, a line for each row of the table, or with columns row, fold and role."""
    row, fold, repeat, role = (
        next((name for name in table.columns if name.lower() in names), None) for names in (_ROW, _FOLD, _REPEAT, _ROLE)
    )
    if row is not None and role is not None:
        lines = table.select(
            row=table[row],
            role=table[role].cast(pl.String).str.strip_chars().str.to_lowercase(),
            repeat=pl.lit(0) if repeat is None else table[repeat],
            fold=pl.lit(0) if fold is None else table[fold],
        )
        return _from_roles(lines, origin, n_rows)
    if fold is None:
        raise DataError(
            f"--splits: {origin} must hold a column 'fold', or columns 'row', 'fold' and 'role', got "
            f"{_joined(table.columns)}. Rename its columns."
        )
    if table.height != n_rows:
        raise DataError(
            f"--splits: {origin} must hold a line for each row of the table, in the same order; it has {table.height} "
            f"and the table {n_rows}. Add columns 'row', with numbers from 0, and 'role'."
        )
    return from_names(table[fold], origin)


def _from_roles(lines: pl.DataFrame, origin: str, n_rows: int) -> GivenSplits:
    """Read one line for each row of a fold. Where rows are ``valid``, those in ``test`` are sealed; else scored."""
    numbers, roles = lines["row"], lines["role"]
    if not numbers.dtype.is_integer() or numbers.null_count() or not numbers.is_between(0, n_rows - 1).all():
        raise DataError(
            f"--splits: {origin} must hold row numbers from 0 to {n_rows - 1} in its column of rows. Count from 0."
        )
    unknown = roles.filter(~roles.is_in((*_LEARNED, *_SCORED, *_SEALED)).fill_null(False))
    if not unknown.is_empty():
        raise DataError(
            f"--splits: {origin} must hold train, valid or test as roles, got {_joined(map(str, unknown.unique()))}. "
            "Rename them."
        )
    sealing = bool(roles.is_in(_SCORED).any())
    sealed = roles.is_in(_SEALED) & sealing
    lines = lines.filter(~sealed)
    if lines.select("row", "repeat", "fold").is_duplicated().any():
        raise DataError(f"--splits: {origin} must hold each row once a fold, got rows twice. Leave one of them out.")
    folds = lines.select("repeat", "fold").unique().sort("repeat", "fold", nulls_last=True).with_row_index("number")
    lines = lines.join(folds, on=["repeat", "fold"], nulls_equal=True)
    table = np.zeros((folds.height, n_rows), dtype=np.int8)
    table[lines["number"], lines["row"]] = np.where(lines["role"].is_in(_LEARNED), 1, 2)
    repeats = folds["repeat"].rank("dense").to_numpy() - 1
    test = np.zeros(n_rows, dtype=bool)
    test[numbers.filter(sealed)] = True
    return _given(table, repeats, origin, test if sealing else None)
