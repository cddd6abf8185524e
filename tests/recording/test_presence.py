"""Nobody puts a backup in the place of a database that somebody records into."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pymongo
import pytest

from knockoff.database.backup import back_up
from knockoff.database.backupfile import opened
from knockoff.database.errors import RestoreCutOffError
from knockoff.database.layout import COLLECTION, check_layout
from knockoff.database.presence import RECORDERS, RecorderPresentError
from knockoff.database.restore import fits, restore
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.workspace import Workspace

CONTEXT = """
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def hits(self) -> int:
        return 7
"""

IDLE = """
import asyncio, sys
from pathlib import Path
from knockoff.recording.opening import open_recorder
from knockoff.workspace import Workspace

async def main():
    workspace = Workspace.open(Path(sys.argv[1]))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        print("ready", flush=True)
        await recorder.work(1)

asyncio.run(main())
"""


def silent(_: str) -> None:
    """Nobody is told."""


async def put_back(
    database: Database, workspace: Workspace, file: Path, tell: Callable[[str], None] = silent
) -> None:
    with opened(file) as backup:
        await fits(database, workspace.proposal, backup, replace=True)
        await restore(database, backup, workspace.arrays_folder, tell)


async def backup_of_one_run(workspace: Workspace, file: Path) -> None:
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RunKey(workspace.proposal, 3), "raw")
        await recorder.work_off(["runs/3/raw"])
        await back_up(recorder.database, workspace.proposal, file, tell=silent)


async def test_an_idle_listener_has_to_be_stopped_before_a_backup_is_restored(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    tmp_path: Path,
) -> None:
    """Else what it records while that goes on is gone; one that was killed stops nobody."""
    workspace, file = make_workspace(CONTEXT), tmp_path / "backup.zip"
    await backup_of_one_run(workspace, file)
    database = plain(workspace)
    assert await database[RECORDERS].count_documents({}) == 0
    with subprocess.Popen(  # noqa: ASYNC220  # it is there at once
        [sys.executable, "-c", IDLE, str(workspace.folder)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == b"ready\n"
        with pytest.raises(RecorderPresentError, match=rf"process {listener.pid} on .* Stop it"):
            await put_back(database, workspace, file)
        assert await database.runs.distinct("run") == [3]
        os.killpg(listener.pid, signal.SIGKILL)
    assert await database[RECORDERS].count_documents({}) == 1
    await put_back(database, workspace, file)
    assert await database.runs.distinct("run") == [3]


async def test_who_begins_to_record_while_a_backup_is_loaded_is_seen(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    tmp_path: Path,
    mongod: str,
) -> None:
    """Loading takes minutes, and a listener is started by others, or by the machine."""
    workspace, file = make_workspace(CONTEXT), tmp_path / "backup.zip"
    await backup_of_one_run(workspace, file)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RunKey(workspace.proposal, 4), "raw")
        (known,) = await database[RECORDERS].find().to_list(None)
    before = sorted(await database.list_collection_names())

    def begin(_: str) -> None:
        with pymongo.MongoClient[dict[str, object]](mongod) as client:
            recorders = client[database.name][RECORDERS]
            recorders.replace_one({"_id": known["_id"]}, known, upsert=True)

    with pytest.raises(RecorderPresentError):
        await put_back(database, workspace, file, begin)
    assert await database.runs.distinct("run") == [3, 4]
    assert sorted(await database.list_collection_names()) == before
    await check_layout(database)


async def test_nobody_records_into_a_database_that_is_being_restored(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Also one who had looked before it was marked, and says that he is there after that."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()):
        pass
    mark: dict[str, Any] = {"$set": {"restoring": {"names": [], "others": []}}}
    await plain(workspace)[COLLECTION].update_one({"_id": "layout"}, mark)
    with pytest.raises(RestoreCutOffError):
        async with open_recorder(workspace, workspace.settings()):
            pass
    assert await plain(workspace)[RECORDERS].count_documents({}) == 0
