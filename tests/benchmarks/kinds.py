"""Kinds inferred from csv beside the types of the parquet files that the csv was written from, and beside their cards.

    python tests/benchmarks/kinds.py DATA

DATA is a folder of ``NAME.parquet`` files with a card ``NAME.yaml`` each (keys ``target``, ``id_columns``,
``group_columns``, ``time_columns``, ``dropped_columns``). Each table is written to csv, so that types are lost, and
loaded. Every disagreement is printed with what was inferred and why; the last line counts them. Disagreements that were
looked at and decided stand in kinds.md beside this file.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import yaml

from bench.dataset import Column, load_dataset

#: Kinds that a parquet type allows; constant columns fit any type.
_ALLOWED: dict[type[pl.DataType], tuple[str, ...]] = {
    pl.Categorical: ("categorical",),
    pl.Boolean: ("boolean",),
    pl.Int64: ("numeric",),
    pl.Float64: ("numeric",),
    pl.Datetime: ("datetime",),
    pl.String: ("text",),
}


def disagreements(table: Path, folder: Path) -> Iterator[tuple[str, Column]]:
    """Write one table to csv, load it, and give what was expected of each column that came out otherwise."""
    frame = pl.read_parquet(table)
    card = yaml.safe_load(table.with_suffix(".yaml").read_text(encoding="utf-8"))
    path = folder / f"{table.stem}.csv"
    frame.write_csv(path)
    left_out = set(card["id_columns"]) | set(card["dropped_columns"])
    for column in load_dataset(path).columns:
        expected = _ALLOWED[frame.schema[column.name].base_type()]
        if column.name in left_out:
            expected = ("id",)
        elif column.name in card["group_columns"]:
            expected = ("id", "categorical")
        elif column.name == card["target"]:
            continue
        if column.kind not in (*expected, "constant"):
            yield " or ".join(expected), column
        elif column.name in card["time_columns"] and column.kind not in ("datetime", "numeric"):
            yield "a time", column


def main() -> None:
    """Print the disagreements, by table, and how many there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    tables = sorted(parser.parse_args().data.glob("*.parquet"))
    n_columns, found = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for table in tables:
            n_columns += len(pl.read_parquet_schema(table))
            for expected, column in disagreements(table, Path(folder)):
                found += 1
                print(f"{table.stem}.{column.name}: {column.kind} ({column.why}), not {expected}")
    print(f"{found} disagreements in {n_columns} columns of {len(tables)} tables")


if __name__ == "__main__":
    main()
