"""One table of one proposal, read by the page, the column or the change."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pymongo

from knockoff.database.changes import PATIENCE_S, changes
from knockoff.database.client import PyMongoError
from knockoff.database.registry import VARIABLES, refusal_in
from knockoff.database.results import PREVIEWS
from knockoff.database.stale import StaleCells
from knockoff.errors import DatabaseError
from knockoff.runs.staleness import STALE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator, Mapping

    from knockoff.database.changes import Change
    from knockoff.database.client import Database

VIEWS: Final = "knockoff.views"

_STALE_FIELD: Final = f"knockoff.{STALE}"
"""Not stored: worked out for the rows that are read."""


class TableUnreadableError(DatabaseError):
    """MongoDB did not answer a question about a table."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(table, reason)
        self.table = table
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The table {self.table!r} cannot be read just now: {self.reason}. "
            "`knockoff doctor` looks what is wrong with the database."
        )


class TableReader:
    """A table as one person sees it; satisfies the `Source` of the run table in the terminal."""

    def __init__(self, database: Database, table: str, person: str) -> None:
        self._database = database
        self._person = person
        self._stale: StaleCells | None = None
        self.table = table

    async def variables(self) -> list[dict[str, Any]]:
        """The column registry of this table, in the order of the context file."""
        self._stale = None  # whoever asks has heard that the context file is another one
        with self._asking():
            found = self._database[VARIABLES].find({"table": self.table})
            return await found.sort([("order", 1), ("_id", 1)]).to_list(None)

    async def refusal(self) -> str:
        """What is wrong with the context file, where the one before it is used; else empty."""
        with self._asking():
            found = await refusal_in(self._database)
        return found.headline if found is not None else ""

    async def rows(
        self, fields: Collection[str], keys: Collection[str] | None = None
    ) -> list[dict[str, Any]]:
        """`_id` and `fields` of these rows, or of all, by run; what is gone is left out.

        With ``knockoff.stale`` among the fields, rows say which of their cells are.
        """
        which = {} if keys is None else {"_id": {"$in": list(keys)}}
        with self._asking():
            stored = dict.fromkeys((each for each in fields if each != _STALE_FIELD), 1)
            found = self._database[self.table].find(which, stored)
            rows: list[dict[str, Any]] = await found.sort("run", 1).to_list(None)
            if rows and _STALE_FIELD in fields:
                await (await self._stale_cells()).mark(rows)
            return rows

    async def _stale_cells(self) -> StaleCells:
        """By the context file as it was when the columns were read."""
        if self._stale is None:
            self._stale = await StaleCells.by_current_context(self._database, self.table)
        return self._stale

    async def previews(self, ids: Collection[str]) -> list[dict[str, Any]]:
        """Trendlines and thumbnails by id, as in ``runs/42/xgm/energy/trend``."""
        with self._asking():
            return await self._database[PREVIEWS].find({"_id": {"$in": list(ids)}}).to_list(None)

    def changes(self) -> AsyncGenerator[Change, None]:
        """Every change for as long as it is iterated; see `knockoff.database.changes`."""
        return changes(self._database, self.table)

    async def view(self) -> dict[str, Any] | None:
        """How this person left the columns, if ever."""
        with self._asking():
            return await self._database[VIEWS].find_one({"_id": self._view_id})

    async def keep_view(self, view: Mapping[str, Any]) -> None:
        """Remember how this person left the columns."""
        with self._asking():
            await self._database[VIEWS].replace_one(
                {"_id": self._view_id}, {**view, "_id": self._view_id}, upsert=True
            )

    @property
    def _view_id(self) -> str:
        return f"{self._person}/{self.table}"

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with pymongo.timeout(PATIENCE_S):
                yield
        except PyMongoError as error:
            raise TableUnreadableError(self.table, str(error)) from error
