"""Runs and columns that are deleted are gone for everybody, and come back exactly as they were."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson.raw_bson import RawBSONDocument

from knockoff.database.jobentries import AtWorkError
from knockoff.database.jobs import ask, claim, finish
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.database.rows import RowMissingError
from knockoff.database.transactions import RAW
from knockoff.database.trash import deletions
from knockoff.errors import EditError
from knockoff.recording.deleting import delete_column, delete_run
from knockoff.recording.opening import open_recorder
from knockoff.recording.sweep import carry_out, plan_sweep
from knockoff.recording.undeleting import undelete
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

CONTEXT = """
from pathlib import Path
import numpy as np
from typing import Annotated
from knockoff import Editable, Run, Variable

class Runs(Run):
    offset: Annotated[float, Editable(title="Offset")] = 0.5

    @Variable
    def energy(self) -> np.ndarray:
        return np.arange(40_000.0)

    @Variable
    def hits(self) -> int:
        return int(Path(__file__).with_name("hits.txt").read_text())

    @Variable
    def rate(self) -> float:
        return self.hits / 2

    @Variable
    def broken(self) -> float:
        return float("nan") if self.hits > 100 else {}["x"]
"""


def workspace_of(make: Callable[[str], Workspace]) -> Workspace:
    workspace = make(CONTEXT)
    hits(workspace, 7)
    return workspace


def hits(workspace: Workspace, number: int) -> None:
    (workspace.folder / "hits.txt").write_text(str(number))


def key_of(recorder: Recorder, run: int) -> RunKey:
    return RunKey(int(recorder.database.name[1:]), run)


async def recorded(recorder: Recorder, *runs: int) -> None:
    for run in runs:
        await recorder.record(key_of(recorder, run), "raw")
    await recorder.work_off([f"runs/{run}/raw" for run in runs])


async def bytes_of(database: Database, *collections: str) -> dict[str, list[bytes]]:
    """Documents as they lie in MongoDB."""
    found: dict[str, list[bytes]] = {}
    for name in collections:
        collection: Any = database.get_collection(name, codec_options=RAW)
        documents: list[RawBSONDocument] = await collection.find().sort("_id", 1).to_list(None)
        found[name] = [bytes(each.raw) for each in documents]
    return found


ALL = (
    "runs",
    HISTORY,
    PREVIEWS,
    PAST_PREVIEWS,
    "knockoff.notes",
    "knockoff.edits",
    "knockoff.variables",
)


async def only_deletion(database: Database) -> Any:
    (deletion,) = await deletions(database)
    return deletion


async def column_of(database: Database, name: str) -> dict[str, Any]:
    found = await database["knockoff.variables"].find_one({"_id": f"runs/{name}"})
    assert found is not None
    return found


async def test_a_deleted_run_is_gone_everywhere_and_comes_back_to_the_byte(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """A slip of the finger must not cost a result, nor a comment."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorded(recorder, 3, 4)
        await database["knockoff.notes"].insert_one({"_id": "n", "run": 3, "comment": "edge"})
        odd = {"odd": [float("nan"), 2**40, 5, b"\x00\xff"]}
        await database.runs.update_one({"run": 3}, {"$set": odd})
        before = await bytes_of(database, *ALL)

        await delete_run(database, 3, by="ada")
        assert await database.runs.distinct("run") == [4]
        for name in (HISTORY, "knockoff.notes"):
            assert await database[name].count_documents({"run": 3}) == 0
        for name in (PREVIEWS, PAST_PREVIEWS):
            assert await database[name].count_documents({"_id": {"$regex": "^runs/3/"}}) == 0
            assert await database[name].count_documents({}) == 1  # of run 4
        job = await database["knockoff.jobs"].find_one({"_id": "runs/3/raw"})
        assert job is not None
        assert job["state"] == "retired"

        undone = await undelete(database, await only_deletion(database))
        assert undone.newer == set()
        assert await bytes_of(database, *ALL) == before
        job = await database["knockoff.jobs"].find_one({"_id": "runs/3/raw"})
        assert job is not None
        assert (job["state"], job["attempt"]) == ("done", 2)
        assert await deletions(database) == []
        assert await database["knockoff.trash"].count_documents({}) == 0


async def test_a_new_event_makes_a_deleted_run_anew_under_names_of_its_own(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """What is computed then must not overwrite the files of what can still be had back."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorded(recorder, 3)
        first = (await database.runs.find_one() or {})["knockoff"]["arrays"]["energy"]["file"]
        await delete_run(database, 3, by="ada")
        hits(workspace, 9)
        await recorded(recorder, 3)
        row = await database.runs.find_one() or {}
        assert row["hits"] == 9
        assert row["knockoff"]["arrays"]["energy"]["file"] != first
        assert (workspace.arrays_folder / first).exists()

        undone = await undelete(database, await only_deletion(database))
        assert undone.newer == {"runs/3/energy", "runs/3/hits", "runs/3/rate", "runs/3/broken"}
        row = await database.runs.find_one() or {}
        assert row["hits"] == 9
        results = await database[HISTORY].find({"variable": "hits"}).to_list(None)
        assert sorted(each["fields"]["hits"] for each in results) == [7, 9]


async def test_only_what_a_run_made_anew_lacks_is_brought_back(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Newer wins cell by cell, not row by row."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorded(recorder, 3)
        await database.runs.update_one({"run": 3}, {"$set": {"comment": "edge"}})
        before = await database.runs.find_one() or {}
        await delete_run(database, 3, by="ada")
        await database.runs.insert_one(
            {
                "_id": before["_id"],
                "proposal": before["proposal"],
                "run": 3,
                "hits": 9,
                "knockoff": {"data": ["raw"], "code": {"hits": "x"}},
            }
        )
        undone = await undelete(database, await only_deletion(database))
        assert undone.newer == {"runs/3/hits"}
        row = await database.runs.find_one() or {}
        assert (row["hits"], row["rate"], row["comment"]) == (9, 3.5, "edge")
        assert row["knockoff"]["arrays"] == before["knockoff"]["arrays"]
        assert row["knockoff"]["problems"] == before["knockoff"]["problems"]
        assert row["knockoff"]["code"] == {**before["knockoff"]["code"], "hits": "x"}
        assert await database[PREVIEWS].count_documents({}) == 1


async def test_a_run_that_is_being_computed_is_not_deleted(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Its worker would go on for nothing; whoever wants that stops it first."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorder.record(key_of(recorder, 3), "raw")
        job = await claim(database, ["runs"])
        assert job is not None
        with pytest.raises(AtWorkError, match="knockoff cancel 3"):
            await delete_run(database, 3, by="ada")
        assert await database.runs.count_documents({}) == 1
        assert await deletions(database) == []
        await finish(database, job)
        await delete_run(database, 3, by="ada")
        with pytest.raises(EditError, match="has no row"):
            await delete_run(database, 3, by="ada")


async def test_a_job_that_waits_does_not_bring_a_deleted_run_back(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Nor does a worker that was taken for dead and comes back with results."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorder.record(key_of(recorder, 3), "raw")
        late = await claim(database, ["runs"])
        assert late is not None
        gone = {"$set": {"owner": "elsewhere:1:1", "lease_until": late_moment()}}
        await database["knockoff.jobs"].update_one({"_id": late.id}, gone)
        await delete_run(database, 3, by="ada")
        assert await claim(database, ["runs"]) is None
        with pytest.raises(RowMissingError):
            await recorder._attempts.fill(late, recorder.tables)
        for name in ("runs", HISTORY, PREVIEWS):
            assert await database[name].count_documents({}) == 0


def late_moment() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_deleted_column_is_empty_and_due_and_comes_back_to_the_byte(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Without opening a file of any run."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorded(recorder, 3, 4)
        before = await bytes_of(database, *ALL)
        for name in ("energy", "broken"):
            _, runs = await delete_column(database, await column_of(database, name), by="ada")
            assert runs == [3, 4]
        row = await database.runs.find_one({"run": 3}) or {}
        assert not {"energy", "broken"} & row.keys()
        for part in ("arrays", "problems", "code", "inputs"):
            assert not {"energy", "broken"} & row["knockoff"].get(part, {}).keys()
        assert "states" not in row["knockoff"]
        assert await database[PREVIEWS].count_documents({}) == 0

        for deletion in reversed(await deletions(database)):
            assert (await undelete(database, deletion)).rows == {3, 4}
        assert await bytes_of(database, *ALL) == before

        await delete_column(database, await column_of(database, "energy"), by="ada")
        await recorder.ask_again(key_of(recorder, 3), retry=False)
        await recorder.work_off(["runs/3/asked"])
        row = await database.runs.find_one({"run": 3}) or {}
        assert row["knockoff"]["arrays"]["energy"]["file"].endswith("asked-1.h5")
        undone = await undelete(database, await only_deletion(database))
        assert (undone.newer, undone.rows) == ({"runs/3/energy"}, {4})


async def test_a_job_that_begins_while_a_column_is_deleted_stops_that_and_loses_nothing(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Many rows take a while; what is computed meanwhile must not write into what goes."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        await recorded(recorder, 3)
        row = await database.runs.find_one({"run": 3}) or {}
        for run in range(100, 160):
            key = key_of(recorder, run)
            await database.runs.insert_one({**row, "_id": key.document_id, "run": run})
        before = await bytes_of(database, "runs", PREVIEWS)
        energy = await column_of(database, "energy")
        async with await database.client.start_session() as held, held.start_transaction():
            # the first rows wait for it
            await database.runs.update_one({"run": 3}, {"$set": {"x": 1}}, session=held)
            deleting = asyncio.create_task(delete_column(database, energy, by="ada"))
            while not await deletions(database):  # noqa: ASYNC110 - it is seen in the database
                await asyncio.sleep(0.01)
            await recorder.record(key_of(recorder, 155), "raw")
            await ask(database, "runs", key_of(recorder, 155), "asked")
            job = await claim(database, ["runs"], only=["runs/155/asked"])
            assert job is not None
            await held.abort_transaction()
        with pytest.raises(AtWorkError, match=r"out of 50 of 61 rows, and of no more: run 155"):
            await deleting
        has = {"knockoff.arrays.energy": {"$exists": True}}
        assert await database.runs.distinct("run", has) == [*range(149, 160)]

        await finish(database, job)
        await delete_column(database, energy, by="ada")
        assert await database.runs.count_documents(has) == 0
        for deletion in reversed(await deletions(database)):
            await undelete(database, deletion)
        assert await bytes_of(database, "runs", PREVIEWS) == before


async def test_a_column_that_the_context_file_has_not_is_gone_whole(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """The remains of a variable that was given up stand in nobody's way."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorded(recorder, 3)
    code = CONTEXT[: CONTEXT.index("    @Variable\n    def broken")]
    workspace.context_file.write_text(code)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database = recorder.database
        before = await bytes_of(database, "knockoff.variables", "runs")
        await delete_column(database, await column_of(database, "broken"), by="ada")
        assert await database["knockoff.variables"].find_one({"name": "broken"}) is None
        await undelete(database, await only_deletion(database))
        assert await bytes_of(database, "knockoff.variables", "runs") == before
        for name in ("comment", "offset"):
            with pytest.raises(EditError):
                await delete_column(database, await column_of(database, name), by="ada")


async def test_files_stay_until_the_sweep_that_ends_the_undo(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """An undo that brings back references to files that are gone would be none."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorded(recorder, 3, 4)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database, folder = recorder.database, workspace.arrays_folder
        await delete_run(database, 3, by="ada")
        await delete_column(database, await column_of(database, "energy"), by="ada")
        soon = {"grace": timedelta(hours=1)}

        async def plan(**wish: Any) -> Any:
            return await plan_sweep(database, folder, workspace.proposal, **{**soon, **wish})

        assert (await plan(keep_deleted=True, grace=timedelta())).swept == ()
        some = await plan(runs=[4], grace=timedelta())
        assert (some.swept, some.deletions) == ((), ())
        of_run = await plan(runs=[3])
        assert {why for _, why in of_run.swept} == {"deleted", "run deleted"}
        assert [each.run for each in of_run.deletions] == [3]
        whole = await plan()
        assert sorted(why for _, why in whole.swept) == ["deleted", "deleted", "run deleted"]
        assert await carry_out(database, folder, whole) == []
        assert [each.name for each in folder.rglob("*.h5")] == [f"p{workspace.proposal}_r0004.h5"]
        assert await deletions(database) == []
        assert await database["knockoff.trash"].count_documents({}) == 0
