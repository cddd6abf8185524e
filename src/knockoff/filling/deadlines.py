"""Until when the running variable may run, in memory that a fork shares with its zygote."""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Final

_MOMENT: Final = struct.Struct("d")
_NEVER: Final = 0.0


class Deadline:
    """A moment on the monotonic clock, set in one process and read in another.

    Shared memory, and not a message, because the zygote then knows it even when
    user code has closed all file descriptors or holds the interpreter's lock.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("knockoff-deadline")
            os.ftruncate(descriptor, _MOMENT.size)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _MOMENT.size)

    def set(self, seconds: float) -> None:
        """Let it pass so many seconds from now."""
        _MOMENT.pack_into(self._memory, 0, time.monotonic() + seconds)

    def clear(self) -> None:
        """Let it never pass."""
        _MOMENT.pack_into(self._memory, 0, _NEVER)

    def left(self) -> float:
        """Seconds until it passes, negative afterwards; infinite if it never does."""
        (moment,) = _MOMENT.unpack_from(self._memory)
        return float("inf") if moment == _NEVER else moment - time.monotonic()

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)
