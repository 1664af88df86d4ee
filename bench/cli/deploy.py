"""``bench deploy``: templates of clusters."""

from typing import Annotated

import typer


def deploy(
    name: Annotated[str | None, typer.Argument(help="Template to print: `bench deploy slurm.sh > sweep.sh`.")] = None,
) -> None:
    """List the templates of clusters and images, or print one."""
    from bench.cli.tools import print_table
    from bench.deploy import list_templates, read_template

    if name is None:
        print_table(["name", "what it is"], [[name, summary] for name, summary in list_templates().items()])
    else:
        print(read_template(name), end="")
