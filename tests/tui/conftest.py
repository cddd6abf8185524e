"""Run documents, column registries and screens for the tests of the run table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from knockoff.database.tables import TableReader
from knockoff.errors import EditError
from knockoff.tui.app import RunTableApp
from knockoff.tui.cells import Hand
from knockoff.tui.glyphs import UNICODE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import App
    from textual.pilot import Pilot

    from knockoff.database.client import Database

Document = dict[str, Any]

HAMBURG = ZoneInfo("Europe/Berlin")


def _variable(name: str, title: str = "", *, order: int = 0, **rest: Any) -> Document:
    entry = {"kind": "variable", "type": "float", "data": "raw", **rest}
    key = name.replace(".", "/")
    return {
        "_id": f"runs/{key}",
        "table": "runs",
        "name": name,
        "title": title or key,
        "order": order,
        **entry,
    }


def _row(run: int, values: Document | None = None, **ours: Any) -> Document:
    problems = ours.get("problems", {})
    document: Document = {
        "_id": f"p001234r{run:04d}",
        "proposal": 1234,
        "run": run,
        "start_time": datetime(2024, 5, 24, 10, run % 60, tzinfo=UTC),
        "knockoff": {
            "data": ["raw"],
            "states": sorted({problem["state"] for problem in problems.values()}),
            "updated_at": datetime(2024, 5, 24, 12, 0, tzinfo=UTC),
            **ours,
        },
    }
    for name, value in (values or {}).items():
        *above, last = name.split(".")
        inside = document
        for step in above:
            inside = inside.setdefault(step, {})
        inside[last] = value
    return document


@pytest.fixture
def variable() -> Callable[..., Document]:
    """Make an entry of the column registry: `variable(name, title, **entry)`."""
    return _variable


@pytest.fixture
def row() -> Callable[..., Document]:
    """Make a run document: `row(run, {path: value}, **what stands under knockoff)`."""
    return _row


@pytest.fixture
def hand() -> Hand:
    """Writes cells as in Hamburg, with all signs."""
    return Hand(HAMBURG, UNICODE)


def _lines(app: App[None]) -> list[str]:
    strips = app.screen._compositor.render_strips()
    return [strip.text.rstrip() for strip in strips]


class Typist:
    """Writes edits into MongoDB; a threshold must be a number, as the field's schema says."""

    def __init__(self, database: Database) -> None:
        self._rows = database["runs"]

    async def set_field(self, run_key: str, field: str, text: str) -> None:
        """Store a number."""
        try:
            value = float(text)
        except ValueError as error:
            raise EditError(f"{field} is a number, not {text!r}.") from error
        await self._rows.update_one({"_id": run_key}, {"$set": {field: value}})

    async def comment(self, run_key: str, text: str) -> None:
        """Store a comment."""
        await self._rows.update_one({"_id": run_key}, {"$set": {"comment": text}})


@pytest.fixture
def table(database: Database) -> RunTableApp:
    """The application on the collection `runs` of a real database."""
    return RunTableApp(
        TableReader(database, "runs", "ada"),
        Typist(database),
        title="p001234 runs",
        zone=HAMBURG,
        glyphs=UNICODE,
    )


@pytest.fixture
def screen() -> Callable[[RunTableApp], list[str]]:
    """What is on the screen, line by line."""

    return _lines


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Let the application work until something is true."""

    async def wait(pilot: Pilot[None], what: Callable[[], bool], seconds: float = 20) -> None:
        for _ in range(round(seconds / 0.02)):
            if what():
                return
            await pilot.pause(0.02)
        pytest.fail("\n".join(_lines(pilot.app)))

    return wait
