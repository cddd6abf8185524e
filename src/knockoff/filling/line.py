"""The line from a worker to its recorder: a socket, and a spool for what may get lost on it."""

from __future__ import annotations

import select
import socket
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from knockoff.errors import WorkerError
from knockoff.filling.frames import framed, receive
from knockoff.filling.messages import CellProblem, Request, Result, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.filling.messages import Message
    from knockoff.filling.spool import SpoolWriter

T = TypeVar("T")


class Line:
    """Tells the recorder, and keeps every result until that says that it is stored.

    An `OSError` that comes out of here means that user code closed our file
    descriptors, so that nobody can be told anything any more.
    """

    def __init__(self, connection: socket.socket, spool: SpoolWriter) -> None:
        self._connection = connection
        self._spool = spool
        self._told: deque[str] = deque()
        self._requests: deque[Request] = deque()
        self._is_heard = True

    def asked(self) -> Request | None:
        """Wait for the next variables to compute; None when the recorder is gone or done."""
        while self._is_heard and not self._requests:
            self._receive()
        if not self._requests:
            return None
        request = self._requests.popleft()
        self._spool_safely(self._spool.asked, request.variables)
        return request

    def tell(self, message: Message) -> None:
        """Let the recorder know, or whoever records next."""
        content, message = _sendable(message)
        if isinstance(message, Result):
            self._told.append(message.variable)
            self._spool_safely(self._spool.add, message)
        if self._is_heard:
            self._send(content)
        elif isinstance(message, Result):
            self._spool.sync()

    def hang_up(self) -> None:
        """End the line; the spool stays only if there is something in it."""
        if not self._told:
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
            self._receive()

    def _receive(self) -> None:
        try:
            request: dict[str, Any] | None = receive(self._connection)
        except (WorkerError, ConnectionResetError):  # it was killed while it wrote
            request = None
        if request is None:
            self._is_heard = False
            if self._told:
                self._spool.sync()
            return
        stored = min(request.get("acknowledged", 0), len(self._told))
        if stored:
            names = [self._told.popleft() for _ in range(stored)]
            self._spool_safely(self._spool.stored, names)
        if "fill" in request:  # perhaps before the last one was told to be filled
            self._requests.append(Request.from_json(request["fill"]))

    def _spool_safely(self, write: Callable[[T], None], what: T) -> None:
        """A full disk must not keep from the recorder what it can still be told."""
        try:
            write(what)
        except OSError as error:
            if not self._is_heard:
                raise
            with suppress(OSError, ValueError):  # the log may be on the same full disk
                print(f"The spool cannot be written: {error}", file=sys.stderr)  # noqa: T201


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
