"""Readers are told which cells are stale, by the context file that was used last."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.description import (
    ContextDescription,
    TableDescription,
    VariableDescription,
)
from knockoff.database.registry import register
from knockoff.database.tables import TableReader
from knockoff.runs.staleness import OTHER_CODE
from knockoff.runs.stamps import input_stamps

if TYPE_CHECKING:
    from knockoff.database.client import Database

HITS = VariableDescription(
    name="hits",
    title="Hits",
    outputs=("hits",),
    data="raw",
    events=("Insert", "Update"),
    direction="after",
    code="1f",
)


def context(code: str) -> ContextDescription:
    table = TableDescription("Runs", "runs", (replace(HITS, code=code),))
    return ContextDescription("context.py", f"hash of {code}", (table,), source=code)


async def fill(database: Database) -> None:
    """Two rows that the first context file has made; of the second one nothing is known."""
    await register(database, context("1f"))
    stamps = input_stamps(context("1f").tables[0], {"run": 1})
    known = {"code": {"hits": "1f"}, "inputs": stamps}
    await database.runs.insert_many(
        [
            {"_id": "p001234r0001", "run": 1, "hits": 3, "knockoff": known},
            {"_id": "p001234r0002", "run": 2, "hits": 4, "knockoff": {"data": ["raw"]}},
        ]
    )


async def test_the_reader_of_the_run_table_marks_rows_that_ask_for_it(database: Database) -> None:
    """One write to the registry makes a thousand rows stale, and none of them is written."""
    await fill(database)
    reader = TableReader(database, "runs", "ada")
    fields = {"run", "hits", "knockoff.stale"}
    assert ["stale" in row.get("knockoff", {}) for row in await reader.rows(fields)] == [False] * 2

    await register(database, context("2e"))
    await reader.variables()
    first, second = await reader.rows(fields)
    assert first["knockoff"] == {"stale": {"hits": OTHER_CODE}}
    assert not second.get("knockoff")
    assert "knockoff" not in (await reader.rows({"run", "hits"}))[0]
    stored: Any = await database.runs.find_one({"run": 1})
    assert "stale" not in stored["knockoff"]


async def test_whoever_watches_is_told_of_another_context_file(database: Database) -> None:
    """Its columns may be the same to the letter; what is stale is not."""
    await fill(database)
    async with aclosing(TableReader(database, "runs", "ada").changes()) as changes:
        assert (await anext(changes)).everything
        await register(database, context("2e"))
        async with asyncio.timeout(10):
            async for change in changes:
                if change.variables:
                    return
