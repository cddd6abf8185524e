"""What was known at a moment: the newest result of each variable by then, and what came later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.jobs import JOBS
from knockoff.database.notes import EDITS
from knockoff.database.results import HISTORY

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from knockoff.database.client import Database

_STORED_AT = {
    "$ifNull": [
        "$stored_at",  # missing in entries of versions that did not note it
        {"$add": ["$started_at", {"$multiply": [1000, {"$ifNull": ["$seconds", 0]}]}]},
    ]
}


async def results_at(
    database: Database, table: str, moment: datetime, runs: Collection[int] | None
) -> list[dict[str, Any]]:
    """The newest result of each variable in each run that was stored by then."""
    found = database[HISTORY].aggregate(
        [
            {"$match": {"_id": {"$gte": f"{table}/", "$lt": f"{table}0"}, **_of(runs)}},
            {"$addFields": {"stored_at": _STORED_AT}},
            {"$match": {"stored_at": {"$lte": moment}}},
            {
                "$group": {
                    "_id": {"run": "$run", "variable": "$variable"},
                    "entry": {
                        "$top": {
                            "sortBy": {"stored_at": -1, "started_at": -1, "_id": -1},
                            "output": "$$ROOT",
                        }
                    },
                }
            },
            {"$replaceRoot": {"newRoot": "$entry"}},
            {"$sort": {"run": 1, "stored_at": 1}},
        ],
        allowDiskUse=True,
    )
    entries: list[dict[str, Any]] = await found.to_list(None)
    return entries


async def edits_in(
    database: Database, table: str, runs: Collection[int] | None
) -> list[dict[str, Any]]:
    """All that was typed into rows of a table or said of their runs, the oldest first."""
    found = database[EDITS].find({"table": {"$in": [table, ""]}, **_of(runs)})
    edits: list[dict[str, Any]] = await found.sort([("at", 1), ("_id", 1)]).to_list(None)
    return edits


async def arrivals(
    database: Database, table: str, runs: Collection[int] | None
) -> dict[tuple[int, str], datetime]:
    """When data of each run was announced first, by run and kind."""
    condition = {"collection": table, "cause": {"$in": ["raw", "proc"]}, **_of(runs)}
    found = database[JOBS].find(condition, {"run": 1, "cause": 1, "created_at": 1})
    return {(int(each["run"]), str(each["cause"])): each["created_at"] async for each in found}


def _of(runs: Collection[int] | None) -> dict[str, Any]:
    return {} if runs is None else {"run": {"$in": list(runs)}}
