"""A fitted recipe on disk: one JSON document, whose arrays lie beside it in one ``.npz`` file."""

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from bench.errors import DataError
from bench.metric import Array

Document = dict[str, Any]
_ARRAY = "$array"


def write_document(document: Document, folder: Path) -> None:
    """Write plain values and arrays, nested as deep as wanted, into an existing folder."""
    arrays: dict[str, Array] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            name = f"array_{len(arrays)}"
            arrays[name] = value
            return {_ARRAY: name}
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    (folder / "recipe.json").write_text(json.dumps(plain(document)), encoding="utf-8")
    with (folder / "recipe.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_document(folder: Path) -> Document:
    """Read what `write_document` wrote; lists come back as tuples.

    Raises:
        DataError: a file is missing or not whole.
    """

    def restored(value: Any) -> Any:
        if isinstance(value, dict):
            if _ARRAY in value:
                return arrays[value[_ARRAY]]
            return {key: restored(item) for key, item in value.items()}
        return tuple(restored(item) for item in value) if isinstance(value, list) else value

    try:
        # Opened here because numpy leaves a broken file open.
        with (folder / "recipe.npz").open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        document: Document = restored(json.loads((folder / "recipe.json").read_text(encoding="utf-8")))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(
            f"folder {folder.name!r} must hold a whole recipe (recipe.json, recipe.npz), got {error!r}. Fit it again."
        ) from error
    return document
