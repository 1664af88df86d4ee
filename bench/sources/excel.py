"""Excel's workbooks (xlsx): one sheet, whose first row that is not blank holds the names."""

import logging
import zipfile
from typing import TYPE_CHECKING

import polars as pl

from bench.errors import DataError, RequestError, nearest
from bench.sources import plain
from bench.sources.columnar import first_line
from bench.sources.plain import Plain, Read
from bench.table import check_names, name_columns

if TYPE_CHECKING:
    from fastexcel import ExcelReader

_HEAD_ROWS = 1000
# Excel knows doubles alone: whole numbers beyond this are not told apart.
_MOST_WHOLE = 2.0**53


def read_workbook(file: Plain) -> Read:
    """Read the first sheet of a workbook, or the one named after ``#``.

    Raises:
        RequestError: fastexcel is not installed.
        DataError: the workbook is damaged or too large, has no such sheet, or the sheet holds no table.
    """
    try:
        import fastexcel
    except ImportError:
        raise RequestError(
            f"{file.shown} is a workbook; reading it needs fastexcel: pip install 'automl-bench[excel]'. "
            "Or save it as csv."
        ) from None
    _check_size(file)
    logging.getLogger("fastexcel").setLevel(logging.ERROR)  # it warns of columns without a value
    try:
        book = fastexcel.read_excel(file.path)
        sheet, said = _sheet(file, book.sheet_names)
        names, frame = _table(file, book, sheet)
    except fastexcel.FastExcelError as error:
        raise DataError(f"{file.shown} is damaged or cut short ({first_line(error)}). Get the file again.") from None
    check_names(names)
    names, renamed = name_columns(names)
    columns = [_whole(series).rename(name) for name, series in zip(names, frame.get_columns(), strict=True)]
    blank = pl.all_horizontal(pl.all().is_null())
    filled = pl.DataFrame(columns).filter(~blank)
    left_out = len(frame) - len(filled)
    return filled, (*said, *((f"{left_out} blank rows are left out",) if left_out else ()), *renamed)


def _check_size(file: Plain) -> None:
    with zipfile.ZipFile(file.path) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > plain.MOST_BYTES:
        raise DataError(f"{file.shown} must unpack to at most {plain.MOST_BYTES / 2**30:g} GiB. Save it as csv.")


def _sheet(file: Plain, sheets: list[str]) -> tuple[str, tuple[str, ...]]:
    """Choose a sheet; say which, where there are several."""
    if file.part is not None:
        if file.part not in sheets:
            there = ", ".join(map(repr, sheets))
            raise DataError(f"{file.shown} has no sheet {file.part!r}; it has {there}.{nearest(file.part, sheets)}")
        return file.part, ()
    if len(sheets) == 1:
        return sheets[0], ()
    others = ", ".join(map(repr, sheets[1:]))
    return sheets[0], (
        f"sheet {sheets[0]!r} is read, the first; there are {others} ({f'{file.label}#{sheets[1]}'!r} reads another)",
    )


def _table(file: Plain, book: "ExcelReader", sheet: str) -> tuple[list[str], pl.DataFrame]:
    """The names in the first row that is not blank, and the typed rows below it."""
    head = book.load_sheet(sheet, header_row=None, skip_rows=0, n_rows=_HEAD_ROWS, dtypes="string").to_polars()
    row = next((at for at, values in enumerate(head.iter_rows()) if any(values)), None)
    if row is None:
        raise DataError(f"{file.shown} holds no rows in sheet {sheet!r}; it must have a header and rows.")
    names = [name or "" for name in head.row(row)]
    if row + 1 == len(head) < _HEAD_ROWS:
        raise DataError(f"{file.shown} holds a header and no rows in sheet {sheet!r}.")
    rows = book.load_sheet(sheet, header_row=None, skip_rows=row + 1, schema_sample_rows=None).to_polars()
    return names, rows


def _whole(series: pl.Series) -> pl.Series:
    """Make whole numbers of doubles that are nothing else."""
    if series.dtype != pl.Float64 or not ((series == series.round()) & (series.abs() < _MOST_WHOLE)).all():
        return series
    return series.cast(pl.Int64)
