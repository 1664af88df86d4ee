"""``bench fetch``: a dataset into the local cache."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    name: Annotated[str, typer.Argument(help="Card of an OpenML dataset (`bench list datasets`), or openml:NUMBER.")],
    from_: Annotated[
        Path | None, typer.Option("--from", help="File with a card's data. [default: download it]")
    ] = None,
) -> None:
    """Download a dataset from OpenML, to be there when offline; or put in place what was got by other means."""
    from bench.dataset import download
    from bench.dataset import fetch as fetch_dataset

    if from_ is not None:
        print(fetch_dataset(name, from_))
        return
    dataset = download(name)
    print(f"{name}: {dataset.frame.height} rows, {dataset.frame.width} columns are in the cache, from {dataset.source}")
