"""Which release of bench this is."""

import contextlib
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

DISTRIBUTION = "automl-bench"
ROOT = Path(__file__).parent.parent


def version() -> str:
    """Version of this package: as installed, else as the checkout states it."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(DISTRIBUTION)
    return str(project().get("version", "unknown"))


def project() -> dict[str, Any]:
    """The project table of the checkout's ``pyproject.toml``; empty when there is none."""
    try:
        content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError:
        return {}
    found: dict[str, Any] = content.get("project", {})
    return found
