"""Take away what nothing refers to any more: arrays that were replaced, leftovers of the dead.

A file is taken only if it is certain that no result is on its way to refer to it: the history
knows a newer result of its variable, or it has been lying there for the time of grace. The
files are listed first and the rows are read last, and a run that is being filled is left alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from knockoff.arrays.sweeping import StoredFile, files_in, remove
from knockoff.database.trash import deletions, empty, trashed_files
from knockoff.database.versions import (
    InUse,
    Version,
    forget_previews,
    in_use,
    mark_swept,
    named_files,
    newest_results,
    unmark_swept,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.database.trash import Deletion, TrashedFiles

Why = Literal["replaced", "unfinished", "unknown", "deleted", "run deleted"]
"""Why nobody needs a file; ``unknown`` is one that neither row nor history has ever named.

``deleted`` is one that only the trash names, which is emptied by the same sweep.
"""


@dataclass(frozen=True)
class Sweep:
    """What can be taken away, or was."""

    swept: tuple[tuple[StoredFile, Why], ...]
    waiting: tuple[StoredFile, ...]
    """Not certain yet: too young, or of a run that is being filled."""
    versions: tuple[Version, ...]
    """Of the history, whose arrays are in `swept`."""
    deletions: tuple[Deletion, ...] = ()
    """That cannot be undone afterwards."""

    @property
    def freed(self) -> int:
        """Bytes on the disk."""
        return sum(file.nbytes for file, _ in self.swept)


async def plan_sweep(
    database: Database,
    folder: Path,
    proposal: int,
    *,
    runs: Collection[int] | None = None,
    keep: int = 0,
    keep_deleted: bool = False,
    grace: timedelta,
) -> Sweep:
    """Find what can be taken away; nothing is changed.

    Parameters
    ----------
    keep:
        How many replaced versions of each array stay.
    keep_deleted:
        Whether what was deleted can still be had back afterwards.
    grace:
        How long a file stays of which it is not known whether a result refers to it soon.
    """
    files = await asyncio.to_thread(files_in, folder, proposal)
    if runs is not None:
        files = [each for each in files if each.run in runs]
    remembered = await versions(database, runs)
    newest = await newest_results(database, {each.run for each in files})
    known = await deletions(database)
    ended = () if keep_deleted else await deletions(database, runs)
    numbers = {each.number for each in ended}
    given_up = await trashed_files(database, numbers)
    kept = await trashed_files(database, {each.number for each in known} - numbers)
    used = await in_use(database, proposal, runs)
    used = replace(used, files=used.files | kept.files, runs=used.runs | kept.runs)
    judge = _Judge(used, remembered, newest, keep, grace.total_seconds(), given_up)
    return replace(judge.sweep(files), deletions=tuple(ended))


async def carry_out(database: Database, folder: Path, sweep: Sweep) -> list[tuple[StoredFile, str]]:
    """Take away what was planned: first said in trash and history, then done.

    What somebody has rolled back to since it was planned stays.

    Returns
    -------
    :
        The files that could not be deleted, and why.
    """
    await empty(database, [each.number for each in sweep.deletions])
    await mark_swept(database, sweep.versions)
    files = [file for file, _ in sweep.swept]
    named = await named_files(database, {each.run for each in files})
    await unmark_swept(database, [each for each in sweep.versions if each.file in named])
    await forget_previews(database, [each for each in sweep.versions if each.file not in named])
    left = [each for each in files if each.file not in named]
    return await asyncio.to_thread(remove, folder, left)


class _Judge:
    def __init__(
        self,
        used: InUse,
        remembered: Sequence[Version],
        newest: Mapping[tuple[str, int, str], datetime],
        keep: int,
        grace: float,
        given_up: TrashedFiles,
    ) -> None:
        self._used = used
        self._given_up = given_up
        self._newest = newest
        self._by_file: dict[str, list[Version]] = {}
        self._kept: set[str] = set()
        self._written_before: Final = time.time() - grace
        kept = Counter[tuple[str, int, str]]()
        for each in remembered:  # newest first
            self._by_file.setdefault(each.file, []).append(each)
            cell = (each.table, each.run, each.cell)
            if each.file in self._kept:  # it was rolled back to, and is one version all the same
                continue
            if each.file not in used.files and kept[cell] < keep and not self._is_last(each):
                kept[cell] += 1
                self._kept.add(each.file)

    def sweep(self, files: Sequence[StoredFile]) -> Sweep:
        swept: list[tuple[StoredFile, Why]] = []
        waiting = []
        for each in files:
            why = self._why(each)
            if why is None:
                continue
            if each.run in self._used.busy or not self._is_certain(each):
                waiting.append(each)
            else:
                swept.append((each, why))
        gone = [version for file, _ in swept for version in self._by_file.get(file.file, ())]
        return Sweep(tuple(swept), tuple(waiting), tuple(gone))

    def _why(self, each: StoredFile) -> Why | None:
        if each.is_unfinished:
            return "unfinished"
        if each.file in self._used.files or each.file in self._kept:
            return None
        if each.file in self._given_up.files:
            return "deleted"
        if each.is_part:
            return "replaced" if each.file in self._by_file else "unknown"
        return None if each.run in self._used.runs else "run deleted"

    def _is_certain(self, each: StoredFile) -> bool:
        if each.file in self._given_up.files or (
            each.run in self._given_up.runs and not each.is_part and not each.is_unfinished
        ):
            return True
        known = self._by_file.get(each.file)
        if known and not any(map(self._is_last, known)):
            return True
        return each.written_at <= self._written_before

    def _is_last(self, version: Version) -> bool:
        """Whether its row may be about to name it: there is no later result of its variable."""
        newest = self._newest.get((version.table, version.run, version.variable))
        return newest is None or newest <= version.started_at
