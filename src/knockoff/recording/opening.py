"""Open what belongs to a workspace: its database, its recorder, its tables for editing."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from knockoff.database.client import database_name, open_client
from knockoff.database.layout import check_layout
from knockoff.database.registry import current_context
from knockoff.database.server import embedded
from knockoff.engine.environment import EngineSettings
from knockoff.engine.local import open_engine
from knockoff.errors import WorkspaceError
from knockoff.recording.editing import Editing
from knockoff.recording.filler import ServiceFiller
from knockoff.recording.recorder import Folders, Recorder
from knockoff.recording.tables import open_tables
from knockoff.runs.described import read_description
from knockoff.settings.choices import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from knockoff.database.client import Client, Database
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


@asynccontextmanager
async def open_server(workspace: Workspace, settings: Settings) -> AsyncIterator[Client]:
    """Connect to the workspace's MongoDB; the embedded one is started if nobody did.

    Raises
    ------
    DatabaseError
        It cannot be reached or used; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        uri = settings.database.get_secret_value()
        if uri == EMBEDDED:
            uri = await stack.enter_async_context(embedded(workspace.database_folder))
        yield await stack.enter_async_context(open_client(uri))


@asynccontextmanager
async def open_database(workspace: Workspace, settings: Settings) -> AsyncIterator[Database]:
    """The proposal's database, its layout checked.

    Raises
    ------
    DatabaseError
        It cannot be reached or used, or another version of knockoff has laid it out.
    """
    async with open_server(workspace, settings) as client:
        database: Database = client[database_name(workspace.proposal)]
        await check_layout(database)
        yield database


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
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(engine_settings(workspace, settings)))
        context = await engine.describe(workspace.context_file)
        database = await stack.enter_async_context(open_database(workspace, settings))
        tables = await open_tables(database, context, ServiceFiller(), register_it=True)
        stack.callback(tables.forget)
        folders = Folders(workspace.context_file, workspace.arrays_folder, settings.data_root)
        recorder = Recorder(database, tables, engine, folders)
        await recorder.adopt(workspace.spool_folder)
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
        yield await editing_of(database)


async def editing_of(database: Database) -> Editing:
    """The same on a database that is open already."""
    described = await current_context(database)
    if described is None:
        raise WorkspaceError(
            "There is no table here yet. `knockoff listen` or `knockoff process RUN` makes it."
        )
    context = read_description(described)
    tables = await open_tables(database, context, ServiceFiller(), register_it=False)
    return Editing(database, tables)


def engine_settings(workspace: Workspace, settings: Settings) -> EngineSettings:
    """How user code is run in this workspace."""
    return EngineSettings(
        logs=workspace.logs_folder,
        spool=workspace.spool_folder,
        timeout=settings.workers.timeout,
        environment={"EXTRA_DATA_DATA_ROOT": str(settings.data_root)},
    )
