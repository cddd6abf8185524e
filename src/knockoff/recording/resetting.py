"""Start over: take away what was computed, and leave what people have typed.

Rows stay, with comments, fields that people type, and what the facility's catalogue says.
Attempts are counted on, so that nothing gets the name of something older.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.sweeping import StoredFile, files_in, remove
from knockoff.database.jobentries import UNCHANGED, retire
from knockoff.database.jobs import JOBS, RETIRED
from knockoff.database.registry import VARIABLES, current_table, table_names
from knockoff.database.results import (
    COMPUTED,
    HISTORY,
    PAST_PREVIEWS,
    PREVIEWS,
    amount,
    drop_results,
)
from knockoff.database.rows import RowChange, change_alike, change_together
from knockoff.database.transactions import in_batches
from knockoff.database.trash import deletions, trashed_files
from knockoff.database.versions import in_use, mark_swept, versions
from knockoff.recording.atwork import refuse_while_at_work
from knockoff.recording.cellparts import OF_CELLS, OF_METHODS, OF_SOURCES, there
from knockoff.runs.stamps import dotted, slashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.database.transactions import Session

_OF_DATA: Final = {"cause": {"$in": ["raw", "proc"]}, "state": {"$ne": RETIRED}}


@dataclass(frozen=True)
class Choice:
    """What is to go."""

    values: bool
    """What the cells show, with previews, problems and references to arrays."""

    arrays: bool
    """The files of arrays; cells keep their summaries, if their values are not to go, too."""

    history: bool
    """What the cells showed before."""

    events: bool
    """That data of the runs has been announced."""


@dataclass(frozen=True)
class Amounts:
    """How much goes; numbers with their bytes."""

    rows: int
    results: int
    previews: tuple[int, int]
    history: tuple[int, int]
    files: tuple[StoredFile, ...]
    events: int

    @property
    def file_bytes(self) -> int:
        """On the disk."""
        return sum(each.nbytes for each in self.files)

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to be done."""
        some = (self.results, self.previews[0], self.history[0], len(self.files), self.events)
        return not any(some)


async def foretell(database: Database, folder: Path, proposal: int, choice: Choice) -> Amounts:
    """How much would go; nothing is changed."""
    rows = results = 0
    for table in await table_names(database):
        number, of_table = await _results_of(database, table)
        rows, results = rows + number, results + of_table
    nothing = (0, 0)
    return Amounts(
        rows=rows,
        results=results if choice.values else 0,
        previews=await amount(database, PREVIEWS) if choice.values else nothing,
        history=await _of_history(database) if choice.history else nothing,
        files=await _named(database, folder, proposal) if choice.arrays else (),
        events=await database[JOBS].count_documents(_OF_DATA) if choice.events else 0,
    )


async def refuse_in_use(database: Database, choice: Choice) -> None:
    """Raise the errors of `reset` before somebody is asked whether he means it."""
    await refuse_while_at_work(database, await table_names(database) if choice.values else ())


async def reset(database: Database, folder: Path, proposal: int, choice: Choice) -> list[str]:
    """Take it away; the files that could not be deleted, and why.

    Raises
    ------
    AtWorkError, ProgramAtWorkError
        Something is being computed. Where that has begun only now, the rows before are reset,
        and the message says how many.
    """
    await refuse_in_use(database, choice)
    tables = await table_names(database)
    waiting = tables if choice.values else ()
    emptied = 0
    files = await _named(database, folder, proposal) if choice.arrays else ()
    for table in tables:
        described = await current_table(database, table)
        columns = await _computed_columns(database, table)
        keys = await database[table].find({}, {"run": 1}).sort("run", 1).to_list(None)

        async def work(
            some: Sequence[Mapping[str, Any]],
            done: int,
            session: Session,
            table: str = table,
            described: TableDescription | None = described,
            columns: Sequence[str] = columns,
            before: int = emptied,
        ) -> None:
            so_far = f"{before + done} rows were reset, and no more"
            runs = [int(each["run"]) for each in some]
            await refuse_while_at_work(
                database, waiting, runs, session, so_far=so_far if before + done else UNCHANGED
            )
            ids = [str(each["_id"]) for each in some]
            change = _emptied(choice, columns)
            if change:
                await change_alike(database, session, table, ids, change)
            if choice.arrays and not choice.values:
                await _without_arrays(database, session, table, ids, described)
            if choice.events:
                of_data = {"collection": table, "run": {"$in": runs}, **_OF_DATA}
                await retire(database, of_data, session)
            await drop_results(
                database, session, table, runs, previews=choice.values, history=choice.history
            )

        await in_batches(database, keys, work)
        emptied += len(keys)
    return await _removed(database, folder, proposal, files)


def _emptied(choice: Choice, columns: Sequence[str]) -> RowChange:
    """What is alike in every row."""
    change = RowChange()
    if choice.values:
        parts = (*OF_CELLS, *OF_METHODS, *OF_SOURCES, "elsewhere")
        change.removed += [*columns, *(f"knockoff.{part}" for part in parts)]
    if choice.events:
        change.removed.append("knockoff.data")
    return change


async def _without_arrays(
    database: Database,
    session: Session,
    table: str,
    ids: Sequence[str],
    described: TableDescription | None,
) -> None:
    """Take references away, and what says that their variables are computed."""
    named = {"_id": {"$in": list(ids)}, "knockoff.arrays": {"$exists": True}}
    for row in await database[table].find(named, session=session).to_list(None):
        change = RowChange()
        for key in row["knockoff"]["arrays"]:
            filler = described.filler_of(dotted(key)) if described else None
            names = dict.fromkeys((key, slashed(filler.name) if filler else key))
            places = [f"knockoff.{part}.{name}" for part in OF_METHODS for name in names]
            change.removed += there(row, [f"knockoff.arrays.{key}", *places])
        change.removed = list(dict.fromkeys(change.removed))
        await change_together(database, session, table, row["_id"], change)


async def _of_history(database: Database) -> tuple[int, int]:
    """Results, and their bytes with the previews that are kept for rolling back to them."""
    number, nbytes = await amount(database, HISTORY, dict(COMPUTED))
    _, of_previews = await amount(database, PAST_PREVIEWS)
    return number, nbytes + of_previews


async def _named(database: Database, folder: Path, proposal: int) -> tuple[StoredFile, ...]:
    """Files that rows or history name; what the trash names can still be had back."""
    used = await in_use(database, proposal, None)
    known = used.files | {each.file for each in await versions(database, None)}
    numbers = [each.number for each in await deletions(database)]
    known -= (await trashed_files(database, numbers)).files
    files = await asyncio.to_thread(files_in, folder, proposal)
    return tuple(each for each in files if each.is_part and each.file in known)


async def _removed(
    database: Database, folder: Path, proposal: int, files: Sequence[StoredFile]
) -> list[str]:
    """Delete those that no row has come to name meanwhile."""
    used = (await in_use(database, proposal, None)).files if files else frozenset[str]()
    going = [each for each in files if each.file not in used]
    names = {each.file for each in going}
    known = await versions(database, None) if going else []
    await mark_swept(database, [each for each in known if each.file in names])
    failed = await asyncio.to_thread(remove, folder, going)
    return [f"{folder / each.file}: {reason}" for each, reason in failed]


async def _computed_columns(database: Database, table: str) -> list[str]:
    """Those that people do not type."""
    found = database[VARIABLES].find({"table": table})
    return [
        str(each["name"])
        async for each in found
        if each.get("kind") == "variable" or (each.get("kind") == "field" and each.get("filled"))
    ]


async def _results_of(database: Database, table: str) -> tuple[int, int]:
    """Rows of a table, and how many values or problems they have."""
    results: dict[str, Any] = {"$size": {"$objectToArray": {"$ifNull": ["$knockoff.code", {}]}}}
    grouped = {"_id": None, "rows": {"$sum": 1}, "results": {"$sum": results}}
    async for each in database[table].aggregate([{"$group": grouped}]):
        return int(each["rows"]), int(each["results"])
    return 0, 0
