"""The engine of this machine: zygotes by context file, and sessions on them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from knockoff.engine.environment import EngineSettings, package_for
from knockoff.engine.forecast import Forecast
from knockoff.engine.machine import processors_of_machine
from knockoff.engine.processors import Processors
from knockoff.engine.supervising import SupervisedSession
from knockoff.engine.turns import Turns
from knockoff.engine.zygotes import Zygote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.engine.sandbox import Confinement
    from knockoff.filling.messages import RunTask
    from knockoff.filling.session import Session

__all__ = ["EngineSettings", "LocalEngine", "open_engine"]

log = logging.getLogger(__name__)

LONGEST_SOURCE: Final = 100_000
"""Bytes of a context file that still go through the socket to its process; else it reads them."""


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


@dataclass(frozen=True)
class _Loaded:
    """A context file as it was described last."""

    description: ContextDescription
    files: dict[str, tuple[int, int]]
    confined: Confinement | None = None

    def is_current(self) -> bool:
        """Whether no file that was loaded, or that a sandbox shows, has changed since."""
        return all(_time_and_size(file) == known for file, known in self.files.items()) and (
            self.confined is None or self.confined.is_current()
        )

    @property
    def source(self) -> str | None:
        """Its text, where that is not too long."""
        source = self.description.exact_source
        return source if source is not None and len(source) < LONGEST_SOURCE else None


class LocalEngine:
    """One process per context file, and forks of it for every run; opened by `open_engine`.

    A process that fills no run may be ended for want of memory, and is started again for
    the next one; its description stays.
    """

    def __init__(self, settings: EngineSettings, package: Path | None) -> None:
        number = settings.processors or processors_of_machine()
        self._settings = replace(settings, cpus=min(settings.cpus, number))
        self._package = package
        self._loaded: dict[Path, _Loaded] = {}
        self._zygotes: dict[Path, Zygote] = {}
        """The one that was used last is the last."""
        self._retired: list[Zygote] = []
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._forecasts: defaultdict[Path, Forecast] = defaultdict(Forecast)
        self._turns = Turns(settings.parallel)
        self._processors = Processors(number)
        self._one_by_one = asyncio.Lock()

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
        async with self.trying(context_file) as description:
            return description

    @asynccontextmanager
    async def trying(self, context_file: Path) -> AsyncIterator[ContextDescription]:
        """As `describe`, but sessions run the file only after a body that did not raise.

        So whoever makes tables of the description can refuse it, and no run is filled by
        code that has no tables. Runs that are to be opened wait for the body.
        """
        path = _absolute(context_file)
        async with self._locks[path]:
            loaded = self._loaded.get(path)
            if loaded is not None and await asyncio.to_thread(loaded.is_current):
                yield loaded.description
                return
            zygote = await Zygote.start(self._settings, path, self._package, None)
            try:
                yield zygote.description
            except BaseException:
                self._retire(zygote)
                raise
            self._use(path, zygote, zygote.files)
            await self._save_memory()

    @asynccontextmanager
    async def session(self, context_file: Path, task: RunTask) -> AsyncIterator[Session]:
        """Open one run; left in the middle of its work, its processes are killed at once.

        Raises
        ------
        ContextProblems, WorkerError
            As `describe`, if the file has not been described before.
        """
        path = _absolute(context_file)
        async with self._turns.turn(path):
            session = SupervisedSession(
                task,
                self._settings,
                lambda: self._living(path),
                self._processors,
                self._one_by_one,
                self._forecasts[path],
            )
            try:
                await session.open()
                yield session
            finally:
                await session.close()
        await self._save_memory()

    async def close(self) -> None:
        """End every process."""
        zygotes = (*self._zygotes.values(), *self._retired)
        self._zygotes.clear()
        self._retired.clear()
        await asyncio.gather(*(zygote.stop() for zygote in zygotes))

    async def _living(self, path: Path) -> Zygote:
        async with self._locks[path]:
            zygote = self._zygotes.pop(path, None)
            if zygote is None or not zygote.is_alive:
                return await self._renewed(path, self._loaded.get(path))
            self._zygotes[path] = zygote
            return zygote

    async def _renewed(self, path: Path, as_before: _Loaded | None) -> Zygote:
        source = None if as_before is None else as_before.source
        zygote = await Zygote.start(self._settings, path, self._package, source)
        # of a text as before it is not asked whether the file has changed meanwhile: it may have
        files = zygote.files if as_before is None or source is None else as_before.files
        self._use(path, zygote, files)
        await self._save_memory()
        return zygote

    def _use(self, path: Path, zygote: Zygote, files: dict[str, tuple[int, int]]) -> None:
        self._loaded[path] = _Loaded(zygote.description, files, zygote.confined)
        old = self._zygotes.pop(path, None)
        self._zygotes[path] = zygote
        if old is not None:
            self._retire(old)

    async def _save_memory(self) -> None:
        """End processes that fill no run, those first that were used longest ago."""
        self._retired = [each for each in self._retired if not each.is_gone]
        if len(self._zygotes) < 2:  # the only one is used again
            return
        last = next(reversed(self._zygotes))
        others = [(p, each) for p, each in self._zygotes.items() if each.is_idle and p != last]
        sizes = await asyncio.to_thread(lambda: [each.memory() for _, each in others])
        total = sum(sizes)
        for (path, zygote), size in zip(others, sizes, strict=True):
            if total <= self._settings.idle_memory:
                return
            if zygote.is_idle and self._zygotes.get(path) is zygote:
                total -= size
                self._retire(self._zygotes.pop(path))
                log.debug("%s: its process was ended, since all took %d bytes", path, total + size)

    def _retire(self, zygote: Zygote) -> None:
        zygote.retire()
        self._retired.append(zygote)


def _absolute(path: Path) -> Path:
    return path.absolute()


def _time_and_size(file: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(file)  # noqa: PTH116  # as the zygote does
    except OSError:
        return None
    return stat.st_ctime_ns, stat.st_size
