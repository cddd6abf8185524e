"""Beanie, connected: the classes of a proposal's tables on its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beanie import init_beanie
from pymongo import ASCENDING, DESCENDING, IndexModel

from knockoff.database.client import OperationFailure
from knockoff.errors import ContextFileError

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

    Raises
    ------
    ContextFileError
        An index that the class asks for cannot be made.
    """
    await database[table.collection].create_indexes(
        [
            IndexModel([("run", ASCENDING), ("proposal", ASCENDING)], name="run", unique=True),
            IndexModel([("knockoff.states", ASCENDING)], name="states", sparse=True),
            IndexModel([("knockoff.updated_at", DESCENDING)], name="updated"),
        ]
    )
    for index in table.indexes:
        if index.options.get("unique") and "partialFilterExpression" not in index.options:
            raise ContextFileError(
                f"The index {list(index.keys)} of {table.name} cannot be unique, since rows are "
                f"there before their values. Give it a partialFilterExpression."
            )
        try:
            model = IndexModel(list(index.keys), **index.options)
            await database[table.collection].create_indexes([model])
        except (OperationFailure, TypeError, ValueError) as error:
            raise ContextFileError(
                f"The index {list(index.keys)} of {table.name} cannot be made: {error}. "
                f"Correct Settings.indexes, or drop the index of that name in the database."
            ) from error


def database_of(document_class: type[Any]) -> Database:
    """The database that Beanie has connected a class to."""
    database: Database = document_class.get_motor_collection().database
    return database
