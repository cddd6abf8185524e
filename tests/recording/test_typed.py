"""What people type becomes a value that fits its field and that MongoDB can keep."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import bson
import pytest
from pydantic import Field

from knockoff.contextfile.schemas import schema_of
from knockoff.errors import EditError
from knockoff.recording.editing import Editing
from knockoff.recording.opening import open_recorder
from knockoff.recording.typed import typed
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.database.client import Database
    from knockoff.workspace import Workspace


class Gain(IntEnum):
    LOW = 1
    HIGH = 2


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (float, "0.5", 0.5),
        (bool, "yes", True),
        (int | None, "3", 3),
        (int | None, "", None),
        (str | int, "3", 3),
        (str | int, "three", "three"),
        (Literal[1, 2], "2", 2),
        (Literal["a", 1] | None, "a", "a"),
        (Gain, "2", 2),
        (Gain | None, "1", 1),
        (list[int], "[1, 2]", [1, 2]),
        (list[int] | None, "[1, 2]", [1, 2]),
        (dict[str, int] | None, "plain", "plain"),
        (list[date], '["2026-05-04"]', ["2026-05-04"]),
        (date, "2026-05-04", "2026-05-04"),
        (date | None, "2026-05-04", "2026-05-04"),
        (datetime, "2026-05-04 10:00Z", datetime(2026, 5, 4, 10, tzinfo=UTC)),
        (Annotated[float, Field(ge=0)], "0", 0.0),
    ],
)
def test_text_is_read_as_the_type_says(kind: Any, text: str, value: Any) -> None:
    """Whatever a class declares can be typed, and MongoDB takes what comes of it."""
    read = typed("x", schema_of(kind), text)

    assert read == value
    assert type(read) is type(value)
    bson.encode({"x": read})


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (float, "high", "It takes a number"),
        (Literal[1, 2], "3", "It takes one of 1, 2"),
        (list[int] | None, "[1,", "not valid JSON"),
        (Annotated[float, Field(ge=0)], "-1", "greater than or equal to 0"),
        (Annotated[int | None, Field(lt=5)], "5", "less than 5"),
        (Annotated[str, Field(max_length=2)], "abc", "at most 2"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(kind: Any, text: str, message: str) -> None:
    """Limits of the class hold for people as well."""
    with pytest.raises(EditError, match=f"x cannot be .*{message}"):
        typed("x", schema_of(kind), text)


def test_a_time_without_a_zone_is_the_facility_s() -> None:
    """People type what the clock on the wall says, in summer as in winter."""
    berlin = ZoneInfo("Europe/Berlin")
    schema = schema_of(datetime | None)

    assert typed("x", schema, "2026-05-04 10:00", berlin) == datetime(2026, 5, 4, 8, tzinfo=UTC)
    assert typed("x", schema, "2026-01-04 10:00", berlin) == datetime(2026, 1, 4, 9, tzinfo=UTC)
    assert typed("x", schema, "2026-01-04T10:00Z", berlin) == datetime(2026, 1, 4, 10, tzinfo=UTC)


async def test_a_date_is_stored_logged_and_read_as_one(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """MongoDB knows no date; that is no reason to fail after it was stored."""
    workspace = make_workspace("""
from datetime import date
from typing import Annotated
from knockoff import Editable, Run, Variable

class Runs(Run):
    day: Annotated[date | None, Editable] = date(2026, 1, 1)

    @Variable
    def month(self) -> int:
        return self.day.month
""")
    key = RunKey(workspace.proposal, 2)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        await recorder.work_off(["runs/2/raw"])
        editing = Editing(recorder.database, recorder.tables)
        assert await editing.set_field(key, "day", "2026-05-04") == "2026-05-04"
        await recorder.work_off(["runs/2/edit"])
    row: Any = await database.runs.find_one()
    edit: Any = await database["knockoff.edits"].find_one()

    assert (row["day"], row["month"]) == ("2026-05-04", 5)
    assert (edit["old"], edit["new"]) == ("2026-01-01", "2026-05-04")
