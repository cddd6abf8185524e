"""The layout version of a database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from knockoff.database.client import Database, open_client
from knockoff.database.errors import LayoutError
from knockoff.database.layout import COLLECTION, LAYOUT, check_layout

if TYPE_CHECKING:
    from knockoff.database.client import Document


async def test_a_new_database_is_marked_with_the_layout_version(database: Database) -> None:
    """Without a mark from the first day on, no later version could tell what it finds."""
    await check_layout(database)
    await check_layout(database)

    marks = await database[COLLECTION].find().to_list()
    assert [mark["version"] for mark in marks] == [LAYOUT]


async def test_racing_openers_mark_a_database_once(database: Database, mongod: str) -> None:
    """A listener and several commands often open a new proposal in the same instant."""

    async def opener() -> None:
        async with open_client(mongod) as client:
            await check_layout(client[database.name])

    async with asyncio.TaskGroup() as openers:
        for _ in range(8):
            openers.create_task(opener())

    assert await database[COLLECTION].count_documents({}) == 1


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (LAYOUT + 1, "pip install --upgrade knockoff"),
        (LAYOUT - 1, "Open it with the knockoff that wrote it"),
        ("1", "Restore the document"),
        (True, "Restore the document"),
        (None, "Restore the document"),
    ],
)
async def test_another_layout_is_refused_with_the_remedy_and_left_alone(
    database: Database, version: object, remedy: str
) -> None:
    """Writing into a layout one does not know destroys it; a read never migrates."""
    mark: Document = {"_id": "layout", "version": version}
    await database[COLLECTION].insert_one(mark)

    with pytest.raises(LayoutError, match=remedy) as refusal:
        await check_layout(database)

    assert database.name in str(refusal.value)
    assert await database[COLLECTION].find_one() == mark
