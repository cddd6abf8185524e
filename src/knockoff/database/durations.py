"""How long variables took, told from the history of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.database.results import HISTORY

if TYPE_CHECKING:
    from knockoff.database.client import Database


async def usual_seconds(database: Database) -> dict[tuple[str, str], float]:
    """Mean time of each variable per run, in seconds, by table and dotted name.

    A variable that has never run is not in it.
    """
    found = database[HISTORY].aggregate(
        [
            {"$match": {"seconds": {"$type": "number"}}},
            {
                "$group": {
                    "_id": {"table": "$table", "variable": "$variable"},
                    "seconds": {"$avg": "$seconds"},
                }
            },
        ]
    )
    return {
        (str(each["_id"]["table"]), str(each["_id"]["variable"])): float(each["seconds"])
        async for each in found
    }
