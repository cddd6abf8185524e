"""From the catalogue into the cells: on a real MongoDB, with user code in real workers."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mymdc.server import SECRET, TOKEN

from knockoff.contextfile.description import TableDescription, VariableDescription
from knockoff.database.client import PyMongoError
from knockoff.mymdc.errors import NotSetUpError
from knockoff.recording.opening import open_recorder
from knockoff.recording.readers import readers_of
from knockoff.runkey import RunKey
from knockoff.runs.stamps import due_variables, input_stamps
from knockoff.runs.states import state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mymdc.conftest import Proposal
    from tests.mymdc.server import MyMdcServer

    from knockoff.database.client import Database
    from knockoff.recording.catalogue import Refreshed
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

CONTEXT = """
import os
from pathlib import Path
from beanie import Insert
from knockoff import Run, Variable

def count(name):
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")

class Runs(Run):
    @Variable
    def number(self) -> int:
        count("number")
        return self.run

    @Variable
    def sample(self, name: "mymdc#sample_name") -> str:
        count("sample")
        return name

    @Variable
    def label(self) -> str:
        count("label")
        return f"{self.number}: {self.sample}"

    @Variable
    def guess(self, name: "mymdc#sample_name" = "water") -> str:
        return name

    @Variable
    def kind(self, name: "mymdc#run_type") -> str:
        count("kind")
        return name

    @Variable(event=Insert)
    def first(self, name: "mymdc#sample_name") -> str:
        return name

    @Variable
    def methods(self, techniques: "mymdc#techniques") -> dict:
        return {each["identifier"]: each["name"] for each in techniques}

    @Variable
    def surroundings(self) -> dict:
        return dict(os.environ)
"""
WAITING = "waiting for mymdc"


async def fill(recorder: Recorder, run: int) -> None:
    """Record raw data of a run and do the jobs that follow."""
    await recorder.record(RunKey(int(recorder.database.name[1:]), run), "raw")
    await recorder.work_off([f"{name}/{run}/raw" for name in recorder.tables.classes])


async def sync(recorder: Recorder, *runs: int) -> Refreshed:
    """As the command does."""
    done = await recorder.catalogue.refresh(runs or None)
    await recorder.work_off(done.jobs)
    return done


def counted(workspace: Workspace) -> list[str]:
    file = workspace.folder / "count.txt"
    words = file.read_text().split() if file.exists() else []
    file.write_text("")
    return sorted(words)


async def row_of(database: Database, run: int = 1, table: str = "runs") -> Any:
    return await database[table].find_one({"run": run})


async def test_a_cell_waits_for_its_sample_and_is_filled_when_somebody_enters_it(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
) -> None:
    """The road that fifty runs with a wrong sample had to be mended on by hand before."""
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, kind="alchemy")
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        bare = await row_of(database)
        before = await sync(recorder, 1)
        waiting = await row_of(database)
        assert counted(workspace) == ["kind", "number"]

        mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
        entered = await sync(recorder, 1)
        filled = await row_of(database)
        assert counted(workspace) == ["label", "sample"]

        mymdc.enter(proposal.number, 1, sample="adamant", kind="alchemy")
        edited = await sync(recorder)
        changed = await row_of(database)
        assert counted(workspace) == ["label", "sample"]
        again = await sync(recorder)
        assert counted(workspace) == []

    assert (bare["number"], bare["guess"]) == (1, "water")
    assert state_of(bare, "sample").word == WAITING
    assert "has not been asked for sample_name" in state_of(bare, "sample").reason
    assert (waiting["kind"], waiting["methods"], waiting["guess"]) == ("alchemy", {}, "water")
    for name in ("sample", "label", "first"):
        state = state_of(waiting, name)
        assert (state.word, state.is_trouble) == (WAITING, False)
        assert state.reason.startswith("sample_name is not known in MyMdC yet, asked at ")
        assert state.reason.endswith("it will be asked again.")
        assert name not in waiting
    assert [name for _, name in before.unknown] == ["sample_name"]

    assert [(each.old, each.new) for each in entered.changes] == [(None, "mithril")]
    assert (filled["sample"], filled["label"]) == ("mithril", "1: mithril")
    assert (filled["guess"], filled["first"]) == ("mithril", "mithril")
    assert state_of(filled, "sample").word == "done"
    known = filled["knockoff"]["mymdc"]["sample_name"]
    assert known["value"] == "mithril"
    assert datetime.now(UTC) - known["fetched_at"].replace(tzinfo=UTC) < timedelta(minutes=1)

    assert [(each.field, each.old, each.new) for each in edited.changes] == [
        ("sample_name", "mithril", "adamant")
    ]
    assert (changed["sample"], changed["label"], changed["first"]) == (
        "adamant", "1: adamant", "mithril"
    )  # fmt: skip
    assert (again.changes, again.jobs) == ([], [])
    history = database["knockoff.history"].find({"variable": "mymdc#sample_name"})
    kept = [each async for each in history.sort("started_at", 1)]
    assert [each["fields"]["mymdc#sample_name"] for each in kept] == ["mithril", "adamant"]
    assert kept[0]["started_at"] == known["fetched_at"]
    results = database["knockoff.history"].find({"variable": "sample", "outcome": "done"})
    assert {each["fields"]["sample"] async for each in results} == {"mithril", "adamant"}


async def test_without_credentials_only_the_cells_that_read_it_say_so(
    make_workspace: Callable[[str], Workspace], database: Database
) -> None:
    """A context file from elsewhere works here as far as it can."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        done = await sync(recorder)
    row = await row_of(database)

    assert state_of(row, "sample").reason == str(NotSetUpError())
    assert state_of(row, "label").reason == str(NotSetUpError())
    assert (row["number"], row["guess"]) == (1, "water")
    assert len(done.unavailable) == 3


async def test_while_mymdc_is_away_what_is_known_stays(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
) -> None:
    """An outage is no news about a sample; and the first failure answers for the whole round."""
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        for run in range(1, 13):
            await fill(recorder, run)
        await sync(recorder, 1)
        mymdc.requests.clear()
        proposal.credentials.write_text(f"token: stale\nserver: {mymdc.server}\n")
        done = await sync(recorder)
        known, unknown = await row_of(database, 1), await row_of(database, 12)

    assert len(mymdc.requests) <= 4
    assert len({key for key, _, _ in done.unavailable}) == done.asked == 12
    assert (done.changes, done.jobs) == ([], [])
    assert (known["sample"], known["label"]) == ("mithril", "1: mithril")
    entry = known["knockoff"]["mymdc"]["sample_name"]
    assert (entry["value"], entry["state"]) == ("mithril", "unavailable")
    assert "401 Unauthorized, unknown key" in state_of(unknown, "label").reason
    assert (unknown["number"], unknown["guess"]) == (12, "water")


async def test_a_sample_that_is_taken_away_is_unknown_again_and_not_wrong(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
) -> None:
    """Somebody had entered it for the wrong run; no cell goes on showing it."""
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await sync(recorder)
        mymdc.enter(proposal.number, 1, kind="alchemy")
        done = await sync(recorder)
        row = await row_of(database)

    assert [(each.old, each.new) for each in done.changes] == [("mithril", None)]
    assert not {"sample", "label"} & row.keys()
    assert state_of(row, "label").word == WAITING
    assert (row["guess"], row["kind"]) == ("water", "alchemy")


async def test_a_failure_is_told_before_a_wait(
    make_workspace: Callable[[str], Workspace], database: Database
) -> None:
    """A wait ends by itself; what has failed has to be mended by somebody."""
    workspace = make_workspace("""
from knockoff import Run, Skip, Variable

class Runs(Run):
    @Variable
    def sample(self, name: "mymdc#sample_name") -> str:
        return name

    @Variable
    def broken(self) -> int:
        return 1 // 0

    @Variable
    def dark(self) -> int:
        raise Skip("shutter was closed")

    @Variable
    def both(self) -> str:
        return f"{self.sample} {self.broken}"

    @Variable
    def skipped(self) -> str:
        return f"{self.sample} {self.dark}"

    @Variable(transient=True)
    def passing(self, name: "mymdc#sample_name") -> str:
        return name

    @Variable
    def through(self) -> str:
        return self.passing
""")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await sync(recorder)
    row = await row_of(database)

    words = {name: state_of(row, name).word for name in ("both", "skipped", "through")}
    assert words == {"both": "blocked", "skipped": "skipped", "through": WAITING}
    assert state_of(row, "through").reason == str(NotSetUpError())


async def test_a_run_in_two_tables_is_asked_about_once(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
) -> None:
    """The catalogue knows runs, not our tables."""
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    workspace = make_workspace("""
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def sample(self, name: "mymdc#sample_name") -> str:
        return name

class SpectrumRuns(Run):
    @Variable
    def both(self, name: "mymdc#sample_name", kind: "mymdc#run_type") -> str:
        return f"{name}, {kind}"
""")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await sync(recorder)

    assert sum(path.endswith("/runs/1") for path in mymdc.paths()) == 1
    assert (await row_of(database))["sample"] == "mithril"
    assert (await row_of(database, table="spectrum_runs"))["both"] == "mithril, alchemy"


async def test_a_listener_asks_by_itself_and_again_when_it_is_time(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At night nobody types `sync`; what is known of a recent run is looked up again later."""
    caplog.set_level(logging.INFO, logger="knockoff")
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    workspace = make_workspace(CONTEXT)

    async def until(run: int, value: str | None) -> dict[str, Any]:
        query: dict[str, Any] = {
            "run": run,
            "sample": value,
            "knockoff.active": {"$in": [None, {}]},
        }
        if value is None:
            query = {"run": run, "knockoff.mymdc.sample_name.state": "unknown"}
        while (row := await database.runs.find_one(query)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return dict(row)

    async with open_recorder(workspace, workspace.settings()) as recorder:
        at_work = [
            asyncio.create_task(recorder.work(1, sweep=0.05)),
            asyncio.create_task(recorder.catalogue.watch()),
        ]
        for run in (1, 2):
            await recorder.record(RunKey(proposal.number, run), "raw")
        known, unknown = await until(1, "mithril"), await until(2, None)

        mymdc.enter(proposal.number, 1, sample="adamant", kind="alchemy")
        mymdc.enter(proposal.number, 2, sample="mithril", kind="alchemy")
        past = {"$set": {"knockoff.mymdc_next": datetime.now(UTC) - timedelta(seconds=1)}}
        await database.runs.update_many({}, past)
        await until(1, "adamant")
        await until(2, "mithril")
        for each in at_work:
            each.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)

    now = datetime.now(UTC).replace(tzinfo=None)
    later = known["knockoff"]["mymdc_next"].replace(tzinfo=None) - now
    soon = unknown["knockoff"]["mymdc_next"].replace(tzinfo=None) - now
    assert timedelta(minutes=50) < later <= timedelta(hours=1)
    assert soon <= timedelta(seconds=30)
    assert "sample_name in MyMdC is 'adamant' now, it was 'mithril'" in caplog.text
    indexes = await database.runs.index_information()
    assert any("knockoff.mymdc_next" in str(each["key"]) for each in indexes.values())


async def test_who_was_killed_between_a_value_and_its_job_is_followed(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
) -> None:
    """The value is stored, its readers were not queued, and the catalogue says nothing new.

    MongoDB takes the value and refuses the job, as if the process had ended in between.
    """
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await sync(recorder)
        mymdc.enter(proposal.number, 1, sample="adamant", kind="alchemy")
        refusing = {"collMod": "knockoff.jobs", "validator": {"nobody": {"$exists": True}}}
        await database.command(refusing)
        with pytest.raises(PyMongoError):
            await recorder.catalogue.refresh()
        stored = await row_of(database)
        await database.command({**refusing, "validator": {}})
        done = await sync(recorder)
        row = await row_of(database)

    assert stored["knockoff"]["mymdc"]["sample_name"]["value"] == "adamant"
    assert stored["label"] == "1: mithril"
    assert (done.changes, len(done.jobs)) == ([], 1)
    assert row["label"] == "1: adamant"
    assert "mymdc_changed" not in row["knockoff"]


async def test_a_token_reaches_neither_worker_nor_row_nor_log(
    make_workspace: Callable[[str], Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Context files are other people's code, and rows are read by the whole group."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KNOCKOFF_MYMDC__CLIENT_SECRET", SECRET)
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    workspace = make_workspace(CONTEXT)
    settings = workspace.settings()
    async with open_recorder(workspace, settings) as recorder:
        await fill(recorder, 1)
        await sync(recorder)
        proposal.credentials.write_text(f"token: {TOKEN}-no\nserver: {mymdc.server}\n")
        mymdc.always = "echo"
        await sync(recorder)

    stored = [
        str(document)
        for name in await database.list_collection_names()
        async for document in database[name].find()
    ]
    assert len(stored) > 10
    row = await row_of(database)
    assert "PATH" in row["surroundings"]
    files = [path for path in workspace.folder.rglob("*") if path.is_file()]
    printed = "".join(_text_of(path) for path in files)
    for secret in (TOKEN, SECRET):
        assert secret not in "".join(stored)
        assert secret not in json.dumps(row["surroundings"])
        assert secret not in caplog.text
        assert secret not in repr(settings)
        assert secret not in printed


def _text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@st.composite
def tables(draw: st.DrawFn) -> TableDescription:
    """Variables that read earlier ones and fields of the catalogue, in any way."""
    variables: list[VariableDescription] = []
    for place in range(draw(st.integers(1, 8))):
        earlier = [each.name for each in variables]
        some = st.lists(st.sampled_from(earlier), unique=True) if earlier else st.just([])
        read = st.lists(st.sampled_from(["run_type", "sample_name", "techniques"]), unique=True)
        name = f"v{place}"
        variables.append(
            VariableDescription(
                name,
                name,
                (name,),
                "raw",
                ("Insert", "Update"),
                "after",
                code="1",
                reads=tuple(draw(some)),
                catalogue_reads=tuple(draw(read)),
            )
        )
    return TableDescription("Runs", "runs", tuple(variables))


@given(tables(), st.sampled_from(["run_type", "sample_name", "techniques"]))
def test_what_reads_a_changed_value_is_due_and_nothing_else(
    table: TableDescription, field: str
) -> None:
    """A thousand runs are looked up every hour; what is recomputed must be what has to be."""
    names = [each.name for each in table.variables]
    entries = {each: {"value": "old"} for each in ("run_type", "sample_name", "techniques")}
    row: dict[str, Any] = {"knockoff": {"data": ["raw"], "mymdc": entries}}
    row["knockoff"]["code"] = dict.fromkeys(names, "1")
    row["knockoff"]["inputs"] = input_stamps(table, row)
    assert due_variables(table, row, "Update") == ()

    entries[field] = {"value": "new"}

    due = [each.name for each in due_variables(table, row, "Update")]
    assert due == readers_of(table, [field])
    direct = [each.name for each in table.variables if field in each.catalogue_reads]
    assert set(direct) <= set(due)
    by_name = {each.name: each for each in table.variables}
    assert all(name in direct or set(by_name[name].reads) & set(due) for name in due)
