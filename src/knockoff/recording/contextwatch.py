"""The context file while it is edited: the tables by its last good state, for as long as needed."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.database.client import PyMongoError
from knockoff.database.registry import note_refusal
from knockoff.errors import ContextFileError, DatabaseError, WorkerError
from knockoff.recording.filler import ServiceFiller
from knockoff.recording.tables import Tables, open_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.description import ContextDescription
    from knockoff.database.client import Database
    from knockoff.filling.session import Engine

log = logging.getLogger(__name__)

Looks = frozenset[tuple[str, int, int]]
"""Path, time of the last change in ns, and size in bytes, of the file and modules beside it."""

BETWEEN_TRIES: Final = 30.0
"""Seconds until a refused file is tried again, twice as long after each further time.

What is wrong need not be in the file: a machine was too slow to load it in time, a disk was
away, a package was missing.
"""

LONGEST_PAUSE: Final = 600.0
"""Seconds between two tries of a file that is refused for long."""

WRITTEN_WITHIN: Final = 0.2
"""Seconds for which a file has to stay as it is until it is read: many editors empty it first."""

DEPTH: Final = 2
"""How deep packages beside the context file are looked into."""

NO_MODULES: Final = frozenset({"extracted_data", "process_logs", "spool", "__pycache__"})
"""Folders of a workspace that hold many files, and no modules."""


class ContextWatch:
    """Has the tables of a context file, and makes them anew when the file has changed."""

    def __init__(
        self, database: Database, engine: Engine, context_file: Path, tables: Tables
    ) -> None:
        self.tables = tables
        self._database = database
        self._engine = engine
        self._context_file = context_file
        self._refused: Looks | None = None
        """What people were told of last, until it is mended."""
        self._failed: Looks | None = None
        self._again_at = 0.0
        """When to try again what has failed, on the loop's clock."""
        self._pause = BETWEEN_TRIES
        self._seen: Looks | None = None
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
        """Use the file as it is now; one with problems leaves the last good one in use.

        A file that is being written just now is left for the next look.

        Raises
        ------
        DatabaseError, PyMongoError
            The tables cannot be opened; those of before, and their code, stay in use.
        """
        looks = await asyncio.to_thread(looks_of, self._context_file)
        now = asyncio.get_running_loop().time()
        if looks == self._failed and now < self._again_at:
            return
        if looks != self._seen:
            await asyncio.sleep(WRITTEN_WITHIN)
            self._seen = await asyncio.to_thread(looks_of, self._context_file)
            if looks != self._seen:
                return
        before = self.tables
        try:
            async with self._engine.trying(self._context_file) as context:
                if context != before.context:
                    await self._replace(context)
        except (ContextFileError, WorkerError) as error:
            self._put_off(looks)
            if looks != self._refused:
                log.error("The context file is used as it was before, because:\n%s", error)
                self._refused = looks
            await note_refusal(self._database, self.tables.context.source_hash, str(error))
            return
        except (DatabaseError, PyMongoError):
            self._put_off(looks)
            raise
        self._failed = None
        if self.tables is not before:
            self._refused = None
            log.info("The context file has changed and is used from now on")
        elif self._refused is not None:
            await note_refusal(self._database, self.tables.context.source_hash, "")
            log.info("The context file is as it is used again")
            self._refused = None

    async def _replace(self, context: ContextDescription) -> None:
        """Open the tables of another context file, and use them once all of them are."""
        filler = ServiceFiller(context)
        tables = await open_tables(self._database, context, filler, register_it=True)
        self._former.append(self.tables)
        self.tables = tables
        self._forget()

    def _put_off(self, looks: Looks) -> None:
        """Try a file again after a while, and at once if it changes."""
        same = looks == self._failed
        self._pause = min(LONGEST_PAUSE, 2 * self._pause) if same else BETWEEN_TRIES
        self._failed = looks
        self._again_at = asyncio.get_running_loop().time() + self._pause

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


def looks_of(context_file: Path) -> Looks:
    """How the files look that a context file may be made from: itself, and modules beside it."""
    found = set()
    for file in {context_file, *_modules_in(context_file.parent, DEPTH)}:
        try:
            stat = file.stat()
        except OSError:  # an editor replaces it just now
            continue
        found.add((str(file), stat.st_ctime_ns, stat.st_size))
    return frozenset(found)


def _modules_in(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.endswith(".py"):
            yield Path(entry.path)
            continue
        is_package = entry.name.isidentifier() and entry.name not in NO_MODULES
        if depth and is_package and entry.is_dir():
            yield from _modules_in(Path(entry.path), depth - 1)
