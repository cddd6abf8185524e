"""What the tables of a proposal are: their columns, and the context files they came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from pymongo import DESCENDING, ReplaceOne

from knockoff.errors import ContextFileError
from knockoff.runs.described import read_description

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.contextfile.description import (
        ColumnDescription,
        ContextDescription,
        FieldDescription,
        TableDescription,
        VariableDescription,
    )
    from knockoff.database.client import Database

VARIABLES: Final = "knockoff.variables"
CONTEXTS: Final = "knockoff.contexts"

BUILTIN: Final = (
    ("comment", "Comment", "str"),
    ("tags", "Tags", "list"),
    ("status", "Status", "str"),
    ("start_time", "Start", "datetime"),
    ("added_at", "Added", "datetime"),
)
"""Columns that every table has: name, title and type."""


async def register(database: Database, context: ContextDescription) -> None:
    """Keep the source of a context file, and bring the registry of columns up to date.

    Columns that the file no longer has stay, since their values do; they are marked.
    """
    before = await database[CONTEXTS].find_one({}, {"_id": 1}, sort=[("last_used_at", DESCENDING)])
    is_another = before is None or before["_id"] != context.source_hash
    now = datetime.now(UTC)
    await database[CONTEXTS].update_one(
        {"_id": context.source_hash},
        {
            "$setOnInsert": {
                "source": context.source,
                "path": context.path,
                "first_used_at": now,
            },
            **({"$push": {"came_into_use": now}} if is_another else {}),
            "$set": {  # modules beside the file may have changed what it describes
                "description": context.to_json() | {"source": ""},
                "last_used_at": now,
            },
            "$unset": {"refused": ""},
        },
        upsert=True,
    )
    entries = [entry for table in context.tables for entry in _entries(table)]
    await database[VARIABLES].bulk_write(
        [ReplaceOne({"_id": entry["_id"]}, entry, upsert=True) for entry in entries], ordered=False
    )
    await database[VARIABLES].update_many(
        {"_id": {"$nin": [entry["_id"] for entry in entries]}}, {"$set": {"former": True}}
    )


@dataclass(frozen=True)
class Refusal:
    """That a context file was saved with problems, so that the one before it is still used."""

    message: str
    at: datetime

    @property
    def headline(self) -> str:
        """Its first line."""
        return self.message.strip().partition("\n")[0]


async def note_refusal(database: Database, used: str, message: str) -> None:
    """Tell everybody who looks that another context file is used than the one on disk.

    Parameters
    ----------
    used:
        The hash of the one that is used.
    message:
        What is wrong with the one on disk; empty if nothing is any more.
    """
    refused = {"message": message, "at": datetime.now(UTC)}
    await database[CONTEXTS].update_one(
        {"_id": used}, {"$set": {"refused": refused}} if message else {"$unset": {"refused": ""}}
    )


async def refusal_in(database: Database) -> Refusal | None:
    """The last one; None if the context file on disk is the one that is used."""
    found = await database[CONTEXTS].find_one({}, {"refused": 1}, sort=[("last_used_at", -1)])
    refused = (found or {}).get("refused")
    return Refusal(str(refused["message"]), refused["at"]) if refused else None


async def current_context(database: Database) -> dict[str, Any] | None:
    """The description of the context file that was used last, as JSON; None before the first."""
    found = await database[CONTEXTS].find_one(sort=[("last_used_at", DESCENDING)])
    return None if found is None else {**found["description"], "source": found["source"]}


async def current_table(database: Database, collection: str) -> TableDescription | None:
    """A table as the context file describes it that was used last.

    None if that has no such table, or was described by another version of knockoff.
    """
    described = await current_context(database)
    try:
        context = read_description(described) if described else None
    except ContextFileError:
        return None
    tables = context.tables if context else ()
    return next((each for each in tables if each.collection == collection), None)


async def table_names(database: Database) -> list[str]:
    """Every table that a context file of this proposal has had, in the order of the alphabet."""
    return sorted(str(each) for each in await database[VARIABLES].distinct("table"))


async def context_of(database: Database, source_hash: str) -> dict[str, Any] | None:
    """A context file that was used once: ``source``, ``description``, ``first_used_at``, …."""
    found: dict[str, Any] | None = await database[CONTEXTS].find_one({"_id": source_hash})
    return found


@dataclass(frozen=True)
class Edition:
    """A context file that was used once."""

    source_hash: str
    came_into_use: tuple[datetime, ...]
    """When it took the place of another one; several times if it was taken up again."""

    last_used_at: datetime
    tables: Mapping[str, Mapping[str, str]]
    """Hashes of code, by collection and variable."""

    @property
    def code(self) -> dict[str, str]:
        """Hashes of code by collection and variable in one, as in ``runs/hits``."""
        return {
            f"{table}/{name}": code
            for table, variables in self.tables.items()
            for name, code in variables.items()
        }


async def editions(database: Database) -> list[Edition]:
    """Every context file that was ever used, in the order in which they came into use."""
    fields = {
        "first_used_at": 1,
        "last_used_at": 1,
        "came_into_use": 1,
        "description.tables.collection": 1,
        "description.tables.variables.name": 1,
        "description.tables.variables.code": 1,
    }
    found = database[CONTEXTS].find({}, fields).sort([("first_used_at", 1), ("_id", 1)])
    return [_edition(each) async for each in found]


def _edition(found: Mapping[str, Any]) -> Edition:
    described = found.get("description") or {}
    return Edition(
        str(found["_id"]),
        tuple(found.get("came_into_use") or (found["first_used_at"],)),
        found["last_used_at"],
        {
            str(table["collection"]): {
                str(each["name"]): str(each["code"]) for each in table.get("variables", ())
            }
            for table in described.get("tables", ())
        },
    )


def edition_at(known: Sequence[Edition], moment: datetime) -> Edition | None:
    """The one that was in use at a moment; None before the first."""
    began = [(since, place) for place, each in enumerate(known) for since in each.came_into_use]
    earlier = [each for each in began if each[0] <= moment]
    return known[max(earlier)[1]] if earlier else None


async def contexts_with(database: Database, collection: str, column: str) -> list[dict[str, Any]]:
    """The context files that have filled a column, the first one first.

    Returns
    -------
    :
        Of each its hash as ``_id``, ``first_used_at``, and the hash of the ``code`` that
        filled the column.
    """
    matches: dict[str, Any] = {"collection": collection, "variables.outputs": column}
    found = database[CONTEXTS].aggregate(
        [
            {"$match": {"description.tables": {"$elemMatch": matches}}},
            {"$sort": {"first_used_at": 1}},
            {"$unwind": "$description.tables"},
            {"$match": {"description.tables.collection": collection}},
            {"$unwind": "$description.tables.variables"},
            {"$match": {"description.tables.variables.outputs": column}},
            {
                "$project": {
                    "first_used_at": 1,
                    "code": "$description.tables.variables.code",
                }
            },
        ]
    )
    contexts: list[dict[str, Any]] = await found.to_list(None)
    return contexts


def columns_of(table: TableDescription) -> list[dict[str, Any]]:
    """The columns of a table in the order of its context file, as the registry has them."""
    return _entries(table)


def column_id(collection: str, name: str) -> str:
    """The registry's id of a column, as in ``runs/xgm_sa2/pulse_energy``."""
    return f"{collection}/{name.replace('.', '/')}"


def _entries(table: TableDescription) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for name, title, kind in BUILTIN:
        entries.append(_entry(table, name, title=title, kind="builtin", type=kind))
    entries[0]["schema"] = {"type": "string"}
    columns = [
        *((each.place, _of_field(table, each)) for each in table.fields),
        *(
            (each.place, _of_column(table, each, column))
            for each in table.variables
            if _shows(table, each)
            for column in each.columns
        ),
    ]
    entries.extend(entry for _, entry in sorted(columns, key=itemgetter(0)))
    for place, entry in enumerate(entries):
        entry["order"] = place
    return entries


def _shows(table: TableDescription, variable: VariableDescription) -> bool:
    """Whether a variable has a column of its own, and not those of the fields that it fills."""
    fields = {field.name for field in table.fields}
    return not variable.transient and not (variable.hook and set(variable.outputs) <= fields)


def _of_field(table: TableDescription, field: FieldDescription) -> dict[str, Any]:
    hooks = [each for each in table.variables if each.hook and field.name in each.outputs]
    return _entry(
        table,
        field.name,
        title=field.title,
        kind="editable" if field.editable else "field",
        type=field.type,
        schema=field.schema,
        description=field.description,
        units=field.units,
        tags=list(field.tags),
        data=hooks[0].data if hooks else None,
        line=hooks[0].line if hooks else None,
        filled=bool(hooks),
    )


def _of_column(
    table: TableDescription, variable: VariableDescription, column: ColumnDescription
) -> dict[str, Any]:
    return _entry(
        table,
        column.name,
        title=column.title,
        kind="variable",
        type=column.type,
        description=column.description,
        units=column.units,
        tags=list(column.tags),
        summary=column.summary,
        data=variable.data,
        line=variable.line,
    )


def _entry(table: TableDescription, name: str, **rest: Any) -> dict[str, Any]:
    entry = {"_id": column_id(table.collection, name), "table": table.collection, "name": name}
    return {**entry, **{key: value for key, value in rest.items() if value is not None}}
