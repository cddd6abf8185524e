"""Rows that other programs edit, such as mongosh and Compass, through lost connections."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pymongo

from knockoff.database.changes import NO_STREAMS_HERE, PATIENCE_S, PAUSE_S, open_stream
from knockoff.database.client import OperationFailure, PyMongoError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from knockoff.database.client import Database

log = logging.getLogger(__name__)

_UPDATED: Final = {"$objectToArray": {"$ifNull": ["$updateDescription.updatedFields", {}]}}
_CUT: Final = {"$ifNull": ["$updateDescription.truncatedArrays", []]}

_PIPELINE: Final[list[dict[str, Any]]] = [
    {
        "$match": {
            "operationType": {"$in": ["update", "replace"]},
            "ns.coll": {"$not": {"$regex": r"^knockoff\."}},
        }
    },
    {
        "$project": {  # names alone: the values may be large
            "ns.coll": 1,
            "documentKey": 1,
            "operationType": 1,
            "fields": {
                "$concatArrays": [
                    {"$map": {"input": _UPDATED, "in": "$$this.k"}},
                    {"$map": {"input": _CUT, "in": "$$this.field"}},
                    {"$ifNull": ["$updateDescription.removedFields", []]},
                ]
            },
        }
    },
]


@dataclass(frozen=True)
class Edited:
    """One row that was edited without knockoff."""

    collection: str
    row: str
    """Its ``_id``."""

    fields: frozenset[str] | None
    """Which of its fields; None where it was replaced as a whole, so that it may be any."""


async def edited(database: Database) -> AsyncGenerator[Edited | None, None]:
    """Edits of rows from now on that were not made by knockoff, without end.

    None comes after a gap that cannot be made up for: the server no longer knows what was
    written while it could not be reached. Where it offers no change streams, this ends.
    """
    token: Mapping[str, Any] | None = None
    is_known = True
    while True:
        try:
            async with open_stream(database, _PIPELINE, token) as stream:
                if not is_known:
                    is_known = True
                    yield None
                while stream.alive:  # type: ignore[truthy-function]  # motor types a property
                    token = stream.resume_token
                    with pymongo.timeout(PATIENCE_S):
                        event = await stream.try_next()
                    if event is not None and (told := _told(event)) is not None:
                        yield told
            token, is_known = None, False
        except PyMongoError as error:
            if isinstance(error, OperationFailure):
                if error.code in NO_STREAMS_HERE:
                    log.info("Edits by other programs are not seen at once: %s", error)
                    return
                token, is_known = None, False  # it answered, but will not go on from there
            await asyncio.sleep(PAUSE_S)


def _told(event: Mapping[str, Any]) -> Edited | None:
    """The edit; None for what knockoff has written, which says so below ``knockoff``."""
    collection, row = str(event["ns"]["coll"]), str(event["documentKey"]["_id"])
    if event["operationType"] == "replace":
        return Edited(collection, row, None)
    fields = frozenset(str(name).partition(".")[0] for name in event["fields"])
    return None if "knockoff" in fields else Edited(collection, row, fields)
