"""Both halves in one process: a document written in a notebook fills itself where it stands."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.names import attribute_for
from knockoff.database.documents import database_of
from knockoff.database.rows import RowChange, find_row
from knockoff.engine.here import HereEngine, context_of
from knockoff.errors import RunDataError, WorkspaceError
from knockoff.recording.rowfill import Place, RowFill
from knockoff.rundata.finding import data_root, kinds_on_disk
from knockoff.runs.run import formulas_of
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from knockoff.contextfile.tables import Table
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
            await fill.close(RowChange())

    async def _begun(self, document: Any, event: Event) -> RowFill:
        document_class = type(document)
        table = formulas_of(document_class)
        around = Surroundings.here()
        row = document.model_dump(by_alias=True)
        if event == "Insert":
            kinds = await asyncio.to_thread(_kinds, document.key, around.data_root)
            row["knockoff"] = {**row["knockoff"], "data": sorted(kinds)}
            document.knockoff = {**document.knockoff, "data": sorted(kinds)}
        else:
            database = database_of(document_class)
            found = await find_row(database, table.description.collection, document.key)
            row = {**(found or row), **_peoples(document)}
        file = _source_file(table)
        engine = HereEngine(context_of(table, file=file))
        place = Place(
            database=database_of(document_class),
            table=table.description,
            key=document.key,
            label=f"notebook-{secrets.token_hex(4)}",
            context="",
            extracted_data=str(around.extracted_data),
            data_root=str(around.data_root),
            open_session=partial(engine.session, Path(file)),
        )
        stored = event != "Insert"
        return RowFill(place, row, stored=stored, on_change=partial(_show, document))


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
