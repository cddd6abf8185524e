"""What the service puts into the slot of its documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.documents import database_of
from knockoff.recording.dependants import ask_for_edit
from knockoff.recording.notebook import Surroundings
from knockoff.recording.past import rows_of_class

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.language.occasions import Direction, Event


class ServiceFiller:
    """Fills documents that a job was claimed for; of others it makes a job.

    So a row that somebody edits in the terminal is filled by whoever computes for
    this proposal, and the terminal itself needs no worker.
    """

    def __init__(self, context: ContextDescription, arrays_folder: Path | None = None) -> None:
        """`context` is the file that the classes of the documents are from."""
        self._tables = {table.collection: table for table in context.tables}
        self._arrays_folder = arrays_folder

    @property
    def arrays_folder(self) -> Path:
        """That which it was made for, else that of the workspace that this process is in."""
        return self._arrays_folder or Surroundings.here().extracted_data

    async def as_of(self, document_class: type[Any], moment: datetime) -> list[dict[str, Any]]:
        """The rows of a class as they were at a moment."""
        return await rows_of_class(document_class, moment)

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
        database, key = database_of(document_class), document.key
        edited = document._edited if event == "Update" else None  # noqa: SLF001
        await ask_for_edit(database, self._tables, table.collection, key, row, edited, event=event)
