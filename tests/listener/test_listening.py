"""The listener on a real broker and a real MongoDB: what comes in, and what may go wrong."""

from __future__ import annotations

import asyncio
import itertools
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.client import FACILITY, database_name, open_client
from knockoff.events.mock_cluster import MockCluster, mock_cluster
from knockoff.events.profiles import event_profile
from knockoff.events.publishing import facility_message, publish
from knockoff.listener.listening import listen
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from knockoff.database.client import Client, Database
    from knockoff.runkey import DataKind

PROFILE = event_profile("maxwell")
RAW_TOPIC, PROC_TOPIC = PROFILE.topics
_NUMBERS = itertools.count(300_000 + os.getpid() % 8_000 * 50)

COUNTING = """
from pathlib import Path
from typing import Annotated
from knockoff import Run, Variable

LEDGER = Path(__file__).with_name("counted.txt")

class Runs(Run):
    def counted(self) -> Annotated[int, Variable]:
        with LEDGER.open("a") as ledger:
            ledger.write(f"{self.run} raw\\n")
        return self.run

    @Variable(data="proc")
    def corrected(self) -> int:
        with LEDGER.open("a") as ledger:
            ledger.write(f"{self.run} proc\\n")
        return -self.counted
"""


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    """A broker of this test's own, with the facility's topics."""
    with mock_cluster() as cluster:
        for topic in PROFILE.topics:
            cluster.create_topic(topic)
        yield cluster


@pytest.fixture
async def client(mongod: str) -> AsyncIterator[Client]:
    """A plain client; what the test wrote for its proposal is dropped by the test's end."""
    async with open_client(mongod) as client:
        yield client


@pytest.fixture
def workspace(tmp_path: Path, mongod: str, broker: MockCluster) -> Workspace:
    """A workspace whose variables keep count of themselves in a file."""
    (tmp_path / "data").mkdir()
    proposal = next(_NUMBERS)
    settings = {
        "database": mongod,
        "data_root": str(tmp_path / "data"),
        "kafka.profile": "maxwell",
        "kafka.brokers": list(broker.brokers),
    }
    return Workspace.create(tmp_path / "ws", proposal, context=COUNTING, settings=settings)


@asynccontextmanager
async def listening(workspace: Workspace) -> AsyncIterator[None]:
    """Have the listener run for as long as the body."""
    stop = asyncio.Event()
    task = asyncio.create_task(listen(workspace, workspace.settings(), stop=stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something is true; the test's time limit is the only one."""
    while not (found := await condition()):  # noqa: ASYNC110  # MongoDB has no such event
        await asyncio.sleep(0.05)
    return found


def message(workspace: Workspace, run: int, kind: DataKind) -> bytes:
    return facility_message(PROFILE, RunKey(workspace.proposal, run), kind)


def counted(workspace: Workspace) -> list[str]:
    return sorted((workspace.folder / "counted.txt").read_text().splitlines())


async def filled(database: Database, run: int, field: str) -> dict[str, Any] | None:
    row: dict[str, Any] | None = await database.runs.find_one({"run": run, field: {"$ne": None}})
    return row


async def test_a_message_becomes_a_filled_row_and_its_repetition_nothing(
    workspace: Workspace, broker: MockCluster, client: Client
) -> None:
    """Kafka delivers at least once; the table has one row per run, computed once per kind."""
    database = client[database_name(workspace.proposal)]
    raw, proc = (message(workspace, 7, kind) for kind in ("raw", "proc"))
    async with listening(workspace):
        await publish(broker.brokers, RAW_TOPIC, [raw, raw])
        await until(lambda: filled(database, 7, "counted"))
        await publish(broker.brokers, PROC_TOPIC, [proc])
        await publish(broker.brokers, RAW_TOPIC, [raw])
        row = await until(lambda: filled(database, 7, "corrected"))
        await publish(broker.brokers, RAW_TOPIC, [message(workspace, 8, "raw")])
        await until(lambda: filled(database, 8, "counted"))

    assert (row["counted"], row["corrected"], row["knockoff"]["data"]) == (7, -7, ["raw", "proc"])
    assert counted(workspace) == ["7 proc", "7 raw", "8 raw"]
    assert await database.runs.count_documents({}) == 2
    await client.drop_database(database.name)


async def test_corrected_data_may_come_before_raw_data(
    workspace: Workspace, broker: MockCluster, client: Client
) -> None:
    """Topics have no order among each other; the row says what it waits for until then."""
    database = client[database_name(workspace.proposal)]
    async with listening(workspace):
        await publish(broker.brokers, PROC_TOPIC, [message(workspace, 3, "proc")])
        blocked = await until(lambda: filled(database, 3, "knockoff.problems.corrected"))
        await publish(broker.brokers, RAW_TOPIC, [message(workspace, 3, "raw")])
        row = await until(lambda: filled(database, 3, "corrected"))

    assert (
        "counted has not been computed" in blocked["knockoff"]["problems"]["corrected"]["message"]
    )
    assert (row["counted"], row["corrected"]) == (3, -3)
    assert "states" not in row["knockoff"]
    await client.drop_database(database.name)


async def test_what_makes_no_sense_is_put_aside_and_the_next_message_handled(
    workspace: Workspace, broker: MockCluster, client: Client
) -> None:
    """One bad message must not stop the night shift, nor be lost without a word."""
    database = client[database_name(workspace.proposal)]
    bad = [
        b"\xff not JSON",
        b"[]",
        b'{"event": "migration_complete", "proposal": "../../x", "run": 1}',
        b'{"event": "migration_complete", "proposal": 1, "run": -5}',
        b'{"event": "migration_complete", "proposal": 1}',
    ]
    async with listening(workspace):
        await publish(broker.brokers, RAW_TOPIC, [*bad, b'{"event": "tea", "proposal": 1}'])
        await publish(broker.brokers, RAW_TOPIC, [message(workspace, 1, "raw")])
        await until(lambda: filled(database, 1, "counted"))

    letters = client[FACILITY].dead_letters.find({"value": {"$in": bad}})
    reasons = {letter["value"]: letter["reason"] async for letter in letters}
    assert reasons.keys() == set(bad)
    assert "../../x" in reasons[bad[2]]
    assert "-5" in reasons[bad[3]]
    await client.drop_database(database.name)


async def test_messages_wait_in_kafka_while_nobody_listens(
    workspace: Workspace, broker: MockCluster, client: Client
) -> None:
    """A listener that was down all night catches up, from the earliest message on."""
    database = client[database_name(workspace.proposal)]
    runs = range(1, 6)
    await publish(broker.brokers, RAW_TOPIC, [message(workspace, run, "raw") for run in runs])
    async with listening(workspace):
        for run in runs:
            await until(lambda run=run: filled(database, run, "counted"))  # type: ignore[misc]
    async with listening(workspace):
        await publish(broker.brokers, RAW_TOPIC, [message(workspace, 9, "raw")])
        await until(lambda: filled(database, 9, "counted"))

    assert counted(workspace) == [f"{run} raw" for run in (*runs, 9)]
    await client.drop_database(database.name)
