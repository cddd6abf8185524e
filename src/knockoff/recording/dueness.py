"""What is due in many rows, found by reading them in bulk: no job is opened for the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from knockoff.errors import RunDataError
from knockoff.rundata.finding import KINDS, fingerprint
from knockoff.runkey import RunKey
from knockoff.runs.elsewhere import UNASKED, Demand, look_elsewhere
from knockoff.runs.keeping import ROLLED_BACK, is_kept, mark_of
from knockoff.runs.staleness import fields_needed, stale_cells
from knockoff.runs.stamps import NOWHERE, input_stamps, slashed
from knockoff.runs.states import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription, TableDescription
    from knockoff.database.client import Database
    from knockoff.runkey import DataKind
    from knockoff.runs.stamps import Elsewhere

AT_ONCE = 64
"""Runs whose files are looked at in one go of a thread."""


@dataclass(frozen=True)
class Wish:
    """Which variables somebody wants to have computed again; each of these narrows it down."""

    variables: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    failed: bool = False
    """Those that failed, timed out or were killed, and what needs them."""

    force: bool = False
    """Also those whose result is current."""

    @property
    def is_narrow(self) -> bool:
        """Whether not all variables are meant."""
        return bool(self.variables or self.tags or self.failed)


@dataclass(frozen=True)
class DueRow:
    """One row in which something is due."""

    collection: str
    key: RunKey
    variables: tuple[str, ...]
    """In the order in which they run."""

    retry: bool = False
    """How a job has to be asked for that computes all of them."""

    arrived: tuple[DataKind, ...] = ()
    """Data that is on disk, and of which the row does not know yet."""

    released: tuple[str, ...] = ()
    """Variables that were rolled back, and of which the older result is to be kept no longer."""


@dataclass(frozen=True)
class Plan:
    """What is to be done about some runs."""

    rows: tuple[DueRow, ...]
    """By run."""

    looked_at: frozenset[int]
    """Runs that have a row in any table."""


async def plan(
    database: Database,
    context: ContextDescription,
    proposal: int,
    runs: Collection[int] | None,
    wish: Wish,
    data_root: Path,
) -> Plan:
    """Find what is due; nothing is written.

    Parameters
    ----------
    runs:
        None for all that have a row.
    """
    tables = {table.collection: table for table in context.tables}
    found = await asyncio.gather(*(_rows(database, table, runs) for table in tables.values()))
    by_table = dict(zip(tables, found, strict=True))
    numbers = sorted({run for rows in found for run in rows})
    identities = await _identities([RunKey(proposal, run) for run in numbers], data_root)
    due: list[DueRow] = []
    for run in numbers:
        key = RunKey(proposal, run)
        rows = {
            name: _with_data(of_table.get(run), identities[key], arrive=not wish.is_narrow)
            for name, of_table in by_table.items()
        }
        demands = dict.fromkeys(tables, (UNASKED,))
        around = look_elsewhere(tables, rows, demands) if len(tables) > 1 else NOWHERE
        for name, row in rows.items():
            if row is None:
                continue
            known = by_table[name][run].get("knockoff", {}).get("data", ())
            each = _due_in(tables[name], key, row, around, wish)
            arrived = tuple(kind for kind in row["knockoff"]["data"] if kind not in known)
            if each.variables or arrived:
                due.append(replace(each, arrived=arrived))
    return Plan(tuple(due), frozenset(numbers))


def _due_in(
    table: TableDescription, key: RunKey, row: Mapping[str, Any], around: Elsewhere, wish: Wish
) -> DueRow:
    nothing = DueRow(table.collection, key, ())
    only = _wanted(table, row, wish)
    released = tuple(name for name in wish.variables if mark_of(row, slashed(name)) is not None)
    row = without_marks(row, released)
    if wish.is_narrow and not only:
        return nothing
    if not (wish.failed or wish.force) and _is_current(table, row, around):
        return nothing  # as nearly all of them are: one look at the stamps, and not several
    demand = Demand("Update", wish.failed, wish.force, only)
    names = set(demand.due(table, row, around))
    stale, stamps = stale_cells(table, row, around), input_stamps(table, row, around)
    # what runs for new rows alone would not be due by an update, whoever asks
    late = {
        each.name
        for each in table.variables
        if (not only or each.name in only)
        and each.data in row["knockoff"]["data"]
        and any(slashed(output) in stale for output in each.outputs)
        and not is_kept(row, slashed(each.name), each.code, stamps[each.name])
    } - names
    names |= late
    ordered = tuple(each.name for each in table.variables if each.name in names)
    return DueRow(
        table.collection, key, ordered, retry=wish.failed or bool(late), released=released
    )


def without_marks(row: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """A row of which these variables keep no older result, so that they are due."""
    if not names:
        return row
    keys = set(map(slashed, names))
    ours = row["knockoff"]
    left = {
        part: {key: each for key, each in ours.get(part, {}).items() if key not in keys}
        for part in (ROLLED_BACK, "inputs")
    }
    return {**row, "knockoff": {**ours, **left}}


def _is_current(table: TableDescription, row: Mapping[str, Any], around: Elsewhere) -> bool:
    """Whether everything that can be computed of a row was made by this code from these inputs."""
    ours = row["knockoff"]
    codes, inputs = ours.get("code", {}), ours.get("inputs", {})
    stamps = input_stamps(table, row, around)
    return all(
        is_kept(row, slashed(each.name), each.code, stamps[each.name])
        or (
            codes.get(slashed(each.name)) == each.code
            and inputs.get(slashed(each.name)) == stamps[each.name]
        )
        for each in table.variables
        if each.data in ours["data"] and not each.transient
    )


def _wanted(table: TableDescription, row: Mapping[str, Any], wish: Wish) -> tuple[str, ...]:
    """The variables of a row that a wish is about; none for all."""
    names = {each.name for each in table.variables}
    if wish.variables:
        names &= set(wish.variables)
    if wish.tags:
        names &= {
            each.name
            for each in table.variables
            if not set(wish.tags).isdisjoint(tag for part in each.columns for tag in part.tags)
        }
    if wish.failed:
        names &= _failed(table, row)
    if not wish.is_narrow:
        return ()
    return tuple(each.name for each in table.variables if each.name in names)


def _failed(table: TableDescription, row: Mapping[str, Any]) -> set[str]:
    """What failed in a row, and what needs it."""
    problems = row["knockoff"].get("problems", {})
    names: set[str] = set()
    for each in table.variables:  # in dependency order
        states = {problems.get(slashed(output), {}).get("state") for output in each.outputs}
        if states & TROUBLES or not names.isdisjoint((*each.reads, *each.may_read)):
            names.add(each.name)
    return names


async def _rows(
    database: Database, table: TableDescription, runs: Collection[int] | None
) -> dict[int, dict[str, Any]]:
    which = {} if runs is None else {"run": {"$in": list(runs)}}
    fields = dict.fromkeys((*fields_needed(table), "knockoff.data"), 1)
    rows: list[dict[str, Any]] = await database[table.collection].find(which, fields).to_list(None)
    return {int(row["run"]): row for row in rows}


def _with_data(
    row: dict[str, Any] | None, identity: Mapping[DataKind, str], *, arrive: bool
) -> dict[str, Any] | None:
    """A row as it will be when its job has looked at the files on disk."""
    if row is None:
        return None
    ours = row.get("knockoff", {})
    data = list(ours.get("data", ()))
    if arrive:
        data += [kind for kind in identity if kind not in data]
    now = {**ours, "data": data, "identity": {**ours.get("identity", {}), **identity}}
    return {**row, "knockoff": now}


async def _identities(keys: Sequence[RunKey], data_root: Path) -> dict[RunKey, dict[DataKind, str]]:
    """Fingerprints of the files of runs; many at once, since a disk far away answers slowly."""
    parts = [keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE)]
    found = await asyncio.gather(*(asyncio.to_thread(_looked, part, data_root) for part in parts))
    return {key: identity for part in found for key, identity in part.items()}


def _looked(keys: Sequence[RunKey], data_root: Path) -> dict[RunKey, dict[DataKind, str]]:
    identities: dict[RunKey, dict[DataKind, str]] = {}
    for key in keys:
        identities[key] = {}
        for kind in KINDS:
            try:
                identities[key][kind] = fingerprint(key, kind, data_root)
            except RunDataError:  # not there, or not to be read: the row stays as it is
                continue
    return identities
