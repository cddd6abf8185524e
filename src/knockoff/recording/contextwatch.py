"""The context file while it is edited: the tables by its last good state, for as long as needed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from knockoff.errors import ContextFileError, WorkerError
from knockoff.recording.filler import ServiceFiller
from knockoff.recording.tables import Tables, open_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.filling.session import Engine

log = logging.getLogger(__name__)

Looks = frozenset[tuple[str, int, int]]
"""Name, time in ns and size in bytes of the context file and the modules beside it."""


class ContextWatch:
    """Has the tables of a context file, and makes them anew when the file has changed."""

    def __init__(
        self, database: Database, engine: Engine, context_file: Path, tables: Tables
    ) -> None:
        self.tables = tables
        self._database = database
        self._engine = engine
        self._context_file = context_file
        self._refused: Looks = frozenset()
        self._users: dict[int, int] = {}
        self._former: list[Tables] = []

    @contextmanager
    def in_use(self) -> Iterator[Tables]:
        """The tables as they are now; they are kept until the body is done with them."""
        tables = self.tables
        self._users[id(tables)] = self._users.get(id(tables), 0) + 1
        try:
            yield tables
        finally:
            self._users[id(tables)] -= 1
            self._forget()

    async def look(self) -> None:
        """Use the file as it is now; one with problems leaves the last good one in use."""
        looks = await asyncio.to_thread(_looks_of, self._context_file)
        if looks == self._refused:
            return
        try:
            context = await self._engine.describe(self._context_file)
            if context == self.tables.context:
                self._refused = frozenset()
                return
            filler = ServiceFiller(context)
            tables = await open_tables(self._database, context, filler, register_it=True)
        except (ContextFileError, WorkerError) as error:
            log.error("The context file is used as it was before, because:\n%s", error)
            self._refused = looks
            return
        self._former.append(self.tables)
        self.tables = tables
        self._forget()
        log.info("The context file has changed and is used from now on")

    def forget(self) -> None:
        """Let go of all tables."""
        for tables in (*self._former, self.tables):
            tables.forget()

    def _forget(self) -> None:
        for tables in list(self._former):
            if not self._users.get(id(tables)):
                self._users.pop(id(tables), None)
                self._former.remove(tables)
                tables.forget()


def _looks_of(context_file: Path) -> Looks:
    found = set()
    for file in {context_file, *context_file.parent.glob("*.py")}:
        try:
            stat = file.stat()
        except OSError:  # an editor replaces it just now
            continue
        found.add((file.name, stat.st_mtime_ns, stat.st_size))
    return frozenset(found)
