"""Workspaces on the real server, each with a proposal and database of its own."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from knockoff.database.client import database_name, open_client
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from knockoff.database.client import Database

_NUMBERS = itertools.count(100_000 + os.getpid() % 8_000 * 100)


@pytest.fixture
def make_workspace(tmp_path: Path, mongod: str) -> Callable[[str], Workspace]:
    """Make a workspace with this context file; its data root is empty."""

    def make(context: str) -> Workspace:
        (tmp_path / "data").mkdir(exist_ok=True)
        proposal = next(_NUMBERS)
        settings = {"database": mongod, "data_root": str(tmp_path / "data")}
        folder = tmp_path / f"p{proposal}"
        return Workspace.create(folder, proposal, context=context, settings=settings)

    return make


@pytest.fixture
async def plain(mongod: str) -> AsyncIterator[Callable[[Workspace], Database]]:
    """The database of a workspace as any client sees it; dropped afterwards."""
    async with open_client(mongod) as client:
        used: list[str] = []

        def look(workspace: Workspace) -> Database:
            used.append(database_name(workspace.proposal))
            database: Database = client[used[-1]]
            return database

        yield look
        for name in used:
            await client.drop_database(name)
