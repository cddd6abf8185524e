"""`knockoff mymdc`, and what `knockoff process` does about the catalogue."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import Shell
from tests.mymdc.server import TOKEN

from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Done
    from tests.mymdc.conftest import Proposal
    from tests.mymdc.server import MyMdcServer

    from knockoff.database.client import Database
    from knockoff.workspace import Workspace

CONTEXT = """
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def trains(self, data) -> int:
        return len(data.train_ids)

    @Variable
    def sample(self, name: "mymdc#sample_name") -> str:
        return name.upper()

    @Variable
    def methods(self, techniques: "mymdc#techniques") -> int:
        return len(techniques)
"""


@pytest.fixture
def workspace(
    make_workspace: Callable[..., Workspace],
    proposal: Proposal,
    mymdc: MyMdcServer,
    database: Database,
) -> Workspace:
    """A workspace with two runs on disk, of which one has its sample in MyMdC."""
    for run in (1, 2):
        write_run(proposal.root, RunKey(proposal.number, run), trains=3, pulses=2)
        mymdc.enter(proposal.number, run)
    mymdc.enter(proposal.number, 1, sample="mithril")
    return make_workspace(CONTEXT)


async def run(workspace: Workspace, *words: str, **environment: str) -> Done:
    """A command, while the server goes on answering."""
    return await asyncio.to_thread(Shell(workspace.folder), *words, **environment)


async def test_from_login_to_a_filled_table(
    workspace: Workspace, proposal: Proposal, mymdc: MyMdcServer, database: Database
) -> None:
    """Everything somebody types who sets it up for the first time."""
    mymdc.writes_to = proposal.credentials
    zwop = f"{mymdc.address}/zwop"

    bare = await run(workspace, "process", "all")
    assert bare.status == 0
    assert "Some cells wait: MyMdC is not set up; see `knockoff mymdc --help`." in bare.said
    assert mymdc.requests == []
    status = await run(workspace, "mymdc", "status")
    assert (status.status, status.out) == (1, "")
    assert "not set up" in status.said

    login = await run(workspace, "mymdc", "login", KNOCKOFF_MYMDC__ZWOP=zwop)
    assert login.status == 0, login.said
    assert str(proposal.credentials) in login.said
    status = await run(workspace, "mymdc", "status", "--json")
    told = json.loads(status.out)
    assert (told["title"], told["error"]) == ("Melting of mithril", None)
    assert "write token in " in told["signs_in_with"]

    synced = await run(workspace, "mymdc", "sync")
    assert synced.status == 0, synced.said
    lines = [line.split() for line in synced.out.splitlines()]
    assert lines == [
        ["run", "field", "before", "now"],
        ["1", "sample_name", "-", "mithril"],
        ["1", "techniques", "-", "none"],
        ["2", "techniques", "-", "none"],
    ]
    assert "Asked MyMdC about 2 runs; 2 changed." in synced.said
    assert "Not entered there yet: sample_name of run 2." in synced.said

    rows = json.loads((await run(workspace, "runs", "--json")).out)
    assert [(row["trains"], row["sample"], row["methods"]) for row in rows] == [
        (3, "MITHRIL", 0),
        (3, None, 0),
    ]
    state = rows[1]["states"]["sample"]
    assert state["state"] == "waiting for mymdc"
    assert "sample_name is not known in MyMdC yet" in state["reason"]
    card = await run(workspace, "show", "2")
    assert "waiting for mymdc" in card.out
    all_said = "".join(each.out + each.said for each in (bare, login, status, synced, card))
    assert TOKEN not in all_said


async def test_doctor_tries_it_where_it_is_set_up(
    workspace: Workspace, proposal: Proposal, mymdc: MyMdcServer
) -> None:
    """A token that was withdrawn is found before the shift, not in the cells."""

    async def told() -> list[tuple[str, str]]:
        done = await run(workspace, "doctor", "--json", KNOCKOFF_KAFKA__BROKERS="127.0.0.1:9")
        found = json.loads(done.out)
        return [(each["verdict"], each["said"]) for each in found if each["about"] == "catalogue"]

    assert await told() == []
    proposal.sign_in(mymdc)
    assert await told() == [("ok", "MyMdC knows the proposal as 'Melting of mithril'")]
    proposal.credentials.write_text(f"token: old\nserver: {mymdc.server}\n")
    ((verdict, said),) = await told()
    assert verdict == "warning"
    assert "401 Unauthorized, unknown key" in said


async def test_process_asks_beside_filling(
    workspace: Workspace, proposal: Proposal, mymdc: MyMdcServer
) -> None:
    """Whoever processes a night's runs gets their samples with them; known ones are not asked."""
    proposal.sign_in(mymdc)
    done = await run(workspace, "process", "all")
    assert done.status == 0, done.said
    assert "2 of 2 runs" in done.said
    rows = json.loads((await run(workspace, "runs", "--json")).out)
    assert [row["sample"] for row in rows] == ["MITHRIL", None]

    mymdc.requests.clear()
    await run(workspace, "process", "all")
    asked = {path.rpartition("/")[2] for path in mymdc.paths() if "/by_number/" in path}
    assert asked == {"2"}


async def test_a_server_that_is_away_is_told_and_costs_no_row(
    workspace: Workspace, proposal: Proposal, mymdc: MyMdcServer
) -> None:
    """The rows are there, the cells say why, and `sync` ends with status 1."""
    proposal.sign_in(mymdc)
    proposal.credentials.write_text("token: x\nserver: http://127.0.0.1:9/metadata\n")
    done = await run(workspace, "process", "1")
    assert done.status == 0
    assert "Some cells wait: MyMdC does not answer at http://127.0.0.1:9" in done.said

    synced = await run(workspace, "mymdc", "sync", "1", "--json")
    assert synced.status == 1
    told = json.loads(synced.out)
    assert [(each["run"], each["field"]) for each in told["unavailable"]] == [
        (1, "sample_name"),
        (1, "techniques"),
    ]
    assert (told["asked"], told["changed"]) == (1, [])
    plain = await run(workspace, "mymdc", "sync", "1")
    assert "Nothing fetched for run 1: MyMdC does not answer" in plain.said
    other = await run(workspace, "mymdc", "sync", "77")
    assert (other.status, other.out) == (0, "")
    assert "No such run is in a table" in other.said
    wrong = await run(workspace, "mymdc", "sync", "seven")
    assert wrong.status == 2
