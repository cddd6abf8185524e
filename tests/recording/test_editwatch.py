"""Edits in mongosh and Compass, seen by the recorder while it works; on a real MongoDB."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient

from knockoff.database.client import database_name
from knockoff.database.edited import edited
from knockoff.database.jobs import JOBS
from knockoff.database.server import status
from knockoff.recording.opening import open_editing, open_recorder
from knockoff.recording.reasons import Reasons
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder

COUNTED = """
from pathlib import Path
from typing import Annotated
from knockoff import Editable, Run, Variable

def count(name):
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")

class Runs(Run):
    threshold: Annotated[float, Editable(title="Hit threshold")] = 0.5

    @Variable
    def level(self) -> int:
        count("level")
        return 10 * self.run

    @Variable
    def hits(self) -> float:
        count("hits")
        return self.level * self.threshold

    @Variable
    def rate(self) -> float:
        count("rate")
        return self.hits / 100
"""


def counted(workspace: Workspace) -> list[str]:
    return (workspace.folder / "count.txt").read_text().split()


@asynccontextmanager
async def at_work(workspace: Workspace, *runs: int) -> AsyncIterator[Recorder]:
    """A recorder that has filled these runs, and works on."""
    async with open_recorder(workspace, workspace.settings()) as recorder:
        for run in runs:
            await recorder.record(RunKey(workspace.proposal, run), "raw")
        await recorder.work_off([f"runs/{run}/raw" for run in runs])
        work = asyncio.create_task(recorder.work(2, sweep=0.1))
        await asyncio.sleep(0.5)  # until it listens to the server
        yield recorder
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def settled(database: Database, **wanted: Any) -> Any:
    """The row when it is as wanted, and nothing is left to do."""
    query = {name.replace("__", "."): value for name, value in wanted.items()}
    while (row := await database.runs.find_one(query)) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    while await database[JOBS].find_one({"state": {"$ne": "done"}}):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return row


async def test_an_edit_in_mongosh_recomputes_what_reads_it_in_that_run_and_only_that(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    mongod: str,
) -> None:
    """Any MongoDB client may type into the table; it is the same as typing it in the terminal."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)
    with MongoClient[dict[str, Any]](mongod) as client:
        rows = client[database_name(workspace.proposal)]["runs"]
        async with at_work(workspace, 1, 2):
            before = len(counted(workspace))
            rows.update_one({"run": 2}, {"$set": {"threshold": 0.75}})
            await settled(database, run=2, rate=0.15)
            rows.update_one({"run": 2}, {"$set": {"threshold": 0.75}})  # the same once more
            rows.update_one({"run": 2}, {"$set": {"comment": "nobody reads it"}})
            rows.update_one({"run": 1}, {"$set": {"threshold": 2.0}})
            other = await settled(database, run=1, rate=0.2)

    assert counted(workspace)[before:] == ["hits", "rate", "hits", "rate"]
    assert other["level"] == 10


async def test_of_quick_edits_the_last_one_holds(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Somebody turns a threshold up and down; the values are those of the threshold shown."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)
    async with at_work(workspace, 2):
        for threshold in (0.6, 0.7, 3.0, 0.8):
            await database.runs.update_one({"run": 2}, {"$set": {"threshold": threshold}})
        row = await settled(database, run=2, threshold=0.8, hits=16)

    assert row["threshold"] == 0.8
    assert set(counted(workspace)[3:]) == {"hits", "rate"}


async def test_what_does_not_fit_a_field_is_told_and_mended_by_the_next_edit(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """mongosh takes any word for a threshold; the row stays readable, and says what is wrong."""
    workspace = make_workspace(COUNTED.replace("self.level * self", "self.level - self"))
    database = plain(workspace)
    async with at_work(workspace, 2):
        await database.runs.update_one({"run": 2}, {"$set": {"threshold": "high"}})
        row = await settled(database, run=2, knockoff__problems__hits__state="failed")
        column = {"name": "hits", "data": "raw"}
        told = await (await Reasons.of(database, "runs", row, UTC, None)).explain(column)
        assert 'threshold holds "high", and takes a number' in told.text
        assert "`knockoff set 2 threshold VALUE`" in told.text
        assert "takes a number" in caplog.text
        assert row["level"] == 20

        await database.runs.update_one({"run": 2}, {"$set": {"threshold": 1}})
        await settled(database, run=2, hits=19, rate=0.19)


async def test_a_row_that_was_replaced_as_a_whole_is_computed_where_it_differs(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Some programs write a whole document back for one field."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)
    async with at_work(workspace, 2):
        row: Any = await database.runs.find_one({"run": 2})
        await database.runs.replace_one({"run": 2}, {**row, "threshold": 1.5})
        await settled(database, run=2, rate=0.3)

    assert counted(workspace)[3:] == ["hits", "rate"]


async def test_an_edit_leaves_alone_what_is_stale_by_another_edit(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Whoever types a threshold has not asked for hours of work on a method edited yesterday."""
    workspace = make_workspace(COUNTED + "\n    @Variable\n    def other(self) -> int: return 1\n")
    database = plain(workspace)
    async with at_work(workspace, 2) as recorder:
        source = workspace.context_file.read_text()
        workspace.context_file.write_text(source.replace("return 1\n", "return 2\n"))
        await recorder.context.look()
        await database.runs.update_one({"run": 2}, {"$set": {"threshold": 0.75}})
        assert (await settled(database, run=2, hits=15))["other"] == 1
        key = RunKey(workspace.proposal, 2)
        async with open_editing(workspace, workspace.settings()) as editing:
            await editing.set_field(key, "threshold", "1.5")
        assert (await settled(database, run=2, hits=30))["other"] == 1


async def test_an_edit_made_while_nobody_listens_is_due_at_the_next_reprocess(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """The hashes of the inputs tell, also days later."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)
    async with at_work(workspace, 2):
        pass
    await database.runs.update_one({"run": 2}, {"$set": {"threshold": 0.75}})
    async with open_recorder(workspace, workspace.settings()) as recorder:
        jobs = await recorder.ask_again(RunKey(workspace.proposal, 2))
        await recorder.work_off(jobs)

    assert (await settled(database, run=2))["hits"] == 15
    assert counted(workspace)[3:] == ["hits", "rate"]


async def test_after_a_restart_of_the_server_edits_are_seen_again(tmp_path: Path) -> None:
    """A server that is killed at night is started again; nobody restarts the listener for it."""
    (tmp_path / "data").mkdir()
    workspace = Workspace.create(
        tmp_path / "p900777", 900_777, context=COUNTED,
        settings={"data_root": str(tmp_path / "data")},
    )  # fmt: skip
    async with at_work(workspace, 2) as recorder:
        await recorder.database.runs.update_one({"run": 2}, {"$set": {"threshold": 0.75}})
        await settled(recorder.database, run=2, rate=0.15)
        holder = status(workspace.database_folder).holder
        assert holder is not None
        os.kill(holder.pid, signal.SIGKILL)
        while True:
            try:
                await recorder.database.runs.update_one({"run": 2}, {"$set": {"threshold": 1.5}})
                break
            except Exception:  # noqa: BLE001  # whichever way it is away
                await asyncio.sleep(0.2)
        assert (await settled(recorder.database, run=2, rate=0.3))["hits"] == 30


async def test_edits_that_the_server_has_forgotten_are_found_by_looking_at_all_rows(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """After a long time away the place in its log is gone; the rows still tell what is due."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)

    async with at_work(workspace, 1, 2) as recorder:
        await recorder.edits.look_everywhere(recorder._news.set)
        assert len(counted(workspace)) == 6
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await database.runs.update_one({"run": 2}, {"$set": {"threshold": 0.75}})
        await recorder.edits.look_everywhere(lambda: None)
        jobs = await database[JOBS].find({"state": "queued"}).to_list(None)

    assert [(job["_id"], job["variables"]) for job in jobs] == [("runs/2/edit", ["hits", "rate"])]


async def test_the_servers_word_that_it_has_forgotten_is_understood(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A database that was dropped ends the stream: what came after is read with a gap before it."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)
    await database.runs.insert_one({"_id": "p000001r0001", "x": 1})
    heard: list[Any] = []

    async def hear() -> None:
        async for each in edited(database):
            heard.append(each)  # noqa: PERF401  # seen while it grows

    listening = asyncio.create_task(hear())
    await asyncio.sleep(0.5)
    await database.client.drop_database(database.name)
    while None not in heard:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await database.runs.insert_one({"_id": "p000001r0001", "x": 1})
    await database.runs.update_one({}, {"$set": {"x": 2}})
    while len(heard) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)

    assert (heard[1].row, heard[1].fields) == ("p000001r0001", {"x"})


async def test_rows_that_cannot_be_looked_at_are_told_of_once_and_looked_at_when_they_can(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Edits of a night would wait for a server that refuses, and nobody would know of it."""
    workspace = make_workspace(COUNTED)
    database = plain(workspace)
    async with at_work(workspace, 2):
        pass
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await database.runs.update_one({"run": 2}, {"$set": {"threshold": 0.75}})
        await database.runs.rename("elsewhere")
        await database.create_collection(
            "runs", viewOn="elsewhere", pipeline=[{"$set": {"_id": {"$divide": [1, 0]}}}]
        )
        looking = asyncio.create_task(recorder.edits.look_everywhere(lambda: None))
        while "cannot be looked at" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(2.5)  # two more tries
        assert caplog.text.count("cannot be looked at") == 1
        await database.drop_collection("runs")
        await database.elsewhere.rename("runs")
        await looking
        jobs = await database[JOBS].find({"state": "queued"}).to_list(None)

    assert [job["variables"] for job in jobs] == [["hits", "rate"]]
