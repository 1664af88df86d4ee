"""Where the files that ship with the package lie: ``search_spaces/`` and ``datasets/``.

They stand at the top of a checkout, where people look for them, and inside the package in a wheel.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """Return the folder ``search_spaces`` or ``datasets`` as this installation has it."""
    packaged = _PACKAGE / "_data" / folder
    return packaged if packaged.is_dir() else _PACKAGE.parent / folder
