"""One attempt at a job: take its row, fire the document's event, let the row go."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from knockoff.database.owners import this_owner
from knockoff.database.rows import RowChange, change_row, find_row, take
from knockoff.errors import RunDataError
from knockoff.recording.neighbours import (
    NO_NEIGHBOURS,
    ask_for_waited,
    ask_readers,
    demand_of,
    neighbours_of,
    remembered,
    waits_of,
)
from knockoff.recording.outside import look_after
from knockoff.recording.readers import expect
from knockoff.recording.rowfill import Place, RowFill
from knockoff.rundata.finding import fingerprint
from knockoff.runs.documents import fire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.database.jobs import Job
    from knockoff.engine.launching import Launcher
    from knockoff.filling.messages import Result
    from knockoff.filling.session import Engine
    from knockoff.language.occasions import Event
    from knockoff.recording.neighbours import Neighbours
    from knockoff.recording.tables import Tables
    from knockoff.runkey import DataKind, RunKey
    from knockoff.runs.elsewhere import Demand

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Folders:
    """Where a workspace keeps what is not in MongoDB."""

    context_file: Path
    extracted_data: Path
    data_root: Path


class RowTakenError(Exception):
    """Another job is working on the row just now."""


class Attempts:
    """Makes attempts at jobs, with everything that they have in common."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        folders: Folders,
        launcher: Launcher | None = None,
    ) -> None:
        self._launcher = launcher
        self._database = database
        self._engine = engine
        self._folders = folders

    async def fill(self, job: Job, tables: Tables) -> None:
        """Fill the row of a job.

        Raises
        ------
        RowTakenError
            Another job has the row; try again in a moment.
        RowMissingError
            Somebody has deleted the row.
        SupersededError
            Another attempt at the same job has begun meanwhile.
        """
        started = asyncio.get_running_loop().time()
        row = await self._taken(job)
        await expect(self._database, tables.description(job.collection), job.key, row)
        document: Any = tables.classes[job.collection].model_validate(row)
        document._save_state()  # noqa: SLF001  # as Beanie does for a row it has read
        around = await self._neighbours(job, tables)
        demand = replace(demand_of(job), event=_event_of(job, row))
        last = RowChange(removed=[f"knockoff.active.{job.cause}"])
        if around is not NO_NEIGHBOURS:
            last.add(waits_of(around, tables.description(job.collection), row, demand))
        async with RowFill(self._place(job, tables, around), row) as fill:
            document._fill = fill  # noqa: SLF001  # the slot's filler looks there
            await fire(document, demand.event)
            await fill.close(last)
        if around is not NO_NEIGHBOURS:
            await self._tell_neighbours(job, tables, around, row, demand)
        seconds = asyncio.get_running_loop().time() - started
        log.info("%s: filled %s in %.2f s", job.key, job.collection, seconds)

    async def adopt(self, job: Job, tables: Tables, results: Sequence[Result]) -> None:
        """Store what a worker of this attempt has left, whose recorder is gone.

        Raises
        ------
        SupersededError
            Another attempt has begun meanwhile.
        """
        row = await find_row(self._database, job.collection, job.key)
        if row is not None and results:
            described = _by_collection(tables)
            around = replace(NO_NEIGHBOURS, tables=described, elsewhere=remembered(row))
            async with RowFill(self._place(job, tables, around), row) as fill:
                await fill.adopt(results)

    async def let_go(self, job: Job) -> None:
        """Take the mark off the row that this attempt is working on it."""
        change = RowChange(removed=[f"knockoff.active.{job.cause}"])
        guard = {f"knockoff.attempt.{job.cause}": job.attempt}
        await change_row(self._database, job.collection, job.key, change, guard)

    async def look_after_launched(self, tables: Tables) -> None:
        """See to programs that cells wait for, of which nobody else does."""
        if self._launcher is not None:
            await look_after(self._database, tables.context, self._launcher)

    async def has_other_data(self, collection: str, key: RunKey, kind: DataKind) -> bool:
        """Whether the files on disk are others than those that the row was filled from."""
        row = await find_row(self._database, collection, key)
        ours = (row or {}).get("knockoff", {})
        if kind not in ours.get("attempt", {}):
            return False
        now = await asyncio.to_thread(self._identity, key)
        before: str | None = ours.get("identity", {}).get(kind)
        return now.get(kind) != before

    async def _neighbours(self, job: Job, tables: Tables) -> Neighbours:
        """The run's rows in other tables; how they are is noted in the row that reads them."""
        around = await neighbours_of(
            self._database,
            _by_collection(tables),
            job.collection,
            job.key,
            settled=tables.classes if job.cause == "read" else (),
        )
        if around is not NO_NEIGHBOURS:
            change = RowChange({"knockoff.elsewhere": around.snapshot()})
            guard = {f"knockoff.attempt.{job.cause}": job.attempt}
            await change_row(self._database, job.collection, job.key, change, guard)
        return around

    async def _tell_neighbours(
        self,
        job: Job,
        tables: Tables,
        around: Neighbours,
        before: dict[str, Any],
        demand: Demand,
    ) -> None:
        """Ask for what was missed in other tables, and have computed what reads this one."""
        described = _by_collection(tables)
        table = described[job.collection]
        await ask_for_waited(self._database, around, table, before, demand, job.key)
        await ask_readers(self._database, described, job.collection, job.key, but=job.id)

    async def _taken(self, job: Job) -> dict[str, Any]:
        """Take the row for this job alone, so that no variable runs twice at once."""
        identity = await asyncio.to_thread(self._identity, job.key)
        mark = {
            "state": "running",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "owner": this_owner(),
            "since": datetime.now(UTC),
        }
        change = RowChange(
            {
                f"knockoff.attempt.{job.cause}": job.attempt,
                f"knockoff.active.{job.cause}": mark,
                **{f"knockoff.identity.{kind}": each for kind, each in identity.items()},
            }
        )
        row = await take(self._database, job.collection, job.key, job.cause, change)
        if row is None:
            raise RowTakenError
        return row

    def _identity(self, key: RunKey) -> dict[str, str]:
        """Fingerprints of the files that are there; a kind that is not there has none."""
        found: dict[str, str] = {}
        kinds: tuple[DataKind, ...] = ("raw", "proc")
        for kind in kinds:
            try:
                found[kind] = fingerprint(key, kind, self._folders.data_root)
            except RunDataError:
                continue
        return found

    def _place(self, job: Job, tables: Tables, around: Neighbours) -> Place:
        return Place(
            database=self._database,
            table=tables.description(job.collection),
            key=job.key,
            label=job.label,
            context=tables.context.source_hash,
            versions=dict(tables.context.versions),
            extracted_data=str(self._folders.extracted_data),
            data_root=str(self._folders.data_root),
            open_session=partial(self._engine.session, self._folders.context_file),
            cause=job.cause,
            guard={f"knockoff.attempt.{job.cause}": job.attempt},
            retry=job.retry,
            force=job.force,
            variables=job.variables,
            neighbours=around,
            launcher=self._launcher,
        )


def _by_collection(tables: Tables) -> dict[str, TableDescription]:
    return {table.collection: table for table in tables.context.tables}


def _event_of(job: Job, row: dict[str, Any]) -> Event:
    """Insert for the first data of a run, also where the first attempt at it was cut off."""
    is_data = job.cause in ("raw", "proc")
    return "Insert" if is_data and not row["knockoff"].get("code") else job.event
