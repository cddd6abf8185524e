"""Rolling back beside everything else that goes on: sweeps, jobs, other tables, people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.owners import this_owner
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.errors import EditError
from knockoff.recording.dueness import Wish, plan
from knockoff.recording.history import history_of
from knockoff.recording.opening import open_recorder
from knockoff.recording.rollback import RollBack, RollBackError
from knockoff.recording.sweep import carry_out, plan_sweep
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from knockoff.database.client import Database
    from knockoff.recording.history import PastResult
    from knockoff.recording.recorder import Recorder

Plain = Callable[[Workspace], "Database"]
Make = Callable[[str], Workspace]

CONTEXT = """
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
import numpy as np
from knockoff import Cell, Editable, Insert, Run, Variable, before_event

@dataclass
class Fit:
    mean: float
    width: float

class Runs(Run):
    operator: Annotated[str | None, Editable] = None
    number: int | None = None

    @before_event(Insert)
    def guess(self):
        self.operator = "nobody"
        self.number = 1

    def image(self) -> Annotated[np.ndarray, Variable]:
        return Cell(np.arange(600.0).reshape(20, 30) * 1, background="#ff0000", units="mJ")

    def fit(self) -> Annotated[Fit, Variable]:
        return Fit(1.5, 2.5)

    def broken(self) -> Annotated[int, Variable]:
        return {}["nothing"]

class Derived(Run):
    def twice(self, mean: Annotated[float, "var#Runs.fit.mean"]) -> Annotated[float, Variable]:
        return 2 * mean
"""
EDITED = CONTEXT.replace("* 1, background", "* 3, background").replace("1.5, 2.5", "3.5, 4.5")


@asynccontextmanager
async def recording(workspace: Workspace, context: str) -> AsyncIterator[tuple[Recorder, RunKey]]:
    """The recorder by this context file; run 42 was processed by it."""
    workspace.context_file.write_text(context)
    key = RunKey(workspace.proposal, 42)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        await recorder.work_off([f"{name}/42/raw" for name in recorder.tables.classes])
        await recorder.work_off(await recorder.ask_again(key))
        yield recorder, key


async def results(recorder: Recorder, column: str) -> list[PastResult]:
    """The past of one cell."""
    described = recorder.tables.description("runs")
    return await history_of(recorder.database, "runs", 42, column, described)


async def back(workspace: Workspace, recorder: Recorder, column: str, number: int) -> PastResult:
    """Roll a cell of run 42 back."""
    found = await results(recorder, column)
    key, folder = RunKey(workspace.proposal, 42), workspace.arrays_folder
    return await RollBack(recorder.database, "runs", key, found, folder).to(found[number - 1])


async def row_of(database: Database, table: str = "runs") -> dict[str, Any]:
    """Run 42 as it is stored."""
    row: dict[str, Any] | None = await database[table].find_one({"run": 42})
    assert row is not None
    return row


async def test_the_history_keeps_all_that_a_result_came_from(
    make_workspace: Make, plain: Plain
) -> None:
    """Where, by whom, with what, in which time and memory; of a failure the traceback."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    async with recording(workspace, CONTEXT) as (recorder, _):
        image, *_ = await results(recorder, "image")
        broken, *_ = await results(recorder, "broken")

    entry = image.entry
    assert entry["host"]
    assert entry["user"]
    assert entry["seconds"] > 0
    assert entry["peak_memory"] > 1_000_000
    assert entry["started_at"] <= entry["stored_at"]
    assert entry["versions"].keys() == {
        *("python", "knockoff", "numpy", "xarray", "extra-data", "h5py")
    }
    assert entry["style"]["image"]["background"] == "#ff0000"
    assert entry["units"] == {"image": "mJ"}
    assert "KeyError: 'nothing'" in broken.entry["problem"]["traceback"]
    kept = await database[PAST_PREVIEWS].find_one({"_id": entry["_id"]})
    assert kept is not None
    assert kept["previews"] == await database[PREVIEWS].find({}).to_list(None)


async def test_a_row_is_as_it_was_with_array_preview_and_style(
    make_workspace: Make, plain: Plain
) -> None:
    """Whatever a cell shows belongs to one result, never to two."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    async with recording(workspace, CONTEXT):
        before = await row_of(database)
        preview = await database[PREVIEWS].find({}).to_list(None)
    other = EDITED.replace('background="#ff0000", units="mJ"', 'background="#00ff00"')
    async with recording(workspace, other) as (recorder, _):
        assert await database[PREVIEWS].find({}).to_list(None) != preview
        await back(workspace, recorder, "image", 1)

    row = await row_of(database)
    for part in ("arrays", "style", "units", "exact", "code"):
        assert row["knockoff"].get(part, {}).get("image") == before["knockoff"].get(part, {}).get(
            "image"
        ), part
    assert row["image"] == before["image"]
    assert await database[PREVIEWS].find({}).to_list(None) == preview


async def test_all_outputs_of_a_method_go_back_and_another_table_follows(
    make_workspace: Make, plain: Plain
) -> None:
    """They were computed in one go; what reads them elsewhere is due, and only that."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    async with recording(workspace, CONTEXT):
        assert (await row_of(database, "derived"))["twice"] == 3
    async with recording(workspace, EDITED) as (recorder, key):
        assert (await row_of(database, "derived"))["twice"] == 7
        await back(workspace, recorder, "fit.width", 1)
        row = await row_of(database)
        assert row["fit"] == {"mean": 1.5, "width": 2.5}

        context, root = recorder.tables.context, workspace.settings().data_root
        found = await plan(database, context, key.proposal, None, Wish(), root)
        assert [(each.collection, each.variables) for each in found.rows] == [
            ("derived", ("twice",))
        ]
        await recorder.work_off(await recorder.ask_again(key, collections=["derived"]))
        assert (await row_of(database, "derived"))["twice"] == 3
        assert (await row_of(database))["fit"] == {"mean": 1.5, "width": 2.5}


async def test_what_people_have_typed_since_stays(make_workspace: Make, plain: Plain) -> None:
    """A hook filled the field once, and then somebody knew better."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    async with recording(workspace, CONTEXT) as (recorder, _):
        await database.runs.update_one({"run": 42}, {"$set": {"operator": "anna", "number": 2}})
        await database[HISTORY].insert_one(
            {
                **(await results(recorder, "number"))[0].entry,
                "_id": "runs/42/guess/asked-9",
                "attempt": "asked-9",
                "started_at": datetime.now(UTC),
            }
        )
        await back(workspace, recorder, "number", 1)

    row = await row_of(database)
    assert (row["operator"], row["number"]) == ("anna", 1)


async def test_a_row_that_somebody_works_on_is_left_alone(
    make_workspace: Make, plain: Plain
) -> None:
    """A job may bring a newer result any moment; one whose process died is no reason."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    async with recording(workspace, CONTEXT):
        pass
    async with recording(workspace, EDITED) as (recorder, _):
        mark = {"knockoff.active.asked": {"pid": 4711, "host": "exflonc17"}}
        await database.runs.update_one({"run": 42}, {"$set": mark})
        lease = datetime.now(UTC) + timedelta(minutes=1)
        held = {"state": "running", "lease_until": lease, "owner": this_owner()}
        await database["knockoff.jobs"].update_one({"_id": "runs/42/asked"}, {"$set": held})
        before = await row_of(database)

        with pytest.raises(RollBackError, match=r"process 4711 on exflonc17.*knockoff cancel 42"):
            await back(workspace, recorder, "fit.mean", 1)
        assert await row_of(database) == before
        assert len(await results(recorder, "fit.mean")) == 2

        await database["knockoff.jobs"].update_one(
            {"_id": "runs/42/asked"}, {"$set": {"lease_until": datetime.now(UTC)}}
        )
        await back(workspace, recorder, "fit.mean", 1)
        assert (await row_of(database))["fit"]["mean"] == 1.5


async def test_a_sweep_that_was_planned_before_takes_nothing_that_is_back(
    make_workspace: Make, plain: Plain
) -> None:
    """And one that has begun to sweep is not overtaken: no row names what is gone."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    folder = workspace.arrays_folder
    async with recording(workspace, CONTEXT):
        pass
    async with recording(workspace, EDITED) as (recorder, key):
        sweep = await plan_sweep(database, folder, key.proposal, grace=timedelta(0))
        assert len(sweep.swept) == 1
        await back(workspace, recorder, "image", 1)

        assert await carry_out(database, folder, sweep) == []
        row = await row_of(database)
        assert (folder / row["knockoff"]["arrays"]["image"]["file"]).is_file()
        entries = await database[HISTORY].find({"variable": "image"}).to_list(None)
        assert not any("swept_at" in each["arrays"]["image"] for each in entries)

        sweep = await plan_sweep(database, folder, key.proposal, grace=timedelta(0))
        await carry_out(database, folder, sweep)
        with pytest.raises(RollBackError, match="swept by `knockoff gc`"):
            await back(workspace, recorder, "image", 2)
        assert await row_of(database) == row


async def test_rows_of_the_past_are_documents_that_nobody_can_change(
    make_workspace: Make, plain: Plain
) -> None:
    """In Python the past is asked like the present, arrays and all."""
    workspace = make_workspace(CONTEXT)
    async with recording(workspace, CONTEXT):
        then = datetime.now(UTC)
    plain(workspace)
    async with recording(workspace, EDITED) as (recorder, _):
        runs: Any = recorder.tables.classes["runs"]
        (old,) = await runs.as_of(then)
        (new,) = await runs.find().to_list()

        assert (old.fit.mean, new.fit.mean) == (1.5, 3.5)
        assert (await old.value("image")).sum() * 3 == (await new.value("image")).sum()
        assert await runs.as_of(datetime.now(UTC) + timedelta(hours=1))
        for change in (old.set({"operator": "anna"}), old.save(), old.delete(), old.insert()):
            with pytest.raises(EditError, match="as it was at"):
                await change
