"""Open what works on a workspace: its recorder, and its tables for editing."""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from knockoff.database.opening import open_database
from knockoff.database.presence import present
from knockoff.database.registry import current_context
from knockoff.database.server import ensure_running
from knockoff.engine.environment import EngineSettings
from knockoff.engine.interpreters import python_of
from knockoff.engine.launching import Launcher
from knockoff.engine.local import open_engine
from knockoff.engine.machine import lowered
from knockoff.engine.sandbox import Sandbox
from knockoff.errors import SettingsError, WorkspaceError
from knockoff.mymdc.catalogue import Access
from knockoff.recording.attempts import Folders
from knockoff.recording.editing import Editing
from knockoff.recording.facility import Facility
from knockoff.recording.filler import ServiceFiller
from knockoff.recording.recorder import Recorder
from knockoff.recording.runfiles import open_run_files
from knockoff.recording.tables import open_tables
from knockoff.runs.described import read_description
from knockoff.settings.choices import keys_below
from knockoff.settings.reading import variable_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import tzinfo

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
        await stack.enter_async_context(present(database))
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
    allowed = settings.workers.launch
    refusal = ""
    if allowed is False:
        refusal = "launch() is switched off here. Set workers.launch to true to allow it."
    elif allowed is None and settings.sandbox.enabled:
        refusal = (
            "launch() would start a program outside of the sandbox that the context file is shut "
            "in. Set workers.launch to true to allow that."
        )
    return Launcher(workspace.folder, workspace.logs_folder, refusal)


def engine_settings(workspace: Workspace, settings: Settings) -> EngineSettings:
    """How user code is run in this workspace.

    Raises
    ------
    SettingsError
        Who is to be shut in has a say in how: see `_refuse_say_of_inmates`.
    """
    _refuse_say_of_inmates(workspace, settings)
    return EngineSettings(
        logs=workspace.logs_folder,
        spool=workspace.spool_folder,
        python=python_of(settings.context_python, workspace.folder),
        timeout=settings.workers.timeout,
        retries=settings.workers.retries,
        cpus=settings.workers.cpus,
        memory=settings.workers.memory,
        parallel=settings.workers.parallel,
        idle_memory=settings.workers.idle_memory,
        sandbox=sandbox_of(workspace, settings) if settings.sandbox.enabled else None,
        environment={"EXTRA_DATA_DATA_ROOT": str(settings.data_root)},
    )


def engine_settings_anywhere(settings: Settings) -> EngineSettings:
    """How a context file is loaded that is in no workspace; the folders are yet to be given."""
    here = Path.cwd()
    return EngineSettings(
        logs=here,
        spool=here,
        python=python_of(settings.context_python, here),
        sandbox=Sandbox(network=settings.sandbox.network) if settings.sandbox.enabled else None,
    )


def sandbox_of(workspace: Workspace, settings: Settings) -> Sandbox:
    """What code of this workspace's context file may reach when it is shut in."""
    chosen = settings.sandbox
    credentials = settings.mymdc.credentials
    return Sandbox(
        workspace=workspace.folder,
        proposal=workspace.proposal,
        data_root=settings.data_root,
        hidden=(
            workspace.settings_file,
            workspace.database_folder,
            *(() if credentials is None else (credentials,)),
        ),
        written=(workspace.arrays_folder, workspace.logs_folder, workspace.spool_folder),
        extra_read=_places(chosen.extra_read, workspace.folder),
        extra_write=_places(chosen.extra_write, workspace.folder),
        network=chosen.network,
    )


def _refuse_say_of_inmates(workspace: Workspace, settings: Settings) -> None:
    """Where the environment asks for a sandbox, take nothing about it from ``knockoff.toml``.

    Everybody of the proposal may write that file, or could put another in its place.
    """
    if settings.origin("sandbox.enabled") != variable_of("sandbox.enabled"):
        return
    if not settings.sandbox.enabled:
        return
    own = ("context_python", "data_root", *keys_below("sandbox"))
    for key in own:
        origin = settings.origin(key)
        if origin == str(workspace.settings_file):
            raise SettingsError(
                f"{key} is set by {origin}, which those may write whose code "
                f"{variable_of('sandbox.enabled')} shuts in. Set {variable_of(key)} instead, "
                f"and take it out there: knockoff config {key} --unset"
            )


def _places(paths: Iterable[str] | None, folder: Path) -> tuple[Path, ...]:
    return tuple(Path(os.path.normpath(folder / Path(each).expanduser())) for each in paths or ())
