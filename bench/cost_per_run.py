"""What a run costs beyond its own work: from the event to the value, and to the row.

Bars: value readable ≤ 25 ms in the median and ≤ 2 × the floor of the same run of this
script; row readable ≤ 100 ms after the message, which comes through a real Kafka broker.

The floor is one bare fork of a process that has loaded what a worker loads, plus the same
writes to MongoDB, majority and journaled, one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.database.opening import open_database
from knockoff.engine.environment import HEAVY
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import event_profile
from knockoff.events.publishing import facility_message, publisher
from knockoff.listener.listening import listen
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from knockoff.database.client import Database

PROPOSAL = 1234

CONTEXT = '''"""One trivial variable."""

from typing import Annotated

from knockoff import Run, Variable


class Runs(Run):
    def one(self) -> Annotated[int, Variable]:
        return 1
'''


async def readable(database: Database, run: int, field: str) -> None:
    """Ask until MongoDB has the field."""
    query = {"run": run, field: {"$ne": None}}
    while await database.runs.find_one(query, {"_id": 1}) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.0005)


async def value_costs(workspace: Workspace, runs: int) -> list[float]:
    """Seconds from the recorder being told of an event to the value in MongoDB, for each run."""
    settings = workspace.settings()
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(open_recorder(workspace, settings))
        work = asyncio.create_task(recorder.work(1))
        costs = []
        for run in range(1, runs + 1):
            started = time.perf_counter()
            await recorder.record(RunKey(PROPOSAL, run), "raw")
            await readable(recorder.database, run, "one")
            costs.append(time.perf_counter() - started)
            await asyncio.sleep(0.02)  # the next event finds nobody busy
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return costs


def loaded_process(connection: Connection) -> None:
    """Load what a worker loads, and fork once for every message."""
    for name in HEAVY:
        import_module(name)
    connection.send("ready")
    while connection.recv() is not None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        connection.send("forked")


async def writes(database: Database, run: int) -> None:
    """The writes of one event, plain: row, job, claim, taking the row, value, history."""
    document = {"proposal": PROPOSAL, "run": run, "knockoff": {"data": ["raw"]}}
    key = f"r{run}"
    await database.floor.update_one({"_id": key}, {"$setOnInsert": document}, upsert=True)
    await database.floor_jobs.update_one({"_id": key}, {"$set": {"state": "queued"}}, upsert=True)
    await database.floor_jobs.find_one_and_update({"_id": key}, {"$set": {"state": "running"}})
    await database.floor.find_one_and_update({"_id": key}, {"$set": {"knockoff.active": {}}})
    await database.floor.update_one({"_id": key}, {"$set": {"one": 1}})
    await database.floor_history.insert_one({"_id": key, "value": 1})


async def floor_costs(workspace: Workspace, runs: int) -> tuple[list[float], list[float]]:
    """Seconds for one bare fork, and for the writes of one event, for each run."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=loaded_process, args=(theirs,))
    process.start()
    ours.recv()
    forks, written = [], []
    async with open_database(workspace, workspace.settings()) as database:
        for run in range(1, runs + 1):
            started = time.perf_counter()
            ours.send(run)
            ours.recv()
            forks.append(time.perf_counter() - started)
            started = time.perf_counter()
            await writes(database, run)
            written.append(time.perf_counter() - started)
    ours.send(None)
    process.join()
    return forks, written


async def row_costs(workspace: Workspace, brokers: tuple[str, ...], runs: range) -> list[float]:
    """Seconds from sending a message to Kafka to its row in MongoDB, for each run."""
    profile = event_profile("maxwell")
    settings = workspace.settings()
    costs = []
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(workspace, settings))
        kafka = await stack.enter_async_context(publisher(brokers))
        stop = asyncio.Event()
        listener = asyncio.create_task(listen(workspace, settings, stop=stop))
        for run in runs:
            message = facility_message(profile, RunKey(PROPOSAL, run), "raw")
            started = time.perf_counter()
            await kafka.send(profile.topics[0], message)
            await readable(database, run, "run")
            costs.append(time.perf_counter() - started)
            await asyncio.sleep(0.05)
        stop.set()
        await listener
    return costs[1:]  # the first one waits for the consumer group to form


def told(what: str, seconds: list[float], note: str = "") -> float:
    """Print median and 99th percentile, in ms; give the median."""
    median = statistics.median(seconds) * 1000
    last = statistics.quantiles(seconds, n=100)[98] * 1000
    print(f"{what:<44} {median:7.1f} {last:7.1f}  {note}")
    return median


def main() -> int:
    """Print the figures; the exit status says whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs
    with mock_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        for topic in event_profile("maxwell").topics:
            cluster.create_topic(topic)
        (Path(folder) / "data").mkdir()
        chosen: dict[str, Any] = {
            "data_root": f"{folder}/data",
            "kafka.profile": "maxwell",
            "kafka.brokers": list(cluster.brokers),
        }
        workspace = Workspace.create(
            Path(folder) / "workspace", PROPOSAL, context=CONTEXT, settings=chosen
        )
        print(f"{'ms, ' + str(runs) + ' runs':<44} {'median':>7} {'p99':>7}")
        forks, written = asyncio.run(floor_costs(workspace, runs))
        value = asyncio.run(value_costs(workspace, runs))
        row = asyncio.run(row_costs(workspace, cluster.brokers, range(1001, 1001 + runs)))
        told("one bare fork", forks)
        told("the same writes", written)
        floor = told("floor: both", [a + b for a, b in zip(forks, written, strict=True)])
        median = told("event to value", value, "bar 25")
        row_median = told("message to row", row, "bar 100")
        print(f"{'event to value ÷ floor':<44} {median / floor:7.2f}          bar 2")
    return 0 if median <= 25 and median <= 2 * floor and row_median <= 100 else 1


if __name__ == "__main__":
    sys.exit(main())
