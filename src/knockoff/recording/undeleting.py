"""Have back what was deleted, byte by byte; what has come since then is newer, and stays."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from knockoff.database import trash
from knockoff.database.jobentries import UNCHANGED, refuse_while_worked_on
from knockoff.database.jobs import JOBS, RETIRED
from knockoff.database.notes import NOTES
from knockoff.database.registry import VARIABLES, current_table
from knockoff.database.results import PREVIEWS
from knockoff.database.rows import change_together
from knockoff.database.transactions import ROWS_AT_ONCE, in_transaction, raw
from knockoff.errors import EditError
from knockoff.recording.cellparts import has_result, places_of, returned
from knockoff.recording.tasks import remove_at
from knockoff.runs.stamps import dotted

if TYPE_CHECKING:
    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.database.transactions import Session
    from knockoff.database.trash import Deletion


@dataclass
class Undone:
    """What an undo brought back, and what it did not."""

    rows: set[int] = field(default_factory=set)
    """Runs of rows that were brought back, or changed."""

    newer: set[str] = field(default_factory=set)
    """Cells that have another value since, which stays; as in ``runs/42/hits``."""

    missing: set[int] = field(default_factory=set)
    """Runs that have no row any more to which a column could be brought back."""


async def undelete(database: Database, deletion: Deletion) -> Undone:
    """Undo one deletion.

    Raises
    ------
    EditError
        It is not in the trash any more.
    AtWorkError
        A run of it is being computed.
    """
    if deletion.run is not None:
        return await _undelete_run(database, deletion, deletion.run)
    return await _undelete_column(database, deletion)


async def _undelete_run(database: Database, deletion: Deletion, run: int) -> Undone:
    columns = await _columns(database)

    async def work(session: Session) -> Undone:
        await refuse_while_worked_on(database, [run], session)
        undone = Undone()
        items = await _items(database, session, deletion)
        merged: dict[str, set[str]] = {}
        for item in items:
            collection, document = item["collection"], item["document"]
            if collection == JOBS:
                await _reopen(database, session, trash.understood(document))
            elif collection == NOTES:
                await _annotate(database, session, document)
            elif collection in columns:
                cells = await _merge(database, session, item, columns[collection], undone)
                if cells is not None:
                    merged[collection] = cells
        for item in items:
            collection, document = item["collection"], item["document"]
            if collection in columns or collection in (JOBS, NOTES):
                continue
            if collection == PREVIEWS and not _is_shown(str(document["_id"]), merged):
                continue
            await _put_if_missing(database, session, collection, document)
        undone.rows.add(run)
        await trash.forget_items(database, session, items)
        await trash.end(database, session, deletion.number)
        return undone

    return await in_transaction(database, work)


async def _merge(
    database: Database,
    session: Session,
    item: Any,
    columns: list[str],
    undone: Undone,
) -> set[str] | None:
    """Bring a row back; into one that was made since, only what that lacks.

    Returns
    -------
    :
        The cells that were brought back; None if it was the whole row.
    """
    table, document = item["collection"], item["document"]
    now = await database[table].find_one({"_id": document["_id"]}, session=session)
    if now is None:
        await raw(database, table).insert_one(document, session=session)
        return None
    before = trash.understood(document)
    described = await current_table(database, table)
    cells = set()
    places: list[str] = []
    for name in columns:
        if not has_result(before, name):
            continue
        if has_result(now, name):
            undone.newer.add(f"{table}/{before['run']}/{name}")
        else:
            cells.add(name)
            places += places_of(name, _method(described, name))
    typed = [name for name in before if name not in columns and name not in ("_id", "knockoff")]
    change = returned(now, before, [*places, *typed])
    if change:
        await change_together(database, session, table, before["_id"], change)
    return cells


def _is_shown(preview: str, merged: dict[str, set[str]]) -> bool:
    """Whether a preview's cell has come back: all have, where the whole row did."""
    table, _, name = preview.split("/", 2)
    return table not in merged or dotted(name.rpartition("/")[0]) in merged[table]


async def _reopen(database: Database, session: Session, job: dict[str, Any]) -> None:
    """Let a job be as it was, unless it was asked for since; its attempts are counted on."""
    state = "queued" if job["state"] == "running" else job["state"]
    again = {
        name: each
        for name, each in job.items()
        if name not in ("_id", "attempt", "owner", "lease_until", "claimed_at")
    }
    await database[JOBS].update_one(
        {"_id": job["_id"], "state": RETIRED}, {"$set": {**again, "state": state}}, session=session
    )


async def _annotate(database: Database, session: Session, note: Any) -> None:
    """Bring comment, tags and status back, where nobody has said something else since."""
    await _put_if_missing(database, session, NOTES, note)
    now = await database[NOTES].find_one({"_id": note["_id"]}, session=session) or {}
    lacking = {name: each for name, each in trash.understood(note).items() if name not in now}
    if lacking:
        await database[NOTES].update_one({"_id": note["_id"]}, {"$set": lacking}, session=session)


async def _undelete_column(database: Database, deletion: Deletion) -> Undone:
    await refuse_while_worked_on(database)
    undone = Undone()
    described = await current_table(database, deletion.table)
    places = places_of(deletion.column, _method(described, deletion.column))
    last = False
    while not last:

        async def work(session: Session) -> bool:
            items = await _items(database, session, deletion)
            rows = [
                each
                for each in items
                if each["collection"] == deletion.table
                and int(each["document"]["run"]) not in undone.missing
            ][:ROWS_AT_ONCE]
            back = len(undone.rows)
            so_far = f"{deletion.column} is back in {back} rows, and the rest still in the trash"
            runs = [int(each["document"]["run"]) for each in rows]
            await refuse_while_worked_on(
                database, runs, session, so_far=so_far if back else UNCHANGED
            )
            done = [
                each for each in rows if await _returned(database, session, each, places, undone)
            ]
            await trash.forget_items(database, session, done)
            if len(rows) == ROWS_AT_ONCE:
                return False
            await _beside(database, session, items, deletion, undone)
            await trash.end(database, session, deletion.number)
            return True

        last = await in_transaction(database, work)
    return undone


async def _beside(
    database: Database, session: Session, items: list[Any], deletion: Deletion, undone: Undone
) -> None:
    """The previews of cells that have come back, and the column's entry in the registry."""
    beside = [each for each in items if each["collection"] in (PREVIEWS, VARIABLES)]
    kept = []
    for item in beside:
        name = str(item["document"]["_id"])
        run = int(name.split("/")[1]) if item["collection"] == PREVIEWS else 0
        cell = f"{deletion.table}/{run}/{deletion.column}"
        if run in undone.missing:
            kept.append(item)
        elif cell not in undone.newer:
            await _put_if_missing(database, session, item["collection"], item["document"])
    done = [each for each in beside if each not in kept]
    await trash.forget_items(database, session, done)


async def _returned(
    database: Database, session: Session, item: Any, places: list[str], undone: Undone
) -> bool:
    """Bring a column back to one row; False if there is no such row just now."""
    table, document = item["collection"], item["document"]
    run, name = int(document["run"]), places[0]
    now = await database[table].find_one({"_id": document["_id"]}, session=session)
    if now is None:
        undone.missing.add(run)
        return False
    if _is_untouched(now, trash.understood(item), name):
        await raw(database, table).replace_one({"_id": document["_id"]}, document, session=session)
    elif has_result(now, name):
        undone.newer.add(f"{table}/{run}/{name}")
        return True
    else:
        change = returned(now, trash.understood(document), places)
        await change_together(database, session, table, document["_id"], change)
    undone.rows.add(run)
    return True


def _is_untouched(now: Any, item: Any, name: str) -> bool:
    """Whether nobody has changed a row since: neither we, nor another program by its fields."""

    def others(row: Any) -> str:
        fields = {each: value for each, value in deepcopy(dict(row)).items() if each != "knockoff"}
        remove_at(fields, name)
        return repr(fields)  # in which NaN is the same as NaN

    is_as_left = now.get("knockoff", {}).get("updated_at") == item.get("after")
    return bool(is_as_left) and others(now) == others(item["document"])


async def _put_if_missing(
    database: Database, session: Session, collection: str, document: Any
) -> None:
    there = await database[collection].find_one(
        {"_id": document["_id"]}, {"_id": 1}, session=session
    )
    if there is None:
        await raw(database, collection).insert_one(document, session=session)


async def _items(database: Database, session: Session, deletion: Deletion) -> list[Any]:
    items = await trash.items_of(database, session, deletion.number)
    if not items:
        raise EditError(
            f"The deletion of {deletion.what} was undone or swept by somebody else meanwhile."
        )
    return items


async def _columns(database: Database) -> dict[str, list[str]]:
    """Computed columns by table."""
    columns: dict[str, list[str]] = {}
    async for entry in database[VARIABLES].find():
        names = columns.setdefault(str(entry["table"]), [])
        if entry.get("kind") == "variable" or entry.get("filled"):
            names.append(str(entry["name"]))
    return columns


def _method(described: TableDescription | None, column: str) -> str | None:
    filler = described.filler_of(column) if described else None
    return filler.name if filler else None
