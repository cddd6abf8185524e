"""What an edit of a row makes due: what reads the edited fields, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.jobs import ask
from knockoff.recording.neighbours import ask_readers, neighbours_of
from knockoff.runs.stamps import due_variables, input_stamps, slashed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.language.occasions import Event
    from knockoff.runkey import RunKey
    from knockoff.runs.elsewhere import Descriptions
    from knockoff.runs.stamps import Elsewhere


def dependants(
    table: TableDescription, fields: Collection[str] = (), *, of: Collection[str] = ()
) -> tuple[str, ...]:
    """The variables that read one of these fields or variables, or one that does.

    They are in the order of their dependencies, and without `of` itself.
    """
    found: list[str] = []
    for variable in table.variables:
        read = {name.partition(".")[0] for name in variable.fields_read}
        behind = {*variable.reads, *variable.may_read}
        reads_any = not read.isdisjoint(fields) or not behind.isdisjoint((*of, *found))
        if reads_any and variable.name not in of:
            found.append(variable.name)
    return tuple(found)


async def ask_for_edit(
    database: Database,
    tables: Descriptions,
    collection: str,
    key: RunKey,
    row: Mapping[str, Any],
    fields: Collection[str] | None,
    *,
    event: Event = "Update",
) -> bool:
    """Queue what is due after an edit of these fields; True if there is anything.

    What is stale for another reason, such as a method that was edited, stays so: somebody
    who types a threshold has not asked for hours of work on something else.

    Parameters
    ----------
    row:
        As it is now.
    fields:
        None where it may have been any of them; the stamps in the row tell.
    """
    table = tables[collection]
    around = await neighbours_of(database, tables, collection, key)
    due = [each.name for each in due_variables(table, row, event, elsewhere=around.elsewhere)]
    made = row.get("knockoff", {}).get("code", {})
    if fields is not None:
        reached = set(dependants(table, fields))
    else:
        reached = _given_others(table, row, around.elsewhere)
    due = [name for name in due if name in reached or slashed(name) not in made]
    if due:
        await ask(database, collection, key, "edit", variables=due)
    return await ask_readers(database, tables, collection, key) or bool(due)


def _given_others(
    table: TableDescription, row: Mapping[str, Any], elsewhere: Elsewhere
) -> set[str]:
    """The variables that this code has made of other inputs than now, and what reads them."""
    ours = row.get("knockoff", {})
    codes, inputs = ours.get("code", {}), ours.get("inputs", {})
    stamps = input_stamps(table, row, elsewhere)
    current: set[str] = set()
    found: set[str] = set()
    for variable in table.variables:  # in dependency order
        key, behind = slashed(variable.name), (*variable.reads, *variable.may_read)
        is_same = inputs.get(key) == stamps[variable.name]
        if codes.get(key) == variable.code and is_same:
            current.add(variable.name)
        elif not found.isdisjoint(behind) or (
            codes.get(key) == variable.code and current.issuperset(behind)
        ):
            found.add(variable.name)
    return found
