"""Rows changed field by field, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.rows import RowChange, change_row, find_row
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from knockoff.database.client import Database

KEY = RunKey(1234, 7)


async def changed(database: Database, row: dict[str, Any], change: RowChange) -> dict[str, Any]:
    """A row with these fields after a change, without what is ours."""
    await database["runs"].insert_one({"_id": KEY.document_id, **row})
    assert await change_row(database, "runs", KEY, change)
    stored = await find_row(database, "runs", KEY)
    assert stored is not None
    return {name: value for name, value in stored.items() if name not in ("_id", "knockoff")}


@pytest.mark.parametrize("row", [{}, {"mid": {"agipd": {"photons": 1}, "ratio": 2}}])
async def test_groups_at_two_depths_lose_their_columns_at_once(
    database: Database, row: dict[str, Any]
) -> None:
    """A detector in a hutch, and both fail: MongoDB takes no write that names one in the other."""
    change = RowChange(removed=["mid.agipd.photons", "mid.ratio", "xgm.energy", "hits"])

    assert await changed(database, row, change) == {}


async def test_a_group_stays_as_long_as_it_has_a_column(database: Database) -> None:
    """Only what is empty goes, and only above what was taken away."""
    row = {"mid": {"agipd": {"photons": 1}, "ratio": 2}, "other": {}}
    change = RowChange({"new": {}}, removed=["mid.agipd.photons"])

    assert await changed(database, row, change) == {"mid": {"ratio": 2}, "other": {}, "new": {}}
