"""``bench fetch``: a downloaded dataset into the local cache."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    name: Annotated[str, typer.Argument(help="Card of an OpenML dataset; `bench list datasets` shows them.")],
    from_: Annotated[Path, typer.Option("--from", help="File with its data.")],
) -> None:
    """Put a dataset that was downloaded by other means where its card is looked up."""
    from bench.dataset import fetch as fetch_dataset

    print(fetch_dataset(name, from_))
