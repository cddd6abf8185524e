"""Results that may not be stored yet, on disk: a JSON line each, and a lock while more may come.

Every result is written here before it is told, and the file goes when all are stored.
A worker whose recorder was killed finishes what it was asked for. Whoever records next
finds the results here, even if the worker was killed too, and sees by the lock whether
it still lives.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.filling.messages import Result, RunTask, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from knockoff.filling.messages import Message

log = logging.getLogger(__name__)

SUFFIX: Final = ".jsonl"
_PAUSE_S: Final = 0.2


@dataclass(frozen=True)
class SpoolHeader:
    """What the worker behind a spool was asked for."""

    proposal: int
    run: int
    collection: str
    attempt: str
    variables: tuple[str, ...]


class SpoolWriter:
    """The worker's side: holds the lock until its process ends, and writes where it must."""

    def __init__(self, path: Path, task: RunTask) -> None:
        self._path = path
        self._task = task
        self._descriptor = _created_and_locked(path)
        self._file = os.fstat(self._descriptor)

    def asked(self, variables: tuple[str, ...]) -> None:
        """Say what this worker computes now; a later header replaces an earlier one."""
        task = self._task
        header = SpoolHeader(task.proposal, task.run, task.collection, task.attempt, variables)
        self._write({"header": asdict(header)})

    def add(self, result: Result) -> None:
        """Write one result, which from now on outlives this process."""
        self._write(to_json(result))

    def stored(self, variables: list[str]) -> None:
        """The results of these are safe elsewhere."""
        self._write({"stored": variables})

    def sync(self) -> None:
        """Let what was written outlive the machine."""
        os.fsync(self._descriptor)

    def remove(self) -> None:
        """Nothing is left to be told."""
        self._path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Let go of the file; for processes that were forked off and hold no lock."""
        os.close(self._descriptor)

    def _write(self, document: dict[str, Any]) -> None:
        if not os.path.samestat(os.fstat(self._descriptor), self._file):
            raise OSError(errno.EBADF, "user code has closed the spool and opened another file")
        size = os.fstat(self._descriptor).st_size
        line = memoryview(json.dumps(document).encode() + b"\n")
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:  # the disk is full: half a line would spoil the next one
            os.ftruncate(self._descriptor, size)
            raise


def _created_and_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o660)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # somebody removed it before the lock was ours


@dataclass(frozen=True)
class Spool:
    """The recorder's side: what one worker left, or is about to leave."""

    path: Path
    header: SpoolHeader

    def is_held(self) -> bool:
        """Whether the worker still lives and may write more."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    async def results(
        self, read: Callable[[dict[str, Any]], Message] = from_json
    ) -> AsyncIterator[Result]:
        """Wait for the worker's end, then give what is not stored in the order of its coming.

        A last line that was not written to its end is left out: its variable is due
        again. `read` makes a message of a line and raises ValueError where it is none.
        """
        while await asyncio.to_thread(self.is_held):  # noqa: ASYNC110  # another process holds it
            await asyncio.sleep(_PAUSE_S)
        found: dict[str, Result] = {}
        for document in await asyncio.to_thread(lambda: tuple(_documents(self.path))):
            if "header" in document:
                continue
            if "stored" in document:
                for name in document["stored"]:
                    found.pop(name, None)
                continue
            try:
                message = read(document)
            except ValueError as error:
                log.warning("A line of %s was left out: %s", self.path, error)
                continue
            if isinstance(message, Result):
                found[message.variable] = message
        for result in found.values():
            yield result

    def remove(self) -> None:
        """Forget it, when all of it is stored."""
        self.path.unlink(missing_ok=True)


def spools_in(folder: Path) -> tuple[Spool, ...]:
    """All spools in a folder, by name; none where a worker has not been asked for anything."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        header = _header(path)
        if header is not None:
            found.append(Spool(path, header))
    return tuple(found)


def spool_path(folder: Path, task: RunTask, lane: int = 1) -> Path:
    """Where the worker of a task leaves its results; of several at once each has its own."""
    attempt = task.attempt if lane == 1 else f"{task.attempt}.{lane}"
    return folder / f"{task.collection}.p{task.proposal:06d}r{task.run:04d}.{attempt}{SUFFIX}"


def _header(path: Path) -> SpoolHeader | None:
    found = None
    for document in _documents(path):
        if "header" in document:
            found = document["header"]
    try:
        return found and SpoolHeader(**{**found, "variables": tuple(found["variables"])})
    except (TypeError, KeyError):
        return None  # not a spool of ours


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # its worker has just removed it
        return
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        try:
            document = json.loads(line)
        except ValueError:
            log.warning("A line of %s is no JSON and was left out.", path)
            continue
        if isinstance(document, dict):
            yield document
