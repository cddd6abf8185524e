"""A recorder that is killed: what its workers had begun is finished, kept and found."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from knockoff.engine.answers import message_from_json
from knockoff.filling.spool import SpoolHeader, spools_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Place

RECORDER = """
import asyncio, json, os, sys
from pathlib import Path
from knockoff.engine.environment import EngineSettings
from knockoff.engine.local import open_engine
from knockoff.filling.messages import Result, RunTask

async def main():
    folder, name, timeout = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    settings = EngineSettings(
        folder / "process_logs", folder / "spool", timeout=timeout, grace=0.3, preload=(),
        environment={"KNOCKOFF_TEST": name}, processors=int(sys.argv[5]),
    )
    async with open_engine(settings) as engine:
        task = RunTask(1234, 42, "runs", "1", str(folder / "extracted_data"))
        async with engine.session(folder / "context.py", task) as session:
            async for message in session.fill(json.loads(sys.argv[4])):
                print(type(message).__name__, getattr(message, "variable", ""), flush=True)
                if isinstance(message, Result) and message.variable == "before":
                    await session.acknowledge(1)

asyncio.run(main())
"""


@pytest.fixture
def recorder(place: Place) -> Iterator[Recorder]:
    recorder = Recorder(place)
    yield recorder
    recorder.kill()


class Recorder:
    """A service in a process of its own that fills run 42, to be killed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: subprocess.Popen[str] | None = None

    def start(self, *names: str, timeout: float = 100, processors: int = 1) -> None:
        """Fill these variables, on a machine with so many processors."""
        asked, place = json.dumps(names), self._place
        arguments = [str(place.folder), place.name, str(timeout), asked, str(processors)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", RECORDER, *arguments], stdout=subprocess.PIPE, text=True
        )

    async def until(self, line: str) -> None:
        """Wait until it has heard this."""
        assert self._process is not None
        assert self._process.stdout is not None
        while (await asyncio.to_thread(self._process.stdout.readline)).strip() != line:
            assert self._process.poll() is None

    def kill(self) -> None:
        """As by ``kill -9``."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            with self._process:
                self._process.wait()


async def test_what_a_killed_recorder_had_asked_for_is_finished_and_found(
    place: Place, recorder: Recorder
) -> None:
    """A variable may have worked for an hour; a restart of the service must not cost that."""
    go_on = place.folder / "go_on"
    place.context(
        f"""
@Variable
def unheard(before: "var#before"):
    return "sent, perhaps not stored"

@Variable
def slow(before: "var#before"):
    while not os.path.exists({str(go_on)!r}): time.sleep(0.01)
    return "slow"

@Variable
def crashes(before: "var#before"):
    os._exit(1)
"""
    )
    recorder.start("before", "unheard", "slow", "after", "crashes")
    await recorder.until("Started slow")
    recorder.kill()

    (spool,) = spools_in(place.folder / "spool")
    assert spool.header == SpoolHeader(
        1234, 42, "runs", "1", ("before", "unheard", "slow", "crashes", "after")
    )
    assert spool.is_held()
    go_on.touch()
    found = {result.variable: result async for result in spool.results(message_from_json)}

    assert not spool.is_held()
    assert {name: result.fields.get(name) for name, result in found.items()} == {
        "unheard": "sent, perhaps not stored",
        "slow": "slow",
        "after": 43,
    } or set(found) == {"unheard", "slow"}  # where `crashes` came before `after`
    spool.remove()
    await place.until_nothing_runs()


async def test_each_of_several_workers_of_a_run_finishes_what_it_had_begun(
    place: Place, recorder: Recorder
) -> None:
    """They ran at the same time, so that each has a spool of its own."""
    go_on = place.folder / "go_on"
    long = f"while not os.path.exists({str(go_on)!r}): time.sleep(0.01)"
    place.context(
        f"""
@Variable
def one(before: "var#before"):
    {long}
    return 1

@Variable
def two(before: "var#before"):
    {long}
    return 2
"""
    )
    recorder.start("before", "one", "two", processors=4)
    await recorder.until("Started one")
    await recorder.until("Started two")
    recorder.kill()

    spools = spools_in(place.folder / "spool")
    assert {spool.header.attempt for spool in spools} == {"1"}
    go_on.touch()
    found = [each for spool in spools async for each in spool.results(message_from_json)]

    assert {each.variable: each.fields for each in found} == {"one": {"one": 1}, "two": {"two": 2}}
    for spool in spools:
        spool.remove()
    await place.until_nothing_runs()


async def test_an_orphan_does_not_run_for_ever(place: Place, recorder: Recorder) -> None:
    """With nobody there to stop it, its zygote does."""
    place.context(
        """
@Variable
def kept(before: "var#before"):
    return 1

@Variable
def endless(before: "var#before"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    while True: time.sleep(1)
"""
    )
    recorder.start("before", "kept", "endless", timeout=1)
    await recorder.until("Started endless")
    recorder.kill()

    await place.until_nothing_runs()

    (spool,) = spools_in(place.folder / "spool")
    left = [result.variable async for result in spool.results()]
    # that `before` is stored may not have been read by a process which was busy
    assert left in (["kept"], ["before", "kept"])


async def test_a_worker_that_had_told_everything_leaves_nothing(
    place: Place, recorder: Recorder
) -> None:
    """A recorder killed between two runs has nothing to take up."""
    place.context("")
    recorder.start("before")
    await recorder.until("Filled")
    recorder.kill()

    await place.until_nothing_runs()

    assert spooled(place.folder / "spool") == []


def spooled(folder: Path) -> list[Path]:
    """Files left in the folder of spools."""
    return list(folder.iterdir())
