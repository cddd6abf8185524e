"""`knockoff tui`: the run table in the terminal, live."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples
from knockoff.errors import SettingsError, WorkspaceError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import tzinfo
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.recording.editing import Editing
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("knockoff tui", "knockoff -p 1234 tui --table runs"))(tui)


def tui(
    context: typer.Context,
    table: Annotated[str | None, typer.Option(help="Which table, if there are several.")] = None,
) -> None:
    """Watch the table in the terminal.

    Comment, edit, sort, filter and plot in it; ? shows the keys.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SettingsError("This is no terminal. `knockoff runs` prints the table anywhere.")
    place = place_of(context)
    workspace, settings = place.open()
    log = workspace.logs_folder / "tui.log"
    place.configure_logs(file=log if log.parent.is_dir() else None, on_stderr=False)
    asyncio.run(watch(workspace, settings, table))


async def watch(workspace: Workspace, settings: Settings, table: str | None = None) -> None:
    """Show a table until somebody quits."""
    from knockoff.database.opening import open_database
    from knockoff.database.owners import this_person
    from knockoff.database.tables import TableReader
    from knockoff.tui.app import RunTableApp

    async with open_database(workspace, settings) as database:
        name = table or await _first_table(database)
        await RunTableApp(
            TableReader(database, name, this_person()),
            Typist(database, name, settings.time_zone),
            Draughtsman(workspace.arrays_folder, database, name),
            title=f"p{workspace.proposal}",
            zone=settings.time_zone,
        ).run_async()


async def _first_table(database: Database) -> str:
    from knockoff.cli.reading import tables_of

    try:
        return (await tables_of(database))[0].name
    except WorkspaceError:  # nothing was ever recorded: wait for it
        return "runs"


class Typist:
    """Writes what people type into one table, as the context file describes it by then."""

    def __init__(self, database: Database, table: str, zone: tzinfo = UTC) -> None:
        self._database = database
        self._table = table
        self._zone = zone
        self._kept: Editing | None = None

    async def set_field(self, run_key: str, field: str, text: str) -> None:
        """Store `text`, read as the type of `field`."""
        from knockoff.runkey import RunKey

        key = RunKey.from_document_id(run_key)
        with self._told():
            await (await self._editing()).set_field(key, field, text, self._table)

    async def comment(self, run_key: str, text: str) -> None:
        """Replace the comment on a run."""
        from knockoff.runkey import RunKey

        with self._told():
            await (await self._editing()).comment(RunKey.from_document_id(run_key), text)

    async def _editing(self) -> Editing:
        """By the context file as it was used last, which may have changed since the last edit."""
        from knockoff.recording.opening import editing_of

        self._kept = await editing_of(self._database, self._kept, zone=self._zone)
        return self._kept

    def _told(self) -> AbstractContextManager[None]:
        """Say in our words that MongoDB is away."""
        from knockoff.database.client import reworded

        return reworded("MongoDB")


class Draughtsman:
    """Draws the arrays of one table."""

    def __init__(self, arrays: Path, database: Database, table: str) -> None:
        self._arrays = arrays
        self._database = database
        self._table = table

    async def plot(self, run_key: str, variable: str) -> str:
        """Draw the array of a cell; the file's name."""
        from knockoff.cli.figures import write_variable
        from knockoff.cli.reading import tables_of
        from knockoff.database.client import reworded
        from knockoff.runkey import RunKey

        with reworded("MongoDB"):
            (table,) = await tables_of(self._database, self._table)
        run = RunKey.from_document_id(run_key).run
        return str(await write_variable(self._arrays, table, run, variable))
