"""Values that were computed elsewhere: stored like computed ones, or refused with a reason."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pymongo.errors import PyMongoError

import knockoff
from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.database.jobentries import job_entries
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.database.rows import RowMissingError
from knockoff.errors import ArrayError, RunKeyError, VariableError, WorkspaceError
from knockoff.language.cell import Cell
from knockoff.recording.history import history_of
from knockoff.recording.opening import open_recorder
from knockoff.recording.submission import Submission, SubmitError
from knockoff.recording.submitcall import submit_to
from knockoff.runkey import RunKey
from knockoff.runs.staleness import stale_cells

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.recording.submission import Submitted
    from knockoff.workspace import Workspace

CONTEXT = """
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
import numpy as np
from knockoff import Editable, Run, Variable

def noted(name):
    with (Path(__file__).parent / "computed.txt").open("a") as file:
        file.write(f"{name} ")

@dataclass
class Beam:
    size: float
    centre: float

class Runs(Run):
    threshold: Annotated[float, Editable] = 0.5

    @Variable
    def fit(self) -> float:
        noted("fit")
        return 1.0

    @Variable
    def twice(self) -> float:
        noted("twice")
        return 2 * self.fit

    @Variable
    def four(self) -> float:
        noted("four")
        return 2 * self.twice

    @Variable
    def other(self) -> int:
        noted("other")
        return 1

    @Variable(summary="max", units="mm")
    def profile(self) -> np.ndarray:
        return np.zeros(3)

    @Variable
    def beam(self) -> Beam:
        return Beam(1.0, 2.0)

    @Variable
    def anything(self):
        return None

    @Variable(transient=True)
    def passing(self):
        return 1
"""


@pytest.fixture
def workspace(make_workspace: Callable[[str], Workspace]) -> Workspace:
    return make_workspace(CONTEXT)


@pytest.fixture
async def recorder(workspace: Workspace) -> AsyncIterator[Recorder]:
    """With runs 4 and 5 filled, and nothing left to be done."""
    async with open_recorder(workspace, workspace.settings()) as recorder:
        for run in (4, 5):
            await recorder.record(RunKey(workspace.proposal, run), "raw")
            await recorder.work_off([f"runs/{run}/raw"])
        (workspace.folder / "computed.txt").write_text("")
        yield recorder


async def submitted(workspace: Workspace, run: int = 4, **submission: Any) -> Submitted:
    key = RunKey(workspace.proposal, run)
    return await submit_to(workspace, workspace.settings(), key, Submission(**submission))


async def row_of(database: Database, run: int = 4) -> dict[str, Any]:
    row: Any = await database.runs.find_one({"run": run})
    return dict(row)


async def test_a_value_is_stored_and_exactly_its_readers_are_computed_in_its_run(
    workspace: Workspace, recorder: Recorder
) -> None:
    """A submission is an update of its row, and of no other."""
    done = await submitted(workspace, values={"fit": 10}, source="fit.json")
    assert (done.label, done.columns, done.dependants) == ("submit-1", ("fit",), ("twice", "four"))
    row = await row_of(recorder.database)
    assert row["fit"] == 10
    stale = stale_cells(recorder.tables.description("runs"), row)
    assert set(stale) == {"twice", "four"}  # until they are computed

    (job,) = await job_entries(recorder.database, ["queued"])
    assert job.id == "runs/4/edit"
    await recorder.work_off([job.id])
    row = await row_of(recorder.database)
    assert (row["fit"], row["twice"], row["four"]) == (10, 20, 40)
    assert (workspace.folder / "computed.txt").read_text() == "twice four "
    assert (await row_of(recorder.database, 5))["twice"] == 2

    for each in (4, 5):  # it is current: nobody computes it again
        asked = await recorder.ask_again(RunKey(workspace.proposal, each))
        await recorder.work_off(asked)
    assert "fit" not in (workspace.folder / "computed.txt").read_text()
    assert (await row_of(recorder.database))["fit"] == 10


async def test_the_history_says_who_has_submitted_it_and_from_what(
    workspace: Workspace, recorder: Recorder
) -> None:
    """Months later somebody asks where this number is from."""
    await submitted(workspace, values={"fit": 10.0}, source="fit.json")
    results = await history_of(
        recorder.database, "runs", 4, "fit", recorder.tables.description("runs")
    )
    assert [each.attempt for each in results] == ["raw-1", "submit-1"]
    assert results[1].source.startswith("submitted by ")
    assert results[1].by.endswith("from fit.json")
    assert results[1].code == results[0].code


async def test_a_computed_value_takes_the_place_of_a_submitted_one_and_is_followed(
    workspace: Workspace, recorder: Recorder
) -> None:
    """`--force` brings back what the method says, also in what reads it."""
    await submitted(workspace, values={"fit": 10.0})
    await recorder.work_off(["runs/4/edit"])
    key = RunKey(workspace.proposal, 4)
    await recorder.work_off(await recorder.ask_again(key, force=True, variables=["fit"]))
    row = await row_of(recorder.database)
    assert row["fit"] == 1
    assert "submitted" not in row["knockoff"]
    await recorder.work_off(await recorder.ask_again(key))
    row = await row_of(recorder.database)
    assert (row["twice"], row["four"]) == (2, 4)


async def test_an_array_goes_the_way_of_computed_ones(
    workspace: Workspace, recorder: Recorder
) -> None:
    """With a part of its own, a preview, and the summary that its column asks for."""
    await submitted(workspace, values={"profile": np.array([1.0, 5.0, 2.0])})
    row = await row_of(recorder.database)
    assert row["profile"] == 5.0
    reference = ArrayReference.from_json(row["knockoff"]["arrays"]["profile"])
    assert "submit-1" in reference.file
    np.testing.assert_array_equal(read_array(workspace.arrays_folder, reference), [1, 5, 2])
    preview: Any = await recorder.database[PREVIEWS].find_one({"_id": "runs/4/profile/trend"})
    assert preview["trend"]

    cell = Cell(np.array([1.0, 5.0]), summary="min", units="um", bold=True)
    await submitted(workspace, values={"profile": cell})
    row = await row_of(recorder.database)
    assert row["profile"] == 1.0
    assert row["knockoff"]["units"]["profile"] == "um"
    assert row["knockoff"]["style"]["profile"]["bold"] is True


async def test_outputs_are_submitted_alone_or_together(
    workspace: Workspace, recorder: Recorder
) -> None:
    """What is not submitted keeps its value."""
    await submitted(workspace, values={"beam.size": 3.0})
    row = await row_of(recorder.database)
    assert row["beam"] == {"size": 3.0, "centre": 2.0}
    await submitted(workspace, values={"beam": {"size": 5.0, "centre": 6.0}})
    assert (await row_of(recorder.database))["beam"] == {"size": 5.0, "centre": 6.0}
    with pytest.raises(SubmitError, match=r"several outputs: submit beam\.size or beam\.centre"):
        await submitted(workspace, values={"beam": 3.0})


async def test_an_error_is_told_in_the_cell_and_in_what_reads_it(
    workspace: Workspace, recorder: Recorder
) -> None:
    """A job that has failed says why, as a method does."""
    await submitted(workspace, errors={"fit": "did not converge"}, values={"other": 3})
    await recorder.work_off(["runs/4/edit"])
    row = await row_of(recorder.database)
    problems = row["knockoff"]["problems"]
    assert problems["fit"]["message"] == "did not converge"
    assert {name: each["state"] for name, each in problems.items()} == {
        "fit": "failed",
        "twice": "blocked",
        "four": "blocked",
    }
    assert "fit" not in row
    assert row["other"] == 3
    await submitted(workspace, values={"fit": 4.0})
    await recorder.work_off(["runs/4/edit"])
    row = await row_of(recorder.database)
    assert (row["fit"], row["four"]) == (4, 16)
    assert "problems" not in row["knockoff"]


@pytest.mark.parametrize(
    ("submission", "said"),
    [
        ({"values": {"fitt": 1.0}}, "has no variable 'fitt'.*fit"),
        ({"values": {"threshold": 1.0}}, "typed by people. `knockoff set RUN threshold"),
        ({"values": {"passing": 1.0}}, "transient"),
        ({"values": {"fit": "high"}}, "declared as float .* and this is str. Submit a float"),
        ({"values": {"fit": np.zeros(3)}}, "declared as float .* this is numpy.ndarray"),
        ({"values": {"other": 1.5}}, "declared as int .* Submit an int"),
        ({"values": {"fit": 1.0}, "table": "others"}, "has no variable 'fit'"),
        ({"values": {"fit": 1.0}, "errors": {"fit": "no"}}, "a value and an error"),
        ({}, "nothing to submit"),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_stored(
    workspace: Workspace, recorder: Recorder, submission: dict[str, Any], said: str
) -> None:
    """The good value beside a bad one is not stored either: a script may run again as a whole."""
    before = await row_of(recorder.database)
    values = {**submission.get("values", {})}
    if values:
        values["anything"] = 3
    with pytest.raises(SubmitError, match=said):
        await submitted(workspace, **{**submission, **({"values": values} if values else {})})
    assert await row_of(recorder.database) == before
    assert await job_entries(recorder.database, ["queued"]) == []


async def test_a_value_that_cannot_be_stored_costs_the_row_nothing(
    workspace: Workspace, recorder: Recorder
) -> None:
    """Neither an object nor a text of megabytes gets a row into trouble."""
    before = await row_of(recorder.database)
    with pytest.raises((VariableError, ArrayError)):
        await submitted(workspace, values={"anything": object()})
    after = await row_of(recorder.database)
    assert {**after["knockoff"], "submissions": 0} == {**before["knockoff"], "submissions": 0}

    await submitted(workspace, values={"anything": "x" * 2_000_000})  # has a file of its own
    row = await row_of(recorder.database)
    assert row["knockoff"]["arrays"]["anything"]["kind"] == "json"
    assert len(str(row)) < 10_000


async def test_a_submission_is_stored_with_history_and_job_or_not_at_all(
    workspace: Workspace, recorder: Recorder
) -> None:
    """A value without history could not be explained, and one of two columns misleads."""
    database = recorder.database
    refused = {"$nor": [{"variable": "other"}]}  # by the server, when the first is written already
    await database.command({"collMod": HISTORY, "validator": refused})
    before, entries = await row_of(database), await database[HISTORY].count_documents({})
    with pytest.raises(PyMongoError):
        await submitted(workspace, values={"anything": np.arange(100.0), "other": 7})
    after = await row_of(database)
    assert after["knockoff"].pop("submissions") == 2  # their numbers are not given again
    assert before == after
    assert await database[HISTORY].count_documents({}) == entries
    assert await database[PREVIEWS].count_documents({"_id": {"$regex": "^runs/4/anything"}}) == 0
    assert await job_entries(database, ["queued"]) == []

    await database.command({"collMod": HISTORY, "validator": {}})
    done = await submitted(workspace, values={"anything": np.arange(100.0), "other": 7})
    assert done.columns == ("anything", "other")
    assert (await row_of(database))["other"] == 7
    assert await database[HISTORY].count_documents({}) == entries + 2
    (preview,) = await database[PREVIEWS].find({"_id": {"$regex": "^runs/4/anything"}}).to_list(1)
    past = await database[PAST_PREVIEWS].find_one({"_id": "runs/4/anything/submit-3"})
    assert past is not None  # for whoever rolls back to it
    assert past["previews"] == [preview]


async def test_a_run_without_a_row_is_refused(workspace: Workspace, recorder: Recorder) -> None:
    """Somebody has deleted it, or mistyped its number; the file with the value is still there."""
    await recorder.database.runs.delete_one({"run": 4})
    for run in (4, 6):
        with pytest.raises(RowMissingError, match=f"knockoff process {run}"):
            await submitted(workspace, run, values={"fit": 1.0})
    assert await recorder.database.runs.count_documents({}) == 1


async def test_a_script_submits_several_values_by_one_call(
    workspace: Workspace, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sbatch there is no event loop; in a notebook there is one, and both work."""
    assert os.environ.get("KNOCKOFF_RUN") is None
    done = knockoff.submit({"fit": 3.0, "other": 7}, run=4, where=workspace.folder, source="a")
    assert done.columns == ("fit", "other")
    row = await row_of(recorder.database)
    assert (row["fit"], row["other"]) == (3, 7)

    monkeypatch.setenv("KNOCKOFF_WORKSPACE", str(workspace.folder))
    with pytest.raises(RunKeyError, match="Say run=42"):
        await knockoff.submit_async({"fit": 4.0})
    monkeypatch.setenv("KNOCKOFF_RUN", "4")
    await knockoff.submit_async({"fit": 4.0})
    assert (await row_of(recorder.database))["fit"] == 4


async def test_nothing_can_be_submitted_before_there_is_a_table(workspace: Workspace) -> None:
    """Its columns are not known then."""
    with pytest.raises(WorkspaceError, match="no table here yet"):
        await submitted(workspace, values={"fit": 1.0})
