"""What can go wrong between knockoff and MongoDB, each with the way out of it.

DatabaseError
├── UnusableUriError         the address is written wrongly
├── UnreachableError         nobody answers there
├── AccessRefusedError       the server knows neither us nor our password
├── UnfitServerError         it answers, but cannot do what knockoff needs
├── LayoutError              the database was written by another knockoff
├── RestoreCutOffError       a backup is only half put in place
├── UnstorableError          MongoDB does not take a value, or the row gets too large
└── EmbeddedServerError      the server that knockoff starts itself
    ├── NoServerProgramError     there is no mongod to start
    ├── MissingLibraryError      it lacks a library of the system
    ├── ServerEndedError         it ended while it started
    ├── ServerSilentError        it runs and does not answer
    ├── ServerElsewhereError     it runs on another machine
    ├── ServerInUseError         others work with it
    ├── NotYoursError            the folder belongs to somebody else
    ├── NetworkDiskError         the folder is on a network file system
    ├── NoSuchGroupError         it cannot be shared with this group
    └── DatabaseFolderError      the folder cannot be used
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

REAL_SERVER = 'use a server of its own: database = "mongodb://…" in knockoff.toml'
"""The way on that is always open, as the end of a sentence."""


class UnusableUriError(DatabaseError):
    """The address of the server is written in a way that no driver understands."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.uri}: not a usable MongoDB address: {self.reason}. "
            "Write it as mongodb://user:password@host:27017/?replicaSet=rs0."
        )


class UnreachableError(DatabaseError):
    """Nobody answers at the address, or no longer does."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.uri}: MongoDB does not answer: {self.reason}. "
            "Start the server, or correct `database` in knockoff.toml or KNOCKOFF_DATABASE."
        )


class AccessRefusedError(DatabaseError):
    """The server refuses the user, the password, or what the user may do."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.uri}: MongoDB refuses access: {self.reason}. "
            "Check user and password (and authSource=admin) in KNOCKOFF_DATABASE, "
            "and that the user may read and write this database."
        )


class UnfitServerError(DatabaseError):
    """The server answers and lacks something that knockoff cannot do without."""

    def __init__(self, uri: str, lack: str, remedy: str) -> None:
        super().__init__(uri, lack, remedy)
        self.uri = uri
        self.lack = lack
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.uri}: {self.lack}. {self.remedy}"


class LayoutError(DatabaseError):
    """A database whose layout this version of knockoff does not write."""

    def __init__(self, database: str, found: object, known: int) -> None:
        super().__init__(database, found, known)
        self.database = database
        self.found = found
        self.known = known

    def __str__(self) -> str:
        where = f"Database {self.database} has layout version {self.found!r}"
        if not isinstance(self.found, int) or isinstance(self.found, bool):
            return (
                f"{where}, which is none. "
                "Restore the document {_id: 'layout'} of its collection knockoff.layout."
            )
        if self.found > self.known:
            return (
                f"{where}, written by a newer knockoff; this one knows {self.known}. "
                "Upgrade: pip install --upgrade knockoff."
            )
        return (
            f"{where}; this knockoff writes {self.known}. "
            "Open it with the knockoff that wrote it: this one reads no older layout."
        )


class RestoreCutOffError(DatabaseError):
    """A backup was being put in place, and whoever did it was killed, or is still at it."""

    def __init__(self, database: str) -> None:
        super().__init__(database)
        self.database = database

    def __str__(self) -> str:
        return (
            f"Database {self.database} is being restored from a backup. If nobody is at it any "
            "more, it was cut off, with all data there: `knockoff db restore --finish` ends it."
        )


class EmbeddedServerError(DatabaseError):
    """The server that knockoff starts for a workspace cannot serve."""


class NoServerProgramError(EmbeddedServerError):
    """There is no mongod for this machine, or not where the setting says."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return (
            f"No MongoDB server to start: {self.where}. Install MongoDB 6 or newer so that "
            f"`mongod` is on PATH, or name it by KNOCKOFF_MONGOD, or {REAL_SERVER}."
        )


class MissingLibraryError(EmbeddedServerError):
    """The system lacks a shared library that mongod is linked to."""

    def __init__(self, mongod: Path, library: str, package: str | None) -> None:
        super().__init__(mongod, library, package)
        self.mongod = mongod
        self.library = library
        self.package = package

    def __str__(self) -> str:
        install = f"apt-get install {self.package}" if self.package else "with the system's tools"
        return (
            f"{self.mongod}: mongod needs {self.library}, which this machine lacks. "
            f"Install it ({install}), or {REAL_SERVER}."
        )


class ServerEndedError(EmbeddedServerError):
    """mongod ended while it started; its log says why."""

    def __init__(self, folder: Path, log: Path, reason: str) -> None:
        super().__init__(folder, log, reason)
        self.folder = folder
        self.log = log
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.folder}: the MongoDB server ended while it started: {self.reason}. "
            f"Put that right and try again; all it said is in {self.log}."
        )


class ServerSilentError(EmbeddedServerError):
    """A server holds the lock and does not serve, or does not end."""

    def __init__(self, folder: Path, holder: str, log: Path, seconds: float) -> None:
        super().__init__(folder, holder, log, seconds)
        self.folder = folder
        self.holder = holder
        self.log = log
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"{self.folder}: the MongoDB server {self.holder} neither serves nor ends "
            f"after {self.seconds:.0f} s. Look into {self.log}; "
            "to end it by `kill -9` is safe, nothing that was stored is lost."
        )


class ServerElsewhereError(EmbeddedServerError):
    """Another machine serves this folder; a socket does not reach from there to here."""

    def __init__(self, folder: Path, host: str, user: str, socket: Path) -> None:
        super().__init__(folder, host, user, socket)
        self.folder = folder
        self.host = host
        self.user = user
        self.socket = socket

    def __str__(self) -> str:
        return (
            f"{self.folder}: its MongoDB server was started on {self.host} by {self.user}, "
            f"and only that machine reaches it. Work on {self.host}; or forward its socket: "
            f"`ssh -N -L /tmp/knockoff.sock:{self.socket} {self.host}` and set "
            "KNOCKOFF_DATABASE=mongodb://%2Ftmp%2Fknockoff.sock/?directConnection=true; "
            f"or {REAL_SERVER}. If {self.host} is gone for good, remove {self.folder / 'lock'}."
        )


class ServerInUseError(EmbeddedServerError):
    """The server is not stopped under the feet of those who work with it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return (
            f"{self.folder}: other knockoff commands are working with this MongoDB server. "
            "End them first (listen, tui, …), or stop it with --force."
        )


class NotYoursError(EmbeddedServerError):
    """Somebody else owns the database folder, and only the owner may do this."""

    def __init__(self, folder: Path, owner: str, remedy: str) -> None:
        super().__init__(folder, owner, remedy)
        self.folder = folder
        self.owner = owner
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.folder}: this database belongs to {self.owner}. {self.remedy}"


class NetworkDiskError(EmbeddedServerError):
    """The folder is on a file system where locks and sockets are not to be trusted."""

    def __init__(self, folder: Path, filesystem: str) -> None:
        super().__init__(folder, filesystem)
        self.folder = folder
        self.filesystem = filesystem

    def __str__(self) -> str:
        return (
            f"{self.folder} is on a network file system ({self.filesystem}), where MongoDB may "
            f"lose data. Put the database folder on a local disk, or {REAL_SERVER}."
        )


class NoSuchGroupError(EmbeddedServerError):
    """The folder cannot be given to a group of this name."""

    def __init__(self, folder: Path, group: str, reason: str) -> None:
        super().__init__(folder, group, reason)
        self.folder = folder
        self.group = group
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.folder}: cannot be shared with the group {self.group!r}: {self.reason}. "
            "The command `groups` lists those that you can share with."
        )


class DatabaseFolderError(EmbeddedServerError):
    """The database folder cannot be made, read or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.folder}: cannot be used as database folder: {self.reason}. "
            "See to its permissions and to the space on its disk."
        )


class UnstorableError(DatabaseError):
    """MongoDB does not take a value, or the row would be too large with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"MongoDB does not store this: {self.reason} "
            f"Return an array, which goes to HDF5, or something smaller."
        )
