"""Several documents changed together, or none of them; and documents as they are, byte by byte."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClientSession

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from knockoff.database.client import Database

Session: TypeAlias = AsyncIOMotorClientSession
Result = TypeVar("Result")
Item = TypeVar("Item")

ROWS_AT_ONCE: Final = 50
"""Rows that are changed in one transaction: each may have a megabyte, and others wait for them."""

RAW: Final[CodecOptions[Any]] = CodecOptions(document_class=RawBSONDocument)
"""Documents that are read and written without being understood, so that none is changed."""


async def in_transaction(
    database: Database, work: Callable[[Session], Coroutine[Any, Any, Result]]
) -> Result:
    """Do all of `work` or nothing of it; it is begun anew where somebody else wrote meanwhile."""
    async with await database.client.start_session() as session:
        done: Result = await session.with_transaction(work)
    return done


async def in_batches(
    database: Database,
    items: Sequence[Item],
    work: Callable[[Sequence[Item], int, Session], Coroutine[Any, Any, None]],
) -> None:
    """Do `work` for some items after the other, each time all of it or nothing.

    It is given the items, and how many were done before.
    """
    for start in range(0, len(items), ROWS_AT_ONCE):
        await in_transaction(database, partial(work, items[start : start + ROWS_AT_ONCE], start))


def raw(database: Database, collection: str) -> Any:
    """A collection whose documents stay as they are."""
    return database.get_collection(collection, codec_options=RAW)
