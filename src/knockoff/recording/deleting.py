"""Delete runs and columns: what goes lies in the trash until a sweep, and can be had back.

What belongs together goes in one transaction: a run with all that is known of it, a column
for some rows at a time. Files are left alone; only `knockoff gc` takes those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database import trash
from knockoff.database.jobentries import UNCHANGED, retire
from knockoff.database.jobs import JOBS
from knockoff.database.notes import EDITS, NOTES
from knockoff.database.registry import VARIABLES, column_id, current_table, table_names
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.database.rows import RowChange, change_together
from knockoff.database.transactions import in_batches, in_transaction, raw
from knockoff.errors import EditError
from knockoff.recording.atwork import refuse_while_at_work
from knockoff.recording.cellparts import places_of, there
from knockoff.recording.storing import PREVIEW_KINDS
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session


async def delete_run(database: Database, run: int, *, by: str) -> trash.Deletion:
    """Take a run out of all tables, with comment, jobs, previews and history.

    Its jobs stay as retired ones, so that nothing comes of them; the next event of the run, or
    `knockoff process`, makes it anew.

    Raises
    ------
    EditError
        There is no such run.
    AtWorkError, ProgramAtWorkError
        It is being computed.
    """
    tables = await table_names(database)

    async def work(session: Session) -> int:
        await refuse_while_at_work(database, tables, [run], session)
        number = await trash.begin(database, session, run=run, by=by)
        of_run = {"run": run}
        rows = [await trash.move(database, session, number, each, of_run) for each in tables]
        if not sum(rows):
            raise EditError(f"Run {run} has no row. `knockoff runs` prints those that have.")
        for collection in (HISTORY, NOTES, EDITS):
            await trash.move(database, session, number, collection, of_run)
        for table in tables:
            prefix = f"{table}/{run}/"
            below = {"_id": {"$gte": prefix, "$lt": f"{prefix[:-1]}0"}}  # 0 follows /
            for collection in (PREVIEWS, PAST_PREVIEWS):
                await trash.move(database, session, number, collection, below)
        jobs = await raw(database, JOBS).find(of_run, session=session).to_list(None)
        await trash.put(database, session, number, JOBS, jobs)
        await retire(database, of_run, session)
        return number

    return await _entered(database, await in_transaction(database, work))


async def delete_column(
    database: Database, column: Mapping[str, Any], *, by: str
) -> tuple[trash.Deletion, list[int]]:
    """Empty a column in all rows, and take it out of the registry if the context file has it not.

    The history stays, with what is needed to roll back. Somebody who begins to compute a row
    before its turn has come stops it there; the rows before are done, and can be had back.

    Parameters
    ----------
    column:
        Its entry in the registry.

    Returns
    -------
    :
        The deletion, and the runs whose rows have changed.

    Raises
    ------
    EditError
        It is not for knockoff to delete.
    AtWorkError, ProgramAtWorkError
        Something is being computed.
    """
    _refuse_what_stays(column)
    table, name = str(column["table"]), str(column["name"])
    described = await current_table(database, table)
    filler = described.filler_of(name) if described else None
    method = filler.name if filler else name
    await refuse_while_at_work(database, [table], variable=method)
    places = places_of(name, method)
    own = places_of(name)
    number = await trash.begin(database, None, table=table, column=name, by=by)
    present = {"$or": [{each: {"$exists": True}} for each in own]}
    found = await database[table].find(present, {"run": 1}).sort("run", 1).to_list(None)

    async def work(some: Sequence[dict[str, Any]], done: int, session: Session) -> None:
        so_far = f"{name} was taken out of {done} of {len(found)} rows, and of no more"
        runs = [int(each["run"]) for each in some]
        await refuse_while_at_work(
            database,
            [table],
            runs,
            session,
            variable=method,
            so_far=so_far if done else UNCHANGED,
        )
        await _emptied(database, session, number, table, name, places, some)

    await in_batches(database, found, work)

    async def strike(session: Session) -> None:
        entry = {"_id": column_id(table, name), "former": True}
        await trash.move(database, session, number, VARIABLES, entry)
        await trash.end(database, session, number)  # where there was nothing

    await in_transaction(database, strike)
    return await _entered(database, number), [int(each["run"]) for each in found]


def _refuse_what_stays(column: Mapping[str, Any]) -> None:
    kind, name = column.get("kind"), column["name"]
    if kind in (None, "builtin"):
        raise EditError(f"{name} belongs to every table and cannot be deleted.")
    if kind == "editable" and not column.get("former"):
        raise EditError(
            f"{name} is typed by people, and in the context file. Take it out of that first, and "
            "let `knockoff process` see it; `knockoff set RUN FIELD ''` empties one cell."
        )


async def _emptied(
    database: Database,
    session: Session,
    number: int,
    table: str,
    name: str,
    places: Sequence[str],
    some: Sequence[dict[str, Any]],
) -> None:
    ids = [each["_id"] for each in some]
    rows = await raw(database, table).find({"_id": {"$in": ids}}, session=session).to_list(None)
    after = {}
    for row in rows:
        change = RowChange(removed=[*there(trash.understood(row), places)])
        after[row["_id"]] = await change_together(database, session, table, row["_id"], change)
    await trash.put(database, session, number, table, rows, after)
    previews = [
        f"{table}/{each['run']}/{slashed(name)}/{kind}" for each in some for kind in PREVIEW_KINDS
    ]
    await trash.move(database, session, number, PREVIEWS, {"_id": {"$in": previews}})


async def _entered(database: Database, number: int) -> trash.Deletion:
    found = [each for each in await trash.deletions(database) if each.number == number]
    if not found:
        raise EditError("The column has nothing that could be deleted.")
    return found[0]
