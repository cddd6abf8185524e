"""Variables that read the facility's catalogue: what they read, and what they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.catalogued import ask_soon, tell_why
from knockoff.filling.messages import WAITING_FOR_MYMDC
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.runkey import RunKey


def fields_read(table: TableDescription) -> tuple[str, ...]:
    """Fields of the catalogue that the variables of a table read."""
    read = (name for variable in table.variables for name in variable.catalogue_reads)
    return tuple(dict.fromkeys(read))


async def expect(
    database: Database, table: TableDescription, key: RunKey, row: Mapping[str, Any]
) -> None:
    """Put a row down to be asked about, if its table reads what nobody has asked for yet."""
    if set(fields_read(table)) - row.get("knockoff", {}).get("mymdc", {}).keys():
        await ask_soon(database, table.collection, key)


def readers_of(table: TableDescription, fields: Collection[str]) -> list[str]:
    """Variables that read one of these fields, and all that depend on those."""
    found: dict[str, None] = {}
    for variable in table.variables:  # in dependency order
        reads = {*variable.reads, *variable.may_read}
        if not reads.isdisjoint(found) or not set(variable.catalogue_reads).isdisjoint(fields):
            found[variable.name] = None
    return list(found)


async def tell_the_waiting(
    database: Database, table: TableDescription, key: RunKey, row: Mapping[str, Any]
) -> None:
    """Bring the reasons in the cells that wait up to date with what the row knows."""
    problems = row["knockoff"].get("problems", {})
    for variable in table.variables:
        for output in variable.outputs:
            cell = slashed(output)
            problem = problems.get(cell, {})
            if problem.get("state") != WAITING_FOR_MYMDC:
                continue
            root = problem["cause"][-1] if problem.get("cause") else variable.name
            reason = _why(table, root, row["knockoff"].get("mymdc", {}))
            if reason and reason != problem.get("message"):
                state = WAITING_FOR_MYMDC
                await tell_why(database, table.collection, key, cell, state, reason)


def _why(table: TableDescription, name: str, entries: Mapping[str, Any]) -> str:
    """Why a variable waits: the first field that it reads and the catalogue does not say."""
    for variable in table.variables:
        if name == variable.name or name in variable.outputs:
            for read in variable.catalogue_reads:
                entry = entries.get(read, {})
                if "value" not in entry:
                    return str(entry.get("reason", ""))
    return ""
