"""Which part files MongoDB names: those of the rows as they are, and older ones of the history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne

from knockoff.database.jobs import is_running
from knockoff.database.registry import table_names
from knockoff.database.results import HISTORY, PAST_PREVIEWS
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from knockoff.database.client import Database


@dataclass(frozen=True)
class Version:
    """An array that the history remembers."""

    entry: str
    """Id of the entry."""
    cell: str
    """As in the entry's ``arrays``."""
    file: str
    table: str
    run: int
    variable: str
    """The method whose result it was."""
    started_at: datetime


@dataclass(frozen=True)
class InUse:
    """What the rows say just now."""

    files: frozenset[str]
    """That references name."""
    runs: frozenset[int]
    """With rows."""
    busy: frozenset[int]
    """With rows that somebody alive is working on."""


async def in_use(database: Database, proposal: int, runs: Collection[int] | None) -> InUse:
    """What the rows of these runs, or of all, refer to and who is at work on them."""
    files: set[str] = set()
    there: set[int] = set()
    busy: set[int] = set()
    fields = {"run": 1, "knockoff.arrays": 1, "knockoff.active": 1}
    for table in await table_names(database):
        async for row in database[table].find(_of(runs), fields):
            run, ours = int(row["run"]), row.get("knockoff", {})
            there.add(run)
            files.update(str(each.get("file")) for each in ours.get("arrays", {}).values())
            for cause in ours.get("active", {}):
                if await is_running(database, table, RunKey(proposal, run), cause):
                    busy.add(run)
    return InUse(frozenset(files), frozenset(there), frozenset(busy))


async def named_files(database: Database, runs: Collection[int]) -> frozenset[str]:
    """Files that references in the rows of these runs name just now."""
    files: set[str] = set()
    for table in await table_names(database):
        async for row in database[table].find(_of(runs), {"knockoff.arrays": 1}):
            arrays = row.get("knockoff", {}).get("arrays", {})
            files.update(str(each.get("file")) for each in arrays.values())
    return frozenset(files)


async def versions(database: Database, runs: Collection[int] | None) -> list[Version]:
    """Every array of the history that was not swept yet, newest first."""
    found = database[HISTORY].find(
        {**_of(runs), "arrays": {"$exists": True}},
        {"table": 1, "run": 1, "variable": 1, "started_at": 1, "arrays": 1},
    )
    kept = [
        Version(
            entry["_id"],
            cell,
            str(array.get("file")),
            str(entry["table"]),
            int(entry["run"]),
            str(entry["variable"]),
            _aware(entry["started_at"]),
        )
        async for entry in found
        for cell, array in entry["arrays"].items()
        if "swept_at" not in array
    ]
    return sorted(kept, key=lambda each: each.started_at, reverse=True)


async def newest_results(
    database: Database, runs: Collection[int]
) -> dict[tuple[str, int, str], datetime]:
    """When the last result of every variable was begun, with a value or without."""
    found = database[HISTORY].aggregate(
        [
            {"$match": {"run": {"$in": list(runs)}}},
            {
                "$group": {
                    "_id": {"table": "$table", "run": "$run", "variable": "$variable"},
                    "newest": {"$max": "$started_at"},
                }
            },
        ]
    )
    return {
        (each["_id"]["table"], each["_id"]["run"], each["_id"]["variable"]): _aware(each["newest"])
        async for each in found
    }


async def mark_swept(database: Database, swept: Iterable[Version]) -> None:
    """Say in the history that these arrays are gone; their results stay."""
    now = datetime.now(UTC)
    marks = [
        UpdateOne({"_id": each.entry}, {"$set": {f"arrays.{each.cell}.swept_at": now}})
        for each in swept
    ]
    if marks:
        await database[HISTORY].bulk_write(marks, ordered=False)


async def forget_previews(database: Database, swept: Iterable[Version]) -> None:
    """Delete what showed these arrays at a glance: nobody can roll back to them any more."""
    entries = [each.entry for each in swept]
    await database[PAST_PREVIEWS].delete_many({"_id": {"$in": entries}})


async def unmark_swept(database: Database, kept: Iterable[Version]) -> None:
    """Take back what `mark_swept` has said: somebody has rolled back to these meanwhile."""
    marks = [
        UpdateOne({"_id": each.entry}, {"$unset": {f"arrays.{each.cell}.swept_at": ""}})
        for each in kept
    ]
    if marks:
        await database[HISTORY].bulk_write(marks, ordered=False)


def _of(runs: Collection[int] | None) -> dict[str, Any]:
    return {} if runs is None else {"run": {"$in": list(runs)}}


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
