"""Put an older result back into its row, in one transaction with the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knockoff.database.client import storable
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.database.rows import RowChange, change_row
from knockoff.database.transactions import in_transaction
from knockoff.runs.keeping import ROLLED_BACK
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session
    from knockoff.runkey import RunKey


@dataclass(frozen=True)
class Restoration:
    """All that is written when a result is put back."""

    collection: str
    key: RunKey
    change: RowChange
    guard: dict[str, Any]
    """What must hold for the row."""

    entry: dict[str, Any]
    """That the history gets."""

    source: str
    """Id of the entry whose result it is."""

    previews: Sequence[dict[str, Any]] = ()
    without_preview: Sequence[str] = ()
    """Ids of previews of cells that are to have none."""


async def put_back(database: Database, wanted: Restoration) -> bool:
    """Write all of it or nothing; False if the guard did not hold, or an array was swept.

    A sweep marks entries of the history before it deletes their files. Both write to the
    entry, so of the two one comes first, and the other one sees it.
    """
    arrays = wanted.entry.get("arrays", {})
    unswept = {f"arrays.{cell}.swept_at": {"$exists": False} for cell in arrays}

    async def write(session: Session) -> bool:
        found = await database[HISTORY].update_one(
            {"_id": wanted.source, **unswept},
            {"$inc": {"restored": 1}},
            session=session,
        )
        written = found.matched_count and await change_row(
            database, wanted.collection, wanted.key, wanted.change, wanted.guard, session
        )
        if not written:
            await session.abort_transaction()
            return False
        await database[HISTORY].insert_one(wanted.entry, session=session)
        for each in wanted.previews:
            await database[PREVIEWS].replace_one(
                {"_id": each["_id"]}, each, upsert=True, session=session
            )
        if wanted.without_preview:
            gone = {"_id": {"$in": list(wanted.without_preview)}}
            await database[PREVIEWS].delete_many(gone, session=session)
        return True

    with storable():
        return await in_transaction(database, write)


async def previews_of_result(database: Database, entry: str) -> list[dict[str, Any]]:
    """The previews that belong to a result of the history, as they were stored."""
    found = await database[PAST_PREVIEWS].find_one({"_id": entry})
    return list(found["previews"]) if found else []


async def release(
    database: Database, collection: str, key: RunKey, variables: Collection[str]
) -> None:
    """No longer keep older results of these variables: they are due."""
    change = RowChange()
    for name in map(slashed, variables):
        change.removed += [f"knockoff.{ROLLED_BACK}.{name}", f"knockoff.inputs.{name}"]
    await change_row(database, collection, key, change)
