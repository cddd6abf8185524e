"""Which cell is meant, where a proposal has several tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from knockoff.cli.pointing import cell_at
from knockoff.cli.reading import StoredTable
from knockoff.errors import EditError

if TYPE_CHECKING:
    from knockoff.database.client import Database


@pytest.fixture
async def tables(database: Database) -> list[StoredTable]:
    """Two tables; run 3 is in both of them, run 4 in the second one."""
    for name, runs in (("runs", (3,)), ("spectra", (3, 4))):
        await database[name].insert_many([{"_id": f"r{run}", "run": run} for run in runs])
    comment = {"name": "comment", "title": "Comment", "kind": "builtin"}
    hits = {"name": "hits", "title": "Hits", "kind": "variable"}
    lines = {"name": "xgm.lines", "title": "XGM/Lines", "kind": "variable"}
    return [
        StoredTable(database, "runs", (comment, hits)),
        StoredTable(database, "spectra", (comment, hits, lines)),
    ]


async def test_the_table_is_the_one_that_has_both(tables: list[StoredTable]) -> None:
    """Nobody wants to type --table where there is only one answer."""
    assert (await cell_at(tables, 3, "lines")).name == "xgm.lines"
    assert (await cell_at(tables, 4, "hits")).table.name == "spectra"
    assert (await cell_at(tables, 3, "comment")).table.name == "runs"


async def test_where_both_tables_have_it_one_must_be_named(tables: list[StoredTable]) -> None:
    """A guess would explain the wrong number."""
    with pytest.raises(EditError, match=r"hits is in runs, spectra\. Say which: --table runs"):
        await cell_at(tables, 3, "hits")
    assert (await cell_at(tables[1:], 3, "hits")).table.name == "spectra"


async def test_what_is_in_no_table_is_told_with_the_nearest(tables: list[StoredTable]) -> None:
    """Both are typed from memory."""
    with pytest.raises(EditError, match=r"no run 9 in the table\. The nearest are 3, 4"):
        await cell_at(tables, 9, "hits")
    with pytest.raises(EditError, match="no column hitz; did you mean hits"):
        await cell_at(tables, 4, "hitz")
