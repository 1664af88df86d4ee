"""The templates of the report: everything that comes from the run is escaped."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from bench.report import numbers

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": numbers.score_text,
        "signed": numbers.signed_text,
        "seconds": numbers.seconds_text,
        "megabytes": numbers.megabytes_text,
        "count": numbers.count_text,
        "value": numbers.value_text,
        "order": numbers.order_key,
        "breaking": _breaking,
    }
    environment.globals |= {"share": numbers.share_text, "plural": numbers.plural}
    return environment


def _breaking(name: str) -> Markup:
    """A name that may be broken after its underscores."""
    return Markup("_<wbr>").join(map(escape, name.split("_")))


def render(name: str, /, **values: object) -> Markup:
    """Fill ``templates/<name>.html.jinja``."""
    return Markup(_environment().get_template(f"{name}.html.jinja").render(**values))


def source(name: str) -> str:
    """Read a style sheet or a script that goes into the page as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")
