"""All that is known of one run, in every table: what the run's file is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pymongo import DESCENDING

from knockoff.database.registry import CONTEXTS, VARIABLES, table_names
from knockoff.database.results import PREVIEWS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.database.client import Database

_NOTHING: Final[dict[str, Any]] = {"description": {"tables": ()}}
_SHOWN: Final = ("variable", "field")
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RunRows:
    """The rows of one run."""

    rows: Mapping[str, dict[str, Any]]
    """By table."""
    previews: Mapping[tuple[str, str], dict[str, Any]]
    """By table and variable, the latter with slashes."""
    changed: datetime
    """When the newest of the rows has changed."""


async def columns_of_tables(database: Database) -> dict[str, list[Mapping[str, Any]]]:
    """Of every table the columns that are computed; tables as in the context file, former last."""
    columns: dict[str, list[Mapping[str, Any]]] = {}
    found = await database[VARIABLES].find().sort([("order", 1), ("_id", 1)]).to_list(None)
    for entry in found:
        of_table = columns.setdefault(str(entry["table"]), [])
        if entry.get("kind") in _SHOWN or entry["name"] == "start_time":
            of_table.append(entry)
    described = await database[CONTEXTS].find_one(
        {}, {"description.tables.collection": 1}, sort=[("last_used_at", DESCENDING)]
    )
    now = [each["collection"] for each in (described or _NOTHING)["description"]["tables"]]
    names = [*(name for name in now if name in columns), *sorted(columns.keys() - set(now))]
    return {name: columns[name] for name in names}


async def rows_of_runs(
    database: Database, tables: Sequence[str], runs: Collection[int]
) -> dict[int, RunRows]:
    """The rows that runs have in these tables, with their previews; by run."""
    rows: dict[int, dict[str, dict[str, Any]]] = {}
    previews: dict[int, dict[tuple[str, str], dict[str, Any]]] = {}
    for table in tables:
        async for row in database[table].find({"run": {"$in": list(runs)}}):
            rows.setdefault(int(row["run"]), {})[table] = row
    within = [_below(f"{table}/{run}/") for run, found in rows.items() for table in found]
    if within:
        async for preview in database[PREVIEWS].find({"$or": within}):
            table, run, name = preview["_id"].split("/", 2)
            previews.setdefault(int(run), {})[table, name.rpartition("/")[0]] = preview
    return {
        run: RunRows(found, previews.get(run, {}), max(map(_changed, found.values())))
        for run, found in rows.items()
    }


def _below(prefix: str) -> dict[str, Any]:
    """Ids that begin so, by the index."""
    return {"_id": {"$gte": prefix, "$lt": prefix[:-1] + chr(ord(prefix[-1]) + 1)}}


async def when_changed(
    database: Database, runs: Collection[int] | None = None
) -> dict[int, datetime]:
    """When the newest row of each run has changed; of these runs, or of all."""
    changed: dict[int, datetime] = {}
    condition = {} if runs is None else {"run": {"$in": list(runs)}}
    fields = {"run": 1, "knockoff.updated_at": 1}
    for table in await table_names(database):
        async for row in database[table].find(condition, fields):
            run = int(row["run"])
            changed[run] = max(changed.get(run, _LONG_AGO), _changed(row))
    return changed


def _changed(row: Mapping[str, Any]) -> datetime:
    at = row.get("knockoff", {}).get("updated_at")
    if not isinstance(at, datetime):
        return _LONG_AGO
    return at if at.tzinfo else at.replace(tzinfo=UTC)
