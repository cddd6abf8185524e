"""The embedded server's life: started by whoever comes first, stopped by whoever leaves last."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.database import locks
from knockoff.database.client import ConnectionFailure, OperationFailure, connection
from knockoff.database.errors import (
    NetworkDiskError,
    ServerElsewhereError,
    ServerInUseError,
    ServerSilentError,
)
from knockoff.database.folder import DatabaseFolder, Holder
from knockoff.database.locks import POLL
from knockoff.database.mongod import REPLICA_SET, bound_log, launch, why_it_ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds for a start, which after a crash begins with a recovery, or for an end."""

ANSWER: Final = 2.0
"""Seconds for a server that listens, to answer."""

READERS_GRACE: Final = 1.0
"""Seconds in which a lock file may still name the server before the present one."""

LAUNCHES: Final = 2
"""A server that somebody killed deserves a second start; one that ends twice has a reason."""


@dataclass(frozen=True)
class ServerAddress:
    """Where a running embedded server is reached from this machine."""

    folder: Path
    uri: str


@dataclass(frozen=True)
class ServerStatus:
    """What can be said of a folder's server without asking it."""

    folder: Path
    running: bool
    """Whether a mongod of this folder lives; it may still be starting."""
    kept: bool
    """Whether it stays when its last user leaves."""
    holder: Holder
    """Who started it, or the one before it."""
    group: str | None
    """Whom it is shared with."""


@asynccontextmanager
async def embedded(
    path: Path, *, stop_when_idle: bool = True, network_disk: bool = False
) -> AsyncIterator[str]:
    """Have a server for as long as the body runs; yield its address.

    Started if nobody did, shared with all others, stopped by the last one to
    leave, unless somebody wants it kept. `path` is the database folder, made
    if it is missing; on a network file system only with `network_disk`.

    Raises
    ------
    EmbeddedServerError
        It cannot serve; see `knockoff.database.errors`.
    """
    folder = DatabaseFolder.at(path)
    folder.make()
    try:
        async with locks.shared(folder.open_lock(folder.users)):
            await _serve(folder, keep=not stop_when_idle, network_disk=network_disk)
            yield folder.uri
    finally:
        await _leave(folder)


async def ensure_running(
    path: Path, *, keep: bool = False, network_disk: bool = False
) -> ServerAddress:
    """Start the server if nobody did, wait until it serves, and leave it running.

    With `keep` it stays until `stop`, else until the last user of `embedded`
    leaves.

    Raises
    ------
    EmbeddedServerError
        It cannot serve; see `knockoff.database.errors`.
    """
    folder = DatabaseFolder.at(path)
    folder.make()
    async with locks.shared(folder.open_lock(folder.users)):
        await _serve(folder, keep=keep, network_disk=network_disk)
    return ServerAddress(folder.path, folder.uri)


async def stop(path: Path, *, even_if_used: bool = False) -> bool:
    """End the server and wait until it is gone; false if there was none.

    Raises
    ------
    ServerInUseError
        Others work with it, and not `even_if_used`.
    NotYoursError
        Its owner wants it kept.
    ServerSilentError
        It does not end.
    """
    folder = DatabaseFolder.at(path)
    if not folder.path.exists():
        return False
    with folder.open_lock(folder.users) as users:
        if not users.taken() and not even_if_used:
            raise ServerInUseError(folder.path)
        with folder.told():
            if folder.kept.exists():
                folder.for_owner("Its server is kept running: only {owner} stops it.")
                folder.kept.unlink()
            if not locks.is_held(folder.lock):
                return False
        await _ask_to_end(folder)
        await _see_it_gone(folder)
    return True


def status(path: Path) -> ServerStatus:
    """Look at a folder's server without starting, asking or disturbing it.

    Raises
    ------
    NotYoursError
        It belongs to somebody else and is not shared with us.
    """
    folder = DatabaseFolder.at(path)
    if not folder.path.exists():
        return ServerStatus(folder.path, running=False, kept=False, holder=Holder(), group=None)
    with folder.told():
        return ServerStatus(
            folder=folder.path,
            running=locks.is_held(folder.lock),
            kept=folder.kept.exists(),
            holder=Holder.read(folder.lock),
            group=folder.group,
        )


def uri(path: Path) -> str:
    """Address of a folder's server, whether it runs or not, for Compass and mongosh too."""
    return DatabaseFolder.at(path).uri


async def _serve(folder: DatabaseFolder, *, keep: bool, network_disk: bool) -> None:
    """Come back when the server serves. To be called while `folder.users` is held."""
    begun = time.monotonic()
    launches = 0
    words = 0
    while (waited := time.monotonic() - begun) < PATIENCE:
        with folder.open_lock(folder.lock) as lock, folder.told():
            if lock.taken():
                _refuse_to_launch(folder, network_disk=network_disk)
                if launches == LAUNCHES:
                    raise why_it_ended(folder, words)
                launches += 1
                words = launch(folder, lock)
                log.debug("Started the MongoDB server of %s", folder.path)
        if await _serves(folder):
            with folder.told():
                if folder.is_ours:
                    bound_log(folder)
                if keep:
                    folder.kept.touch(mode=0o600)
            return
        if waited > READERS_GRACE and not Holder.read(folder.lock).is_of_this_kernel:
            raise _elsewhere(folder)
        await asyncio.sleep(POLL)
    raise ServerSilentError(folder.path, str(Holder.read(folder.lock)), folder.log, PATIENCE)


def _refuse_to_launch(folder: DatabaseFolder, *, network_disk: bool) -> None:
    folder.for_owner("Its server is not running: ask {owner} to run `knockoff db start`.")
    if filesystem := folder.network:
        holder = Holder.read(folder.lock)
        if holder.boot and holder.host != Holder.here().host:
            raise _elsewhere(folder)  # a lock that we got says little here: it may end at a host
        if not network_disk:
            raise NetworkDiskError(folder.path, filesystem)


def _elsewhere(folder: DatabaseFolder) -> ServerElsewhereError:
    holder = Holder.read(folder.lock)
    return ServerElsewhereError(folder.path, holder.host, holder.user, folder.socket)


async def _serves(folder: DatabaseFolder) -> bool:
    """Whether the server is there and takes writes; a new replica set is initiated on the way.

    Everybody who waits may initiate it: the second one to do so is refused
    without harm, and nobody depends on a starter that was killed in between.
    """
    if not _is_listening(folder.way_in):
        return False
    with suppress(ConnectionFailure, OperationFailure):
        async with connection(folder.uri, patience=ANSWER) as client:
            hello = await client.admin.command("hello")
            if hello.get("isreplicaset") and "setName" not in hello:
                await client.admin.command("replSetInitiate", REPLICA_SET)
            return bool(hello.get("isWritablePrimary"))
    return False


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


async def _leave(folder: DatabaseFolder) -> None:
    """Stop the server if nobody is left; it takes a second to end and need not be watched."""
    with folder.open_lock(folder.users) as users:
        if not users.taken() or folder.kept.exists() or not locks.is_held(folder.lock):
            return
        if folder.network:
            await _ask_to_end(folder)
            await _see_it_gone(folder)
        elif _is_listening(folder.way_in):
            await _end_service(folder)
        else:  # we gave up while it was starting
            await _ask_to_end(folder)


async def _end_service(folder: DatabaseFolder) -> None:
    """Who comes now must not be served by a server that is about to cut them off."""
    with suppress(ConnectionFailure, OperationFailure):
        async with connection(folder.uri, patience=ANSWER) as client:
            hello = await client.admin.command("hello")  # in, before it closes the door
            await _ask_to_end(folder)
            while hello.get("isWritablePrimary"):
                await asyncio.sleep(POLL)
                hello = await client.admin.command("hello")


async def _ask_to_end(folder: DatabaseFolder) -> None:
    """Begin a clean shutdown: by signal where the process is ours, else by command."""
    holder = Holder.read(folder.lock)
    if _has_open(holder.pid, folder.lock):
        with suppress(ProcessLookupError):
            os.kill(holder.pid, signal.SIGTERM)
        return
    with suppress(ConnectionFailure, OperationFailure):
        async with connection(folder.uri, patience=ANSWER) as client:
            await client.admin.command("shutdown")


async def _see_it_gone(folder: DatabaseFolder) -> None:
    """Wait for the lock, and let its file name nobody: another host may read it."""
    begun = time.monotonic()
    with folder.open_lock(folder.lock) as lock:
        while not lock.taken():
            if time.monotonic() - begun > PATIENCE:
                holder = str(Holder.read(folder.lock))
                raise ServerSilentError(folder.path, holder, folder.log, PATIENCE)
            await asyncio.sleep(POLL)
        if folder.is_ours:
            lock.write("")


def _has_open(pid: int, path: Path) -> bool:
    """Whether the process is ours and has the file open: a pid alone may be another's by now."""
    try:
        return any(item.samefile(path) for item in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
