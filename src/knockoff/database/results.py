"""Beside the rows: the history of every result, and previews of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from knockoff.database.client import storable
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session

HISTORY: Final = "knockoff.history"
PREVIEWS: Final = "knockoff.previews"
PAST_PREVIEWS: Final = "knockoff.past_previews"
"""Those of each result, by the `_id` of its entry in the history, until its array is swept."""

COMPUTED: Final[dict[str, Any]] = {"variable": {"$not": {"$regex": "^mymdc#"}}}
"""Entries of the history that a method has made, and not the facility's catalogue."""

_DUPLICATE_KEY: Final = 11000


async def add_history(
    database: Database, entries: Sequence[dict[str, Any]], session: Session | None = None
) -> None:
    """Add results to the history; one that is there already stays as it is.

    Within a transaction none may be there.
    """
    if not entries:
        return
    try:
        with storable():
            await database[HISTORY].insert_many(list(entries), ordered=False, session=session)
    except BulkWriteError as error:
        failed = (error.details or {}).get("writeErrors", ())
        if any(each.get("code") != _DUPLICATE_KEY for each in failed):
            raise


async def results_of(
    database: Database, table: str, run: int, variable: str = "", until: datetime | None = None
) -> list[dict[str, Any]]:
    """Every result of a run in a table that was ever kept, the oldest first.

    Parameters
    ----------
    variable:
        Only those of this method, dotted; empty for all.
    until:
        Only those that were begun by then; None for all.
    """
    prefix = f"{table}/{run}/{f'{slashed(variable)}/' if variable else ''}"
    condition: dict[str, Any] = {"_id": {"$gte": prefix, "$lt": f"{prefix[:-1]}0"}}  # 0 follows /
    if variable:
        condition["variable"] = variable
    if until is not None:
        condition["started_at"] = {"$lte": until}
    found = database[HISTORY].find(condition).sort([("started_at", 1), ("_id", 1)])
    results: list[dict[str, Any]] = await found.to_list(None)
    return results


async def put_previews(
    database: Database,
    previews: Sequence[dict[str, Any]],
    stale: Sequence[str] = (),
    past: Sequence[dict[str, Any]] = (),
    session: Session | None = None,
) -> None:
    """Store previews by their `_id`, and delete those of cells that have no value any more.

    `past` are the same by result, for whoever rolls back to it.
    """
    if past:
        with storable():
            await database[PAST_PREVIEWS].bulk_write(
                [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in past],
                ordered=False,
                session=session,
            )
    if previews:
        with storable():
            await database[PREVIEWS].bulk_write(
                [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in previews],
                ordered=False,
                session=session,
            )
    if stale:
        await database[PREVIEWS].delete_many({"_id": {"$in": list(stale)}}, session=session)


async def amount(
    database: Database, collection: str, condition: dict[str, Any] | None = None
) -> tuple[int, int]:
    """How many documents there are, and their bytes."""
    counted: dict[str, Any] = {
        "_id": None,
        "documents": {"$sum": 1},
        "bytes": {"$sum": {"$bsonSize": "$$ROOT"}},
    }
    found = database[collection].aggregate([{"$match": condition or {}}, {"$group": counted}])
    async for each in found:
        return int(each["documents"]), int(each["bytes"])
    return 0, 0


async def drop_results(
    database: Database,
    session: Session,
    table: str,
    runs: Sequence[int],
    *,
    previews: bool = False,
    history: bool = False,
) -> None:
    """Take previews or computed results of runs away, for good; the catalogue's word stays."""
    gone = [*([PREVIEWS] if previews else []), *([PAST_PREVIEWS] if history else [])]
    for collection in gone:
        for run in runs:
            below = {"$gte": f"{table}/{run}/", "$lt": f"{table}/{run}0"}  # 0 follows /
            await database[collection].delete_many({"_id": below}, session=session)
    if history:
        of_runs = {"table": table, "run": {"$in": list(runs)}, **COMPUTED}
        await database[HISTORY].delete_many(of_runs, session=session)
