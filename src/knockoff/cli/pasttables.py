"""Tables as they were at a moment, for the commands that read tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.cli.reading import RUN, StoredTable
from knockoff.errors import EditError
from knockoff.runs.staleness import STALE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from knockoff.database.client import Database
    from knockoff.recording.past import Past

_AT_ONCE: Final = 100
"""Rows that are handed to MongoDB in one question: it takes 16 MB, and a row may have 1 MB."""


@dataclass(frozen=True)
class PastTable(StoredTable):
    """One table as it was."""

    past: Past

    async def rows(
        self, condition: Mapping[str, Any] | None = None, fields: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Rows by run, whole, with which of their cells were stale."""
        del fields
        run = (condition or {}).get("run")
        rows = await self.past.rows(self.name, [run] if isinstance(run, int) else None)
        return await _that_fit(self.database, rows, condition) if condition else rows

    async def stale(self) -> dict[str, dict[str, str]]:
        """Why cells were stale, by row's `_id` and column with slashes."""
        rows = await self.past.rows(self.name)
        return {str(row["_id"]): row["knockoff"].get(STALE, {}) for row in rows}


async def _that_fit(
    database: Database, rows: Sequence[dict[str, Any]], condition: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Have MongoDB itself say which of these rows a condition fits: nobody reads it better."""
    by_id = {str(row["_id"]): row for row in rows}
    keys = list(by_id)
    found: list[dict[str, Any]] = []
    for start in range(0, len(keys), _AT_ONCE):
        some = [by_id[key] for key in keys[start : start + _AT_ONCE]]
        asked = database.aggregate(
            [
                {"$documents": {"$literal": some}},
                {"$match": dict(condition)},
                {"$project": {"_id": 1}},
            ]
        )
        found += [by_id[str(each["_id"])] async for each in asked]
    return sorted(found, key=lambda row: int(row["run"]))


async def past_tables(
    database: Database, as_of: str, zone: tzinfo, table: str | None
) -> list[StoredTable]:
    """The tables that there were, or the one that is asked for."""
    from knockoff.recording.moments import moment_of
    from knockoff.recording.past import Past

    past = await Past.at(database, moment_of(as_of, zone))
    if table is not None and table not in past.collections:
        raise EditError(
            f"There was no table {table!r} then; there were {', '.join(past.collections)}."
        )
    names = past.collections if table is None else (table,)
    return [PastTable(database, name, (RUN, *past.columns(name)), past) for name in names]
