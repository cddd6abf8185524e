"""Who records into a database just now, so that nobody puts another one in its place meanwhile."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from knockoff.database.client import PyMongoError
from knockoff.database.jobs import LEASE
from knockoff.database.layout import check_layout
from knockoff.database.owners import is_dead, this_owner
from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from knockoff.database.client import Database

log = logging.getLogger(__name__)

RECORDERS: Final = "knockoff.recorders"

_BETWEEN_BEATS: Final = LEASE.total_seconds() / 4


class RecorderPresentError(DatabaseError):
    """A process records into a database that is to be replaced."""

    def __init__(self, owner: str, since: datetime) -> None:
        super().__init__(owner, since)
        self.owner = owner
        self.since = since

    def __str__(self) -> str:
        host, pid, *_ = [*self.owner.split(":"), ""]
        return (
            f"Nothing was changed: process {pid} on {host} records here, since "
            f"{self.since:%Y-%m-%d %H:%M} UTC, and what it records meanwhile would be lost. Stop "
            f"it first, by Ctrl-C where it runs, or there by `kill {pid}`."
        )


@asynccontextmanager
async def present(database: Database) -> AsyncIterator[None]:
    """Be known as one who records, for as long as the body runs.

    It is said first, and the layout looked at then; whoever restores marks the layout first, and
    looks here then. So of the two one sees the other.

    Raises
    ------
    RestoreCutOffError
        A backup is being put in place.
    """
    name = uuid4().hex
    await database[RECORDERS].delete_many({"lease_until": {"$lt": datetime.now(UTC)}})
    await _prolong(database, name, since=datetime.now(UTC))
    beating = asyncio.create_task(_beat(database, name))
    try:
        await check_layout(database)
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with suppress(PyMongoError):  # its lease runs out
            await database[RECORDERS].delete_one({"_id": name})


async def refuse_while_recorded(database: Database) -> None:
    """Let a database be replaced only if nobody records into it.

    Raises
    ------
    RecorderPresentError
        Somebody alive does.
    """
    async for found in database[RECORDERS].find({"lease_until": {"$gte": datetime.now(UTC)}}):
        if not is_dead(found["owner"]):
            raise RecorderPresentError(found["owner"], found["since"])


async def _beat(database: Database, name: str) -> None:
    while True:
        await asyncio.sleep(_BETWEEN_BEATS)
        try:
            await _prolong(database, name)
        except PyMongoError as error:
            log.debug("Could not say that we record: %s", error)


async def _prolong(database: Database, name: str, **about: Any) -> None:
    lease = {"lease_until": datetime.now(UTC) + LEASE, "owner": this_owner(), **about}
    # anew where it ran out while the server was away, and was taken for gone
    since = {} if about else {"$setOnInsert": {"since": datetime.now(UTC)}}
    await database[RECORDERS].update_one({"_id": name}, {"$set": lease, **since}, upsert=True)
