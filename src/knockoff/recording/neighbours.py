"""The run's rows in other tables of the file: what is read there, and who has to be told of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.jobs import ask, open_jobs
from knockoff.database.rows import RowChange, find_row
from knockoff.runs.elsewhere import (
    SETTLED,
    UNASKED,
    Demand,
    connected,
    look_elsewhere,
    read_of,
    spoken,
)
from knockoff.runs.stamps import (
    NOWHERE,
    Elsewhere,
    due_variables,
    input_stamps,
    read_elsewhere,
    slashed,
    waiting_variables,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.database.jobs import Job
    from knockoff.database.transactions import Session
    from knockoff.runkey import RunKey
    from knockoff.runs.elsewhere import Descriptions

WAITING: Final = "waiting"
"""The state of a cell whose variable reads another table that has no result yet."""


@dataclass(frozen=True)
class Neighbours:
    """What one row is concerned with in the run's other rows, as they are at one moment."""

    tables: Descriptions = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    elsewhere: Elsewhere = NOWHERE
    jobs: tuple[Job, ...] = ()

    def shared(self, collection: str) -> frozenset[str]:
        """Variables of a table that others read."""
        read = (
            name
            for table in self.tables.values()
            for variable in table.variables
            for name in (*variable.reads_elsewhere, *variable.may_read_elsewhere)
        )
        parts = (name.rpartition("/") for name in read)
        return frozenset(name for there, _, name in parts if there == collection)

    def snapshot(self) -> dict[str, str]:
        """What a row remembers of them while it is filled, so that another process can go on."""
        return dict(self.elsewhere.stamps)


NO_NEIGHBOURS: Final = Neighbours()


def remembered(row: Mapping[str, Any]) -> Elsewhere:
    """How everything stood elsewhere when the last attempt at a row began."""
    return Elsewhere(stamps=row.get("knockoff", {}).get("elsewhere", {}))


async def neighbours_of(
    database: Database,
    tables: Descriptions,
    collection: str,
    key: RunKey,
    *,
    but: str = "",
    settled: Collection[str] = (),
    session: Session | None = None,
) -> Neighbours:
    """Look at the run's rows in all tables that this one has to do with.

    Parameters
    ----------
    database:
        The proposal's.
    tables:
        All of the context file, by collection.
    collection:
        The table that asks.
    key:
        The run.
    but:
        Id of a job that is over, although it is still marked as running.
    settled:
        Tables of which nothing more is to come than what waits for others, and what jobs bring.
    session:
        Of a transaction that has changed one of these rows.

    Returns
    -------
    :
        Nothing, and at no cost, for a table that reads no other one and is not read.
    """
    linked = connected(tables, collection)
    if linked == {collection}:
        return NO_NEIGHBOURS
    chosen = {name: table for name, table in tables.items() if name in linked}
    if session is not None:  # which takes one question after the other
        rows = [await find_row(database, name, key, session) for name in chosen]
        found = await open_jobs(database, list(chosen), key)
    else:
        found, *rows = await asyncio.gather(
            open_jobs(database, list(chosen), key),
            *(find_row(database, name, key) for name in chosen),
        )
    jobs = tuple(job for job in found if job.id != but)
    demands = {
        name: [
            SETTLED if name in settled else UNASKED,
            *(demand_of(job) for job in jobs if job.collection == name),
        ]
        for name in chosen
    }
    stored = dict(zip(chosen, rows, strict=True))
    return Neighbours(chosen, stored, look_elsewhere(chosen, stored, demands), jobs)


def demand_of(job: Job) -> Demand:
    """What a job asks of its row."""
    return Demand(job.event, job.retry, job.force, job.variables)


def waits_of(
    neighbours: Neighbours, table: TableDescription, row: Mapping[str, Any], demand: Demand
) -> RowChange:
    """How a row says that variables are due, but wait for another table.

    One that has no value yet says so in its cell. One that has keeps the value, and
    loses the stamp of its inputs, so that it is due for as long as it takes.
    """
    change = RowChange()
    ours = row.get("knockoff", {})

    def said(qualified: str) -> str:
        collection = qualified.rpartition("/")[0]
        name = spoken(neighbours.tables, qualified)
        is_there = neighbours.rows.get(collection) is not None
        return name if is_there else f"{name} (this run has no row in {collection} yet)"

    for name, wait in _waiting(neighbours, table, row, demand).items():
        variable = table.variable(name)
        if slashed(name) in ours.get("code", {}):
            change.removed.append(f"knockoff.inputs.{slashed(name)}")
            continue
        wanted = ", ".join(map(said, wait.names))
        problem = {"state": WAITING, "variable": name, "message": f"for {wanted}"}
        for output in variable.outputs:
            change.values[f"knockoff.problems.{slashed(output)}"] = problem
    return change


def _waiting(
    neighbours: Neighbours, table: TableDescription, row: Mapping[str, Any], demand: Demand
) -> dict[str, Any]:
    return waiting_variables(
        table,
        row,
        demand.event,
        neighbours.elsewhere,
        retry=demand.retry,
        force=demand.force,
        only=demand.only,
    )


async def ask_for_waited(
    database: Database,
    neighbours: Neighbours,
    table: TableDescription,
    row: Mapping[str, Any],
    demand: Demand,
    key: RunKey,
) -> None:
    """Ask other tables for what variables wait for, where no job is going to bring it."""
    waited = {
        name
        for wait in _waiting(neighbours, table, row, demand).values()
        for name in wait.names
        if name in neighbours.elsewhere.coming
    }
    wanted: dict[str, list[str]] = {}
    for qualified in sorted(waited):
        collection, _, name = qualified.rpartition("/")
        if not _is_brought(neighbours, collection, {name}):
            wanted.setdefault(collection, []).append(name)
    for collection, names in wanted.items():
        await ask(database, collection, key, "read", variables=names)


async def ask_readers(
    database: Database, tables: Descriptions, collection: str, key: RunKey, *, but: str = ""
) -> bool:
    """Have computed what reads this table, as far as that has changed and all of it is there.

    It looks at the rows alone, so it may be called twice; what is current is not asked for.

    Returns
    -------
    :
        Whether there was anything to ask for.
    """
    readers = [name for name, table in tables.items() if collection in read_of(table)]
    if not readers:
        return False
    around = await neighbours_of(database, tables, collection, key, but=but, settled={collection})
    asked = False
    for reader in readers:
        names = to_tell(around, reader, collection)
        if names and not _is_brought(around, reader, names, queued=True):
            await ask(database, reader, key, "read", variables=sorted(names))
            asked = True
    return asked


def to_tell(around: Neighbours, reader: str, collection: str) -> set[str]:
    """Variables of a table to be computed because of what they read in another one."""
    table, row = around.tables[reader], around.rows[reader]
    if row is None:
        return set()
    due = due_variables(table, row, "Update", elsewhere=around.elsewhere)
    stamps = input_stamps(table, row, around.elsewhere)
    before = row.get("knockoff", {}).get("inputs", {})
    told: set[str] = set()
    for variable in due:  # in the order of dependencies
        there = {name.rpartition("/")[0] for name in read_elsewhere(variable)}
        old = before.get(slashed(variable.name), "").partition("-")[2]
        is_new = old != stamps[variable.name].partition("-")[2]
        reads_told = not told.isdisjoint((*variable.reads, *variable.may_read))
        if reads_told or (collection in there and is_new):
            told.add(variable.name)
    return told


def _is_brought(
    around: Neighbours, collection: str, names: set[str], *, queued: bool = False
) -> bool:
    """Whether a job, or one that has not begun yet, will compute all of these."""
    table, row = around.tables[collection], around.rows[collection]
    return row is not None and any(
        names <= demand_of(job).due(table, row, around.elsewhere)
        for job in around.jobs
        if job.collection == collection and (job.is_queued or not queued)
    )
