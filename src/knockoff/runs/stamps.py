"""Which variables of a row are due, told by stamps of code and inputs.

A result is current if it was made by the code that is loaded now, from inputs with the
stamps that they have now, on data with the identity that it has now.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from knockoff.filling.messages import WAITING_FOR_MYMDC, WAITING_FOR_OUTSIDE
from knockoff.runs.keeping import is_kept, stamp_as_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.language.occasions import Event

FIXED_FIELDS = frozenset({"proposal", "run", "start_time", "added_at"})
"""Fields that do not change once they are there, so that no result depends on their stamp."""


_TROUBLES: Final = frozenset({"failed", "timed out", "killed"})


def slashed(name: str) -> str:
    """A dotted name as a key inside ``knockoff``, where MongoDB would read a dot as a path."""
    return name.replace(".", "/")


def dotted(key: str) -> str:
    """The way back, to what the column is called."""
    return key.replace("/", ".")


@dataclass(frozen=True)
class Elsewhere:
    """How that stands which tables of a file read of each other, as ``collection/variable``."""

    stamps: Mapping[str, str] = field(default_factory=dict)
    """What each of them was made from, with which code and by which attempt; keys with slashes."""

    made: frozenset[str] = frozenset()
    """Those that have a result, or a problem."""

    coming: frozenset[str] = frozenset()
    """Those that will be computed soon."""


NOWHERE: Final = Elsewhere()


@dataclass(frozen=True)
class Wait:
    """Why a variable that is due is not computed now."""

    names: tuple[str, ...]
    """What it waits for in other tables."""

    is_coming: bool
    """Whether all of that will be computed soon; else nobody knows when."""


def read_elsewhere(variable: VariableDescription) -> tuple[str, ...]:
    """All that a variable reads in other tables, as ``collection/name``."""
    variables = (*variable.reads_elsewhere, *variable.may_read_elsewhere)
    return (*variables, *variable.fields_elsewhere)


def input_stamps(
    table: TableDescription, row: Mapping[str, Any], elsewhere: Elsewhere = NOWHERE
) -> dict[str, str]:
    """A stamp of all inputs of each variable, by dotted name.

    That of a variable which reads other tables ends in a part of its own for what it
    reads there.

    It changes when a field that the variable reads is edited, when the catalogue says
    something else of what it reads there, when the run's data becomes other data, when
    anything changes that a variable which it reads is made from, and when somebody
    submits the value of one, or rolls it back to an older result.
    """
    identity = row.get("knockoff", {}).get("identity", {})
    submitted = row.get("knockoff", {}).get("submitted", {})
    reads = {variable.name: (*variable.reads, *variable.may_read) for variable in table.variables}
    codes = {variable.name: variable.code for variable in table.variables}
    stamps: dict[str, str] = {}
    for variable in table.variables:  # in dependency order
        parts: list[Any] = [
            [
                name,
                *(
                    stamp_as_read(row, slashed(name), codes[name], stamps[name])
                    if name in stamps
                    else (None, codes[name])
                ),
                *([submitted[slashed(name)]] if slashed(name) in submitted else []),
            ]
            for name in reads[variable.name]
        ]
        parts += [
            [name, _shown(value_at(row, name))]
            for name in variable.fields_read
            if name not in FIXED_FIELDS
        ]
        parts += [
            ["mymdc", name, _shown(value_at(row, f"knockoff.mymdc.{name}.value"))]
            for name in variable.catalogue_reads
        ]
        parts.append(identity.get(variable.data))
        stamps[variable.name] = stamp_of(parts)
        there = read_elsewhere(variable)
        if there:
            read = [[name, elsewhere.stamps.get(slashed(name))] for name in there]
            stamps[variable.name] += f"-{stamp_of(read)}"
    return stamps


def stamp_of(parts: Any) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def due_variables(
    table: TableDescription,
    row: Mapping[str, Any],
    event: Event,
    *,
    retry: bool = False,
    force: bool = False,
    only: Sequence[str] = (),
    elsewhere: Elsewhere = NOWHERE,
) -> tuple[VariableDescription, ...]:
    """The variables to be computed now, in the order in which they run.

    Those that wait for another table are left out.

    Parameters
    ----------
    row:
        The document as it is stored.
    retry:
        Whether those that failed, were skipped or blocked are due although nothing changed.
    force:
        Whether those whose result is current are due too.
    only:
        Variables that are asked for, with what they need; empty for all.
    elsewhere:
        How that stands which they read in other tables.
    """
    due = _due(table, row, event, elsewhere, retry=retry, force=force, only=only)
    waits = _waits_among(due, elsewhere)
    return tuple(each for name, each in due.items() if name not in waits)


def waiting_variables(
    table: TableDescription,
    row: Mapping[str, Any],
    event: Event,
    elsewhere: Elsewhere,
    *,
    retry: bool = False,
    force: bool = False,
    only: Sequence[str] = (),
) -> dict[str, Wait]:
    """The variables that are due, but wait for another table; parameters as of `due_variables`."""
    due = _due(table, row, event, elsewhere, retry=retry, force=force, only=only)
    return _waits_among(due, elsewhere)


def _waits_among(due: Mapping[str, VariableDescription], elsewhere: Elsewhere) -> dict[str, Wait]:
    waits: dict[str, Wait] = {}
    for name, variable in due.items():
        needed = variable.reads_elsewhere
        lacking = [each for each in needed if each not in elsewhere.made | elsewhere.coming]
        coming = [
            each for each in (*needed, *variable.may_read_elsewhere) if each in elsewhere.coming
        ]
        behind = [waits[each] for each in variable.reads if each in waits]
        behind += [
            waits[each] for each in variable.may_read if each in waits and waits[each].is_coming
        ]
        if lacking or coming or behind:
            names = (*lacking, *coming, *(each for wait in behind for each in wait.names))
            is_coming = not lacking and all(wait.is_coming for wait in behind)
            waits[name] = Wait(tuple(dict.fromkeys(names)), is_coming)
    return waits


def _due(
    table: TableDescription,
    row: Mapping[str, Any],
    event: Event,
    elsewhere: Elsewhere,
    *,
    retry: bool,
    force: bool,
    only: Sequence[str],
) -> dict[str, VariableDescription]:
    ours = row.get("knockoff", {})
    there = set(ours.get("data", ()))
    codes, inputs = ours.get("code", {}), ours.get("inputs", {})
    problems = ours.get("problems", {})
    stamps = input_stamps(table, row, elsewhere)
    wanted = _with_needs(table, only)
    due: dict[str, VariableDescription] = {}
    for variable in table.variables:
        key = slashed(variable.name)
        made = key in codes and not any(_waits(problems, name) for name in variable.outputs)
        if variable.data not in there or variable.transient:
            continue
        if only and variable.name not in wanted:
            continue
        problem = retry and _has_failed(problems, variable)
        once_more = force or problem or (retry and codes.get(key) != variable.code)
        if event not in variable.events and made == (event == "Update") and not once_more:
            continue
        stamp = stamps[variable.name]
        current = codes.get(key) == variable.code and inputs.get(key) == stamp
        asked = force and (not only or variable.name in only)
        again = any(name in due for name in (*variable.reads, *variable.may_read))
        kept = is_kept(row, key, variable.code, stamp)
        if asked or ((problem or not current or again) and not kept):
            due[variable.name] = variable
    return _with_company(table, due, there)


def _with_company(
    table: TableDescription, due: Mapping[str, VariableDescription], there: set[str]
) -> dict[str, VariableDescription]:
    """Those that are due, and what leaves in globals of the file what they use."""
    names = set(due)
    for variable in reversed(table.variables):
        if variable.name in names:
            names.update(variable.computed_with)
    return {
        each.name: each for each in table.variables if each.name in names and each.data in there
    }


def _has_failed(problems: Mapping[str, Any], variable: VariableDescription) -> bool:
    """Whether trying again may give more: an output that was left out on purpose is no reason."""
    found = [problems.get(slashed(name)) for name in variable.outputs]
    told = [problem.get("state") for problem in found if problem is not None]
    if WAITING_FOR_OUTSIDE in told and not _TROUBLES.intersection(told):
        return False  # its program is still at work, and a second one would only do the same
    return any(state != "skipped" for state in told) or bool(found and len(told) == len(found))


def _waits(problems: Mapping[str, Any], name: str) -> bool:
    state = problems.get(slashed(name), {}).get("state")
    return state in (WAITING_FOR_MYMDC, WAITING_FOR_OUTSIDE)


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted field; None if it is not there."""
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def _with_needs(table: TableDescription, only: Sequence[str]) -> set[str]:
    wanted = set(only)
    for variable in reversed(table.variables):
        if variable.name in wanted:
            wanted.update((*variable.reads, *variable.may_read))
    return wanted


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
