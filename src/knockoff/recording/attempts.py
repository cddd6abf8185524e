"""One attempt at a job: take its row, fire the document's event, let the row go."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from knockoff.database.jobs import this_owner
from knockoff.database.rows import RowChange, change_row, find_row, take
from knockoff.errors import RunDataError
from knockoff.recording.rowfill import Place, RowFill
from knockoff.rundata.finding import fingerprint
from knockoff.runs.documents import fire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.database.jobs import Job
    from knockoff.filling.messages import Result
    from knockoff.filling.session import Engine
    from knockoff.language.occasions import Event
    from knockoff.recording.tables import Tables
    from knockoff.runkey import DataKind, RunKey

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

    def __init__(self, database: Database, engine: Engine, folders: Folders) -> None:
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
        document: Any = tables.classes[job.collection].model_validate(row)
        document._save_state()  # noqa: SLF001  # as Beanie does for a row it has read
        async with RowFill(self._place(job, tables), row) as fill:
            document._fill = fill  # noqa: SLF001  # the slot's filler looks there
            await fire(document, _event_of(job, row))
            await fill.close(RowChange(removed=[f"knockoff.active.{job.cause}"]))
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
            async with RowFill(self._place(job, tables), row) as fill:
                await fill.adopt(results)

    async def let_go(self, job: Job) -> None:
        """Take the mark off the row that this attempt is working on it."""
        change = RowChange(removed=[f"knockoff.active.{job.cause}"])
        guard = {f"knockoff.attempt.{job.cause}": job.attempt}
        await change_row(self._database, job.collection, job.key, change, guard)

    async def has_other_data(self, collection: str, key: RunKey, kind: DataKind) -> bool:
        """Whether the files on disk are others than those that the row was filled from."""
        row = await find_row(self._database, collection, key)
        ours = (row or {}).get("knockoff", {})
        if kind not in ours.get("attempt", {}):
            return False
        now = await asyncio.to_thread(self._identity, key)
        before: str | None = ours.get("identity", {}).get(kind)
        return now.get(kind) != before

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

    def _place(self, job: Job, tables: Tables) -> Place:
        return Place(
            database=self._database,
            table=tables.description(job.collection),
            key=job.key,
            label=job.label,
            context=tables.context.source_hash,
            extracted_data=str(self._folders.extracted_data),
            data_root=str(self._folders.data_root),
            open_session=partial(self._engine.session, self._folders.context_file),
            cause=job.cause,
            guard={f"knockoff.attempt.{job.cause}": job.attempt},
            retry=job.retry,
            force=job.force,
            variables=job.variables,
        )


def _event_of(job: Job, row: dict[str, Any]) -> Event:
    """Insert for the first data of a run, also where the first attempt at it was cut off."""
    is_data = job.cause in ("raw", "proc")
    return "Insert" if is_data and not row["knockoff"].get("code") else job.event
