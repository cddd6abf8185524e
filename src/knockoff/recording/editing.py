"""What people type: fields of a row, and the comment, tags and status of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.problems import nearest
from knockoff.database.notes import log_edit, note
from knockoff.database.owners import this_person
from knockoff.errors import EditError
from knockoff.recording.typed import typed
from knockoff.runs.documents import PEOPLES_FIELDS
from knockoff.runs.rows import RowFields

if TYPE_CHECKING:
    from datetime import tzinfo

    from knockoff.contextfile.description import FieldDescription
    from knockoff.database.client import Database
    from knockoff.recording.tables import Tables
    from knockoff.runkey import RunKey


class Editing:
    """Writes what people type, on behalf of one of them."""

    def __init__(
        self, database: Database, tables: Tables, by: str | None = None, zone: tzinfo = UTC
    ) -> None:
        """`zone` is that of the times people type; `by` is otherwise the user of this process."""
        self._zone = zone
        self._database = database
        self.tables = tables
        self._by = by or this_person()

    async def comment(self, key: RunKey, text: str) -> int:
        """Write the comment of a run, in place of the one before; in how many tables it shows."""
        return await self._note(key, "comment", text or None)

    async def set_field(
        self, key: RunKey, field: str, text: str, collection: str | None = None
    ) -> Any:
        """Set a field of a run to what was typed, and have its dependants computed again.

        Parameters
        ----------
        key:
            The run.
        field:
            Its name as in the context file, or comment, tags or status.
        text:
            As typed; empty to take the value away.
        collection:
            The table, where several have a field of that name.

        Raises
        ------
        EditError
            There is no such field or run, or the text does not fit.
        """
        if field in PEOPLES_FIELDS:
            value = [each.strip() for each in text.split(",")] if field == "tags" and text else text
            await self._note(key, field, value or None)
            return value or None
        found = self._found(field, collection)
        value = typed(field, found[1].schema, text, self._zone)
        document: Any = await self.tables.classes[found[0]].get(key.document_id)
        if document is None:
            raise EditError(
                f"There is no row of {key} in {found[0]} yet. "
                f"`knockoff process {key.run}` makes it."
            )
        old = getattr(document, field, None)
        await document.set({field: value})
        await log_edit(self._database, found[0], key, field, _loggable(old), value, by=self._by)
        return value

    async def _note(self, key: RunKey, field: str, value: Any) -> int:
        collections = list(self.tables.classes)
        return await note(self._database, collections, key, field, value, by=self._by)

    def _found(self, field: str, collection: str | None) -> tuple[str, FieldDescription]:
        """The table and description of a field.

        Raises
        ------
        EditError
            No table has it, or several do, or it is computed.
        """
        places = [
            (name, each)
            for name in self.tables.classes
            for each in self.tables.description(name).fields
            if each.name == field and collection in (None, name)
        ]
        if len(places) == 1:
            return places[0]
        if places:
            tables = ", ".join(name for name, _ in places)
            raise EditError(f"{field} is in {tables}. Say which: --table {places[0][0]}.")
        for name in self.tables.classes:
            for variable in self.tables.description(name).variables:
                if field == variable.name or field in variable.outputs:
                    raise EditError(
                        f"{field} is computed (line {variable.line} of the context file) and "
                        f"cannot be typed. `knockoff reprocess RUN --variables {variable.name} "
                        "--force` computes it again."
                    )
        if field in RowFields.model_fields:
            raise EditError(f"{field} belongs to knockoff and cannot be typed.")
        own = [each.name for table in self.tables.context.tables for each in table.fields]
        known = [*PEOPLES_FIELDS, *own]
        raise EditError(f"There is no field {field!r}. {nearest(field, known)}".strip())


def _loggable(value: Any) -> Any:
    """A value from a row as the log keeps it; what was never meant for MongoDB as its text.

    The edit is made by then, so nothing may come in the way of telling who made it.
    """
    if value is None or isinstance(value, bool | int | float | str | datetime):
        return value
    if isinstance(value, list):
        return [_loggable(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _loggable(each) for name, each in value.items()}
    return str(value)
