"""How that stands, for one run, which the tables of a context file read of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.language.order import CircularVariablesError, in_order
from knockoff.runs.stamps import (
    NOWHERE,
    Elsewhere,
    due_variables,
    input_stamps,
    read_elsewhere,
    slashed,
    stamp_of,
    value_at,
    waiting_variables,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.contextfile.description import TableDescription
    from knockoff.language.occasions import Event

    Descriptions = Mapping[str, TableDescription]
    Rows = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Demand:
    """What is asked of one row: by a job, or by nobody but the row itself."""

    event: Event = "Update"
    retry: bool = False
    force: bool = False
    only: tuple[str, ...] = ()
    is_over: bool = False
    """Whether nothing is computed any more but what waits for other tables."""

    def due(
        self, table: TableDescription, row: Mapping[str, Any], elsewhere: Elsewhere
    ) -> frozenset[str]:
        """The variables that will be computed for it, now or when what they wait for has come."""
        asked: dict[str, Any] = {"retry": self.retry, "force": self.force, "only": self.only}
        now = due_variables(table, row, self.event, elsewhere=elsewhere, **asked)
        later = waiting_variables(table, row, self.event, elsewhere, **asked)
        coming = {name for name, wait in later.items() if wait.is_coming}
        return frozenset(coming if self.is_over else {each.name for each in now} | coming)


UNASKED: Final = Demand()
"""What is due by the row alone."""

SETTLED: Final = Demand(is_over=True)
"""What is still to come in a row whose own variables have had their turn."""


def look_elsewhere(
    tables: Descriptions,
    rows: Rows,
    demands: Mapping[str, Sequence[Demand]],
) -> Elsewhere:
    """Look at the rows of one run for everything that tables read of each other.

    Parameters
    ----------
    tables:
        By collection.
    rows:
        As they are stored, by collection; None where the run has none.
    demands:
        What is being asked of each row, by collection.
    """
    read = {
        name
        for table in tables.values()
        for variable in table.variables
        for name in read_elsewhere(variable)
    }
    known = NOWHERE
    for _ in range(len(read) + 1):  # one table after another; a file without circles ends earlier
        found = _seen(tables, rows, demands, read, known)
        if found == known:
            break
        known = found
    return known


def _seen(
    tables: Descriptions,
    rows: Rows,
    demands: Mapping[str, Sequence[Demand]],
    read: Collection[str],
    known: Elsewhere,
) -> Elsewhere:
    stamps: dict[str, str] = {}
    made: set[str] = set()
    coming: set[str] = set()
    for collection, table in tables.items():
        row = rows.get(collection) or {}
        ours = row.get("knockoff", {})
        inputs = input_stamps(table, row, known)
        due: set[str] = set()
        for demand in demands.get(collection, ()) if row else ():
            due |= demand.due(table, row, known)
        codes = {variable.name: variable.code for variable in table.variables}
        for qualified in read:
            there, _, name = qualified.rpartition("/")
            if there != collection:
                continue
            key = slashed(name)
            if name in codes:
                attempt = ours.get("made", {}).get(key)
                stamp = stamp_of([inputs[name], codes[name], attempt])
                made |= {qualified} if key in ours.get("code", {}) else set()
                coming |= {qualified} if name in due else set()
            else:
                stamp = stamp_of(repr(value_at(row, name)))
            stamps[slashed(qualified)] = stamp
    return Elsewhere(stamps, frozenset(made), frozenset(coming))


def read_of(table: TableDescription) -> frozenset[str]:
    """Collections of the other tables that a table reads itself."""
    return frozenset(
        name.rpartition("/")[0] for variable in table.variables for name in read_elsewhere(variable)
    )


def connected(tables: Descriptions, collection: str) -> frozenset[str]:
    """The table itself and all that it reads or that read it, directly or not."""
    links = {name: set(read_of(table)) for name, table in tables.items()}
    for name, read in list(links.items()):
        for each in read:
            links.setdefault(each, set()).add(name)
    found: set[str] = set()
    waiting = [collection]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(links.get(each, ()))
    return frozenset(found)


def in_reading_order(tables: Descriptions) -> tuple[str, ...]:
    """Collections so that a table comes after those it reads, as far as that can be."""
    reads = {name: read_of(table) - {name} for name, table in tables.items()}
    try:
        return in_order(reads)
    except CircularVariablesError:  # two tables may read each other, if no two variables do
        return tuple(tables)


def spoken(tables: Descriptions, qualified: str) -> str:
    """``SpectrumRuns.energy`` for ``spectrum_runs/energy``."""
    collection, _, name = qualified.rpartition("/")
    table = tables.get(collection)
    return f"{collection if table is None else table.name}.{name}"
