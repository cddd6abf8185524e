"""Who does something: a process, told from all others, and the person behind it."""

from __future__ import annotations

import getpass
import os
import socket
from functools import cache
from pathlib import Path


def this_person() -> str:
    """The user's name; ``uid1000`` where the system knows none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the one until Python 3.12, the other from 3.13 on
        return f"uid{os.getuid()}"


def this_owner() -> str:
    """Name this process, so that nobody takes another for it that gets the same number later."""
    return _owner(os.getpid())


@cache
def _owner(pid: int) -> str:
    return owner_of(pid)  # the same as long as it lives


def owner_of(pid: int) -> str:
    """The same of any process on this host; one that is gone already is dead by its name."""
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def is_dead(owner: str) -> bool:
    """Whether an owner on this host is gone; of other hosts only the lease can tell."""
    host, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    now = _started(int(pid))
    return not now or now != started


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty if there is none.

    References
    ----------
    proc_pid_stat(5): field 22, counted behind the name in parentheses.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
