"""The tables of one proposal as the recorder has them: described, built, connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knockoff.database.documents import connect, make_indexes
from knockoff.database.jobs import make_index
from knockoff.database.registry import register
from knockoff.errors import ContextFileError
from knockoff.runs.building import build
from knockoff.runs.documents import forget
from knockoff.runs.elsewhere import in_reading_order

if TYPE_CHECKING:
    from knockoff.contextfile.description import ContextDescription, TableDescription
    from knockoff.database.client import Database
    from knockoff.runs.documents import RunDocument
    from knockoff.runs.slot import Filler


@dataclass(frozen=True)
class Tables:
    """All run classes of one context file, on one database."""

    context: ContextDescription
    classes: dict[str, type[RunDocument]]
    """By collection."""

    @property
    def in_reading_order(self) -> tuple[str, ...]:
        """Collections so that a table comes after those it reads, as far as that can be."""
        return in_reading_order({table.collection: table for table in self.context.tables})

    def description(self, collection: str) -> TableDescription:
        """What the table is made of."""
        return self.classes[collection].__knockoff_table__

    def defaults(self, collection: str) -> dict[str, Any]:
        """Values with which a new row starts: those of the fields people type."""
        return {
            field.name: field.stored_default
            for field in self.description(collection).fields
            if field.default is not None
        }

    def forget(self) -> None:
        """Let go of the classes, when a newer context file has taken their place."""
        for document_class in self.classes.values():
            forget(document_class)


async def open_tables(
    database: Database, context: ContextDescription, filler: Filler, *, register_it: bool
) -> Tables:
    """Build the classes of a context file and connect them.

    Parameters
    ----------
    database:
        The proposal's.
    context:
        As the worker described it.
    filler:
        Who fills the documents.
    register_it:
        Whether this is the recorder, which keeps the context's source, the registry of
        columns and the indexes; somebody who only looks or types leaves them alone.

    Raises
    ------
    ContextFileError
        An index that a class asks for cannot be made.
    """
    classes = {table.collection: build(table, filler=filler) for table in context.tables}
    await connect(database, list(classes.values()))
    tables = Tables(context, classes)
    if register_it:
        try:
            for table in context.tables:
                await make_indexes(database, table)
        except ContextFileError:
            tables.forget()
            raise
        await make_index(database)
        await register(database, context)
    return tables
