"""Edits by other programs, such as mongosh and Compass: have computed again what reads them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.client import PyMongoError
from knockoff.database.edited import Edited, edited
from knockoff.database.rows import find_row
from knockoff.errors import DatabaseError, RunKeyError
from knockoff.recording.dependants import ask_for_edit
from knockoff.recording.typed import misfit
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.recording.contextwatch import ContextWatch

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds until an edit is looked at again while MongoDB is away."""


class EditWatch:
    """Asks for what the edits of other programs make due, as soon as they are made."""

    def __init__(self, database: Database, context: ContextWatch) -> None:
        self._database = database
        self._context = context

    async def watch(self, on_news: Callable[[], object]) -> None:
        """Look at every edit until cancelled; `on_news` is called when there is a job."""
        async with aclosing(edited(self._database)) as edits:
            async for edit in edits:
                if edit is not None:
                    await self._patiently(edit, on_news)
                    continue
                log.warning(
                    "Edits made by other programs while MongoDB was away may have gone unseen: "
                    "all rows are looked at"
                )
                await self.look_everywhere(on_news)

    async def look_everywhere(self, on_news: Callable[[], object]) -> None:
        """Ask for what was edited in any row, as the stamps of its inputs tell."""
        for each in await self._any_row():
            await self._patiently(each, on_news)

    async def _any_row(self) -> list[Edited]:
        """Every row there is, since each of them may have been edited."""
        is_told = False
        while True:
            try:
                return [
                    Edited(collection, str(row["_id"]), None)
                    for collection in self._context.tables.classes
                    for row in await self._database[collection].find({}, {"_id": 1}).to_list(None)
                ]
            except (DatabaseError, PyMongoError) as error:
                if not is_told:
                    log.warning(
                        "Rows cannot be looked at for edits by other programs, which is tried "
                        "until it works: %s. If it lasts, see `knockoff doctor`; `knockoff "
                        "reprocess all` computes what such edits made due",
                        error,
                    )
                    is_told = True
                await asyncio.sleep(PAUSE)

    async def _patiently(self, edit: Edited, on_news: Callable[[], object]) -> None:
        while True:
            try:
                if await self._is_due(edit):
                    on_news()
            except (DatabaseError, PyMongoError) as error:
                log.info("An edit of %s waits to be looked at: %s", edit.row, error)
                await asyncio.sleep(PAUSE)
            except Exception:  # what people write into a row must not end the night shift
                log.exception("An edit of %s could not be looked at", edit.row)
                return
            else:
                return

    async def _is_due(self, edit: Edited) -> bool:
        """Ask for what an edit made due; False if there is nothing."""
        tables = {table.collection: table for table in self._context.tables.context.tables}
        try:
            key = RunKey.from_document_id(edit.row)
        except RunKeyError:  # a row that somebody has made himself
            return False
        if edit.collection not in tables:
            return False
        row = await find_row(self._database, edit.collection, key)
        if row is None:
            return False
        asked = await ask_for_edit(self._database, tables, edit.collection, key, row, edit.fields)
        if edit.fields is not None:
            self._tell(key, tables[edit.collection], row, edit.fields, asked=asked)
        return asked

    def _tell(
        self,
        key: RunKey,
        table: TableDescription,
        row: Mapping[str, Any],
        fields: frozenset[str],
        *,
        asked: bool,
    ) -> None:
        if asked:
            log.info("%s: %s edited by another program", key, ", ".join(sorted(fields)))
        for field in table.fields:
            takes = misfit(field.schema, row.get(field.name)) if field.name in fields else ""
            if takes:
                log.warning(
                    "%s: another program has written %r into %s, which takes %s. "
                    "`knockoff set %d %s VALUE` mends it",
                    key, row[field.name], field.name, takes, key.run, field.name,
                )  # fmt: skip
