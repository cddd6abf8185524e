"""User code in this process, for a notebook: the same sessions over functions in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from knockoff.filling.filling import Filling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.contextfile.loading import Context
    from knockoff.filling.messages import Message, RunTask
    from knockoff.filling.session import Session


class HereEngine:
    """Runs variables in a thread of this process; they can crash it, and see all it knows."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def describe(self, context_file: Path) -> ContextDescription:  # noqa: ARG002
        """What is in memory, whatever the file."""
        return self._context.description

    @asynccontextmanager
    async def trying(self, context_file: Path) -> AsyncIterator[ContextDescription]:
        """The same; there is no other to be refused."""
        yield await self.describe(context_file)

    @asynccontextmanager
    async def session(
        self,
        context_file: Path,  # noqa: ARG002  # the Engine protocol's
        task: RunTask,
    ) -> AsyncIterator[Session]:
        """Open one run for filling."""
        session = _HereSession(Filling(self._context, task))
        try:
            yield session
        finally:
            session.is_closed = True


class _HereSession:
    def __init__(self, filling: Filling) -> None:
        self.is_closed = False
        self._filling = filling

    async def fill(self, names: Sequence[str]) -> AsyncIterator[Message]:
        """Run these variables in another thread; left early, it stops after the running one."""
        loop = asyncio.get_running_loop()
        messages: asyncio.Queue[Message | None] = asyncio.Queue()

        def emit(message: Message) -> None:
            if self.is_closed:
                raise _NobodyListensError
            loop.call_soon_threadsafe(messages.put_nowait, message)

        work = asyncio.ensure_future(asyncio.to_thread(self._filling.fill, names, emit))
        work.add_done_callback(lambda _: messages.put_nowait(None))
        try:
            while (message := await messages.get()) is not None:
                yield message
            await work
        finally:
            self.is_closed = self.is_closed or not work.done()
            work.cancel()

    async def acknowledge(self, results: int) -> None:
        """Nothing is kept in this process."""


class _NobodyListensError(Exception):
    """Stops a thread whose session was left."""
