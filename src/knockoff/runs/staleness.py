"""Which values of a row are stale: made by code, or from inputs, that are others by now.

Nothing of it is stored. Whoever reads rows works it out from the stamps in them and from
the context file as it is in use, so that an edit of one method shows in a thousand rows
at once and costs no write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.runs.elsewhere import look_elsewhere
from knockoff.runs.keeping import ROLLED_BACK, is_kept, mark_of
from knockoff.runs.stamps import NOWHERE, Elsewhere, input_stamps, slashed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.runs.elsewhere import Descriptions, Rows

STALE: Final = "stale"
"""The state, and under ``knockoff`` the part of a row where readers note why."""

OTHER_CODE: Final = "its code has changed since"
OTHER_INPUTS: Final = "what it reads has changed since"
KEPT: Final = "rolled back, and kept, to attempt"
"""How that of a value begins which is stale because somebody wants it so."""

_STAMPED: Final = (
    "code",
    "inputs",
    "identity",
    "problems",
    "mymdc",
    "made",
    "submitted",
    ROLLED_BACK,
)
_OF_THE_RUN: Final = ("start_time", "added_at", "comment", "tags", "status")


def stale_cells(
    table: TableDescription, row: Mapping[str, Any], elsewhere: Elsewhere = NOWHERE
) -> dict[str, str]:
    """Why cells of a row are stale, by column with slashes; the others are left out.

    A value without a hash may be current or not: nobody knows, so it is not called
    stale. Neither is an empty cell, which has a reason of its own.
    """
    ours = row.get("knockoff", {})
    codes = ours.get("code", {})
    if not codes:
        return {}
    problems, inputs = ours.get("problems", {}), ours.get("inputs", {})
    stamps = input_stamps(table, row, elsewhere)
    stale: dict[str, str] = {}
    names: set[str] = set()
    for variable in table.variables:  # in dependency order
        key = slashed(variable.name)
        before = (codes.get(key), inputs.get(key))
        reason = _reason(variable, before, stamps[variable.name], names)
        if not reason or variable.transient:
            continue
        if is_kept(row, key, variable.code, stamps[variable.name]):
            reason = f"{KEPT} {(mark_of(row, key) or {}).get('to')}"
        else:
            names.add(variable.name)
        columns = (slashed(output) for output in variable.outputs)
        stale.update((column, reason) for column in columns if column not in problems)
    return stale


def _reason(
    variable: VariableDescription,
    before: tuple[str | None, str | None],
    stamp: str,
    stale: set[str],
) -> str:
    """Why a variable is stale, whose hashes were `before`; empty if it is not."""
    code, inputs = before
    if not code:
        return ""
    if variable.code and code != variable.code:
        return OTHER_CODE
    if not inputs or inputs == stamp:
        return ""
    roots = [name for name in (*variable.reads, *variable.may_read) if name in stale]
    return f"it reads {', '.join(roots)}, stale itself" if roots else OTHER_INPUTS


def stale_in(tables: Descriptions, rows: Rows) -> dict[str, dict[str, str]]:
    """The same for all rows of one run, by collection, with what they read of each other."""
    around = look_elsewhere(tables, rows, {}) if len(tables) > 1 else NOWHERE
    return {
        collection: stale_cells(tables[collection], row, around)
        for collection, row in rows.items()
        if row is not None and collection in tables
    }


def fields_needed(table: TableDescription) -> frozenset[str]:
    """What of a row `stale_cells` looks at."""
    read = {name.partition(".")[0] for each in table.variables for name in each.fields_read}
    read |= {field.name for field in table.fields}  # other tables may read them
    ours = {f"knockoff.{part}" for part in _STAMPED}
    return frozenset((read - {"knockoff"}) | ours | {"run", *_OF_THE_RUN})
