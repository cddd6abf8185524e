"""File locks that the kernel lets go when their last holder dies, however it dies."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType

POLL = 0.01
"""Seconds between two looks at something that another process will change."""


class FileLock:
    """An open lock file: nobody, many (shared) or one (exclusive) hold it.

    The lock belongs to the open file, so a child that inherits `descriptor`
    holds it too, for as long as it lives; `close` in the parent leaves it to
    the child, `release` takes it from both.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError:  # a colleague's file: flock asks for no more than to read it
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def descriptor(self) -> int:
        """What a child inherits to hold the lock."""
        return self._descriptor

    def taken(self, *, shared: bool = False) -> bool:
        """Take the lock if that is possible now."""
        try:
            fcntl.flock(
                self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
            )
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go, also on behalf of those who inherited the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def write(self, text: str) -> None:
        """Replace what the lock file says."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def close(self) -> None:
        """Close the file; whoever inherited the lock keeps it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock exclusively."""
    if not path.exists():
        return False
    with FileLock(path) as lock:
        return not lock.taken(shared=True)


@asynccontextmanager
async def shared(lock: FileLock) -> AsyncIterator[None]:
    """Hold the lock together with others; wait while somebody holds it alone."""
    with lock:
        while not lock.taken(shared=True):  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(POLL)
        try:
            yield
        finally:
            lock.release()
