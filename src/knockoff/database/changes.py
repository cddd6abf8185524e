"""Every change of one table as it happens, through lost connections and servers."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import pymongo

from knockoff.database.client import OperationFailure, PyMongoError
from knockoff.database.registry import CONTEXTS, VARIABLES
from knockoff.database.results import PREVIEWS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from knockoff.database.client import ChangeStream, Database

log = logging.getLogger(__name__)

WRITTEN: Final = "knockoff.updated_at"
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

PATIENCE_S: Final = 4.0
"""A server that stays silent for longer is taken for gone."""

QUIET_MS: Final = 500
"""How long the server holds a question open that it has no answer to yet."""

PAUSE_S: Final = 1.0
"""Between two attempts to reach the server, and between two polls."""

NO_STREAMS_HERE: Final = frozenset({40573, 115, 13})
"""Not a replica set; not supported by this server; not permitted to this user."""


@dataclass(frozen=True)
class Change:
    """What happened to a table since the change before it."""

    link: Literal["live", "polling", "offline"] = "live"
    everything: bool = False
    rows: frozenset[str] = frozenset()
    previews: frozenset[str] = frozenset()
    variables: bool = False


async def changes(database: Database, table: str) -> AsyncGenerator[Change, None]:
    """What is written to `table`, its column registry and its previews, without end.

    A context file that is used anew counts as a change of the columns.

    The first change says `everything`, and so does the first one after a gap that
    cannot be made up for. While the server is away there is one change that says
    ``offline``; when it is back, the stream goes on where it broke off. Where the
    server offers no change streams, the rows are polled once per second; an edit by
    hand that leaves ``knockoff.updated_at`` alone is then not seen.
    """
    token: Mapping[str, Any] | None = None
    is_pushed = True
    while True:
        try:
            if not is_pushed:
                async with aclosing(_polled(database, table)) as polled:
                    async for change in polled:
                        yield change
            async with open_stream(database, _pipeline(table), token) as stream:
                yield Change(everything=token is None)
                while stream.alive:  # type: ignore[truthy-function]  # motor types a property
                    token = stream.resume_token
                    with pymongo.timeout(PATIENCE_S):
                        event = await stream.try_next()
                    if event is not None:
                        yield _told(event, table)
            token = None  # the server ended the stream: the table or database was dropped
        except PyMongoError as error:
            if isinstance(error, OperationFailure):
                token = None  # it answered, but will not go on from there
                if error.code in NO_STREAMS_HERE:
                    log.info("Polling %s, for there are no change streams: %s", table, error)
                    is_pushed = False
                    continue
            log.info("Waiting for the database of %s: %s", table, error)
            yield Change(link="offline")
            await asyncio.sleep(PAUSE_S)


def _pipeline(table: str) -> list[dict[str, Any]]:
    return [
        {"$match": {"ns.coll": {"$in": [table, VARIABLES, PREVIEWS, CONTEXTS]}}},
        {"$project": {"ns.coll": 1, "documentKey": 1}},
    ]


@asynccontextmanager
async def open_stream(
    database: Database, pipeline: list[dict[str, Any]], token: Mapping[str, Any] | None
) -> AsyncIterator[ChangeStream]:
    """What the server tells of a database, from a resume token on or from now on."""
    stream = database.watch(pipeline, resume_after=token, max_await_time_ms=QUIET_MS)
    with pymongo.timeout(PATIENCE_S):
        await stream.__aenter__()
    try:
        yield stream
    finally:
        with suppress(PyMongoError), pymongo.timeout(PATIENCE_S):
            await stream.close()


def _told(event: Mapping[str, Any], table: str) -> Change:
    key = event.get("documentKey", {}).get("_id")
    collection = event.get("ns", {}).get("coll")
    if key is None:  # dropped, renamed or invalidated as a whole
        return Change(everything=True)
    if collection == table:
        return Change(rows=frozenset({str(key)}))
    if collection == CONTEXTS:  # other code: values may be stale that were not
        return Change(variables=True)
    if not str(key).startswith(f"{table}/"):
        return Change()
    if collection == VARIABLES:
        return Change(variables=True)
    return Change(previews=frozenset({str(key)}))


async def _polled(database: Database, table: str) -> AsyncGenerator[Change, None]:
    rows = database[table]
    newest = await rows.find_one({}, {WRITTEN: 1}, sort=[(WRITTEN, -1)])
    since = (newest or {}).get("knockoff", {}).get("updated_at", LONG_AGO)
    told = frozenset(await _written(database, table, since))
    count = await rows.estimated_document_count()
    columns = await _columns(database, table)
    yield Change("polling", everything=True)
    while True:
        await asyncio.sleep(PAUSE_S)
        written = await _written(database, table, since)
        was, count = count, await rows.estimated_document_count()
        before, columns = columns, await _columns(database, table)
        yield Change(
            "polling",
            everything=count < was,
            rows=frozenset(written) - told,
            variables=columns != before,
        )
        latest = max(written.values(), default=since)
        told = frozenset(key for key, at in written.items() if at == latest)
        since = latest


async def _written(database: Database, table: str, since: datetime) -> dict[str, datetime]:
    found = database[table].find({WRITTEN: {"$gte": since}}, {WRITTEN: 1})
    return {str(row["_id"]): row["knockoff"]["updated_at"] async for row in found}


async def _columns(database: Database, table: str) -> list[dict[str, Any]]:
    columns = await database[VARIABLES].find({"table": table}).sort("_id", 1).to_list(None)
    contexts = await database[CONTEXTS].find({}, {"last_used_at": 1}).sort("_id", 1).to_list(None)
    return [*columns, *contexts]
