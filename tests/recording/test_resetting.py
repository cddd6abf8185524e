"""A reset empties the table for a new start; what comes then fills it as if it were the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.recording.test_deleting import (
    column_of,
    key_of,
    only_deletion,
    recorded,
    workspace_of,
)

from knockoff.database.jobentries import AtWorkError
from knockoff.database.jobs import claim
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.recording.deleting import delete_column
from knockoff.recording.opening import open_recorder
from knockoff.recording.resetting import Choice, foretell, reset
from knockoff.recording.undeleting import undelete

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.workspace import Workspace

ALL = Choice(values=True, arrays=True, history=True, events=True)
EVENTS = Choice(values=False, arrays=False, history=False, events=True)


async def test_an_event_that_is_delivered_again_fills_the_row_again(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Under names of its own: no part is written twice, and typed fields are as they were."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database, folder = recorder.database, workspace.arrays_folder
        await recorded(recorder, 3)
        await database.runs.update_one({"run": 3}, {"$set": {"offset": 2.5, "comment": "edge"}})
        before: Any = await database.runs.find_one()
        assert await reset(database, folder, workspace.proposal, ALL) == []
        empty: Any = await database.runs.find_one()
        assert (empty["offset"], empty["comment"]) == (2.5, "edge")
        assert not {"energy", "hits", "rate", "broken"} & empty.keys()
        assert not {"arrays", "problems", "code", "inputs", "data"} & empty["knockoff"].keys()
        for name in (HISTORY, PREVIEWS, PAST_PREVIEWS):
            assert await database[name].count_documents({}) == 0
        assert (await foretell(database, folder, workspace.proposal, ALL)).is_nothing

        await recorded(recorder, 3)
        after: Any = await database.runs.find_one()
        assert (after["hits"], after["rate"], after["offset"]) == (7, 3.5, 2.5)
        old, new = (each["knockoff"]["arrays"]["energy"]["file"] for each in (before, after))
        assert old != new
        assert (folder / new).exists()
        assert not (folder / old).exists()
        await recorder.record(key_of(recorder, 3), "raw")
        assert await claim(database, ["runs"]) is None


async def test_events_alone_compute_nothing_that_is_current(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """To have Kafka's messages count again is not to throw results away."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database, folder = recorder.database, workspace.arrays_folder
        await recorded(recorder, 3)
        before: Any = await database.runs.find_one()
        await reset(database, folder, workspace.proposal, EVENTS)
        await recorded(recorder, 3)
        after: Any = await database.runs.find_one()
        assert after["knockoff"]["data"] == ["raw"]
        assert after["knockoff"]["arrays"] == before["knockoff"]["arrays"]
        results = await database[HISTORY].find({}, {"variable": 1}).to_list(None)
        assert sorted(each["variable"] for each in results if each["variable"] != "broken") == [
            "energy",
            "hits",
            "rate",
        ]


async def test_what_is_being_computed_is_not_reset(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Its results would come in after it, made from what is gone."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database, folder = recorder.database, workspace.arrays_folder
        await recorded(recorder, 3)
        await recorder.record(key_of(recorder, 4), "raw")
        assert await claim(database, ["runs"]) is not None
        before = await database.runs.find().to_list(None)
        with pytest.raises(AtWorkError, match="run 4 is being computed"):
            await reset(database, folder, workspace.proposal, ALL)
        assert await database.runs.find().to_list(None) == before


async def test_a_reset_leaves_the_files_of_what_can_be_had_back(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """An undo means what it says, whatever was done in between."""
    workspace = workspace_of(make_workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        database, folder = recorder.database, workspace.arrays_folder
        await recorded(recorder, 3)
        await delete_column(database, await column_of(database, "energy"), by="ada")
        await reset(database, folder, workspace.proposal, ALL)
        await undelete(database, await only_deletion(database))
        row: Any = await database.runs.find_one()
        assert (folder / row["knockoff"]["arrays"]["energy"]["file"]).exists()
        assert "hits" not in row
