"""Which values in a table are stale by the context file that is in use, read in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.registry import current_context
from knockoff.errors import ContextFileError
from knockoff.runs.described import read_description
from knockoff.runs.elsewhere import connected
from knockoff.runs.staleness import STALE, fields_needed, stale_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.contextfile.description import ContextDescription, TableDescription
    from knockoff.database.client import Database


class StaleCells:
    """Tells of one table which cells are stale; the context file is that which is given."""

    def __init__(
        self, database: Database, context: ContextDescription | None, collection: str
    ) -> None:
        tables = {table.collection: table for table in context.tables} if context else {}
        linked = connected(tables, collection) if collection in tables else frozenset[str]()
        self._database = database
        self._collection = collection
        self._tables = {name: table for name, table in tables.items() if name in linked}

    @classmethod
    async def by_current_context(cls, database: Database, collection: str) -> StaleCells:
        """By the context file that was used last; one that nobody can read makes nothing stale."""
        described = await current_context(database)
        try:
            context = read_description(described) if described else None
        except ContextFileError:  # by another version of knockoff: what is stale is not known
            context = None
        return cls(database, context, collection)

    async def of(self, keys: Collection[str] | None = None) -> dict[str, dict[str, str]]:
        """Why cells are stale, by row's `_id` and column with slashes; rows without any are not in.

        Parameters
        ----------
        keys:
            The rows that are asked about; None for all.
        """
        found = {name: await self._rows(table, keys) for name, table in self._tables.items()}
        told: dict[str, dict[str, str]] = {}
        for key in found.get(self._collection, ()):
            rows = {name: of_table.get(key) for name, of_table in found.items()}
            if stale := stale_in(self._tables, rows)[self._collection]:
                told[key] = stale
        return told

    async def mark(self, rows: Sequence[dict[str, Any]]) -> None:
        """Note in rows that were read which of their cells are stale."""
        stale = await self.of([str(row["_id"]) for row in rows])
        for row in rows:
            if str(row["_id"]) in stale:
                row.setdefault("knockoff", {})[STALE] = stale[str(row["_id"])]

    async def _rows(
        self, table: TableDescription, keys: Collection[str] | None
    ) -> dict[str, Mapping[str, Any]]:
        """Rows are of the same `_id` in all tables: that of their run."""
        which = {} if keys is None else {"_id": {"$in": list(keys)}}
        fields = dict.fromkeys(fields_needed(table), 1)
        found = self._database[table.collection].find(which, fields)
        return {str(row["_id"]): row for row in await found.to_list(None)}
