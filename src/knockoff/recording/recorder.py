"""The recorder: events become rows and jobs, jobs become filled documents."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.client import PyMongoError, reworded
from knockoff.database.errors import UnreachableError
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
    stop,
    stop_asked,
    unfinished,
)
from knockoff.database.notes import show_notes
from knockoff.database.rows import RowMissingError, record_arrival
from knockoff.engine.answers import message_from_json
from knockoff.errors import ContextFileError, DatabaseError, WorkerError
from knockoff.filling.spool import spools_in
from knockoff.recording.attempts import Attempts, Folders, RowTakenError
from knockoff.recording.cancelling import mark_cancelled
from knockoff.recording.catalogue import Catalogue
from knockoff.recording.contextwatch import ContextWatch
from knockoff.recording.editwatch import EditWatch
from knockoff.recording.rowfill import SupersededError
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.engine.launching import Launcher
    from knockoff.filling.session import Engine
    from knockoff.filling.spool import Spool
    from knockoff.recording.facility import Facility
    from knockoff.recording.runfiles import RunFiles
    from knockoff.recording.tables import Tables
    from knockoff.runkey import DataKind

log = logging.getLogger(__name__)

HEARTBEAT: Final = 15.0
"""Seconds between two prolongations of a lease of 60."""

WORKER_PAUSE: Final = 10.0
"""Seconds until a job is tried again for which no worker could be started."""

BETWEEN_LOOKS: Final = 1.0
"""Seconds between two looks whether somebody has cancelled a job that is being done."""

BETWEEN_ROUNDS: Final = 10.0
"""Seconds between two looks at the programs that cells wait for."""

PAUSE: Final = 0.1
"""Seconds between two looks at a job that another process holds."""

GOODBYE: Final = 3.0
"""Seconds for handing a job back when this process is told to stop."""


class _StoppedError(Exception):
    """Somebody has cancelled the job; the message says who."""


class Recorder:
    """Owns the tables of one proposal: nothing else writes rows, results and jobs.

    Parameters
    ----------
    heal:
        Starts the server again where it is ours to start.
    launcher:
        Starts the programs that variables want to launch.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        engine: Engine,
        folders: Folders,
        facility: Facility,
        run_files: RunFiles,
        heal: Callable[[], Awaitable[Any]] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self.database = database
        self.context = ContextWatch(database, engine, folders.context_file, tables)
        self.edits = EditWatch(database, self.context)
        self.catalogue = Catalogue(database, self.context, facility)
        self.run_files = run_files
        self._attempts = Attempts(database, engine, folders, launcher)
        self._heal = heal
        self._news = asyncio.Event()
        self._orphans: dict[str, tuple[Job, list[Spool]]] = {}
        """Jobs whose workers outlived their recorder, with the spool of each."""
        self._held: set[str] = set()
        """Jobs that this process is doing, whatever has become of their leases."""
        self._is_away = False
        self._look_after_at = 0.0

    @property
    def tables(self) -> Tables:
        """The tables by the context file as it is used now."""
        return self.context.tables

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
                self._orphans.setdefault(job.id, (job, []))[1].append(spool)
            elif not spool.is_held():
                spool.remove()

    async def _take_over(self, job: Job, spools: Sequence[Spool]) -> None:
        """Store what the workers without recorder have finished, when they have ended."""
        results = [each for spool in spools async for each in spool.results(message_from_json)]
        with self.context.in_use() as tables:
            try:
                await self._attempts.adopt(job, tables, results)
            except SupersededError:
                log.info("%s: what its worker left came too late", job.id)
        await hand_back(self.database, job)
        for spool in spools:
            spool.remove()
        del self._orphans[job.id]
        log.info("%s: took over %d results of a listener that was killed", job.id, len(results))
        self._news.set()

    async def _take_over_patiently(self, job: Job, spools: Sequence[Spool], pause: float) -> None:
        while job.id in self._orphans:
            if not await self._reached(self._take_over(job, spools)):
                await asyncio.sleep(pause)

    # Events in

    async def record(self, key: RunKey, kind: DataKind) -> None:
        """Data of a run has arrived: make its rows and jobs. Once or ten times, it is the same.

        Only where the files are others by now than those that the row was filled from,
        what depends on them is asked for again.
        """
        for collection in self.tables.in_reading_order:
            defaults = self.tables.defaults(collection)
            event = await record_arrival(self.database, collection, key, kind, defaults)
            if event == "Insert":
                await show_notes(self.database, collection, key)
            new = await open_job(
                self.database, collection, key, kind, event or "Update", anew=event == "Insert"
            )
            self._news.set()
            if new and event != "Insert":  # we were killed between the row and its job
                await show_notes(self.database, collection, key)
            if new or event is not None:
                log.info("%s: %s data recorded in %s", key, kind, collection)
            elif await self._attempts.has_other_data(collection, key, kind):
                log.info("%s: other %s data than before, in %s", key, kind, collection)
                await ask(self.database, collection, key, "asked")
                self._news.set()

    async def ask_again(
        self,
        key: RunKey,
        *,
        retry: bool = True,
        force: bool = False,
        variables: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> list[str]:
        """Queue a run that has rows to be computed again, as far as it is due; the jobs' ids.

        In these tables only, if any are named.
        """
        jobs = []
        for collection in self.tables.in_reading_order:
            if collections and collection not in collections:
                continue
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
            for job, spools in list(self._orphans.values()):
                tasks.create_task(self._take_over_patiently(job, spools, sweep))
            for _ in range(workers):
                tasks.create_task(self._work_on(sweep))
            tasks.create_task(self._reached(self.run_files.note_stale()))
            tasks.create_task(self._sweep(sweep))
            tasks.create_task(self.edits.watch(self._news.set))

    async def work_off(self, jobs: Sequence[str]) -> None:
        """Do these jobs and those that follow, and wait for those that another process holds."""
        jobs = [*jobs, *self._following(jobs)]
        for job, spools in list(self._orphans.values()):
            await self._take_over(job, spools)
        await hand_back_of_the_dead(self.database)
        while await unfinished(self.database, jobs):
            claimed = await claim(self.database, [*self.tables.classes], only=jobs)
            if claimed is None:
                await asyncio.sleep(PAUSE)
            else:
                await self.do(claimed)

    def _following(self, jobs: Sequence[str]) -> list[str]:
        """Jobs that these may bring about: to compute what reads another table of the same run."""
        tables = self.tables.in_reading_order
        runs = dict.fromkeys(job.rsplit("/", 2)[1] for job in jobs)
        return [f"{table}/{run}/read" for run in runs for table in tables if len(tables) > 1]

    async def do(self, job: Job) -> None:
        """Fill the row of a claimed job; hand the job back if this process is told to stop.

        Raises
        ------
        DatabaseError
            MongoDB is away; the job is taken again when its lease is over.
        """
        self._held.add(job.id)
        try:
            async with self._kept(job):
                with self.context.in_use() as tables:
                    await self._attempts.fill(job, tables)
        except SupersededError:
            log.warning("%s: taken over by another listener", job.id)
        except _StoppedError as stopped:
            log.warning("%s: %s", job.id, stopped)
            await mark_cancelled(self.database, self.tables.context, job, str(stopped))
            await stop(self.database, job, str(stopped))
        except RowTakenError:
            pause = random.uniform(0.05, 0.2)  # noqa: S311  # so that two do not meet again
            await hand_back(self.database, job, after=timedelta(seconds=pause))
        except RowMissingError as error:
            log.warning("%s: %s", job.id, error)
            await finish(self.database, job)
        except (ContextFileError, WorkerError) as error:
            log.error("%s: waits, because user code cannot be run: %s", job.id, error)
            await self._attempts.let_go(job)
            await hand_back(self.database, job, after=timedelta(seconds=WORKER_PAUSE))
        except asyncio.CancelledError:
            await self._hand_back_in_time(job)
            raise
        except (DatabaseError, PyMongoError):
            raise
        except Exception as error:  # one job must not end the night shift
            log.exception("%s: given up because of a fault in knockoff; please report it", job.id)
            await give_up(self.database, job, f"{type(error).__name__}: {error}")
            await self._attempts.let_go(job)
        else:
            await finish(self.database, job)
        finally:
            self._held.discard(job.id)
            self.run_files.note(job.key)

    async def _hand_back_in_time(self, job: Job) -> None:
        """Let a job go, but do not let a database that is away keep this process from stopping."""

        async def let_go() -> None:
            await self._attempts.let_go(job)
            await hand_back(self.database, job)

        try:
            with reworded("MongoDB"):
                async with asyncio.timeout(GOODBYE):
                    await let_go()
        except (DatabaseError, PyMongoError, TimeoutError) as error:
            log.warning("%s: could not be handed back, its lease runs out: %s", job.id, error)

    @asynccontextmanager
    async def _kept(self, job: Job) -> AsyncIterator[None]:
        """Prolong the lease for as long as the body runs; end the body if the job is cancelled.

        Raises
        ------
        _StoppedError
            Somebody has cancelled it. What was finished by then is stored.
        """
        loop = asyncio.get_running_loop()
        reasons: list[str] = []

        async def look() -> None:
            reason = await stop_asked(self.database, job)
            if reason is not None:
                reasons.append(reason)

        async def beat(limit: asyncio.Timeout) -> None:
            prolonged = loop.time()
            while not reasons:
                await asyncio.sleep(BETWEEN_LOOKS)
                if loop.time() - prolonged >= HEARTBEAT:
                    await self._reached(keep(self.database, job))
                    prolonged = loop.time()
                await self._reached(look())
            limit.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as limit:
                heart = asyncio.create_task(beat(limit))
                try:
                    yield
                finally:
                    heart.cancel()
                    await asyncio.gather(heart, return_exceptions=True)
        except TimeoutError:
            if not (limit.expired() and reasons):
                raise
            raise _StoppedError(reasons[0]) from None

    # All night long

    async def _work_on(self, patience: float) -> None:
        while True:
            done: list[Job] = []
            if await self._reached(self._do_next(done)) and done:
                continue
            self._news.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _do_next(self, done: list[Job]) -> None:
        taken = [*self._orphans, *self._held]
        job = await claim(self.database, [*self.tables.classes], but=taken)
        if job is not None:
            done.append(job)
            await self.do(job)

    async def _sweep(self, seconds: float) -> None:
        while True:
            if await self._reached(self._tidy()):
                await self._reached(self.context.look())
            elif self._is_away and self._heal is not None:
                await self._healed(self._heal)
            await asyncio.sleep(seconds)

    async def _tidy(self) -> None:
        if await hand_back_of_the_dead(self.database, but=[*self._orphans]):
            self._news.set()
        now = asyncio.get_running_loop().time()
        if now >= self._look_after_at:
            self._look_after_at = now + BETWEEN_ROUNDS
            await self.look_after_launched()

    async def look_after_launched(self) -> None:
        """See to programs that cells wait for: some were never started, others are gone."""
        with self.context.in_use() as tables:
            await self._attempts.look_after_launched(tables)

    async def _healed(self, heal: Callable[[], Awaitable[Any]]) -> None:
        try:
            await heal()
        except DatabaseError as error:
            log.error("The server could not be started again: %s", error)

    async def _reached(self, work: Awaitable[Any]) -> bool:
        """Do something with MongoDB; False, and said once, if it does not answer."""
        try:
            with reworded("MongoDB"):
                await work
        except UnreachableError as error:
            if not self._is_away:
                log.warning("Work waits, nothing is lost: %s", error)
            self._is_away = True
            return False
        except (DatabaseError, PyMongoError) as error:
            log.error("MongoDB refuses: %s", error)
            return False
        if self._is_away:
            log.info("MongoDB is back")
        self._is_away = False
        return True
