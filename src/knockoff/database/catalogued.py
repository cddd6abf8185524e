"""What the facility's catalogue says of runs, kept in their rows under ``knockoff.mymdc``."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.owners import this_person
from knockoff.database.results import add_history
from knockoff.database.rows import RowChange, change_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from knockoff.database.client import Database
    from knockoff.runkey import RunKey

NEXT: Final = "knockoff.mymdc_next"
"""When the catalogue is to be asked of this run again; missing where it need not be."""

CHANGED: Final = "knockoff.mymdc_changed"
"""Fields of the catalogue whose readers have not been queued yet."""


_READ: Final = (
    "proposal",
    "run",
    "start_time",
    "added_at",
    "knockoff.mymdc",
    CHANGED,
    "knockoff.problems",
)
"""What of a row is read here: a table of thousands is looked through."""


async def make_catalogue_index(database: Database, collection: str) -> None:
    """Let `rows_to_ask` find the few among thousands."""
    await database[collection].create_index(NEXT, sparse=True)


async def ask_soon(database: Database, collection: str, key: RunKey) -> None:
    """Put a run down for the next round of questions."""
    await change_row(database, collection, key, RowChange({NEXT: datetime.now(UTC)}))


async def rows_to_ask(database: Database, collection: str, most: int) -> list[dict[str, Any]]:
    """Rows of runs that the catalogue is to be asked of now, newest run first."""
    found = database[collection].find({NEXT: {"$lte": datetime.now(UTC)}}, _READ)
    rows: list[dict[str, Any]] = await found.sort("run", -1).limit(most).to_list(None)
    return rows


async def rows_of(
    database: Database, collection: str, runs: Collection[int] | None
) -> list[dict[str, Any]]:
    """Rows of these runs, or all of them."""
    condition = {} if runs is None else {"run": {"$in": list(runs)}}
    found = database[collection].find(condition, _READ)
    rows: list[dict[str, Any]] = await found.sort("run", 1).to_list(None)
    return rows


async def tell_why(
    database: Database, collection: str, key: RunKey, cell: str, state: str, reason: str
) -> None:
    """Bring the reason up to date for which a cell is in a state, if it still is.

    `cell` is its key under ``knockoff.problems``.
    """
    path = f"knockoff.problems.{cell}"
    change = RowChange({f"{path}.message": reason})
    await change_row(database, collection, key, change, {f"{path}.state": state})


async def keep_for_ever(
    database: Database, collection: str, key: RunKey, values: Sequence[tuple[str, Any, datetime]]
) -> None:
    """Enter values of the catalogue into the history, each with the time it was fetched at."""
    await add_history(
        database,
        [
            {
                "_id": f"{collection}/{key.run}/mymdc#{field}/{fetched_at.isoformat()}",
                "table": collection,
                "proposal": key.proposal,
                "run": key.run,
                "variable": f"mymdc#{field}",
                "attempt": "mymdc",
                "outcome": "done",
                "code": "",
                "inputs": "",
                "context": "",
                "started_at": fetched_at,
                "seconds": 0.0,
                "peak_memory": 0,
                "host": socket.gethostname(),
                "user": this_person(),
                "versions": {"knockoff": version("knockoff")},
                "fields": {f"mymdc#{field}": value},
            }
            for field, value, fetched_at in values
        ],
    )
