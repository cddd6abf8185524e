"""`knockoff db`: the workspace's MongoDB server."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

app = typer.Typer(
    help="Look after the MongoDB server.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples("knockoff db status", "knockoff db shell"),
)


@app.command(epilog=examples("knockoff db start", "mongosh $(knockoff db start)"))
def start(context: typer.Context) -> None:
    """Start the embedded server and keep it.

    Until `knockoff db stop`. Other commands start and stop it by themselves as they
    need it. Prints its address.
    """
    from knockoff.database.server import ensure_running

    folder = _embedded_folder(context)
    typer.echo(asyncio.run(ensure_running(folder, keep=True)).uri)


@app.command(epilog=examples("knockoff db stop", "knockoff db stop --force"))
def stop(
    context: typer.Context,
    force: Annotated[
        bool, typer.Option("--force", help="Also while other commands work with it.")
    ] = False,
) -> None:
    """Stop the embedded server."""
    from knockoff.database.server import stop as stop_server

    folder = _embedded_folder(context)
    ended = asyncio.run(stop_server(folder, even_if_used=force))
    say("Stopped." if ended else "No server was running.")


@app.command(epilog=examples("knockoff db status", "knockoff db status --json"))
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether the embedded server runs.

    And who started it, and whom it is shared with.
    """
    from knockoff.database.server import status as status_of
    from knockoff.database.server import uri as uri_of

    folder = _embedded_folder(context)
    if not folder.exists():
        found = {"folder": str(folder), "running": False, "uri": uri_of(folder)}
    else:
        seen = status_of(folder)
        found = {
            "folder": str(seen.folder),
            "running": seen.running,
            "kept": seen.kept,
            "started_by": str(seen.holder).removeprefix("of ") if seen.running else None,
            "shared_with": seen.group,
            "uri": uri_of(folder),
        }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        typer.echo(f"{name.replace('_', ' '):<12}  {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


@app.command(epilog=examples("knockoff db uri"))
def uri(context: typer.Context) -> None:
    """Print the address for Compass and mongosh.

    A password is left out.
    """
    from knockoff.database.client import without_password
    from knockoff.database.server import uri as uri_of

    workspace, settings = place_of(context).open()
    if settings.is_embedded:
        typer.echo(uri_of(workspace.database_folder))
        return
    address = settings.database.get_secret_value()
    typer.echo(without_password(address))
    if without_password(address) != address:
        say("The password is not shown.")


@app.command(epilog=examples("knockoff db share upex001234", "knockoff db share --nobody"))
def share(
    context: typer.Context,
    group: Annotated[str | None, typer.Argument(help="Group of this host.")] = None,
    nobody: Annotated[
        bool, typer.Option("--nobody", help="Take it back: only you have access.")
    ] = False,
) -> None:
    """Let a group of this host read and type."""
    from knockoff.database.folder import share as share_with

    if (group is None) is not nobody:
        raise SettingsError("Name one group, as in: knockoff db share upex001234, or --nobody.")
    share_with(_embedded_folder(context), group)
    say(f"Shared with {group}." if group else "Shared with nobody.")


@app.command(epilog=examples("knockoff db shell"))
def shell(context: typer.Context) -> None:
    """Open mongosh on the proposal's database.

    Where mongosh is missing, a Python prompt.
    """
    from knockoff.cli.prompt import talk

    workspace, settings = place_of(context).open()
    command = asyncio.run(_mongosh(workspace, settings))
    if command is None:
        talk(workspace, settings)
    else:
        raise typer.Exit(asyncio.run(_in_mongosh(workspace, settings, command)))


async def _mongosh(workspace: Workspace, settings: Settings) -> list[str] | None:
    from knockoff.database.client import database_name
    from knockoff.database.server import uri as uri_of
    from knockoff.database.shell import shell_command

    address = (
        uri_of(workspace.database_folder)
        if settings.is_embedded
        else settings.database.get_secret_value()
    )
    return shell_command(address, database_name(workspace.proposal))


async def _in_mongosh(workspace: Workspace, settings: Settings, command: list[str]) -> int:
    from knockoff.database.opening import open_server

    async with open_server(workspace, settings):
        done = await asyncio.to_thread(subprocess.run, command, check=False)
    return done.returncode


def _embedded_folder(context: typer.Context) -> Path:
    workspace, settings = place_of(context).open()
    if not settings.is_embedded:
        raise SettingsError(
            "This workspace uses a MongoDB server of its own "
            f"(set by {settings.origin('database')}), which knockoff does not run."
        )
    return workspace.database_folder
