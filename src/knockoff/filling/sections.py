"""The log of a run: what its variables printed, under one heading per attempt."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from os import getpid
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from knockoff.filling.messages import RunTask

HEADING: Final = re.compile(
    r"^=== (?P<moment>\S+ \S+) p(?P<proposal>\d+) r(?P<run>\d+) (?P<table>\S+), "
    r"attempt (?P<attempt>\S+), (?P<host>\S+) pid (?P<pid>\d+)$"
)

COMPUTES: Final = "--- computes "
"""In front of the variables that a process was asked for, separated by commas."""

LAUNCHED: Final = "--- launched for "
"""In front of a variable and the command that is to submit its value."""


@dataclass(frozen=True)
class Heading:
    """Whose output stands below: one process of one attempt."""

    moment: datetime
    table: str
    attempt: str
    """Cause and number, as in ``raw-1``."""

    host: str
    pid: int

    def is_of(self, attempt: str) -> bool:
        """Whether somebody means this one by ``raw-1``, or by its number alone."""
        return attempt in (self.attempt, self.attempt.rpartition("-")[2])


def log_name(proposal: int, run: int) -> str:
    """The name of a run's log, in the folder of them."""
    return f"r{run:04d}-p{proposal}.log"


def launched_log_name(proposal: int, run: int, table: str, variable: str, attempt: str) -> str:
    """The name of the log of a program that a variable has launched."""
    return f"r{run:04d}-p{proposal}.{table}.{variable}.{attempt}.log"


def launched_log_pattern(proposal: int, run: int) -> str:
    """Which names the logs of all programs have that were launched for a run."""
    return f"r{run:04d}-p{proposal}.*.log"


def run_of(name: str, proposal: int) -> int | None:
    """The run whose log has this name; None if it is no log of the proposal."""
    match = re.fullmatch(rf"r(\d+)-p{proposal}\.log", name)
    return int(match[1]) if match else None


def heading_in(line: str) -> Heading | None:
    """The heading that a line of a log is; None if it is something else."""
    match = HEADING.match(line.rstrip("\n"))
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match["moment"])
    except ValueError:
        return None
    return Heading(moment, match["table"], match["attempt"], match["host"], int(match["pid"]))


def variables_in(line: str) -> tuple[str, ...]:
    """The variables that a line of a log announces; none if it is something else."""
    if line.startswith(LAUNCHED):
        return (line[len(LAUNCHED) :].partition(":")[0],)
    if not line.startswith(COMPUTES):
        return ()
    return tuple(line[len(COMPUTES) :].strip().split(", "))


def open_section(log: Path, task: RunTask) -> None:
    """Write the heading of what this process is going to print."""
    _append(log, heading(task.proposal, task.run, task.collection, task.attempt))


def heading(proposal: int, run: int, table: str, attempt: str) -> str:
    """The line, with its end, above what this process prints."""
    moment = datetime.now(timezone.utc).isoformat(" ", "seconds")
    return (
        f"=== {moment} p{proposal} r{run:04d} {table}, attempt {attempt}, "
        f"{socket.gethostname()} pid {getpid()}\n"
    )


def announce(log: Path, names: Sequence[str]) -> None:
    """Write what is computed next."""
    _append(log, f"{COMPUTES}{', '.join(names)}\n")


def note(log: Path, text: str) -> None:
    """Write what the recorder has to say beside what the variables print."""
    _append(log, f"--- {text}\n")


def _append(log: Path, line: str) -> None:
    """Write to the log by its name: user code may have made something else of stdout."""
    with suppress(OSError), log.open("ab", buffering=0) as file:  # a full disk stops nobody
        file.write(line.encode())
