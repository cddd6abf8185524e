"""The recorder: events become rows and jobs, jobs become filled documents."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from knockoff.database.client import reworded
from knockoff.database.jobs import (
    Job,
    ask,
    claim,
    finish,
    give_up,
    hand_back,
    hand_back_of_the_dead,
    job_id,
    keep,
    left_behind,
    open_job,
    this_owner,
    unfinished,
)
from knockoff.database.notes import show_notes
from knockoff.database.rows import (
    RowChange,
    RowMissingError,
    change_row,
    find_row,
    record_arrival,
    take,
)
from knockoff.engine.answers import message_from_json
from knockoff.errors import ContextFileError, DatabaseError, RunDataError, WorkerError
from knockoff.filling.spool import spools_in
from knockoff.recording.filler import ServiceFiller
from knockoff.recording.rowfill import Place, RowFill, SupersededError
from knockoff.recording.tables import Tables, open_tables
from knockoff.rundata.finding import fingerprint
from knockoff.runkey import RunKey
from knockoff.runs.documents import fire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.filling.session import Engine
    from knockoff.filling.spool import Spool
    from knockoff.runkey import DataKind

log = logging.getLogger(__name__)

HEARTBEAT = 15.0
"""Seconds between two prolongations of a lease of 60."""

WORKER_PAUSE = 10.0
"""Seconds until a job is tried again for which no worker could be started."""

PAUSE = 0.1
"""Seconds between two looks at a job that another process holds."""


@dataclass(frozen=True)
class Folders:
    """Where a workspace keeps what is not in MongoDB."""

    context_file: Path
    extracted_data: Path
    data_root: Path


class RowTakenError(Exception):
    """Another job is working on the row just now."""


class Recorder:
    """Owns the tables of one proposal: nothing else writes rows, results and jobs."""

    def __init__(
        self, database: Database, tables: Tables, engine: Engine, folders: Folders
    ) -> None:
        self.database = database
        self.tables = tables
        self._engine = engine
        self._folders = folders
        self._news = asyncio.Event()
        self._elsewhere: dict[str, tuple[Job, Spool]] = {}
        """Jobs whose workers outlived their recorder."""
        self._refused: frozenset[tuple[str, int, int]] = frozenset()
        """How the files of the context looked that could not be used."""
        self._former: Tables | None = None

    # What a recorder before us left behind

    async def adopt(self, folder: Path) -> None:
        """Find workers that outlived their recorder, and leave their jobs to them until they end.

        Nothing that they have finished or still finish is computed again; `work` and
        `work_off` store it.
        """
        for spool in await asyncio.to_thread(spools_in, folder):
            header = spool.header
            key = RunKey(header.proposal, header.run)
            job = await left_behind(self.database, header.collection, key, header.attempt)
            if job is not None and job.collection in self.tables.classes:
                self._elsewhere[job.id] = (job, spool)
            elif not spool.is_held():
                spool.remove()

    async def _take_over(self, job: Job, spool: Spool) -> None:
        """Store what a worker without recorder has finished, when it has ended."""
        results = [each async for each in spool.results(message_from_json)]
        row = await find_row(self.database, job.collection, job.key)
        if row is not None and results:
            async with RowFill(self._place(job), row) as fill:
                try:
                    await fill.adopt(results)
                except SupersededError:
                    log.info("%s: what its worker left came too late", job.id)
        spool.remove()
        log.info("%s: took over %d results of a listener that was killed", job.id, len(results))
        await hand_back(self.database, job)
        del self._elsewhere[job.id]
        self._news.set()

    # Events in

    async def record(self, key: RunKey, kind: DataKind) -> None:
        """Data of a run has arrived: make its rows and jobs. Once or ten times, it is the same."""
        for collection in self.tables.classes:
            defaults = self.tables.defaults(collection)
            event = await record_arrival(self.database, collection, key, kind, defaults)
            opened = open_job(self.database, collection, key, kind, event or "Update")
            if event == "Insert":
                new, _ = await asyncio.gather(opened, show_notes(self.database, collection, key))
            else:
                new = await opened
            if event is not None or new:
                log.info("%s: %s data recorded in %s", key, kind, collection)
        self._news.set()

    async def ask_again(
        self,
        key: RunKey,
        *,
        retry: bool = True,
        force: bool = False,
        variables: Sequence[str] = (),
    ) -> list[str]:
        """Queue a run that has rows to be computed again, as far as it is due; the jobs' ids."""
        jobs = []
        for collection in self.tables.classes:
            await ask(
                self.database,
                collection,
                key,
                "asked",
                retry=retry,
                force=force,
                variables=variables,
            )
            jobs.append(job_id(collection, key, "asked"))
        self._news.set()
        return jobs

    # Jobs out

    async def work(self, workers: int, *, sweep: float = 2.0) -> None:
        """Claim and do jobs until cancelled; every `sweep` seconds look for more unprompted."""
        async with asyncio.TaskGroup() as tasks:
            for job, spool in list(self._elsewhere.values()):
                tasks.create_task(self._take_over(job, spool))
            for _ in range(workers):
                tasks.create_task(self._work_on(sweep))
            tasks.create_task(self._sweep(sweep))

    async def work_off(self, jobs: Sequence[str]) -> None:
        """Do these jobs, and wait for those that another process holds."""
        for job, spool in list(self._elsewhere.values()):
            await self._take_over(job, spool)
        await hand_back_of_the_dead(self.database)
        while await unfinished(self.database, jobs):
            claimed = await claim(self.database, only=jobs)
            if claimed is None:
                await asyncio.sleep(PAUSE)
            else:
                await self.do(claimed)

    async def do(self, job: Job) -> None:
        """Fill the row of a claimed job; hand the job back if this process is told to stop."""
        try:
            async with self._kept(job):
                await self._fill(job)
        except SupersededError:
            log.warning("%s: taken over by another listener", job.id)
            return
        except RowTakenError:
            pause = random.uniform(0.05, 0.2)  # noqa: S311  # so that two do not meet again
            await hand_back(self.database, job, after=timedelta(seconds=pause))
            return
        except RowMissingError:
            log.warning("%s: the row is not there any more", job.id)
        except (ContextFileError, WorkerError) as error:
            log.error("%s: waits, because user code cannot be run: %s", job.id, error)
            await hand_back(self.database, job, after=timedelta(seconds=WORKER_PAUSE))
            return
        except asyncio.CancelledError:
            await asyncio.shield(self._let_go(job))
            raise
        except DatabaseError:
            raise
        except Exception as error:  # one job must not end the night shift
            log.exception("%s: given up because of a fault in knockoff; please report it", job.id)
            await give_up(self.database, job, f"{type(error).__name__}: {error}")
            await self._let_row_go(job)
            return
        await finish(self.database, job)

    async def _work_on(self, patience: float) -> None:
        while True:
            if await self._worked():
                continue
            self._news.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _worked(self) -> bool:
        """Do one job if there is one; False if there is none, or MongoDB is away."""
        try:
            with reworded("MongoDB"):
                job = await claim(self.database, but=[*self._elsewhere])
                if job is not None:
                    await self.do(job)
        except DatabaseError as error:  # the job's lease runs out, and it is taken again
            log.warning("Work waits, nothing is lost: %s", error)
            return False
        return job is not None

    async def _sweep(self, seconds: float) -> None:
        while True:
            try:
                with reworded("MongoDB"):
                    if await hand_back_of_the_dead(self.database, but=[*self._elsewhere]):
                        self._news.set()
                    await self._reload()
            except DatabaseError as error:
                log.debug("Nothing swept: %s", error)
            await asyncio.sleep(seconds)

    async def _reload(self) -> None:
        """Use the context file as it is now; one with problems leaves the last good one in use."""
        looks = await asyncio.to_thread(_looks_of, self._folders.context_file)
        if looks == self._refused:
            return
        try:
            context = await self._engine.describe(self._folders.context_file)
        except (ContextFileError, WorkerError) as error:
            log.error("The context file is used as it was before, because:\n%s", error)
            self._refused = looks
            return
        self._refused = frozenset()
        if context == self.tables.context:
            return
        if self._former is not None:
            self._former.forget()
        self._former = self.tables  # whose last jobs may still be running
        self.tables = await open_tables(self.database, context, ServiceFiller(), register_it=True)
        log.info("The context file has changed and is used from now on")

    @asynccontextmanager
    async def _kept(self, job: Job) -> AsyncIterator[None]:
        """Prolong the lease for as long as the body runs."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(HEARTBEAT)
                try:
                    with reworded("MongoDB"):
                        await keep(self.database, job)
                except DatabaseError as error:
                    log.debug("%s: the lease could not be prolonged: %s", job.id, error)

        heart = asyncio.create_task(beat())
        try:
            yield
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _fill(self, job: Job) -> None:
        started = asyncio.get_running_loop().time()
        row = await self._taken(job)
        document: Any = self.tables.classes[job.collection].model_validate(row)
        document._save_state()  # noqa: SLF001  # as Beanie does for a row it has read
        async with RowFill(self._place(job), row) as fill:
            document._fill = fill  # noqa: SLF001  # the slot's filler looks there
            await fire(document, job.event)
            await fill.close(RowChange(removed=[f"knockoff.active.{job.cause}"]))
        seconds = asyncio.get_running_loop().time() - started
        log.info("%s: filled %s in %.2f s", job.key, job.collection, seconds)

    async def _taken(self, job: Job) -> dict[str, Any]:
        """Take the row for this job alone, so that no variable runs twice at once."""
        identity = await asyncio.to_thread(self._identity, job.key)
        now = datetime.now(UTC)
        change = RowChange(
            {
                f"knockoff.attempt.{job.cause}": job.attempt,
                f"knockoff.active.{job.cause}": {
                    "state": "running",
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "owner": this_owner(),
                    "since": now,
                },
                **{f"knockoff.identity.{kind}": each for kind, each in identity.items()},
            }
        )
        row = await take(self.database, job.collection, job.key, job.cause, change)
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

    def _place(self, job: Job) -> Place:
        return Place(
            database=self.database,
            table=self.tables.description(job.collection),
            key=job.key,
            label=job.label,
            context=self.tables.context.source_hash,
            extracted_data=str(self._folders.extracted_data),
            data_root=str(self._folders.data_root),
            open_session=partial(self._engine.session, self._folders.context_file),
            cause=job.cause,
            guard={f"knockoff.attempt.{job.cause}": job.attempt},
            retry=job.retry,
            force=job.force,
            variables=job.variables,
        )

    async def _let_row_go(self, job: Job) -> None:
        change = RowChange(removed=[f"knockoff.active.{job.cause}"])
        guard = {f"knockoff.attempt.{job.cause}": job.attempt}
        await change_row(self.database, job.collection, job.key, change, guard)

    async def _let_go(self, job: Job) -> None:
        await self._let_row_go(job)
        await hand_back(self.database, job)


def _looks_of(context_file: Path) -> frozenset[tuple[str, int, int]]:
    """Name, time and size of the context file and the modules beside it."""
    found = set()
    for file in {context_file, *context_file.parent.glob("*.py")}:
        try:
            stat = file.stat()
        except OSError:  # an editor replaces it just now
            continue
        found.add((file.name, stat.st_mtime_ns, stat.st_size))
    return frozenset(found)
