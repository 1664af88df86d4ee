"""Templates of clusters: files that lie beside this one, to be copied and filled in where they say so."""

from pathlib import Path

from bench.errors import RequestError, choices, nearest

_FOLDER = Path(__file__).parent


def list_templates() -> dict[str, str]:
    """Names of the templates, each with what its first comment says of it."""
    return {path.name: _summary(path) for path in sorted(_FOLDER.iterdir()) if path.is_file() and path.suffix != ".py"}


def read_template(name: str) -> str:
    """Read a template.

    Raises:
        RequestError: there is none of that name.
    """
    names = list_templates()
    if name not in names:
        raise RequestError(f"a template must be one of {choices(names)}; got {name!r}.{nearest(name, names)}")
    return (_FOLDER / name).read_text(encoding="utf-8")


def _summary(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("# ")).removeprefix("# ")
