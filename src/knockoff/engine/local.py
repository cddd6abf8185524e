"""The engine of this machine: zygotes by context file, and sessions on them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from knockoff.engine.environment import EngineSettings, package_for
from knockoff.engine.supervising import SupervisedSession
from knockoff.engine.zygotes import Zygote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.filling.messages import RunTask
    from knockoff.filling.session import Session

__all__ = ["EngineSettings", "LocalEngine", "open_engine"]


@asynccontextmanager
async def open_engine(settings: EngineSettings) -> AsyncIterator[LocalEngine]:
    """Run user code on this machine; on the way out all that still runs is killed."""
    for folder in (settings.logs, settings.spool):
        folder.mkdir(parents=True, exist_ok=True)
    with package_for(settings.python) as package:
        engine = LocalEngine(settings, package)
        try:
            yield engine
        finally:
            await engine.close()


class LocalEngine:
    """One process per context file, and one fork of it per run; opened by `open_engine`."""

    def __init__(self, settings: EngineSettings, package: Path | None) -> None:
        self._settings = settings
        self._package = package
        self._zygotes: dict[Path, Zygote] = {}
        self._retired: list[Zygote] = []
        self._turns: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def describe(self, context_file: Path) -> ContextDescription:
        """Load a context file, again if it or a module beside it has changed, and describe it.

        What sessions run is always the file as it was described last; a file with
        problems leaves the last good one in use.

        Raises
        ------
        ContextProblems
            Something is wrong with the file.
        WorkerError
            The interpreter cannot be used.
        """
        path = _absolute(context_file)
        async with self._turns[path]:
            zygote = self._zygotes.get(path)
            if zygote is None or not await asyncio.to_thread(zygote.is_current):
                zygote = await self._renewed(path)
            return zygote.description

    @asynccontextmanager
    async def session(self, context_file: Path, task: RunTask) -> AsyncIterator[Session]:
        """Open one run; left in the middle of its work, its process is killed at once.

        Raises
        ------
        ContextProblems, WorkerError
            As `describe`, if the file has not been described before.
        """
        path = _absolute(context_file)
        session = SupervisedSession(task, lambda: self._living(path))
        try:
            await session.open()
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        """End every process."""
        zygotes = (*self._zygotes.values(), *self._retired)
        self._zygotes.clear()
        self._retired.clear()
        await asyncio.gather(*(zygote.stop() for zygote in zygotes))

    async def _living(self, path: Path) -> Zygote:
        zygote = self._zygotes.get(path)
        if zygote is not None and zygote.is_alive:
            return zygote
        async with self._turns[path]:
            zygote = self._zygotes.get(path)
            return zygote if zygote is not None and zygote.is_alive else await self._renewed(path)

    async def _renewed(self, path: Path) -> Zygote:
        zygote = await Zygote.start(self._settings, path, self._package)
        old = self._zygotes.get(path)
        self._zygotes[path] = zygote
        self._retired = [each for each in self._retired if not each.is_gone]
        if old is not None:
            old.retire()
            self._retired.append(old)
        return zygote


def _absolute(path: Path) -> Path:
    return path.absolute()
