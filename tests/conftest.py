"""The real MongoDB that the tests run against."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from knockoff.database.client import open_client
from knockoff.database.server import ensure_running, status, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from knockoff.database.client import Database


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of one embedded server for the whole session; it ends with the session."""
    folder = tmp_path_factory.mktemp("mongod") / "db"
    address = asyncio.run(ensure_running(folder, keep=True))
    pid = status(folder).holder.pid
    with subprocess.Popen(  # survives us by just long enough to end mongod, however we end
        ["/bin/sh", "-c", f"read -r _; kill -9 {pid}"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    ) as survivor:
        yield address.uri
        asyncio.run(stop(folder, even_if_used=True))
        survivor.kill()


@pytest.fixture
async def database(mongod: str) -> AsyncIterator[Database]:
    """An empty database of this test's own, dropped afterwards."""
    async with open_client(mongod) as client:
        database = client[f"test_{uuid4().hex}"]
        yield database
        await client.drop_database(database.name)
