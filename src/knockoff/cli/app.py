"""The command and its subcommands; none of them imports what only another one needs."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  # typer reads it
from typing import Annotated

import typer

from knockoff.cli import (
    backup,
    config,
    context,
    database,
    delete,
    demo,
    doctor,
    edit,
    gc,
    history,
    jobs,
    listen,
    logs,
    mymdc,
    plot,
    process,
    reprocess,
    reset,
    runs,
    show,
    start,
    submit,
    tui,
    why,
)
from knockoff.cli.place import Place
from knockoff.cli.root import RootGroup
from knockoff.cli.words import examples

app = typer.Typer(
    name="knockoff",
    cls=RootGroup,
    help="Run tables that fill themselves, for experiments at light sources.",
    epilog=examples(
        "knockoff init 1234        make a workspace, with a context file to start from",
        "knockoff listen           fill the table as runs arrive",
        "knockoff tui              watch it",
        "knockoff demo             see all of that on a simulated beamtime",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for family in (
    start,
    context,
    process,
    reprocess,
    listen,
    runs,
    show,
    why,
    history,
    logs,
    jobs,
    edit,
    submit,
    plot,
    tui,
    doctor,
    config,
    reset,
    delete,
    gc,
):
    family.register(app)
backup.register(database.app)
app.add_typer(database.app, name="db")
app.add_typer(mymdc.app, name="mymdc")
app.add_typer(demo.app, name="demo")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"knockoff {version('knockoff')}")
        raise typer.Exit


@app.callback()
def choose(
    context: typer.Context,
    proposal: Annotated[
        int | None,
        typer.Option("-p", "--proposal", envvar="KNOCKOFF_PROPOSAL", help="Proposal number."),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "-w", "--workspace", envvar="KNOCKOFF_WORKSPACE", help="Folder of the workspace."
        ),
    ] = None,
    verbosity: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="Say more; -vv says everything.")
    ] = 0,
    version: Annotated[  # noqa: ARG001  # its callback acts
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Say where to work; both may also stand behind the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # no sign that a terminal lacks ends a command
    place = Place(proposal, workspace, verbosity)
    context.obj = place
    place.configure_logs()
