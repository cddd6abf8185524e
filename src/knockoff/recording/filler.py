"""What the service puts into the slot of its documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.documents import database_of
from knockoff.database.jobs import ask
from knockoff.runs.stamps import due_variables

if TYPE_CHECKING:
    from knockoff.language.occasions import Direction, Event


class ServiceFiller:
    """Fills documents that a job was claimed for; of others it makes a job.

    So a row that somebody edits in the terminal is filled by whoever computes for
    this proposal, and the terminal itself needs no worker.
    """

    async def fill(self, document: Any, event: Event, direction: Direction) -> None:
        """Fill now if this process has claimed the row, else ask for it."""
        if document._fill is not None:  # noqa: SLF001  # it is there for us
            await document._fill.fill(event, direction)  # noqa: SLF001
            return
        if direction == "before":
            return
        document_class = type(document)
        table = document_class.__knockoff_table__
        row = document.model_dump(by_alias=True)
        if due_variables(table, row, event):
            await ask(database_of(document_class), table.collection, document.key, "edit")
