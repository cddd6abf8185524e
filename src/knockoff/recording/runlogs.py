"""What the variables of a run printed: its log, read to the end or followed while it grows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.jobentries import job_entries
from knockoff.database.jobs import open_jobs
from knockoff.database.registry import table_names
from knockoff.errors import RunDataError
from knockoff.filling.sections import (
    heading_in,
    launched_log_pattern,
    log_name,
    run_of,
    variables_in,
)
from knockoff.recording.outside import waiting_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.runkey import RunKey

PAUSE: Final = 0.25
"""Seconds between two looks at a log that is followed."""

PATIENCE: Final = 3.0
"""Seconds in which whoever listens would have taken a job."""

CHUNK: Final = 1_000_000


class NoLogError(RunDataError):
    """Nothing of this run was ever computed here, or its log was removed."""

    def __init__(self, key: RunKey, folder: Path, near: tuple[int, ...]) -> None:
        super().__init__(key, folder, near)
        self.key = key
        self.folder = folder
        self.near = near

    def __str__(self) -> str:
        others = f" There are logs of runs {', '.join(map(str, self.near))}." if self.near else ""
        return (
            f"Run {self.key.run} has no log in {self.folder}: no variable of it was computed from "
            f"here.{others} `knockoff process {self.key.run}` computes it."
        )


class NoAttemptError(RunDataError):
    """The log of a run has no section of the attempt that was asked for."""

    def __init__(self, path: Path, attempt: str, known: tuple[str, ...]) -> None:
        super().__init__(path, attempt, known)
        self.path = path
        self.attempt = attempt
        self.known = known

    def __str__(self) -> str:
        there = f"it has {', '.join(self.known)}" if self.known else "it has no sections"
        return (
            f"{self.path.name} has no section of attempt {self.attempt}; {there}. Leave out "
            f"--attempt to read all of it."
        )


class RunLog:
    """Reads the log of one run from its beginning; each line once.

    Parameters
    ----------
    folder:
        Where the logs are.
    attempt:
        Only the sections of this one, as ``raw-1`` or ``1``; empty for all.
    """

    def __init__(self, folder: Path, key: RunKey, attempt: str = "") -> None:
        self.path = folder / log_name(key.proposal, key.run)
        self._key = key
        self._attempt = attempt
        self._files: dict[Path, _File] = {}
        self._known: dict[str, None] = {}

    def lines(self, *, at_end: bool = True) -> Iterator[str]:
        """What was written since the last call, without line ends.

        First what the run's workers printed, then each program that a variable has launched.

        Parameters
        ----------
        at_end:
            Whether nothing more is to come, so that a line without an end is one, too.

        Raises
        ------
        NoLogError
            There is no log.
        NoAttemptError
            It is read to its end, and has no section of the attempt.
        """
        found = False
        for path in self._paths():
            file = self._files.setdefault(path, _File(path, is_wanted=not self._attempt))
            try:
                yield from self._wanted(file, file.new_lines(at_end=at_end))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise RunDataError(
                    f"{path} cannot be read: {error.strerror}. Ask whoever owns it to open it "
                    f"for your group."
                ) from error
            found = True
        if at_end and not found:
            raise NoLogError(self._key, self.path.parent, self._near())
        if at_end and self._attempt and not self._is_known():
            raise NoAttemptError(self.path, self._attempt, tuple(self._known))

    def _paths(self) -> list[Path]:
        """The run's log, and those of launched programs, the oldest first."""
        pattern = launched_log_pattern(self._key.proposal, self._key.run)
        launched = [path for path in self.path.parent.glob(pattern) if path not in self._files]
        known = [path for path in self._files if path != self.path]
        return [self.path, *known, *sorted(launched, key=_begin)]

    def sections(self) -> list[dict[str, Any]]:
        """The same as one object for each process that wrote into it; errors as of `lines`."""
        found: list[dict[str, Any]] = []
        for line in self.lines():
            heading = heading_in(line)
            if heading is not None:
                found.append(
                    {
                        "table": heading.table,
                        "attempt": heading.attempt,
                        "started_at": heading.moment,
                        "host": heading.host,
                        "pid": heading.pid,
                        "variables": [],
                        "lines": [],
                    }
                )
            elif not found:
                found.append({"attempt": None, "variables": [], "lines": [line]})
            elif names := variables_in(line):
                found[-1]["variables"] += names
            else:
                found[-1]["lines"].append(line)
        return found

    def _wanted(self, file: _File, lines: Iterable[bytes]) -> Iterator[str]:
        for each in lines:
            line = each.decode("utf-8", "replace")
            heading = heading_in(line) if line.startswith("===") else None
            if heading is not None:
                self._known[heading.attempt] = None
                file.is_wanted = not self._attempt or heading.is_of(self._attempt)
            if file.is_wanted:
                yield line

    def _is_known(self) -> bool:
        return any(self._attempt in (each, each.rpartition("-")[2]) for each in self._known)

    def _near(self) -> tuple[int, ...]:
        """The runs nearest to this one that have a log."""
        try:
            names = [each.name for each in self.path.parent.iterdir()]
        except OSError:
            return ()
        runs = {run for name in names if (run := run_of(name, self._key.proposal)) is not None}
        return tuple(sorted(sorted(runs, key=lambda run: abs(run - self._key.run))[:3]))


@dataclass
class _File:
    """How far one file is read, and whether its current section is wanted."""

    path: Path
    is_wanted: bool
    read: int = 0
    half: bytes = b""

    def new_lines(self, *, at_end: bool) -> Iterator[bytes]:
        """Whole lines since the last call, and the last one without an end if nothing follows."""
        with self.path.open("rb") as file:
            self.read = min(self.read, file.seek(0, 2))  # one that got too long was cut
            file.seek(self.read)
            while chunk := file.read(CHUNK):
                self.read += len(chunk)
                *whole, self.half = (self.half + chunk).split(b"\n")
                yield from whole
        if at_end and self.half:
            half, self.half = self.half, b""
            yield half


def _begin(path: Path) -> tuple[float, str]:
    """When a log was begun, as its heading says."""
    try:
        with path.open("rb") as file:
            found = heading_in(file.readline(1000).decode("utf-8", "replace"))
    except OSError:
        found = None
    return (found.moment.timestamp() if found is not None else 0.0, path.name)


async def followed(
    database: Database, log: RunLog, key: RunKey, on_wait: Callable[[datetime], None]
) -> AsyncIterator[str]:
    """The lines of a log as they are written, until no job of its run is open.

    Nor any program awaited that a variable has launched.

    Parameters
    ----------
    on_wait:
        Told once that a job waits and nobody takes it, and since when.

    Raises
    ------
    NoLogError, NoAttemptError
        The jobs are done, and there is nothing to be read.
    """
    tables = await table_names(database)
    clock = asyncio.get_running_loop().time
    at_work, is_told = clock(), False
    while True:
        # asked first: what they wrote is there then
        jobs: list[object] = [*await open_jobs(database, tables, key)]
        jobs += await waiting_in(database, tables, [key.run])
        for line in await asyncio.to_thread(lambda: list(log.lines(at_end=False))):
            yield line
        if not jobs:
            break
        if not is_told and clock() - at_work > PATIENCE:
            entries = await job_entries(database, ("queued", "running"), [key.run])
            if any(each.state == "running" and not each.is_abandoned for each in entries):
                at_work = clock()
            elif entries:
                is_told = True
                on_wait(min(each.created_at for each in entries))
        await asyncio.sleep(PAUSE)
    for line in await asyncio.to_thread(lambda: list(log.lines())):
        yield line
