"""Messages on a stream: four bytes of length, most significant first, then JSON in UTF-8."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

from knockoff.errors import WorkerError

if TYPE_CHECKING:
    import socket

HEADER: Final = struct.Struct(">I")
LARGEST_FRAME: Final = 64 * 1024 * 1024
"""In bytes. Bulk values travel through files, so that no message comes near it."""


def framed(document: Any) -> bytes:
    """One message, ready to be sent.

    Raises
    ------
    WorkerError
        It is too large.
    """
    content = json.dumps(document, separators=(",", ":")).encode()
    if len(content) > LARGEST_FRAME:
        raise WorkerError(f"a message of {len(content)} bytes is too large to be sent.")
    return HEADER.pack(len(content)) + content


def frame_length(header: bytes) -> int:
    """The length that a header announces.

    Raises
    ------
    WorkerError
        It is absurd: what is on the stream is not ours.
    """
    (length,) = HEADER.unpack(header)
    if length > LARGEST_FRAME:
        raise WorkerError(f"a message of {length} bytes was announced; the stream is not ours.")
    return int(length)


def receive(connection: socket.socket) -> Any:
    """Wait for the next message; None when the other side has closed.

    Raises
    ------
    WorkerError
        The stream broke off inside a message.
    """
    header = _exactly(connection, HEADER.size)
    if header is None:
        return None
    content = _exactly(connection, frame_length(header))
    if content is None:
        raise WorkerError("the connection broke off inside a message.")
    return json.loads(content)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            if parts:
                raise WorkerError("the connection broke off inside a message.")
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
