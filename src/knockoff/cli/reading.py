"""Tables and rows as the commands read them: what is stored, with the columns that describe it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.errors import DatabaseError, EditError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from knockoff.database.client import Database
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

MOST_SECONDS: Final = 20
"""A question that takes longer is given up, so that it does not slow the table down."""

RUN: Final[Mapping[str, Any]] = {"name": "run", "title": "Run", "kind": "builtin", "type": "int"}


@dataclass(frozen=True)
class StoredTable:
    """One table of the proposal, and its columns in the order of the context file."""

    database: Database
    name: str
    columns: tuple[Mapping[str, Any], ...]
    """Entries of the registry, the run number first."""

    def column(self, name: str) -> Mapping[str, Any]:
        """The column that somebody means by its field, its title, or the end of either.

        Raises
        ------
        EditError
            None or several are called so.
        """
        from knockoff.database.filters import column_named

        try:
            return column_named(name, self.columns)
        except KeyError as error:
            raise EditError(f"In the table {self.name} {error.args[0]}") from None

    async def rows(
        self, condition: Mapping[str, Any] | None = None, fields: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Rows by run; of each `fields`, or all of it and which of its cells are stale."""
        from knockoff.database.client import PyMongoError
        from knockoff.database.stale import StaleCells

        wanted = dict.fromkeys(("run", *fields), 1) if fields else None
        try:
            found = self.database[self.name].find(dict(condition or {}), wanted)
            rows: list[dict[str, Any]] = (
                await found.sort("run", 1).max_time_ms(MOST_SECONDS * 1000).to_list(None)
            )
            if rows and not fields:
                stale = await StaleCells.by_current_context(self.database, self.name)
                await stale.mark(rows)
        except PyMongoError as error:
            raise DatabaseError(
                f"The table {self.name!r} cannot be read: {error}. "
                f"`knockoff doctor` looks what is wrong."
            ) from error
        return rows

    async def runs(self) -> list[int]:
        """Numbers of all runs that have a row."""
        return [int(row["run"]) for row in await self.rows(fields=("run",))]

    async def stale(self) -> dict[str, dict[str, str]]:
        """Why cells are stale, by row's `_id` and column with slashes."""
        from knockoff.database.stale import StaleCells

        return await (await StaleCells.by_current_context(self.database, self.name)).of()


@asynccontextmanager
async def open_tables(
    workspace: Workspace, settings: Settings, table: str | None = None, as_of: str = ""
) -> AsyncIterator[list[StoredTable]]:
    """All tables of the proposal, or the one that was asked for; at least one.

    With `as_of`, a moment as people write it, they are as they were then.

    Raises
    ------
    WorkspaceError
        No run was ever recorded here.
    EditError
        There is no such table.
    DatabaseError
        MongoDB cannot be used.
    MomentError
        `as_of` is no moment, or one of the future.
    """
    from knockoff.database.opening import open_database

    async with open_database(workspace, settings) as database:
        if as_of:
            from knockoff.cli.pasttables import past_tables

            yield await past_tables(database, as_of, settings.time_zone, table)
            return
        tables = await tables_of(database, table)
        await say_if_refused(database, workspace, settings)
        yield tables


async def say_if_refused(database: Database, workspace: Workspace, settings: Settings) -> None:
    """Say it, beside what is printed, where the table is not made by the context file on disk."""
    from knockoff.cli.words import say
    from knockoff.database.registry import refusal_in

    refusal = await refusal_in(database)
    if refusal is not None:
        at = refusal.at.astimezone(settings.time_zone)
        say(
            f"knockoff: {workspace.context_file.name} was saved with problems ({at:%d %b %H:%M}), "
            f"so the last good one is in use: {refusal.headline} `knockoff context check` says "
            f"more."
        )


async def tables_of(database: Database, table: str | None = None) -> list[StoredTable]:
    """The same on a database that is open already: as in the context file, former ones last."""
    from knockoff.database.registry import VARIABLES, current_context

    by_table: dict[str, list[Mapping[str, Any]]] = {}
    for entry in await database[VARIABLES].find().sort([("order", 1), ("_id", 1)]).to_list(None):
        by_table.setdefault(str(entry["table"]), [RUN]).append(entry)
    described = await current_context(database)
    now = [each["collection"] for each in (described or {"tables": ()})["tables"]]
    names = [*(name for name in now if name in by_table), *(by_table.keys() - set(now))]
    tables = [StoredTable(database, name, tuple(by_table[name])) for name in names]
    if not tables:
        raise WorkspaceError(
            "There is no table here yet. `knockoff listen` or `knockoff process RUN` makes it."
        )
    if table is None:
        return tables
    for each in tables:
        if each.name == table:
            return [each]
    raise EditError(f"There is no table {table!r}; there are {', '.join(by_table)}.")
