"""A recorder that stands still, and the one that takes its job over; both are real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from knockoff.database.jobs import JOBS
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.recording.opening import open_recorder
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.database.client import Database
    from knockoff.workspace import Workspace

WHO = """
from pathlib import Path
from time import sleep
import numpy as np
from knockoff import Variable

HERE = Path(__file__).parent

@Variable(summary="mean")
def who(run):
    if not (HERE / "begun").exists():
        (HERE / "begun").touch()
        while not (HERE / "go").exists():
            sleep(0.02)
        return np.full(20, 1.0)
    return np.full(20, 2.0)
"""


async def written_beside(database: Database) -> dict[str, list[Any]]:
    """All that results leave beside the rows."""
    return {
        name: await database[name].find().sort("_id").to_list(None)
        for name in (HISTORY, PREVIEWS, PAST_PREVIEWS)
    }


async def test_what_a_stopped_process_brings_after_its_lease_matches_nothing(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A machine that swaps for minutes comes back, and must not overwrite what was done since."""
    workspace = make_workspace(WHO)
    database = plain(workspace)
    write_run(workspace.settings().data_root, RunKey(workspace.proposal, 1))
    command = [sys.executable, "-m", "knockoff", "process", "1"]
    with subprocess.Popen(  # noqa: ASYNC220
        command, cwd=workspace.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as stopped:
        try:
            while not (workspace.folder / "begun").exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            os.kill(stopped.pid, signal.SIGSTOP)
            await database[JOBS].update_many({}, {"$set": {"lease_until": datetime.now(UTC)}})
            async with open_recorder(workspace, workspace.settings()) as recorder:
                recorder._orphans.clear()  # as on another machine, which sees no worker of ours
                work = asyncio.create_task(recorder.work(1, sweep=0.1))
                while not await database.runs.find_one({"who": 2}):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                while await database[JOBS].find_one({"state": {"$ne": "done"}}):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                beside = await written_beside(database)
                (workspace.folder / "go").touch()
                os.kill(stopped.pid, signal.SIGCONT)
                _, said = await asyncio.to_thread(stopped.communicate)
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        finally:
            (workspace.folder / "go").touch()
            stopped.kill()
    row: Any = await database.runs.find_one()
    job: Any = await database[JOBS].find_one({"_id": "runs/1/raw"})

    assert row["who"] == 2
    assert [each["fields"]["who"] for each in beside[HISTORY] if each["variable"] == "who"] == [2]
    assert beside[PREVIEWS]
    assert await written_beside(database) == beside
    assert (job["state"], job["attempt"]) == ("done", 2)
    assert "taken over by another" in said.decode()


async def test_a_late_result_leaves_nothing_beside_the_row_either(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A preview of the late one below the number of the other would show what is not so."""
    workspace = make_workspace(WHO)
    database = plain(workspace)
    write_run(workspace.settings().data_root, RunKey(workspace.proposal, 1))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RunKey(workspace.proposal, 1), "raw")
        work = asyncio.create_task(recorder.work_off(["runs/1/raw"]))
        told = {"knockoff.active.raw.variable": "who"}  # else it is refused before its result
        while not await database.runs.find_one(told):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        # as the next owner does, a moment before the late one would notice
        await database.runs.update_one({}, {"$set": {"knockoff.attempt.raw": 2}})
        before: Any = await database.runs.find_one()
        (workspace.folder / "go").touch()
        while recorder._held:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    assert await database.runs.find_one() == before
    assert not any((await written_beside(database)).values())
