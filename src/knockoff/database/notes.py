"""What people say of a run: one comment, tags and status, shown in every table; and who said it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.database.client import Database
    from knockoff.runkey import RunKey

NOTES: Final = "knockoff.notes"
EDITS: Final = "knockoff.edits"


async def note(
    database: Database, collections: Sequence[str], key: RunKey, field: str, value: Any, *, by: str
) -> int:
    """Keep what somebody says of a run, and show it in all tables; in how many it now is.

    A run that has no row yet gets it together with its row.
    """
    now = datetime.now(UTC)
    before = await database[NOTES].find_one_and_update(
        {"_id": key.document_id},
        {
            "$set": {field: value, "changed_at": now},
            "$setOnInsert": {"proposal": key.proposal, "run": key.run},
        },
        upsert=True,
    )
    rows = 0
    for collection in collections:
        result = await database[collection].update_one(
            {"_id": key.document_id},
            {"$set": {field: value, "knockoff.updated_at": now}},
        )
        rows += result.matched_count
    await log_edit(database, "", key, field, (before or {}).get(field), value, by=by)
    return rows


async def show_notes(database: Database, collection: str, key: RunKey) -> None:
    """Show in a new row what was said of its run before."""
    found = await database[NOTES].find_one(
        {"_id": key.document_id}, {"_id": 0, "comment": 1, "tags": 1, "status": 1}
    )
    if found:
        await database[collection].update_one({"_id": key.document_id}, {"$set": dict(found)})


async def log_edit(
    database: Database, collection: str, key: RunKey, field: str, old: Any, new: Any, *, by: str
) -> None:
    """Remember who changed what, so that it can be undone."""
    await database[EDITS].insert_one(
        {
            "table": collection,
            "proposal": key.proposal,
            "run": key.run,
            "field": field,
            "old": old,
            "new": new,
            "by": by,
            "at": datetime.now(UTC),
        }
    )


async def edits_of(database: Database, collection: str, run: int) -> list[dict[str, Any]]:
    """What was typed into fields of a run's row in one table, the oldest first."""
    found = database[EDITS].find({"table": collection, "run": run}).sort("at", 1)
    edits: list[dict[str, Any]] = await found.to_list(None)
    return edits
