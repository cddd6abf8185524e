"""Reading pages and following changes, through servers that come and go."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.changes import Change, changes
from knockoff.database.client import connection, open_client
from knockoff.database.mongod import find_mongod
from knockoff.database.server import ensure_running, status, stop
from knockoff.database.tables import TableReader, TableUnreadableError
from knockoff.tui.app import RunTableApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from knockoff.database.client import Database


class Listener:
    """What was heard so far."""

    def __init__(self) -> None:
        self.heard: list[Change] = []

    async def listen(self, database: Database) -> None:
        """Until cancelled."""
        async with aclosing(changes(database, "runs")) as stream:
            async for change in stream:
                self.heard.append(change)

    async def until(self, what: Callable[[Change], bool]) -> Change:
        """The next change that is so; everything up to it is forgotten."""
        async with asyncio.timeout(60):
            while True:
                while self.heard:
                    if what(change := self.heard.pop(0)):
                        return change
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[Listener]:
    """Listen to the table `runs`, and stop."""
    listener = Listener()
    task = asyncio.create_task(listener.listen(database))
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_write_to_the_table_is_told(
    database: Database, row: Callable[..., Any], variable: Callable[..., Any]
) -> None:
    """Rows, columns and previews of this table, and nothing of another one."""
    async with listening(database) as listener:
        assert await listener.until(lambda _: True) == Change(everything=True)
        await database["spectra"].insert_one(row(1))
        await database["knockoff.previews"].insert_one({"_id": "spectra/1/hits/trend"})
        await database["runs"].insert_one(row(1))
        assert await listener.until(lambda change: change != Change()) == Change(
            rows=frozenset({"p001234r0001"})
        )
        await database["runs"].update_one({"run": 1}, {"$set": {"comment": "by hand"}})
        assert (await listener.until(lambda _: True)).rows == {"p001234r0001"}
        await database["knockoff.previews"].insert_one({"_id": "runs/1/hits/trend"})
        assert (await listener.until(lambda _: True)).previews == {"runs/1/hits/trend"}
        await database["knockoff.variables"].insert_one(variable("hits"))
        assert (await listener.until(lambda _: True)).variables
        await database["runs"].delete_one({"run": 1})
        assert (await listener.until(lambda _: True)).rows == {"p001234r0001"}


async def test_a_dropped_table_is_read_anew(database: Database, row: Callable[..., Any]) -> None:
    """Somebody resets the beamtime while others watch."""
    await database["runs"].insert_one(row(1))
    async with listening(database) as listener:
        await listener.until(lambda change: change.everything)
        await database["runs"].drop()
        await listener.until(lambda change: change.everything)
        await database["runs"].insert_one(row(2))
        await listener.until(lambda change: "p001234r0002" in change.rows)


async def test_what_was_written_while_the_connection_was_lost_is_told(
    tmp_path: Path, row: Callable[..., Any]
) -> None:
    """`kill -9` of the server costs a second of waiting, not a row."""
    folder = tmp_path / "db"
    address = await ensure_running(folder, keep=True)
    try:
        async with open_client(address.uri) as client, listening(client["p001234"]) as listener:
            await listener.until(lambda change: change.everything)
            await client["p001234"]["runs"].insert_one(row(1))
            await listener.until(lambda change: bool(change.rows))
            os.kill(status(folder).holder.pid, signal.SIGKILL)
            await listener.until(lambda change: change.link == "offline")
            address = await ensure_running(folder, keep=True)
            async with open_client(address.uri) as other:
                await other["p001234"]["runs"].insert_one(row(2))
            await listener.until(lambda change: change.link == "live")
            await listener.until(lambda change: "p001234r0002" in change.rows)
    finally:
        await stop(folder, even_if_used=True)


async def test_the_screen_says_that_the_database_is_away_and_recovers(
    tmp_path: Path,
    row: Callable[..., Any],
    until: Callable[..., Awaitable[None]],
    screen: Callable[[RunTableApp], list[str]],
) -> None:
    """What was read stays on the screen; nobody has to start the table again."""
    folder = tmp_path / "db"
    address = await ensure_running(folder, keep=True)
    try:
        async with open_client(address.uri) as client:
            runs = client["p001234"]["runs"]
            await runs.insert_many([row(run) for run in range(1, 200)])
            table = RunTableApp(TableReader(client["p001234"], "runs", "ada"))
            async with table.run_test(size=(100, 20), notifications=True) as pilot:
                await until(pilot, lambda: "199" in screen(table)[-3])
                os.kill(status(folder).holder.pid, signal.SIGKILL)
                await until(pilot, lambda: "offline" in screen(table)[0])
                assert "199" in screen(table)[-3]
                await pilot.press("home")  # rows that were not read yet
                await pilot.pause(0.1)
                await ensure_running(folder, keep=True)
                await runs.update_one({"run": 2}, {"$set": {"comment": "here again"}})
                await until(pilot, lambda: "here again" in screen(table)[3], 60)
                assert "live" in screen(table)[0]
    finally:
        await stop(folder, even_if_used=True)


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[str]:
    """A server without change streams."""
    socket = tmp_path / "m.sock"
    command = [
        str(find_mongod()),
        "--dbpath",
        str(tmp_path),
        "--bind_ip",
        "./m.sock",
        "--nounixsocket",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        yield f"mongodb://{str(socket).replace('/', '%2F')}/?directConnection=true"
        server.terminate()


async def test_without_change_streams_the_rows_are_polled(
    standalone: str, row: Callable[..., Any], variable: Callable[..., Any]
) -> None:
    """A server that is no replica set still shows a table that moves."""
    async with connection(standalone, patience=30) as client:
        rows = client["p001234"]["runs"]
        await rows.insert_many([row(1), row(2)])
        async with listening(client["p001234"]) as listener:
            first = await listener.until(lambda _: True)
            assert first == Change("polling", everything=True)
            newer = row(3)
            newer["knockoff"]["updated_at"] = newer["start_time"].replace(year=2030)
            await rows.insert_one(newer)
            assert (await listener.until(lambda c: bool(c.rows))).rows == {"p001234r0003"}
            await client["p001234"]["knockoff.variables"].insert_one(variable("hits"))
            await listener.until(lambda change: change.variables)
            await rows.delete_one({"run": 1})
            await listener.until(lambda change: change.everything)


async def test_a_table_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """An error for people, not a traceback of the driver."""
    nowhere = f"mongodb://{str(tmp_path / 'none.sock').replace('/', '%2F')}/"
    async with connection(nowhere, patience=0.2) as client:
        reader = TableReader(client["p001234"], "runs", "ada")
        with pytest.raises(TableUnreadableError, match="'runs' cannot be read just now"):
            await reader.rows({"run"})


async def test_a_page_has_only_what_was_asked_for(
    database: Database, row: Callable[..., Any]
) -> None:
    """Two hundred columns are not read to draw ten."""
    values = {"hits": 3, "xgm.energy": 1376.6, "xgm.other": 1}
    await database["runs"].insert_many([row(2, values), row(1, values), row(3)])
    reader = TableReader(database, "runs", "ada")
    found = await reader.rows({"run", "xgm.energy"}, ["p001234r0002", "p001234r0001", "gone"])
    assert found == [
        {"_id": "p001234r0001", "run": 1, "xgm": {"energy": 1376.6}},
        {"_id": "p001234r0002", "run": 2, "xgm": {"energy": 1376.6}},
    ]
    assert [each["run"] for each in await reader.rows({"run"})] == [1, 2, 3]
