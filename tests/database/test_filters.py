"""Conditions in words pick the rows they seem to pick, and can do nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.database.filters import FilterError, asks_for_stale, filter_of

if TYPE_CHECKING:
    from knockoff.database.client import Database

COLUMNS = (
    {"name": "run", "title": "Run", "type": "int"},
    {"name": "comment", "title": "Comment", "type": "str"},
    {"name": "tags", "title": "Tags", "type": "list"},
    {"name": "start_time", "title": "Start", "type": "datetime"},
    {"name": "hits", "title": "Hits/Number", "type": "int"},
    {"name": "lasing", "title": "Lasing", "type": "bool"},
    {"name": "label", "title": "Label", "type": ""},
    {"name": "xgm_sa2.energy", "title": "XGM SA2/Energy", "type": "DataArray"},
    {"name": "xgm_sa3.energy", "title": "XGM SA3/Energy", "type": "DataArray"},
)

ROWS: tuple[dict[str, Any], ...] = (
    {
        "run": 1,
        "comment": "Knife edge (a.b)",
        "start_time": datetime(2026, 3, 1, 22, 59, 30, tzinfo=UTC),
        "hits": 3,
        "lasing": True,
        "label": "42",
        "xgm_sa2": {"energy": 900.5},
        "knockoff": {"arrays": {"xgm_sa2/energy": {"shape": [3]}}},
    },
    {
        "run": 2,
        "comment": "dark",
        "tags": ["good", "calibration"],
        "start_time": datetime(2026, 3, 1, 23, 0, tzinfo=UTC),
        "hits": 12,
        "lasing": False,
        "label": 42,
        "knockoff": {"problems": {"xgm_sa2/energy": {"state": "failed"}}},
    },
    {
        "run": 3,
        "start_time": datetime(2026, 3, 2, 23, 0, tzinfo=UTC),
        "knockoff": {
            "problems": {
                "hits": {"state": "timed out"},
                "label": {"state": "waiting for mymdc"},
                "lasing": {"state": "waiting for outside"},
            }
        },
    },
)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("", [1, 2, 3]),
        ("hits > 3", [2]),
        ("hits>=3", [1, 2]),
        ("hits < 1.2e1 or run = 3", [1, 3]),
        ("hits > 99999999999999999999", []),
        ("hits != 3", [2, 3]),
        ("not hits = 3", [2, 3]),
        ("Number == 12", [2]),
        ('"Hits/Number" = 12', [2]),
        ("run in (1, 3)", [1, 3]),
        ("run >= 1 and (hits = 12 or hits is empty)", [2, 3]),
        ("comment ~ KNIFE", [1]),
        ('comment ~ "(a.b)"', [1]),
        ("comment ~ a.b.", []),
        ("comment !~ knife", [2, 3]),
        ('comment = "Knife edge (a.b)"', [1]),
        ("tags ~ calib", [2]),
        ("tags = good", [2]),
        ("lasing = yes", [1]),
        ("lasing = false", [2]),
        ("label = 42", [1, 2]),
        ('label = "42"', [1]),
        ("xgm_sa2.energy > 900", [1]),
        ("xgm_sa2/energy is failed", [2]),
        ("hits is timed out", [3]),
        ("label is waiting for mymdc", [3]),
        ("lasing is waiting for outside", [3]),
        ("lasing is waiting for mymdc", []),
        ("xgm_sa2.energy is empty", [2, 3]),
        ("xgm_sa2.energy is not empty", [1]),
        ("start_time = 2026-03-02", [2]),
        ("start_time < 2026-03-02", [1]),
        ("start_time > 2026-03-02", [3]),
        ("start_time <= 2026-03-02", [1, 2]),
        ("start_time >= 2026-03-02 00:00", [2, 3]),
        ('start_time = "2026-03-01 23:59"', [1]),
    ],
)
async def test_a_condition_picks_the_rows_that_it_says(
    database: Database, text: str, runs: list[int]
) -> None:
    """Asked of a real MongoDB, with days as they are in Hamburg."""
    await database.runs.insert_many([dict(row) for row in ROWS])
    condition = filter_of(text, COLUMNS, ZoneInfo("Europe/Berlin"))
    found = await database.runs.find(condition).sort("run", 1).to_list(None)
    assert [row["run"] for row in found] == runs


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("hits is stale", [2]),
        ("hits is not stale", [1, 3]),
        ("xgm_sa2.energy is stale", [1, 2]),
        ("comment is stale", []),
    ],
)
async def test_stale_cells_are_picked_by_what_was_worked_out(
    database: Database, text: str, runs: list[int]
) -> None:
    """Rows do not say that they are stale: the reader tells which are."""
    await database.runs.insert_many([{"_id": f"r{row['run']}", **row} for row in ROWS])
    stale = {"r1": {"xgm_sa2/energy": "x"}, "r2": {"hits": "x", "xgm_sa2/energy": "x"}}
    assert asks_for_stale(text)
    found = await database.runs.find(filter_of(text, COLUMNS, stale=stale)).to_list(None)
    assert sorted(row["run"] for row in found) == runs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hitz > 3", "did you mean hits"),
        ("energy > 3", "may be xgm_sa2.energy, xgm_sa3.energy"),
        ("hits >", "value is expected"),
        ("hits", "sign such as"),
        ("> 3", "column is expected"),
        ("hits > many", "is a number"),
        ("(hits > 3", "closing bracket"),
        ("hits > 3 comment ~ a", "not expected here"),
        ("hits is great", "can be empty"),
        ("hits is stale", "not known here"),
        ("start_time > yesterday", "2026-03-02"),
        ('comment ~ "open', "quote missing"),
        ("$where = 1", "no column"),
        ("knockoff.jobs = 1", "no column"),
        ("comment ~ " + 300 * "a", "at most"),
        (1100 * "a", "longer than"),
    ],
)
def test_what_cannot_be_understood_is_pointed_at(text: str, said: str) -> None:
    """The message shows the place under the condition, and how one looks."""
    with pytest.raises(FilterError) as error:
        filter_of(text, COLUMNS)
    assert said in str(error.value).lower()
    assert "hits > 10" in str(error.value)


ALLOWED = {"$and", "$or", "$nor", "$eq", "$in", "$gt", "$gte", "$lt", "$lte", "$regex", "$options"}
WORDS = st.sampled_from(
    [
        "hits",
        "comment",
        "and",
        "or",
        "not",
        "is",
        "in",
        "empty",
        "(",
        ")",
        "<",
        "=",
        "~",
        "3",
        '"$x"',
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=9).map(" ".join)))
def test_no_text_gets_beyond_comparisons(text: str) -> None:
    """Operators that run code on the server, and fields that are no columns, never come out."""
    try:
        condition = filter_of(text, COLUMNS)
    except FilterError:
        return
    assert _operators(condition) <= ALLOWED


def _operators(condition: Any) -> set[str]:
    if isinstance(condition, list):
        return set().union(*map(_operators, condition))
    if not isinstance(condition, dict):
        return set()
    fields = {str(column["name"]) for column in COLUMNS}
    found = {name for name in condition if name.startswith("$")}
    for name in condition.keys() - found:
        assert name in fields or name.startswith(("knockoff.problems.", "knockoff.arrays."))
    return found.union(*map(_operators, condition.values()))
