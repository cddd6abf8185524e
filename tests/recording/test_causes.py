"""Why a cell is blocked, as any client of MongoDB and every reader of the table sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.text import Text
from textual.theme import BUILTIN_THEMES

from knockoff.cli.card import card_of
from knockoff.cli.written import plain_row
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.tui.cells import Hand
from knockoff.tui.columns import Column
from knockoff.tui.detail import Detail
from knockoff.tui.glyphs import UNICODE
from knockoff.tui.numbers import NumberFormat
from knockoff.tui.palette import Palette
from knockoff.tui.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from knockoff.database.client import Database
    from knockoff.workspace import Workspace

CONTEXT = """
from knockoff import Group, Run, Skip, Variable

@Group
class Xgm:
    @Variable
    def pulse_energy(self):
        return {}["intensityTD"]

class Runs(Run):
    xgm = Xgm()

    @Variable
    def dark(self):
        raise Skip("no dark run")

    @Variable
    def hits(self):
        return self.xgm.pulse_energy

    @Variable
    def background(self):
        return self.dark

    @Variable(title="Hit rate")
    def hit_rate(self):
        return self.background + self.hits

    @Variable
    def corrected(self):
        return self.background
"""

TREE = [
    "├ hits ← xgm.pulse_energy failed: KeyError: 'intensityTD' (context.py:8)",
    'return {}["intensityTD"]',
    "└ background ← dark skipped: no dark run",
]


async def test_every_root_is_in_the_row_and_on_every_screen(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One looks at the cell that is empty, and has to mend another one."""
    workspace = make_workspace(CONTEXT)
    key = RunKey(workspace.proposal, 42)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        await recorder.work_off(["runs/42/raw"])
        # what has run is not computed again; what it blocks reads the reason from the row
        await plain(workspace).runs.update_one(
            {"run": 42},
            {"$unset": {"knockoff.problems.hit_rate": "", "knockoff.code.hit_rate": ""}},
        )
        await recorder.record(key, "proc")
        await recorder.work_off(["runs/42/proc"])

    database = plain(workspace)
    row = await database.runs.find_one({"knockoff.problems.hit_rate.causes.state": "failed"})
    columns = await database["knockoff.variables"].find().to_list(None)
    assert row is not None
    problem = row["knockoff"]["problems"]["hit_rate"]
    assert [each["path"] for each in problem["causes"]] == [
        ["hits", "xgm.pulse_energy"],
        ["background", "dark"],
    ]
    assert problem["cause"] == ["hits", "xgm.pulse_energy"]
    assert problem["message"] == (
        "hits ← xgm.pulse_energy failed: KeyError: 'intensityTD' (context.py:8); and 1 more"
    )

    monkeypatch.setenv("LANG", "C.UTF-8")
    in_order(card(columns, row), ["Hit rate", "⊘ blocked by", *TREE])
    in_order(card(columns, row), ["Corrected", "skipped because of this:", "background ← dark"])
    in_order(detail(columns, row, "hit_rate").plain, ["blocked", "Because of", *TREE])
    told = plain_row(columns, row)["states"]["hit_rate"]
    assert (told["state"], told["reason"]) == ("blocked", problem["message"])
    assert [each["path"] for each in told["causes"]] == [
        ["hits", "xgm.pulse_energy"],
        ["background", "dark"],
    ]
    column = next(each for each in columns if each["name"] == "hit_rate")
    hand = Hand(ZoneInfo("Europe/Berlin"), UNICODE)
    cell = hand.cell(Column.from_document(column), Row(row), NumberFormat(), 20, right=False)
    assert cell.texts == (
        f"⊘ {problem['message']}",
        "⊘ by xgm.pulse_energy",
        "⊘ blocked",
        "⊘",
    )


def card(columns: list[dict[str, Any]], row: dict[str, Any]) -> str:
    """What `knockoff show` prints."""
    return card_of("runs", columns, row, ZoneInfo("Europe/Berlin"))


def detail(columns: list[dict[str, Any]], row: dict[str, Any], name: str) -> Text:
    """What the table in the terminal shows of one cell."""
    column = next(each for each in columns if each["name"] == name)
    hand = Hand(ZoneInfo("Europe/Berlin"), UNICODE)
    theme = BUILTIN_THEMES["textual-dark"].to_color_system().generate()
    return Detail(hand, Palette(theme)).about(Column.from_document(column), Row(row), [])


def in_order(text: str, parts: list[str]) -> None:
    """Assert that these stand in the text, one behind the other."""
    place = 0
    for part in parts:
        found = text.find(part, place)
        assert found >= 0, (part, text)
        place = found + len(part)
