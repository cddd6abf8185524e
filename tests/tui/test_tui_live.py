"""The table as people use it, on a real MongoDB, key by key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.registry import note_refusal
from knockoff.database.tables import TableReader
from knockoff.tui.app import RunTableApp
from knockoff.tui.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

    from knockoff.database.client import Database

    Screen = Callable[[RunTableApp], list[str]]
    Until = Callable[..., Awaitable[None]]

FAILURE = {
    "state": "failed",
    "kind": "KeyError",
    "message": "no source [SPB]",
    "line": 31,
    "context_line": "return data['SPB']",
    "traceback": "Traceback (most recent call last):\n  File 'context.py', line 31\nKeyError",
}


@pytest.fixture
async def beamtime(
    database: Database, row: Callable[..., Any], variable: Callable[..., Any]
) -> Database:
    """Twelve runs; hits of 3 and 9 failed, and what needs proc data waits."""
    await database["knockoff.variables"].insert_many(
        [
            variable("sample", "Sample", order=1, kind="editable", type="str"),
            variable("threshold", "Threshold", order=2, kind="editable"),
            variable("trains", "Trains", order=3, type="int"),
            variable("xgm.energy", "XGM SA2/Energy", order=4, units="uJ"),
            variable("hits", "Hits", order=5, type="int"),
            variable("image", "Image", order=6, type="ndarray", data="proc"),
        ]
    )
    rows = []
    for run in range(1, 13):
        failed = run in (3, 9)
        values = {
            "sample": "gold" if run % 2 else "water",
            "threshold": 0.5,
            "trains": 100 * (13 - run),
            "xgm.energy": 1300.25 + run,
            "comment": "knife edge" if run == 4 else "",
        }
        if not failed:
            values["hits"] = run * run % 17
        rows.append(row(run, values, problems={"hits": FAILURE} if failed else {}))
    await database["runs"].insert_many(rows)
    return database


def runs_on(lines: list[str]) -> list[int]:
    """The run numbers of the rows on the screen, from top to bottom."""
    starts = (line[1:8].strip("✗◐ ") for line in lines[3:-2])
    return [int(start) for start in starts if start.isdecimal()]


def line_of(lines: list[str], run: int) -> str:
    """The line of one run."""
    return next(line for line in lines[3:-2] if line[2:8].strip() == str(run))


async def typed(pilot: Pilot[None], text: str) -> None:
    """Type a text and Enter into the open prompt."""
    names = {" ": "space", ">": "greater_than_sign", ".": "full_stop", "~": "tilde"}
    await pilot.press(*(names.get(sign, sign) for sign in text), "enter")


async def test_a_table_opens_on_its_newest_run(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """At the beamline the last run is what people want to see first."""
    async with table.run_test(size=(120, 12), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        lines = screen(table)
        assert "12 runs" in lines[0]
        assert "2 with errors" in lines[0]
        assert "XGM SA2" in lines[1]
        assert "1312.2" in line_of(lines, 12)
        assert "⋯ waiting for" in line_of(lines, 12) or "⋯ proc" in line_of(lines, 12)
        assert "✗ KeyErr" in line_of(lines, 9)


async def test_a_broken_context_file_is_told_in_the_first_line_until_it_is_mended(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """Who looks at the table sees that it is not made by what is on disk."""
    used = {"_id": "good", "last_used_at": datetime.now(UTC), "source": "", "description": {}}
    await beamtime["knockoff.contexts"].insert_one(used)
    async with table.run_test(size=(160, 12), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await note_refusal(beamtime, "good", "context.py:7: SyntaxError: '(' was never closed.")
        await until(pilot, lambda: "context.py:7" in screen(table)[0])
        assert "the last good one is used" in screen(table)[0]
        await note_refusal(beamtime, "good", "")
        await until(pilot, lambda: "context.py:7" not in screen(table)[0])


async def test_an_empty_table_says_what_it_waits_for(
    database: Database, table: RunTableApp, screen: Screen, until: Until, row: Callable[..., Any]
) -> None:
    """Before the first run there is nothing to see but what to do."""
    async with table.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "No runs yet" in "\n".join(screen(table)))
        assert "knockoff listen" in "\n".join(screen(table))
        await database["runs"].insert_one(row(1))
        await until(pilot, lambda: "24 May 12:01" in "\n".join(screen(table)))


async def test_a_result_appears_without_a_key_being_pressed(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """The table fills itself while people watch it."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await beamtime["runs"].update_one(
            {"run": 3}, {"$set": {"hits": 4711}, "$unset": {"knockoff.problems.hits": 1}}
        )
        await until(pilot, lambda: "4711" in line_of(screen(table), 3))
        await beamtime["runs"].delete_one({"run": 3})
        await until(pilot, lambda: 3 not in runs_on(screen(table)))


async def test_a_new_run_is_followed_until_somebody_looks_elsewhere(
    beamtime: Database,
    table: RunTableApp,
    screen: Screen,
    until: Until,
    row: Callable[..., Any],
) -> None:
    """The table must never take people away from what they are reading."""
    async with table.run_test(size=(120, 10), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await beamtime["runs"].insert_one(row(13))
        await until(pilot, lambda: 13 in runs_on(screen(table)))
        await pilot.press("home")
        await beamtime["runs"].insert_one(row(14))
        await until(pilot, lambda: "1 new (G)" in screen(table)[0])
        assert 14 not in runs_on(screen(table))
        await pilot.press("G")
        await until(pilot, lambda: 14 in runs_on(screen(table)) and "(G)" not in screen(table)[0])


async def test_a_new_variable_becomes_a_column(
    beamtime: Database,
    table: RunTableApp,
    screen: Screen,
    until: Until,
    variable: Callable[..., Any],
) -> None:
    """Somebody edits the context file while others watch the table."""
    async with table.run_test(size=(140, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await beamtime["knockoff.variables"].insert_one(variable("jitter", "Jitter", order=9))
        await until(pilot, lambda: "Jitter" in screen(table)[2])


async def test_a_trendline_is_drawn_when_its_preview_arrives(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """The preview is stored after the row that it belongs to."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        array = {"dtype": "float32", "shape": [64, 96], "file": "a.h5", "dataset": "/image"}
        await beamtime["runs"].update_one(
            {"run": 5}, {"$set": {"knockoff.arrays.image": array, "image": None}}
        )
        await until(pilot, lambda: "(64, 96)" in line_of(screen(table), 5))
        preview = {"_id": "runs/5/image/trend", "trend": {"x": None, "y": [0, 1, None, 3]}}
        await beamtime["knockoff.previews"].insert_one(preview)
        await until(pilot, lambda: "▁▃ █" in line_of(screen(table), 5))


async def test_words_and_conditions_filter_the_runs(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """One line does both, and Escape takes it back."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("slash")
        await typed(pilot, "gold trains > 500")
        await until(pilot, lambda: runs_on(screen(table)) == [1, 3, 5, 7])
        assert "4 of 12 runs" in screen(table)[0]
        await pilot.press("escape")
        await until(pilot, lambda: len(runs_on(screen(table))) == 12)
        await pilot.press("slash")
        await typed(pilot, "nothing like this")
        await until(pilot, lambda: "No run fits" in "\n".join(screen(table)))


async def test_a_filter_that_cannot_be_understood_changes_nothing(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """A typing error must not empty the table."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("slash")
        await typed(pilot, "trans > 5")
        await until(pilot, lambda: "no column 'trans'" in "\n".join(screen(table)))
        assert len(runs_on(screen(table))) == 12


async def test_a_click_on_a_title_sorts_and_the_cursor_stays_on_its_run(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """Whoever sorts wants to see where the run is among the others."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        at = screen(table)[2].index("Trains")
        await pilot.click("RunGrid", offset=(at, 1))
        await until(pilot, lambda: runs_on(screen(table)) == list(range(12, 0, -1)))
        assert "▲ Trains" in screen(table)[2]
        assert table.store.order[0] == "p001234r0012"
        assert "run 12 " in screen(table)[-2]
        await beamtime["runs"].update_one({"run": 6}, {"$set": {"trains": 1}})
        await until(pilot, lambda: runs_on(screen(table))[0] == 6)


async def test_columns_stay_as_each_person_left_them(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """Arranging columns is work; nobody does it twice."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        table._grid.go_to_column("trains")
        await pilot.press("greater_than_sign")
        table._grid.go_to_column("sample")
        await pilot.press("H")
        views = beamtime["knockoff.views"]
        await until(pilot, lambda: "sample" in table.store.view.hidden)
        while not await views.find_one({"_id": "ada/runs", "hidden": "sample"}):
            await pilot.pause(0.02)
    for person, sees_sample in (("ada", False), ("bob", True)):
        again = RunTableApp(TableReader(beamtime, "runs", person))
        async with again.run_test(size=(120, 24), notifications=True) as pilot:
            await until(pilot, lambda app=again: 12 in runs_on(screen(app)))
            titles = screen(again)[2]
            assert ("Sample" in titles) is sees_sample
            assert (titles.index("Trains") < titles.index("Energy")) is sees_sample


async def test_a_hidden_column_is_found_in_the_list_and_shown_again(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """With two hundred columns one types a part of its name."""
    async with table.run_test(size=(120, 30), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        table._grid.go_to_column("hits")
        await pilot.press("H", "c", "slash", "h", "i", "t", "s")
        await until(pilot, lambda: "[ ] Hits" in "\n".join(screen(table)))
        await pilot.press("enter", "space", "escape")
        await until(pilot, lambda: len(table.screen_stack) == 1 and "Hits" in screen(table)[2])


async def test_every_key_has_a_word_in_the_list_of_commands(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """Who has forgotten the key types what it does."""
    async with table.run_test(size=(100, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("ctrl+p")
        await typed(pilot, "previous error")
        await until(pilot, lambda: "run 9 " in screen(table)[-2])


async def test_the_next_error_is_one_key_away(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """Among ten thousand cells nobody should search for the red ones."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("X")
        await until(pilot, lambda: "Hits  run 9  ✗ KeyError: no source [SPB]" in screen(table)[-2])
        await pilot.press("X")
        await until(pilot, lambda: "run 3 " in screen(table)[-2])
        await pilot.press("x")
        await until(pilot, lambda: "run 9 " in screen(table)[-2])


async def test_a_problem_opens_with_its_traceback_and_the_line_in_the_context_file(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """From the red cell to the line to be changed: two keys."""
    async with table.run_test(size=(100, 40), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("X")
        await until(pilot, lambda: "run 9 " in screen(table)[-2])
        await pilot.press("enter")
        await until(pilot, lambda: "Traceback" in "\n".join(screen(table)))
        text = "\n".join(screen(table))
        assert "line 31 of the context file" in text
        assert "return data['SPB']" in text
        assert "no source [SPB]" in text
        await pilot.press("escape")
        assert len(table.screen_stack) == 1


async def test_a_run_is_reached_by_its_number(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """People say "look at run 7"."""
    async with table.run_test(size=(120, 10), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("colon")
        await typed(pilot, "2")
        await until(pilot, lambda: "run 2 " in screen(table)[-2] and 2 in runs_on(screen(table)))
        await pilot.press("g")
        await typed(pilot, "99")
        await until(pilot, lambda: "no run '99'" in "\n".join(screen(table)))


async def test_a_comment_and_a_field_are_typed_into_the_database(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """What people know is part of the table too."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("C")
        await typed(pilot, "beam lost")
        await until(pilot, lambda: "beam lost" in line_of(screen(table), 12))
        table._grid.go_to_column("threshold")
        await pilot.press("e", "ctrl+u")
        await typed(pilot, "0.75")
        await until(pilot, lambda: "0.75" in line_of(screen(table), 12))
        while (await beamtime["runs"].find_one({"run": 12}) or {}).get("threshold") != 0.75:
            await pilot.pause(0.02)
        stored = await beamtime["runs"].find_one({"run": 12})
        assert stored is not None
        assert stored["comment"] == "beam lost"


async def test_a_value_that_does_not_fit_is_refused_with_words(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """The cell must not go on showing what was never stored."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        table._grid.go_to_column("threshold")
        await pilot.press("e", "ctrl+u")
        await typed(pilot, "high")
        await until(pilot, lambda: "is a number, not 'high'" in "\n".join(screen(table)))
        await until(pilot, lambda: "high" not in line_of(screen(table), 12))
        assert "0.5" in line_of(screen(table), 12)
        await until(pilot, lambda: screen(table)[-1].rstrip().endswith("high"))
        await pilot.press("escape")
        await until(pilot, lambda: "quit" in screen(table)[-1])


async def test_a_new_run_does_not_move_the_cursor_while_somebody_types(
    beamtime: Database,
    table: RunTableApp,
    screen: Screen,
    until: Until,
    row: Callable[..., Any],
) -> None:
    """Else the comment would land on another run."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("C", "o", "k")
        await beamtime["runs"].insert_one(row(13))
        await until(pilot, lambda: 13 in runs_on(screen(table)))
        assert table.query_one(Prompt).is_asking
        await pilot.press("enter")
        await until(pilot, lambda: "ok" in line_of(screen(table), 12))


async def test_a_new_run_does_not_move_the_cursor_under_an_open_cell(
    beamtime: Database,
    table: RunTableApp,
    screen: Screen,
    until: Until,
    row: Callable[..., Any],
) -> None:
    """Else a key pressed there would plot or edit another run than the one that is read about."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        await pilot.press("enter")
        await until(pilot, lambda: "Esc back" in "\n".join(screen(table)))
        await beamtime["runs"].insert_one(row(13))
        await until(pilot, lambda: table.store.total == 13)
        await pilot.press("escape")
        await until(pilot, lambda: "Run  run 12 " in screen(table)[-2])


async def test_a_sorted_table_follows_the_newest_run_wherever_it_stands(
    beamtime: Database,
    table: RunTableApp,
    screen: Screen,
    until: Until,
    row: Callable[..., Any],
) -> None:
    """The last row of a sorted table is not the newest run."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        table._grid.go_to_column("trains")
        await pilot.press("s")
        await until(pilot, lambda: runs_on(screen(table))[0] == 12)
        await beamtime["runs"].insert_one(row(13, {"trains": 650}))
        await until(pilot, lambda: "run 13 " in screen(table)[-2])
        assert runs_on(screen(table))[6] == 13


async def test_a_computed_cell_is_not_edited(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """The key says what to do instead."""
    async with table.run_test(size=(120, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        table._grid.go_to_column("hits")
        await pilot.press("e")
        await until(pilot, lambda: "not typed by people" in "\n".join(screen(table)))


async def test_a_small_terminal_shows_whole_numbers_or_none(
    beamtime: Database, table: RunTableApp, screen: Screen, until: Until
) -> None:
    """A number that is cut in half is another number."""
    async with table.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: 12 in runs_on(screen(table)))
        for _ in range(8):
            await pilot.press("right")
            for run in (2, 5, 11):
                words = line_of(screen(table), run).split()
                energies = {word for word in words if word.strip("…").startswith(("13", "3"))}
                assert energies <= {f"{1300.25 + run:.1f}", f"{1300.25 + run:.2f}"}
