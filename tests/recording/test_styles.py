"""Every style, on every road: good cells are filled and bad ones say what happened."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest
from beanie import init_beanie

import knockoff
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.workspace import Workspace

AUTOMATIC = """
from typing import Annotated
from knockoff import Run, Skip, Variable

class Runs(Run):
    def good(self) -> Annotated[int, Variable]:
        return 7

    def wrong(self) -> Annotated[int, Variable]:
        return {}["nothing"]

    def absent(self) -> Annotated[int, Variable]:
        raise Skip("no beam")

    def after_good(self) -> Annotated[int, Variable]:
        return self.good + 1

    def after_wrong(self) -> Annotated[int, Variable]:
        return self.wrong + 1

    def after_absent(self) -> Annotated[int, Variable]:
        return self.absent + 1
"""

EXPLICIT = """
from __future__ import annotations
from knockoff import Insert, Run, Skip, Variable, before_event

class Runs(Run):
    @Variable(title="Good", event=Insert, direction=before_event)
    async def good(self) -> int:
        return 7

    @Variable
    def wrong(self) -> int:
        return {}["nothing"]

    @Variable(tags="sad")
    def absent(self) -> int:
        raise Skip("no beam")

    @Variable(units="1")
    def after_good(self) -> int:
        return self.good + 1

    @Variable
    def after_wrong(self) -> int:
        return self.wrong + 1

    @Variable
    def after_absent(self) -> int:
        return self.absent + 1
"""

PLAIN = """
from beanie import Insert, after_event, before_event
from knockoff import Run, Skip

class Runs(Run):
    good: int | None
    wrong: int | None = None
    absent: str
    after_good: int | None = None
    after_wrong: int | None = None
    after_absent: str

    @before_event(Insert)
    def fill_good(self):
        self.good = 7

    @before_event(Insert)
    async def fill_wrong(self):
        self.wrong = {}["nothing"]

    @after_event(Insert)
    def fill_absent(self):
        if True:
            raise Skip("no beam")
        self.absent = "there"

    @after_event(Insert)
    def fill_after_good(self):
        self.after_good = self.good + 1

    @after_event(Insert)
    def fill_after_wrong(self):
        self.after_wrong = self.wrong + 1

    @after_event(Insert)
    def fill_after_absent(self):
        self.after_absent = self.absent + "!"
"""

FUNCTIONS = """
from knockoff import Skip, Variable

@Variable(title="Good")
def good():
    return 7

@Variable
def wrong():
    return {}["nothing"]

@Variable
def absent():
    raise Skip("no beam")

@Variable
def after_good(good: "var#good"):
    return good + 1

@Variable
def after_wrong(wrong: "var#wrong"):
    return wrong + 1

@Variable
def after_absent(absent: "var#absent"):
    return absent + 1
"""

STYLES = {"automatic": AUTOMATIC, "explicit": EXPLICIT, "plain": PLAIN, "functions": FUNCTIONS}


def check_cells(row: dict[str, Any] | None) -> None:
    """What every style must have left in MongoDB."""
    assert row is not None
    assert row["good"] == 7
    assert row["after_good"] == 8
    problems = row["knockoff"]["problems"]
    assert problems.keys() == {"wrong", "absent", "after_wrong", "after_absent"}
    assert problems["wrong"]["state"] == "failed"
    assert problems["wrong"]["kind"] == "KeyError"
    assert '{}["nothing"]' in problems["wrong"]["context_line"]
    assert problems["wrong"]["line"] > 0
    assert "KeyError" in problems["wrong"]["traceback"]
    assert (problems["absent"]["state"], problems["absent"]["message"]) == ("skipped", "no beam")
    assert problems["after_wrong"]["state"] == "blocked"
    assert "wrong" in problems["after_wrong"]["cause"][0]
    assert problems["after_absent"]["state"] == "skipped"
    assert problems["after_absent"]["message"] == "no beam"
    assert set(row["knockoff"]["states"]) == {"failed", "skipped", "blocked"}
    for empty in ("wrong", "absent", "after_wrong", "after_absent"):
        assert row.get(empty) is None


@pytest.mark.parametrize("style", STYLES)
async def test_a_bad_cell_says_why_and_costs_no_other_cell_its_value(
    style: str,
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
) -> None:
    """Recorded by the service: the road of `listen` and of `process`."""
    workspace = make_workspace(STYLES[style])
    key = RunKey(workspace.proposal, 42)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        await recorder.work_off(["runs/42/raw"])

        row = await plain(workspace).runs.find_one({"run": 42})

    check_cells(row)
    assert row is not None
    assert "active" not in row["knockoff"]


@pytest.mark.parametrize("style", STYLES)
async def test_a_document_inserted_in_a_notebook_fills_itself(
    style: str,
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One `await ….insert()`: the fields are on the instance and in MongoDB."""
    workspace = make_workspace(STYLES[style])
    monkeypatch.chdir(workspace.folder)
    database = plain(workspace)
    runs = table_in(workspace.context_file, f"notebook_{style}_{workspace.proposal}")
    await init_beanie(database=database, document_models=[runs])

    document: Any = runs(proposal=workspace.proposal, run=3)
    await document.insert()

    assert (document.good, document.after_good) == (7, 8)
    assert document.knockoff["problems"]["wrong"]["state"] == "failed"
    check_cells(await database.runs.find_one({"run": 3}))


def table_in(file: Path, name: str) -> Any:
    """Run a file as a script would be, and give its table."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return vars(module)["Runs"] if hasattr(module, "Runs") else knockoff.table(vars(module))
