"""A run document: what insert, save, set and their relatives do to a row.

After its creation a row is never written as a whole. People's fields are written
by name, results by the filler, so neither overwrites the other.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar, Self

from beanie import DeleteRules, Document, Insert, Update, WriteRules, after_event, before_event
from beanie.odm.actions import ActionDirections, ActionRegistry

from knockoff.errors import EditError
from knockoff.runs.slot import filler_of, filler_of_class
from knockoff.runs.values import FullValues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from knockoff.arrays.selection import Selection
    from knockoff.contextfile.description import TableDescription
    from knockoff.contextfile.tables import Formula
    from knockoff.runs.rows import RowFields

    class _Document(RowFields, Document):  # type: ignore[misc]  # our id is text
        pass

else:
    _Document = object

PEOPLES_FIELDS = ("comment", "tags", "status")
"""Fields of every row that people type."""


class RunDocument(_Document):
    """What `build` adds to a table's fields and to Beanie's `Document`.

    At run time it derives from neither, so that Beanie does not initialise it as
    the parent of every table.
    """

    __knockoff_table__: ClassVar[TableDescription]

    # The only way in: one action for each event and side

    @before_event(Insert)
    async def fill_before_insert(self) -> None:
        """Fill what goes into the database together with the row."""
        await filler_of(self).fill(self, "Insert", "before")

    @after_event(Insert)
    async def fill_after_insert(self) -> None:
        """Fill the rest, one result after another."""
        await filler_of(self).fill(self, "Insert", "after")

    @before_event(Update)
    async def fill_before_update(self) -> None:
        """Fill what has to be there before an edit is."""
        await filler_of(self).fill(self, "Update", "before")

    @after_event(Update)
    async def fill_after_update(self) -> None:
        """Fill what an edit made due."""
        await filler_of(self).fill(self, "Update", "after")

    # The past

    @classmethod
    async def as_of(cls, moment: datetime) -> list[Self]:
        """The rows as they were at a moment: ``await Runs.as_of(datetime(2026, 3, 2, 10))``.

        They are to be looked at: what would change one of them is refused.

        Parameters
        ----------
        moment:
            A time without a zone is one of this computer's.

        Raises
        ------
        KnockoffError
            There was no such table yet.
        """
        rows = await filler_of_class(cls).as_of(cls, moment.astimezone(UTC))
        documents = [cls.model_validate(row) for row in rows]
        for each in documents:
            each._save_state()  # noqa: SLF001  # as Beanie does for rows it has read
            each._as_of = moment  # noqa: SLF001
        return documents

    def _refuse_the_past(self) -> None:
        if self._as_of is not None:
            raise EditError(
                f"This is the row of {self.key} as it was at {self._as_of}, which nobody can "
                f"change. Find the one of now: await {type(self).__name__}.find_one("
                f"{type(self).__name__}.run == {self.run})."
            )

    # Beanie's calls, by field

    async def insert(self, *, skip_actions: Any = None, **options: Any) -> Self:
        """Make the row, and fill it.

        Raises
        ------
        EditError
            An option was given that cannot be followed.
        """
        _refuse_options("insert", options)
        self._refuse_the_past()
        return await super().insert(skip_actions=skip_actions)

    async def save(self, *args: Any, skip_actions: Any = None, **options: Any) -> Any:
        """Insert a new row; of a row that exists, write the fields that changed.

        Raises
        ------
        EditError
            An option was given that cannot be followed.
        """
        _refuse_options("save", options, args)
        self._refuse_the_past()
        if self._loaded is None:
            if await type(self).find_one({"_id": self.id}) is None:
                return await self.insert(skip_actions=skip_actions)
            self._loaded = {}
        return await self.save_changes(skip_actions=skip_actions)

    async def save_changes(self, *args: Any, skip_actions: Any = None, **options: Any) -> Any:
        """Write the fields that changed since the row was read, and only those.

        Raises
        ------
        EditError
            An option was given that cannot be followed.
        """
        _refuse_options("save_changes", options, args)
        changed = self._changed()
        if not changed:
            return self
        return await self.update({"$set": changed}, skip_actions=skip_actions)

    async def replace(self, *args: Any, skip_actions: Any = None, **options: Any) -> Any:
        """The same as `save_changes`: results in the row stay, whatever this object holds."""
        _refuse_options("replace", options, args)
        return await self.save_changes(skip_actions=skip_actions)

    async def delete(self, *args: Any, skip_actions: Any = None, **options: Any) -> Any:
        """Delete the row; its arrays and history stay. Saved again, this document is a new row.

        Raises
        ------
        EditError
            An option was given that cannot be followed.
        """
        _refuse_options("delete", options, args)
        self._refuse_the_past()
        deleted = await super().delete(skip_actions=skip_actions)
        self._loaded = None
        return deleted

    async def value(self, column: object, selection: Selection | None = None) -> Any:
        """The full value of a cell, as it was returned: ``await run.value("xgm_sa2.corrected")``.

        Parameters
        ----------
        column:
            Its name, or ``Runs.xgm_sa2.corrected``. That of a method with several outputs
            gives all of them: an object of the class that it returns, where the class was
            written in this process, else a dict.
        selection:
            What to read of an array: ``slice(0, 10)``, ``(0, slice(None))`` or
            ``{"trainId": -1}``.

        Raises
        ------
        ColumnMissingError
            There is no such column.
        ValueMissingError
            The cell has no value; the message says why.
        ArrayError
            Its array is missing or damaged, or the selection does not fit it.
        EditError
            The row is not in the database.
        """
        found = self if self._as_of else await type(self).find_one({"_id": self.id})
        if found is None:
            raise EditError(f"There is no row of {self.key} in the database, so it has no values.")
        table = getattr(type(self), "__knockoff_formulas__", None)
        formulas: Mapping[str, Formula] = table.formulas if table is not None else {}
        values = FullValues(
            type(self).__knockoff_table__,
            self.key,
            found.model_dump(by_alias=True),
            filler_of(self).arrays_folder,
            {name: each.returns for name, each in formulas.items() if each.returns is not None},
        )
        return await asyncio.to_thread(values.value, str(column), selection)

    async def update(self, *args: Mapping[Any, Any], **kwargs: Any) -> Any:
        """Change fields by name, then fill what that made due.

        Raises
        ------
        EditError
            A field is computed, or is not there; the row is not there; or an option was given
            that cannot be followed.
        """
        self._refuse_the_past()
        refused = ("session", "bulk_writer", "upsert")
        _refuse_options("update", {name: kwargs[name] for name in refused if name in kwargs})
        values = self._checked(args)
        if not await type(self).find({"_id": self.id}).count():
            raise EditError(
                f"There is no row of {self.key} in the database (any more), so nothing of it can "
                f"be changed. Make it with: await {type(self).__name__}(proposal="
                f"{self.proposal}, run={self.run}).insert()."
            )
        before = {name: getattr(self, name, None) for name in values}
        self.__dict__.update(values)  # so that variables before the event see what comes
        self._edited = _fields_in(args)
        ours = {"$currentDate": {"knockoff.updated_at": True}}  # tells it from an edit in mongosh
        try:
            return await super().update(ours, *args, **kwargs)
        except BaseException:
            self.__dict__.update(before)
            raise

    def _checked(self, operators: tuple[Mapping[Any, Any], ...]) -> dict[str, Any]:
        """Refuse to write what people do not own; give the values that are plainly set."""
        values: dict[str, Any] = {}
        for each in operators:
            query = getattr(each, "query", each)
            for operator, changes in query.items():
                for field, value in changes.items():
                    name = str(field)
                    self._check_field(name)
                    if operator == "$set" and "." not in name:
                        values[name] = value
        return values

    def _check_field(self, name: str) -> None:
        own = name.partition(".")[0]
        table = type(self).__knockoff_table__
        if own in PEOPLES_FIELDS or own in {field.name for field in table.fields}:
            return
        for variable in table.variables:
            if name in variable.outputs:
                raise EditError(
                    f"{name} of {table.name} is computed by line {variable.line} of the context "
                    f"file. To type it yourself, declare it there: "
                    f"{name}: Annotated[..., Editable]."
                )
        raise EditError(
            f"{table.name} has no field {name!r} that could be set. Those that can: "
            f"{', '.join((*PEOPLES_FIELDS, *(field.name for field in table.fields)))}."
        )

    def _changed(self) -> dict[str, Any]:
        before = self._loaded or {}
        given = self.model_fields_set if not before else set(self._peoples_fields())
        return {
            name: getattr(self, name)
            for name in self._peoples_fields()
            if name in given and getattr(self, name, None) != before.get(name)
        }

    @classmethod
    def _peoples_fields(cls) -> tuple[str, ...]:
        return (*PEOPLES_FIELDS, *(field.name for field in cls.__knockoff_table__.fields))

    def _save_state(self) -> None:
        """Beanie calls this whenever the document and the database agree."""
        self._loaded = {
            name: deepcopy(getattr(self, name, None)) for name in self._peoples_fields()
        }

    @property
    def is_stored(self) -> bool:
        """Whether the row is in the database."""
        return self._loaded is not None


def _fields_in(operators: tuple[Mapping[Any, Any], ...]) -> frozenset[str]:
    queries = [getattr(each, "query", each) for each in operators]
    changes = [name for query in queries for change in query.values() for name in change]
    return frozenset(str(name).partition(".")[0] for name in changes)


def _refuse_options(
    call: str, options: Mapping[str, Any], positional: tuple[Any, ...] = ()
) -> None:
    """Refuse what Beanie's call of that name could do, and one on a run document cannot.

    Beanie's own defaults are let through, since its other calls hand them on.
    """
    if positional:
        raise EditError(
            f"{call}({positional[0]!r:.60}) cannot be done on a run document; it takes nothing "
            f"there. To change a field: await run.set({{'comment': 'knife edge scan'}})."
        )
    for name, value in options.items():
        if value not in (None, False, WriteRules.DO_NOTHING, DeleteRules.DO_NOTHING):
            raise EditError(
                f"{call}({name}=…) cannot be done on a run document, whose fields are written one "
                f"by one while it is filled. Leave {name} out."
            )


async def fire(document: RunDocument, event: str) -> None:
    """Run the actions of an event that has happened to a row by way of the service."""
    for direction in (ActionDirections.BEFORE, ActionDirections.AFTER):
        await ActionRegistry.run_actions(
            document, Insert if event == "Insert" else Update, direction, exclude=[]
        )


def forget(document_class: type[Document]) -> None:
    """Take a class that is no longer used out of Beanie's registry, which would keep it."""
    ActionRegistry.clean_actions(document_class)
