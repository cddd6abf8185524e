"""Open what works on a workspace: its recorder, and its tables for editing."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING

from knockoff.database.opening import open_database
from knockoff.database.registry import current_context
from knockoff.database.server import ensure_running
from knockoff.engine.environment import EngineSettings
from knockoff.engine.launching import Launcher
from knockoff.engine.local import open_engine
from knockoff.engine.machine import lowered
from knockoff.errors import WorkspaceError
from knockoff.mymdc.catalogue import Access
from knockoff.recording.attempts import Folders
from knockoff.recording.editing import Editing
from knockoff.recording.facility import Facility
from knockoff.recording.filler import ServiceFiller
from knockoff.recording.recorder import Recorder
from knockoff.recording.runfiles import open_run_files
from knockoff.recording.tables import open_tables
from knockoff.runs.described import read_description

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import tzinfo
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_recorder(workspace: Workspace, settings: Settings) -> AsyncIterator[Recorder]:
    """Load the context file in a process of its own, and be ready to record and to fill.

    Raises
    ------
    ContextProblems
        Something is wrong with the context file.
    DatabaseError
        MongoDB cannot be used.
    """
    less = lowered(settings.workers.cpus, settings.workers.memory)
    if less is not None:
        log.info("%s", less)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(engine_settings(workspace, settings)))
        context = await engine.describe(workspace.context_file)
        database = await stack.enter_async_context(open_database(workspace, settings))
        filler = ServiceFiller(context, workspace.arrays_folder)
        tables = await open_tables(database, context, filler, register_it=True)
        folders = Folders(workspace.context_file, workspace.arrays_folder, settings.data_root)
        heal = partial(ensure_running, workspace.database_folder) if settings.is_embedded else None
        facility = facility_of(workspace, settings)
        run_files = await stack.enter_async_context(
            open_run_files(database, workspace.arrays_folder, workspace.proposal)
        )
        launcher = launcher_of(workspace, settings)
        recorder = Recorder(database, tables, engine, folders, facility, run_files, heal, launcher)
        stack.callback(recorder.context.forget)
        await recorder.adopt(workspace.spool_folder)
        await recorder.look_after_launched()
        yield recorder


@asynccontextmanager
async def open_editing(workspace: Workspace, settings: Settings) -> AsyncIterator[Editing]:
    """Be ready to type into the tables as they were described last; no user code is run.

    Raises
    ------
    WorkspaceError
        No run was ever recorded here.
    """
    async with open_database(workspace, settings) as database:
        editing = await editing_of(
            database, zone=settings.time_zone, arrays_folder=workspace.arrays_folder
        )
        yield editing
        editing.tables.forget()


async def editing_of(
    database: Database,
    before: Editing | None = None,
    *,
    zone: tzinfo = UTC,
    arrays_folder: Path | None = None,
) -> Editing:
    """The same on a database that is open already; `before` again if it is still good.

    Times that people type are in `zone`.

    Raises
    ------
    WorkspaceError
        No run was ever recorded here.
    """
    described = await current_context(database)
    if described is None:
        raise WorkspaceError(
            "There is no table here yet. `knockoff listen` or `knockoff process RUN` makes it."
        )
    context = read_description(described)
    if before is not None:
        if before.tables.context == context:
            return before
        before.tables.forget()
    filler = ServiceFiller(context, arrays_folder)
    tables = await open_tables(database, context, filler, register_it=False)
    return Editing(database, tables, zone=zone)


def facility_of(workspace: Workspace, settings: Settings) -> Facility:
    """The facility's catalogue, as it is asked for this workspace; nothing is sent yet."""
    return Facility(
        Access(settings.mymdc, workspace.proposal, settings.data_root),
        refresh=timedelta(seconds=settings.mymdc.refresh),
        recent=timedelta(seconds=settings.mymdc.recent),
        zone=settings.time_zone,
    )


def launcher_of(workspace: Workspace, settings: Settings) -> Launcher:
    """Who starts what variables of this workspace want to launch."""
    sandbox = getattr(settings, "sandbox", None)
    is_shut_in = bool(getattr(sandbox, "enabled", False))
    allowed = settings.workers.launch
    refusal = ""
    if allowed is False:
        refusal = "launch() is switched off here. Set workers.launch to true to allow it."
    elif allowed is None and is_shut_in:
        refusal = (
            "launch() would start a program outside of the sandbox that the context file is shut "
            "in. Set workers.launch to true to allow that."
        )
    return Launcher(workspace.folder, workspace.logs_folder, refusal)


def engine_settings(workspace: Workspace, settings: Settings) -> EngineSettings:
    """How user code is run in this workspace."""
    return EngineSettings(
        logs=workspace.logs_folder,
        spool=workspace.spool_folder,
        timeout=settings.workers.timeout,
        retries=settings.workers.retries,
        cpus=settings.workers.cpus,
        memory=settings.workers.memory,
        parallel=settings.workers.parallel,
        idle_memory=settings.workers.idle_memory,
        environment={"EXTRA_DATA_DATA_ROOT": str(settings.data_root)},
    )
