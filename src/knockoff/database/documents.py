"""Beanie, connected: the classes of a proposal's tables on its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beanie import init_beanie
from pymongo import ASCENDING, DESCENDING, IndexModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database


async def connect(database: Database, classes: Sequence[type[Any]]) -> None:
    """Connect run classes to their proposal's database; indexes are left alone."""
    await init_beanie(database=database, document_models=list(classes), skip_indexes=True)


async def make_indexes(database: Database, table: TableDescription) -> None:
    """Make the indexes that every table has, and those its class asks for.

    Indexes that people made by hand stay.
    """
    indexes = [
        IndexModel([("run", ASCENDING), ("proposal", ASCENDING)], name="run", unique=True),
        IndexModel([("knockoff.states", ASCENDING)], name="states", sparse=True),
        IndexModel([("knockoff.updated_at", DESCENDING)], name="updated"),
        *(IndexModel(list(index.keys), **index.options) for index in table.indexes),
    ]
    await database[table.collection].create_indexes(indexes)


def database_of(document_class: type[Any]) -> Database:
    """The database that Beanie has connected a class to."""
    database: Database = document_class.get_motor_collection().database
    return database
