"""The folder of an embedded server: what lies in it, who may enter, how its socket is reached."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import socket
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

from knockoff.database.errors import DatabaseFolderError, NoSuchGroupError, NotYoursError
from knockoff.database.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SOCKET: Final = 107
"""Bytes in the name of a Unix socket on Linux, see unix(7)."""

NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.beegfs", "fuse.ceph", "fuse.glusterfs"}
    | {"fuse.s3fs", "fuse.sshfs", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"panfs", "pvfs2", "smb3", "smbfs", "virtiofs"}
)
"""File systems that more than one machine may have mounted."""

_OCTAL = re.compile(rb"\\([0-7]{3})")

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Names the running kernel: whoever shares it shares locks and sockets, whatever the hostname."""


@dataclass(frozen=True)
class Holder:
    """Who started the server that holds the lock, as the lock file says it."""

    host: str = "an unknown host"
    user: str = "somebody"
    boot: str = ""
    pid: int = 0

    @classmethod
    def here(cls) -> Self:
        """We, on this machine; the process is not yet known."""
        boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else socket.gethostname()
        return cls(socket.gethostname(), user_name(os.geteuid()), boot)

    @classmethod
    def read(cls, lock: Path) -> Self:
        """Read a lock file; what it does not say stays unknown."""
        try:
            said = dict(word.split("=", 1) for word in lock.read_text().split() if "=" in word)
        except (FileNotFoundError, UnicodeDecodeError):
            return cls()
        pid = said.pop("pid", "")
        known = {name: said[name] for name in ("host", "user", "boot") if name in said}
        return cls(**known, pid=int(pid) if pid.isdecimal() else 0)

    @property
    def is_of_this_kernel(self) -> bool:
        """False if the server surely runs, or ran, on another machine or before a restart."""
        return not self.boot or self.boot == self.here().boot

    def __str__(self) -> str:
        return f"of {self.user} on {self.host}" + (f" (pid {self.pid})" if self.pid else "")


@dataclass(frozen=True)
class DatabaseFolder:
    """Names in the folder; the folder itself may not be there yet."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """Name a folder so that a later change of directory does not matter."""
        return cls(path.absolute())

    @property
    def lock(self) -> Path:
        """Held by mongod, exactly as long as it lives; says who started it."""
        return self.path / "lock"

    @property
    def users(self) -> Path:
        """Held by everybody who works with the server."""
        return self.path / "users"

    @property
    def kept(self) -> Path:
        """There if the server stays when its last user leaves."""
        return self.path / "kept"

    @property
    def socket(self) -> Path:
        """Where mongod listens; relative to the folder it is always ``run/m.sock``."""
        return self.path / "run" / "m.sock"

    @property
    def log(self) -> Path:
        """What mongod says, in JSON lines."""
        return self.path / "log" / "mongod.log"

    @property
    def owner(self) -> int:
        """User id of the only one who may start the server."""
        return self.path.stat().st_uid

    @property
    def is_ours(self) -> bool:
        """Whether we own it; root would leave files behind that the owner cannot read."""
        return self.owner == os.geteuid()

    @property
    def group(self) -> str | None:
        """Name of the group it is shared with, if it is."""
        state = self.socket.parent.stat()
        if not state.st_mode & stat.S_IXGRP:
            return None
        try:
            return grp.getgrgid(state.st_gid).gr_name
        except KeyError:
            return str(state.st_gid)

    @property
    def network(self) -> str | None:
        """Kind of network file system the folder is on, if it is on one."""
        kind = filesystem_of(self.path.resolve(), Path("/proc/self/mountinfo"))
        return kind if kind in NETWORK else None

    def make(self) -> None:
        """Make the folder and what belongs in it, for its owner only.

        Raises
        ------
        DatabaseFolderError
            It cannot be made or used.
        NotYoursError
            It is another user's, and not shared with us.
        """
        with self.told():
            self.path.mkdir(mode=0o700, exist_ok=True)
            if not self.is_ours:
                return
            for name in ("data", "run", "log"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            for file in (self.lock, self.users):
                file.touch(mode=0o600)

    def open_lock(self, path: Path) -> FileLock:
        """Open one of the folder's lock files; errors as of `make`."""
        with self.told():
            return FileLock(path)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn an error of the file system into one that names folder, owner and way out."""
        try:
            yield
        except PermissionError as error:
            try:
                ours, owner = self.is_ours, user_name(self.owner)
            except OSError:
                raise DatabaseFolderError(self.path, _said(error)) from error
            if ours:
                raise DatabaseFolderError(self.path, _said(error)) from error
            raise NotYoursError(
                self.path,
                owner,
                "It is not shared with you: "
                f"ask {owner} to run `knockoff db share GROUP` with a group of yours.",
            ) from error
        except OSError as error:
            raise DatabaseFolderError(self.path, _said(error)) from error

    def for_owner(self, remedy: str) -> None:
        """Let only the owner pass; `remedy` says what others may do, with ``{owner}``."""
        if not self.is_ours:
            owner = user_name(self.owner)
            raise NotYoursError(self.path, owner, remedy.format(owner=owner))

    @property
    def way_in(self) -> Path:
        """Path of the socket that clients can use.

        One that is too long for the kernel, or has a comma (which separates
        hosts in a URI), is reached through a short link, made here.
        """
        path = self.socket
        if len(os.fsencode(path)) > LONGEST_SOCKET or "," in str(path) or not _is_text(path):
            return _link(path.parent) / path.name
        return path

    @property
    def uri(self) -> str:
        """Address for every MongoDB client on this machine."""
        return f"mongodb://{quote(str(self.way_in), safe='')}/?directConnection=true"


def share(path: Path, group: str | None) -> None:
    """Let a group of this host read and type; ``None`` takes that back.

    Works while the server runs; connections that are open stay open.

    Raises
    ------
    NoSuchGroupError
        There is no such group, or we are not in it.
    NotYoursError
        Only the owner shares.
    """
    folder = DatabaseFolder.at(path)
    folder.make()
    with folder.told():
        folder.for_owner("Ask {owner} to run `knockoff db share`.")
        run, door, files = folder.socket.parent, folder.socket, (folder.lock, folder.users)
        if group is not None:
            for item in (folder.path, run, *files, *([door] if door.exists() else [])):
                _give(item, folder.path, group)
        for file in files:
            file.chmod(0o640 if group else 0o600)
        if door.exists():
            door.chmod(0o660 if group else 0o600)
        run.chmod(0o2750 if group else 0o700)  # set-group-ID: the next socket is the group's too
        folder.path.chmod(0o750 if group else 0o700)


def _give(item: Path, folder: Path, group: str) -> None:
    try:
        os.chown(item, -1, grp.getgrnam(group).gr_gid)
    except KeyError as error:
        raise NoSuchGroupError(folder, group, "this machine knows none of that name") from error
    except PermissionError as error:
        raise NoSuchGroupError(folder, group, "you are not in it") from error


def filesystem_of(path: Path, mounts: Path) -> str:
    """Kind of file system that holds `path`, from a table as in proc_pid_mountinfo(5)."""
    kinds = {Path("/"): ""}
    if mounts.exists():
        for line in mounts.read_bytes().splitlines():
            mount, _, device = line.partition(b" - ")
            point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), mount.split()[4])
            kinds[Path(os.fsdecode(point))] = device.split()[0].decode()
    return next(kinds[place] for place in (path, *path.parents) if place in kinds)


def user_name(uid: int) -> str:
    """Name of a user, or the number where the system knows no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _link(run: Path) -> Path:
    """Short way to a folder, through a link that nobody else can turn elsewhere."""
    home = Path("/tmp") / f"knockoff-{os.geteuid()}"  # noqa: S108 - short for certain
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        state = home.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
            raise DatabaseFolderError(
                run.parent, f"its path is too long for a socket, and {home} is not ours alone"
            )
        link = home / hashlib.blake2b(os.fsencode(run), digest_size=6).hexdigest()
        if not link.is_symlink():
            aside = home / f"{link.name}.{os.getpid()}"
            aside.unlink(missing_ok=True)
            aside.symlink_to(run)
            aside.replace(link)
    except OSError as error:
        raise DatabaseFolderError(run.parent, _said(error)) from error
    return link


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _said(error: OSError) -> str:
    return f"{error.strerror} ({error.filename})" if error.filename else str(error)
