"""Open the MongoDB of a workspace: the embedded server or a real one, by its settings."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from knockoff.database.client import database_name, open_client
from knockoff.database.layout import check_layout
from knockoff.database.server import embedded
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
    async with open_unchecked(workspace, settings) as database:
        await check_layout(database)
        yield database


@asynccontextmanager
async def open_unchecked(workspace: Workspace, settings: Settings) -> AsyncIterator[Database]:
    """The same whatever its layout is, for whoever mends it.

    Raises
    ------
    DatabaseError
        It cannot be reached or used.
    """
    async with open_server(workspace, settings) as client:
        database: Database = client[database_name(workspace.proposal)]
        yield database
