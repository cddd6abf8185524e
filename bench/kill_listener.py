"""`kill -9` of `knockoff listen` at random moments: nothing lost, nothing done twice.

Bar: 50 runs, 20 kills, restarted each time. Afterwards 50 rows, every array behind a
reference readable, no duplicate, and the file in which the method counts its finished
runs names each run once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.database.opening import open_database
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import event_profile
from knockoff.events.publishing import facility_message, publisher
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from knockoff.database.client import Database

PROPOSAL = 1234

CONTEXT = '''"""Methods that keep count of how often they finish."""

import os
import time
from pathlib import Path

import numpy as np

from knockoff import Run, Variable

COUNT = Path(__file__).with_name("finished.txt")


def finished(what: str) -> None:
    descriptor = os.open(COUNT, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, what.encode() + b"\\n")
    os.close(descriptor)


class Runs(Run):
    @Variable
    def trace(self) -> np.ndarray:
        time.sleep(0.05)
        finished(f"{self.run} trace")
        return np.full(1000, self.run)

    @Variable
    def level(self) -> float:
        time.sleep(0.02)
        value = float(self.trace.mean())
        finished(f"{self.run} level")
        return value
'''


def start_listener(workspace: Workspace, log: Path) -> subprocess.Popen[bytes]:
    """Start `knockoff listen` as an operator would."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "knockoff", "-w", str(workspace.folder), "listen"],
            stdout=file,
            stderr=file,
        )


async def publish_slowly(brokers: tuple[str, ...], runs: int, seconds: float) -> None:
    """Send the messages of all runs, each twice, spread over some seconds."""
    profile = event_profile("maxwell")
    async with publisher(brokers) as kafka:
        for run in range(1, runs + 1):
            message = facility_message(profile, RunKey(PROPOSAL, run), "raw")
            await kafka.send(profile.topics[0], message, message)
            await asyncio.sleep(seconds / runs)


async def kill_again_and_again(
    workspace: Workspace, kills: int, seed: int, log: Path
) -> subprocess.Popen[bytes]:
    """Kill the listener at random moments after it began to work, and start it again."""
    moments = random.Random(seed)  # only moments
    listener = start_listener(workspace, log)
    for _ in range(kills):
        await asyncio.sleep(moments.uniform(0.5, 5.0))
        listener.send_signal(signal.SIGKILL)
        listener.wait()
        listener = start_listener(workspace, log)
    return listener


async def filled(database: Database, runs: int, seconds: float) -> bool:
    """Wait until all rows are filled and nobody works any more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = await database["knockoff.jobs"].count_documents({"state": "done"})
        if done == runs and await database.runs.count_documents({"level": {"$ne": None}}) == runs:
            return True
        await asyncio.sleep(0.2)
    return False


async def faults(workspace: Workspace, database: Database, runs: int) -> list[str]:
    """Everything that is not as it must be."""
    found = []
    rows: list[dict[str, Any]] = await database.runs.find().to_list(None)
    if sorted(row["run"] for row in rows) != list(range(1, runs + 1)):
        found.append(f"{len(rows)} rows instead of {runs}")
    for row in rows:
        reference = row.get("knockoff", {}).get("arrays", {}).get("trace")
        if reference is None or row.get("level") != row["run"]:
            found.append(f"run {row['run']}: {row}")
            continue
        array = read_array(workspace.arrays_folder, ArrayReference.from_json(reference))
        if array.shape != (1000,) or array[0] != row["run"]:
            found.append(f"run {row['run']}: its array has another run's values")
    count = Counter((workspace.folder / "finished.txt").read_text().splitlines())
    expected = {f"{run} {name}" for run in range(1, runs + 1) for name in ("trace", "level")}
    found += [f"{what}: finished {times} times" for what, times in count.items() if times != 1]
    found += [f"{what}: never finished" for what in expected - count.keys()]
    return found


async def trial(runs: int, kills: int, seed: int) -> list[str]:
    """One trial in a folder of its own."""
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(mock_cluster())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for topic in event_profile("maxwell").topics:
            cluster.create_topic(topic)
        (folder / "data").mkdir()
        chosen: dict[str, Any] = {
            "data_root": str(folder / "data"),
            "kafka.profile": "maxwell",
            "kafka.brokers": list(cluster.brokers),
        }
        workspace = Workspace.create(folder / "ws", PROPOSAL, context=CONTEXT, settings=chosen)
        settings = workspace.settings()
        database = await stack.enter_async_context(open_database(workspace, settings))
        sending = asyncio.create_task(publish_slowly(cluster.brokers, runs, 2.5 * kills))
        started = time.monotonic()
        listener = await kill_again_and_again(workspace, kills, seed, folder / "log")
        await sending
        complete = await filled(database, runs, seconds=120)
        seconds = time.monotonic() - started
        listener.send_signal(signal.SIGTERM)
        listener.wait()
        found = await faults(workspace, database, runs)
        if not complete:
            found.append("not all rows were filled within 120 s after the last restart")
        print(f"seed {seed}: {runs} runs, {kills} kills, {seconds:.0f} s: {len(found)} faults")
        if found:
            print((folder / "log").read_text()[-4000:])
        return found


def main() -> int:
    """Run the trials; the exit status says whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[os.getpid()])
    chosen = parser.parse_args()
    found = [
        fault
        for seed in chosen.seeds
        for fault in asyncio.run(trial(chosen.runs, chosen.kills, seed))
    ]
    for fault in found[:20]:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
