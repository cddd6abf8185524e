"""The line from a worker to its recorder: a socket while somebody listens, then a spool file."""

from __future__ import annotations

import select
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from knockoff.errors import WorkerError
from knockoff.filling.frames import framed, receive
from knockoff.filling.messages import CellProblem, Result, to_json

if TYPE_CHECKING:
    from knockoff.filling.messages import Message
    from knockoff.filling.spool import SpoolWriter


class Line:
    """Keeps every result until the recorder says that it is stored.

    An `OSError` that comes out of here means that user code closed our file
    descriptors, so that nobody can be told anything any more.
    """

    def __init__(self, connection: socket.socket, spool: SpoolWriter) -> None:
        self._connection = connection
        self._spool = spool
        self._kept: deque[Result] = deque()
        self._is_heard = True
        self._has_spilled = False

    def asked(self) -> tuple[str, ...] | None:
        """Wait for the next variables to compute; None when the recorder is gone or done."""
        while self._is_heard:
            request = self._received()
            if request is not None and "fill" in request:
                names = tuple(request["fill"])
                self._spool.asked(names)
                return names
        return None

    def tell(self, message: Message) -> None:
        """Let the recorder know, or whoever records next."""
        content, message = _sendable(message)
        if isinstance(message, Result):
            self._kept.append(message)
        if self._is_heard:
            self._send(content)
        else:
            self._spill()

    def hang_up(self) -> None:
        """End the line; a spool stays only if there is something in it."""
        if not self._has_spilled:
            self._spool.remove()

    def forget(self) -> None:
        """Let go in a process that user code has forked off: the line is not its own."""
        self._connection.close()
        self._spool.forget()

    def _send(self, content: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # what it sent before is read first
            # by default SIGPIPE is ignored, but user code may have made it deadly
            self._connection.sendall(content, socket.MSG_NOSIGNAL)
        while self._is_heard and _is_readable(self._connection):
            self._received()

    def _received(self) -> dict[str, Any] | None:
        try:
            request: dict[str, Any] | None = receive(self._connection)
        except (WorkerError, ConnectionResetError):  # it was killed while it wrote
            request = None
        if request is None:
            self._is_heard = False
            self._spill()
            return None
        for _ in range(min(request.get("acknowledged", 0), len(self._kept))):
            self._kept.popleft()
        return request

    def _spill(self) -> None:
        """Put on disk what is not known to be stored."""
        while self._kept:
            self._has_spilled = True
            self._spool.add(self._kept.popleft())


def _is_readable(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _sendable(message: Message) -> tuple[bytes, Message]:
    try:
        return framed(to_json(message)), message
    except (WorkerError, TypeError, ValueError) as error:
        if not isinstance(message, Result):
            raise
        problem = CellProblem(type(error).__name__, f"The result cannot be sent: {error}")
        failed = Result(message.variable, "failed", message.code, problem=problem)
        return framed(to_json(failed)), failed
