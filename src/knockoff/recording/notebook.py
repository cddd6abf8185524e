"""Both halves in one process: a document written in a notebook fills itself where it stands."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.assembling import context_of
from knockoff.contextfile.names import attribute_for
from knockoff.contextfile.versions import versions_here
from knockoff.database.documents import database_of
from knockoff.database.rows import RowChange, find_row
from knockoff.engine.here import HereEngine
from knockoff.errors import RunDataError, WorkspaceError
from knockoff.recording.neighbours import neighbours_of, to_tell
from knockoff.recording.past import rows_of_class
from knockoff.recording.rowfill import Place, RowFill
from knockoff.rundata.finding import data_root, kinds_on_disk
from knockoff.runs.elsewhere import read_of
from knockoff.runs.run import tables_beside
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from knockoff.contextfile.description import TableDescription
    from knockoff.contextfile.tables import Table
    from knockoff.database.client import Database
    from knockoff.language.occasions import Direction, Event
    from knockoff.runkey import RunKey


@dataclass(frozen=True)
class Surroundings:
    """Where a notebook finds runs and puts arrays."""

    data_root: Path
    extracted_data: Path

    @classmethod
    def here(cls) -> Surroundings:
        """Those of the workspace that the notebook is in, else of the current folder."""
        try:
            workspace = Workspace.find()
        except WorkspaceError:
            return cls(data_root(), Path("extracted_data").absolute())
        return cls(workspace.settings().data_root, workspace.arrays_folder)


class NotebookFiller:
    """Fills documents of classes whose methods are in this very process."""

    @property
    def arrays_folder(self) -> Path:
        """Where this notebook's arrays are."""
        return Surroundings.here().extracted_data

    async def as_of(self, document_class: type[Any], moment: datetime) -> list[dict[str, Any]]:
        """The rows of a class as they were at a moment."""
        return await rows_of_class(document_class, moment)

    async def fill(self, document: Any, event: Event, direction: Direction) -> None:
        """Before the event, fill what goes in with it; after it, the rest, one by one."""
        if direction == "before":
            document._fill = await self._begun(document, event)  # noqa: SLF001  # it is there for us
        fill: RowFill | None = document._fill  # noqa: SLF001
        if fill is None:  # somebody skipped the actions before the event
            fill = await self._begun(document, event)
        if direction == "before":
            await fill.fill(event, direction)
            return
        fill.stored = True
        document._fill = None  # noqa: SLF001
        async with fill:
            await fill.fill(event, direction)
            await fill.close(fill.waits(event))
        await _Notebook.of(type(document)).tell_readers(document.key)

    async def _begun(self, document: Any, event: Event) -> RowFill:
        notebook = _Notebook.of(type(document))
        row = document.model_dump(by_alias=True)
        if event == "Insert":
            kinds = await asyncio.to_thread(_kinds, document.key, notebook.around.data_root)
            row["knockoff"] = {**row["knockoff"], "data": sorted(kinds)}
            document.knockoff = {**document.knockoff, "data": sorted(kinds)}
        else:
            found = await find_row(notebook.database, notebook.collection, document.key)
            row = {**(found or row), **_peoples(document)}
        place = await notebook.place(document.key)
        stored = event != "Insert"
        return RowFill(place, row, stored=stored, on_change=partial(_show, document))


@dataclass(frozen=True)
class _Notebook:
    """One table of a notebook, with the others that stand there just now."""

    database: Database
    tables: tuple[Table, ...]
    """The one that is filled comes first."""

    around: Surroundings

    @classmethod
    def of(cls, document_class: type) -> _Notebook:
        return cls(database_of(document_class), tables_beside(document_class), Surroundings.here())

    @property
    def collection(self) -> str:
        return self.tables[0].description.collection

    @property
    def _descriptions(self) -> dict[str, TableDescription]:
        return {table.description.collection: table.description for table in self.tables}

    async def place(self, key: RunKey, variables: Sequence[str] = ()) -> Place:
        """Where the results for one row go; what it reads in other rows is read now."""
        file = _source_file(self.tables[0])
        engine = HereEngine(context_of(*self.tables, file=file))
        tables = self._descriptions
        return Place(
            database=self.database,
            table=self.tables[0].description,
            key=key,
            label=f"notebook-{secrets.token_hex(4)}",
            context="",
            versions=dict(versions_here()),
            extracted_data=str(self.around.extracted_data),
            data_root=str(self.around.data_root),
            open_session=partial(engine.session, Path(file)),
            variables=tuple(variables),
            neighbours=await neighbours_of(
                self.database, tables, self.collection, key, settled=tables
            ),
        )

    async def tell_readers(self, key: RunKey) -> None:
        """Fill what reads this table in the rows that the run has in others, one after another."""
        tables = self._descriptions
        readers = [each for each in self.tables if self.collection in read_of(each.description)]
        for reader in readers:
            there = replace(self, tables=(reader, *(t for t in self.tables if t is not reader)))
            around = await neighbours_of(
                self.database, tables, self.collection, key, settled=tables
            )
            names = to_tell(around, there.collection, self.collection)
            row = await find_row(self.database, there.collection, key)
            if names and row is not None:
                async with RowFill(await there.place(key, sorted(names)), row) as fill:
                    await fill.fill("Update", "after")
                    await fill.close(fill.waits("Update"))
                await there.tell_readers(key)


def _kinds(key: RunKey, root: Path) -> set[str]:
    """What is on disk; somebody who inserts a run by hand says that there is raw data of it."""
    try:
        return {*kinds_on_disk(key, root)} or {"raw"}
    except RunDataError:
        return {"raw"}


def _source_file(table: Table) -> str:
    """Where the methods of a table are written."""
    for formula in table.formulas.values():
        return formula.function.__code__.co_filename
    return ""


def _peoples(document: Any) -> dict[str, Any]:
    """Fields that people own, as they are on the instance: an edit is seen before it is stored."""
    names = document._peoples_fields()  # noqa: SLF001
    return {name: getattr(document, name, None) for name in names}


def _show(document: Any, change: RowChange) -> None:
    """Put a change onto the instance."""
    for path in change.removed:
        _assign(document, path, None)
    for path, value in change.values.items():
        _assign(document, path, value)
    if document.is_stored:  # what a hook has filled is not somebody's edit
        document._loaded.update(change.values)  # noqa: SLF001


def _assign(document: Any, path: str, value: Any) -> None:
    first, *rest = path.split(".")
    if not rest:
        document.__dict__[attribute_for(first)] = value
        return
    here = getattr(document, attribute_for(first), None)
    for name in rest[:-1]:
        if isinstance(here, dict):
            here = here.setdefault(name, {})
        else:
            here = getattr(here, attribute_for(name), None)
    if isinstance(here, dict):
        if value is None:
            here.pop(rest[-1], None)
        else:
            here[rest[-1]] = value
    elif here is not None:
        here.__dict__[attribute_for(rest[-1])] = value
