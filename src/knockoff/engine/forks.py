"""One run's process as the engine sees it: what is asked, what is said, how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from knockoff.engine.answers import message_from
from knockoff.errors import WorkerError
from knockoff.filling.frames import HEADER, frame_length, framed

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.filling.messages import Message, Request, RunTask
    from knockoff.filling.orders import Ended, Order
    from knockoff.filling.tickets import Tickets

_DEAD_IN_S = 5.0
"""After this a killed process that is still there is its zygote's fault."""


class Fork:
    """A process that fills one run; made by `knockoff.engine.zygotes.Zygote.fork`."""

    def __init__(
        self,
        order: Order,
        tickets: Tickets,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tell_zygote: Callable[[dict[str, Any]], None],
        end_zygote: Callable[[], None],
    ) -> None:
        self.order = order
        self.pid: int | None = None
        self._tickets = tickets
        self._is_let_go = False
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._reader = reader
        self._writer = writer
        self._tell_zygote = tell_zygote
        self._end_zygote = end_zygote

    def open(self, task: RunTask) -> None:
        """Tell it which run it is for."""
        self._send({"task": asdict(task)})

    def ask(self, request: Request) -> None:
        """Let it fill what is requested, in dependency order, until that is taken back."""
        if not self._is_let_go:
            self._tickets.add(len(request.variables))
        self._send({"fill": request.to_json()})

    def take_back(self) -> int:
        """Keep it from beginning what it has not begun; how many variables these are."""
        return 0 if self._is_let_go else self._tickets.take_back()

    def acknowledge(self, results: int) -> None:
        """Let it forget so many of its results."""
        self._send({"acknowledged": results})

    async def receive(self) -> Message | None:
        """The next thing it says; None when it is gone or has closed its socket.

        Raises
        ------
        WorkerError
            It says what it must not.
        """
        try:
            length = frame_length(await self._reader.readexactly(HEADER.size))
            content = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return message_from(content)

    async def end(self) -> Ended:
        """Wait until it has ended, for which it has the time of grace."""
        return await self._ended_within(self.order.grace) or await self.killed()

    async def killed(self) -> Ended:
        """Kill it and all that it started, and wait for that.

        Raises
        ------
        WorkerError
            Not even its zygote can be ended: it hangs in the kernel.
        """
        self._tell_zygote({"kill": self.order.number})
        ended = await self._ended_within(_DEAD_IN_S)
        if ended is None:
            self._end_zygote()
            ended = await self._ended_within(_DEAD_IN_S)
        self._let_go()
        if ended is None:
            raise WorkerError(f"process {self.pid} hangs and cannot be killed.")
        return ended

    def close(self) -> None:
        """Nothing more will be asked; it ends by itself, or is made to."""
        self._let_go()
        if not self.ended.done():
            self._tell_zygote({"close": self.order.number})

    async def _ended_within(self, seconds: float) -> Ended | None:
        await asyncio.wait((self.ended,), timeout=seconds)
        if not self.ended.done():
            return None
        self._let_go()
        return self.ended.result()

    def _let_go(self) -> None:
        self._writer.close()
        if not self._is_let_go:
            self._is_let_go = True
            self._tickets.close()

    def _send(self, document: dict[str, Any]) -> None:
        self._writer.write(framed(document))  # if it is gone, reading will tell
