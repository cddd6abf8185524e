"""One of the processes that fill a run: what it was asked for, what it runs, what it knows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from knockoff.errors import WorkerError
from knockoff.filling.messages import Filled, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.engine.forks import Fork
    from knockoff.engine.processors import Processors
    from knockoff.filling.messages import Message, Result


@dataclass(eq=False)
class Lane:
    """A fork at work on a run; results and endings of all lanes come out of one queue."""

    number: int
    fork: Fork
    heard: asyncio.Queue[tuple[Lane, Message | WorkerError | None]]
    processors: Processors
    log_start: int
    """Size of the run's log when it was opened: what it says stands behind that."""

    asked: list[str] = field(default_factory=list)
    """What it has leave to run, and has not begun."""

    running: str | None = None
    began: float = 0.0
    """Seconds since 1970."""

    since: float = 0.0
    """When `running` began, on the loop's clock."""

    has_run: set[str] = field(default_factory=set)
    known: int = 0
    """How many results of the session it has been told of, or has found out itself."""

    has_spoken: bool = False
    is_busy: bool = False
    cpus: int = 0
    """Processors that it keeps busy."""

    _listening: asyncio.Task[None] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing is to be heard of it any more."""
        return self._listening is None or self._listening.done()

    def listen(self) -> None:
        """Begin to hear what the fork says."""
        self._listening = asyncio.create_task(self._listen())

    async def leave(self) -> None:
        """Hear no more of it."""
        self.rest()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def ask(
        self, names: Sequence[str], known: Sequence[Result], tries: Mapping[str, int], cpus: int
    ) -> None:
        """Let it run these, in dependency order, and keep `cpus` processors busy."""
        self.is_busy = True
        self.processors.take(cpus)
        self.cpus = cpus
        self.asked = list(names)
        self.has_spoken = False
        tried = {name: tries[name] for name in names if name in tries}
        self.fork.ask(Request(tuple(names), tuple(known), tried))

    def take_back(self) -> list[str]:
        """What it has not begun, and now will not; it rests when the running one has ended."""
        number = self.fork.take_back()
        split = len(self.asked) - min(number, len(self.asked))
        back = self.asked[split:]
        del self.asked[split:]
        return back

    def rest(self) -> None:
        """It has nothing to do."""
        self.is_busy = False
        self.processors.give_back(self.cpus)
        self.cpus = 0

    def end(self, name: str) -> None:
        """A variable has ended."""
        self.running = None
        if name in self.asked:  # what computes no variable does not say that it starts
            self.asked.remove(name)

    def begin(self, name: str, cpus: int, now: float) -> None:
        """It runs a variable, perhaps once more, which keeps so many processors busy."""
        if self.running != name:
            self.has_run.add(name)
            self.asked.remove(name)
        self.running = name
        self.began, self.since = time.time(), now
        if cpus > self.cpus:
            self.processors.take(cpus - self.cpus)
            self.cpus = cpus

    def checked(self, message: Message) -> Message:
        """The message, if it is about what this fork was asked for.

        Raises
        ------
        WorkerError
            It is not.
        """
        if isinstance(message, Filled):
            return message
        known = {*self.asked, *([self.running] if self.running else [])}
        if message.variable not in known:
            raise WorkerError(
                f"its process spoke of {message.variable!r}, which it was not asked for."
            )
        return message

    async def _listen(self) -> None:
        while True:
            try:
                message = await self.fork.receive()
            except WorkerError as error:
                self.heard.put_nowait((self, error))
                return
            self.heard.put_nowait((self, message))
            if message is None:
                return
