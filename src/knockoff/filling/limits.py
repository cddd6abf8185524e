"""How long and how large the running variable may get, in memory shared by fork and zygote."""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Final

_LIMITS: Final = struct.Struct("dd")
_NONE: Final = 0.0


class Limits:
    """A moment on the monotonic clock and a number of bytes, set in one process, read in another.

    Shared memory, and not a message, because the zygote then knows them even when
    user code has closed all file descriptors or holds the interpreter's lock.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("knockoff-limits")
            os.ftruncate(descriptor, _LIMITS.size)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _LIMITS.size)

    def set(self, seconds: float, memory: int | None = None) -> None:
        """From now on: so many seconds, and so many bytes more than the zygote has."""
        moment = time.monotonic() + seconds
        _LIMITS.pack_into(self._memory, 0, moment, _NONE if memory is None else float(memory))

    def clear(self) -> None:
        """No variable runs."""
        _LIMITS.pack_into(self._memory, 0, _NONE, _NONE)

    def left(self) -> float:
        """Seconds until the time is over, negative afterwards; infinite if it never is."""
        moment, _ = _LIMITS.unpack_from(self._memory)
        return float("inf") if moment == _NONE else moment - time.monotonic()

    def memory(self) -> float:
        """Bytes that may be used; infinite where no variable runs, or it has no limit."""
        _, memory = _LIMITS.unpack_from(self._memory)
        return float("inf") if memory == _NONE else memory

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)
