"""The verbs of the command, gathered. Nothing heavy is imported before a verb runs."""

from typing import Annotated

import typer

from bench.cli import (
    card,
    check,
    deploy,
    doctor,
    fetch,
    leaderboard,
    listing,
    predict,
    refit,
    report,
    reproduce,
    run,
    status,
    stop,
    submit,
    suite,
    sync,
)

app = typer.Typer(
    name="bench",
    help="An AutoML benchmarking harness for tabular data: from a dataset to a leaderboard that can be trusted.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from bench.release import version

        typer.echo(f"bench {version()}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hold what all verbs have in common."""


app.command("run")(run.run)
app.add_typer(suite.app, name="suite")
app.command("predict")(predict.predict)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("refit")(refit.refit)
app.command("reproduce")(reproduce.reproduce)
app.command("report")(report.report)
app.command("sync")(sync.sync)
app.command("check")(check.check)
app.command("card")(card.card)
app.command("fetch")(fetch.fetch)
app.add_typer(listing.app, name="list")
app.command("deploy")(deploy.deploy)
app.command("submit", context_settings={"allow_interspersed_args": False})(submit.submit)
app.command("status")(status.status)
app.command("stop")(stop.stop)
app.command("doctor")(doctor.doctor)
