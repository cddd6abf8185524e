"""`knockoff logs`: what the variables of a run printed, attempt by attempt."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from datetime import datetime

    from knockoff.recording.runlogs import RunLog
    from knockoff.runkey import RunKey
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff logs 42",
            "knockoff logs 42 --follow              until its jobs are done",
            "knockoff logs 42 --attempt raw-2",
        )
    )(logs)


def logs(
    context: typer.Context,
    run: Annotated[int, typer.Argument(min=1, max=99_999, help="Run number.")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Read on until the run's jobs are done.")
    ] = False,
    attempt: Annotated[
        str, typer.Option(help="Only this attempt: its name, as in raw-2, or its number.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Show what the variables of a run printed.

    A section per attempt, with when and where it ran and what it computed; then one for each
    program that a variable has launched.
    """
    from knockoff.recording.runlogs import RunLog
    from knockoff.runkey import RunKey

    if follow and as_json:
        raise typer.BadParameter(
            "A list has an end, and what is followed has none: leave out --json or --follow.",
            param_hint="--json",
        )
    workspace, settings = place_of(context).open()
    key = RunKey(workspace.proposal, run)
    log = RunLog(workspace.logs_folder, key, attempt)
    if as_json:
        from knockoff.cli.written import plain_value

        typer.echo(json.dumps(plain_value(log.sections()), indent=2, ensure_ascii=False))
    elif follow:
        say(f"Following run {run} until its jobs are done; Ctrl-C ends it.")
        asyncio.run(_follow(workspace, settings, log, key))
    else:
        for line in log.lines():
            typer.echo(_drawn(line))


async def _follow(workspace: Workspace, settings: Settings, log: RunLog, key: RunKey) -> None:
    from knockoff.database.opening import open_database
    from knockoff.recording.runlogs import followed

    def on_wait(since: datetime) -> None:
        say(
            f"knockoff: A job of run {key.run} has waited since "
            f"{since.astimezone(settings.time_zone):%d %b %H:%M:%S}, and nobody takes it. "
            f"`knockoff process {key.run}` does it now, `knockoff cancel {key.run}` gives it up."
        )

    async with open_database(workspace, settings) as database:
        async for line in followed(database, log, key, on_wait):
            typer.echo(_drawn(line))


def _drawn(line: str) -> str:
    """A line as it is for a program; for a terminal with colour, and without what may harm it."""
    if not sys.stdout.isatty():
        return line
    from knockoff.filling.sections import heading_in, variables_in
    from knockoff.tui.text import harmless

    text = harmless(line)
    if heading_in(line) is not None:
        return typer.style(text, bold=True, fg="cyan")
    return typer.style(text, dim=True) if variables_in(line) else text
