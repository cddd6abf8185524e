"""Cancelled jobs: nothing more is computed, what was finished stays, and the cells say so."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.database.jobentries import job_entries
from knockoff.database.jobs import JOBS, claim
from knockoff.database.rows import RowChange, change_row
from knockoff.recording.cancelling import cancel
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.database.client import Database
    from knockoff.recording.cancelling import Cancelled
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

SLOW = """
import os, time
from pathlib import Path
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def first(self) -> int:
        return 1

    @Variable
    def endless(self) -> int:
        here = Path(__file__).parent
        self.first
        (here / "worker.txt").write_text(str(os.getpid()))
        while not (here / "quick").exists():
            pass
        return 2

    @Variable
    def last(self) -> int:
        return self.endless + 1
"""


def key_of(recorder: Recorder, run: int) -> RunKey:
    return RunKey(int(recorder.database.name[1:]), run)


async def cancelled(recorder: Recorder, run: int) -> Cancelled:
    context = recorder.tables.context
    return await cancel(recorder.database, context, [run], by="ada", patience=10)


async def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, when it does."""
    async with asyncio.timeout(20):
        while not (found := look()):  # noqa: ASYNC110  # a file tells nobody that it is there
            await asyncio.sleep(0.05)
    return found


async def test_a_job_that_waits_is_not_begun(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Whoever cancels a run that was announced by mistake wants no minute of it computed."""
    workspace = make_workspace(SLOW)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key_of(recorder, 4), "raw")
        done = await cancelled(recorder, 4)
        assert [(each.id, each.state) for each in done.jobs] == [("runs/4/raw", "queued")]
        assert await claim(recorder.database, ["runs"]) is None
        row: Any = await plain(workspace).runs.find_one()
        problems = row["knockoff"]["problems"]
        assert {name: each["state"] for name, each in problems.items()} == dict.fromkeys(
            ("first", "endless", "last"), "cancelled"
        )
        assert problems["first"]["message"] == "by ada"

        (workspace.folder / "quick").write_text("")
        await recorder.record(key_of(recorder, 4), "raw")  # Kafka delivers it once more
        assert await claim(recorder.database, ["runs"]) is None
        await recorder.work_off(await recorder.ask_again(key_of(recorder, 4), retry=False))
        row = await plain(workspace).runs.find_one()
        assert (row["first"], row["endless"], row["last"]) == (1, 2, 3)
        assert "problems" not in row["knockoff"]


async def test_a_running_job_is_ended_and_keeps_what_it_has_finished(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """An endless loop costs its own cell and what needs it, nothing else; its worker is gone."""
    workspace = make_workspace(SLOW)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key_of(recorder, 4), "raw")
        working = asyncio.create_task(recorder.work_off(["runs/4/raw"]))
        note = workspace.folder / "worker.txt"
        await eventually(lambda: note.exists() and note.read_text())
        (entry,) = await job_entries(recorder.database, ["running"])
        assert (entry.pid, entry.is_abandoned) == (os.getpid(), False)

        done = await cancelled(recorder, 4)
        await asyncio.wait_for(working, 10)

        assert [each.id for each in done.jobs] == ["runs/4/raw"]
        row: Any = await plain(workspace).runs.find_one()
        assert row["first"] == 1
        problems = row["knockoff"]["problems"]
        assert {name: each["state"] for name, each in problems.items()} == {
            "endless": "cancelled",
            "last": "cancelled",
        }
        assert "active" not in row["knockoff"]
        worker = Path(f"/proc/{await asyncio.to_thread(note.read_text)}")
        await eventually(lambda: not worker.exists())
        job: Any = await recorder.database[JOBS].find_one()
        assert (job["state"], job["reason"]) == ("cancelled", "by ada")

        (workspace.folder / "quick").write_text("")  # the recorder goes on working
        await recorder.record(key_of(recorder, 5), "raw")
        await recorder.work_off(["runs/5/raw"])
        row = await plain(workspace).runs.find_one({"run": 5})
        assert row["last"] == 3


async def test_a_job_whose_process_is_gone_is_cancelled_and_its_late_results_are_not_written(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """On another host only the lease tells that a process is gone, and it may still come back."""
    workspace = make_workspace(SLOW)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database, key = recorder.database, key_of(recorder, 4)
        await recorder.record(key, "raw")
        late = await claim(database, ["runs"])
        assert late is not None
        over = datetime.now(UTC) - timedelta(seconds=5)
        await database[JOBS].update_one(
            {}, {"$set": {"owner": "elsewhere:4711:1", "lease_until": over}}
        )
        guard = {"knockoff.attempt.raw": late.attempt}
        await change_row(database, "runs", key, RowChange(guard))
        (entry,) = await job_entries(database, ["running"])
        assert (entry.host, entry.pid, entry.is_abandoned) == ("elsewhere", 4711, True)

        done = await cancelled(recorder, 4)

        assert [each.id for each in done.jobs] == ["runs/4/raw"]
        assert not await change_row(database, "runs", key, RowChange({"first": 9}), guard)
        row: Any = await plain(workspace).runs.find_one()
        assert row["knockoff"]["states"] == ["cancelled"]
